"""Many pairs of columns at once are what each is by itself, to the bit; literal resamples are the oracle of both."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reprq.statistics import forms
from reprq.statistics.coefficients import COEFFICIENTS
from reprq.statistics.correlation import infer, infer_all
from reprq.statistics.flips import FLIPPED, common_flips
from reprq.statistics.points import Sample


def _columns(seed: int, groups: int, columns: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns with ties, whose rows come in groups of 1 to 5."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(groups), rng.integers(1, 6, groups))
    x, y = rng.integers(0, 8, (2, len(codes), columns)).astype(float)
    return x, y, codes


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**20), st.integers(2, 16), st.sampled_from(forms.METHODS))
def test_resamples_of_many_columns_are_those_of_each(seed: int, groups: int, method: str) -> None:
    x, y, codes = _columns(seed, groups)
    counts = np.random.default_rng(seed).integers(0, 3, (20, groups)).astype(float)
    counts[0] = 1
    counts = counts[counts.any(axis=1)]
    found = forms.resampled(x, y, codes, counts, method)
    for k in range(x.shape[1]):
        np.testing.assert_array_equal(found[:, k], COEFFICIENTS[method](x[:, k], y[:, k], codes, counts))


@pytest.mark.parametrize(("method", "oracle"), [("spearman", stats.spearmanr), ("kendall", stats.kendalltau)])
def test_a_resample_is_the_coefficient_of_the_rows_that_it_draws(method: str, oracle: object) -> None:
    x, y, codes = _columns(0, 7)
    counts = np.random.default_rng(0).multinomial(7, np.full(7, 1 / 7), size=10).astype(float)
    found = forms.resampled(x, y, codes, counts, method)
    for b, row in enumerate(counts):
        rows = np.repeat(np.arange(len(codes)), row[codes].astype(int))
        for k in range(x.shape[1]):
            assert found[b, k] == pytest.approx(oracle(x[rows, k], y[rows, k]).statistic, abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**20), st.integers(2, 16), st.sampled_from(forms.METHODS))
def test_flips_of_many_columns_are_those_of_each(seed: int, groups: int, method: str) -> None:
    x, y, codes = _columns(seed, groups)
    flips = np.random.default_rng(seed).choice([-1.0, 1.0], size=(20, groups))
    found = forms.flipped(x, y, codes, flips, method)
    for k in range(x.shape[1]):
        np.testing.assert_array_equal(found[:, k], FLIPPED[method](x[:, k], y[:, k], codes, flips))


def test_many_groups_or_rows_are_left_to_the_other_way() -> None:
    few = np.repeat(np.arange(16), 4)
    assert forms.suited(few, "spearman")
    assert forms.suited(few, "kendall")
    assert not forms.suited(few, "distance")
    assert forms.suited(np.repeat(np.arange(17), 1000), "pearson")
    assert not forms.suited(np.arange(17), "spearman")
    assert not forms.suited(np.repeat(np.arange(4), 1000), "kendall")


@pytest.mark.parametrize("method", ["spearman", "pearson", "kendall"])
@pytest.mark.parametrize("level", ["pooled", "between", "within"])
@pytest.mark.parametrize("held", [False, True])
def test_samples_together_are_each_by_itself(method: str, level: str, held: bool) -> None:
    rng = np.random.default_rng(3)
    groups, strata = np.tile(np.repeat(list("abcdefgh"), 4), 3), np.repeat(["one", "two", "three"], 32)
    kept = ~((groups == "c") & (strata == "two"))
    groups, strata = groups[kept], strata[kept]
    x, y, width = (
        rng.normal(size=(len(groups), 3)).round(1),
        rng.normal(size=(len(groups), 3)),
        rng.normal(size=len(groups)),
    )
    x[:, 2] = 1.0  # constant: no coefficient
    how = {"given": width, "strata": strata} if held else {"strata": strata}
    common = common_flips(groups, 100, 5)
    asked = {"method": method, "n_resamples": 100, "seed": 5, "level": level, "common": common}
    together = infer_all(Sample.of_columns(x, y, groups, **how), intervals=[True, False, True], **asked)
    for k, (found, ratios) in enumerate(together):
        alone, own = infer(Sample.of(x[:, k], y[:, k], groups, **how), interval=k != 1, **asked)
        if method == "pearson" and alone.coefficient is not None:  # its sums are rounded
            for name in ("coefficient", "low", "high"):
                assert getattr(found, name) == pytest.approx(getattr(alone, name), abs=1e-12)
            found, ratios = replace(alone, p_value=found.p_value), own if np.allclose(ratios, own) else ratios
        assert found == alone
        assert (ratios is None) == (own is None) == (k == 2)
        assert ratios is None or np.array_equal(ratios, own)
