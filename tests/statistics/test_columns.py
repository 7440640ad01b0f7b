"""Coefficients of many pairs of columns at once are those of each pair by itself."""

import numpy as np
import pytest
from scipy import stats

from reprq.errors import InputError
from reprq.statistics.coefficients import of_columns
from reprq.statistics.correlation import coefficient, coefficients
from reprq.statistics.points import Sample

GROUPS = list("aabbbccd")
SCIPY = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}


def columns(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Six pairs: with ties, far from zero, one constant and one that is the other."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, len(GROUPS), 6))
    x[:, 1], y[:, 1] = x[:, 1].round(), y[:, 1].round()
    x[:, 2] += 1e6
    x[:, 3] = 0.1
    y[:, 4] = x[:, 4]
    return x, y


@pytest.mark.parametrize("method", list(SCIPY))
def test_columns_have_scipys_coefficients_and_constants_none(method: str) -> None:
    x, y = columns()
    found = of_columns(x, y, method)
    assert np.isnan(found[3])
    for k in (0, 1, 2, 4, 5):
        assert found[k] == pytest.approx(SCIPY[method](x[:, k], y[:, k])[0], abs=1e-9)


@pytest.mark.parametrize("level", ["pooled", "between", "within"])
@pytest.mark.parametrize("method", list(SCIPY))
def test_samples_of_one_kind_and_of_another_are_each_as_by_itself(method: str, level: str) -> None:
    x, y = columns()
    apart = [Sample.of(a, b, GROUPS) for a, b in zip(x.T, y.T, strict=True)]
    given = Sample.of(x[:, 0], y[:, 0], GROUPS, given=np.arange(len(GROUPS)))
    samples = [given, *Sample.of_columns(x, y, GROUPS), Sample({}), *Sample.of_columns(x[:2], y[:2], ["a", "b"])]
    found = coefficients(samples, method, level=level)
    expected = [coefficient(each, method, level=level) for each in (given, *apart)] + [None] * 7
    assert [value is None for value in found] == [value is None for value in expected]
    pairs = [(a, b) for a, b in zip(found, expected, strict=True) if b is not None]
    assert len(pairs) > 3
    assert [a for a, _ in pairs] == pytest.approx([b for _, b in pairs], abs=1e-9)


def test_a_column_that_is_not_finite_is_told() -> None:
    x, y = columns()
    x[2, 3] = np.nan
    with pytest.raises(InputError, match="x must be finite"):
        Sample.of_columns(x, y, GROUPS)
