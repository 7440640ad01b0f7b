"""Correlation over grouped points: scipy's coefficients, literal resampling, and simulations of size and coverage."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reprq.errors import InputError, UnknownNameError
from reprq.evaluation import Correlation, correlation, holm
from reprq.statistics.coefficients import COEFFICIENTS

SCIPY = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}
METHODS = tuple(SCIPY)
UNEQUAL = (2, 3, 4, 5, 5, 6, 9, 16)


def table(sizes, *, share=0.9, rho=0.0, seed=0):
    """Rows of (x, y) and their groups; a share of the variance is common to a group, rho correlates x with y."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    covariance = [[1, rho], [rho, 1]]
    common = rng.multivariate_normal([0, 0], covariance, len(sizes))[groups]
    own = rng.multivariate_normal([0, 0], covariance, len(groups))
    x, y = (np.sqrt(share) * common + np.sqrt(1 - share) * own).T
    return x, y, groups


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_coefficient_is_scipys(method, data):
    n = data.draw(st.integers(3, 30))
    x, y = (np.array(data.draw(st.lists(st.integers(-4, 4), min_size=n, max_size=n))) for _ in range(2))
    result = correlation(x, y, method=method, n_resamples=100)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert result.coefficient is None
        assert "constant" in result.notes[0]
    else:
        assert result.coefficient == pytest.approx(SCIPY[method](x, y)[0], abs=1e-12)
        assert 0 < result.p_value <= 1
        if result.low is not None:
            assert -1 <= result.low < result.high <= 1


@pytest.mark.parametrize("method", METHODS)
def test_resampled_coefficient_is_that_of_the_repeated_rows(method):
    x, y, groups = table(UNEQUAL, rho=0.5)
    x, y = np.round(x, 1), np.round(y, 1)  # with ties
    counts = np.random.default_rng(1).multinomial(8, np.full(8, 1 / 8), size=20).astype(float)
    got = COEFFICIENTS[method](x, y, groups, counts)
    for value, drawn in zip(got, counts, strict=True):
        rows = np.repeat(np.arange(len(x)), drawn[groups].astype(int))
        assert value == pytest.approx(SCIPY[method](x[rows], y[rows])[0], abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_p_value_is_the_share_of_literal_sign_flips(method):
    x, y, groups = table((3, 2, 4, 2, 3), rho=0.7, seed=3)

    def statistic(a, b):
        if method == "kendall":
            return sum(np.sign(a[i] - a[j]) * np.sign(b[i] - b[j]) for i in range(len(a)) for j in range(len(a)))
        return stats.pearsonr(a, b)[0]

    a, b = (x, y) if method == "pearson" else (stats.rankdata(x), stats.rankdata(y))
    a, b = a - a.mean(), b - b.mean()
    draws = []
    for signs in itertools.product((1, -1), repeat=5):
        flip = np.array(signs)[groups]
        draws += [statistic(flip * a, b), statistic(a, flip * b)]
    expected = np.mean(np.abs(draws) >= abs(statistic(a, b)) * (1 - 1e-9))
    assert correlation(x, y, groups, method).p_value == pytest.approx(expected)


def row_permutation_p_value(x, y, draws=199):
    permuted = np.random.default_rng(0).permuted(np.tile(x, (draws, 1)), axis=1)
    statistic = np.abs(permuted @ (y - y.mean()))
    return (1 + np.sum(statistic >= abs(x @ (y - y.mean())))) / (1 + draws)


@pytest.mark.parametrize("sizes", [(5,) * 8, UNEQUAL, (6,) * 16], ids=["equal", "unequal", "many"])
def test_p_value_keeps_its_size_under_dependence_and_row_permutation_does_not(sizes):
    tables = [table(sizes, seed=seed) for seed in range(400)]
    ours = np.array([correlation(x, y, g, "pearson", n_resamples=199).p_value for x, y, g in tables])
    naive = np.array([row_permutation_p_value(x, y) for x, y, _ in tables])
    assert 0.025 <= np.mean(ours <= 0.05) <= 0.085  # 400 draws: a standard error of 0.011
    assert 0.14 <= np.mean(ours <= 0.2) <= 0.27
    assert np.mean(naive <= 0.05) > 0.25


def test_p_value_has_power():
    hits = [correlation(*table((5,) * 10, rho=0.8, seed=seed), n_resamples=199).p_value <= 0.05 for seed in range(60)]
    assert np.mean(hits) > 0.7


def test_interval_covers_under_dependence_and_row_resampling_does_not():
    tables = [table((5,) * 8, rho=0.5, seed=seed) for seed in range(250)]

    def coverage(grouped):
        found = [correlation(x, y, g if grouped else None, "pearson", n_resamples=300) for x, y, g in tables]
        return np.mean([result.low <= 0.5 <= result.high for result in found])

    assert coverage(grouped=True) >= 0.92
    assert coverage(grouped=False) < 0.8


@pytest.mark.parametrize("method", METHODS)
def test_symmetric_and_blind_to_row_order_units_and_group_names(method):
    x, y, groups = table(UNEQUAL, rho=0.4)
    base = correlation(x, y, groups, method)
    assert base == correlation(x, y, groups, method)
    assert base != correlation(x, y, groups, method, seed=1)
    swapped = correlation(y, x, groups, method)
    assert (swapped.coefficient, swapped.p_value) == pytest.approx((base.coefficient, base.p_value))
    order = np.random.default_rng(2).permutation(len(x))
    names = np.array([f"net{g:02}" for g in groups])
    for other in (
        correlation(x[order], y[order], names[order], method),
        correlation(x * 1e200, y * 1e-200 + 0, groups, method),
        correlation(x * 1e-3 + 5, y, groups, method),
    ):
        got = (other.coefficient, other.low, other.high, other.p_value)
        assert got == pytest.approx((base.coefficient, base.low, base.high, base.p_value), abs=1e-9)
    mirrored = correlation(-x, y, groups, method)
    assert mirrored.coefficient == pytest.approx(-base.coefficient)
    assert mirrored.p_value == pytest.approx(base.p_value)


def test_rank_methods_ignore_monotone_maps():
    x, y, groups = table(UNEQUAL, rho=0.4)
    for method in ("spearman", "kendall"):
        assert correlation(np.exp(x), y, groups, method) == correlation(x, y, groups, method)


def test_few_groups_are_named_and_limit_the_p_value():
    x = np.arange(20.0)
    result = correlation(x, x, np.repeat(list("abcd"), 5))
    assert (result.coefficient, result.low, result.high) == (pytest.approx(1), None, None)
    assert result.p_value == 2 / 2**4  # four groups cannot say more
    few = ("only 4 independent groups, so no p-value below 0.125", "no interval from fewer than 6 groups")
    assert result.notes == few
    two = correlation(x, x, np.repeat(list("ab"), 10))
    assert (two.low, two.high, two.p_value, two.n_groups) == (None, None, None, 2)
    assert two.notes == ("only 2 independent groups", "no interval or p-value from fewer than 3")
    assert correlation(x, x[::-1] + np.tile([0, 3], 10)).notes == ()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("x", "y", "note"),
    [
        ([1, 1, 1, 1], [1, 2, 3, 4], "constant x: no coefficient"),
        ([0.1 + 0.2, 0.3, 0.3, 0.3], [7, 7, 7, 7], "constant x and y: no coefficient"),
        ([1, 2], [1, 2], "no coefficient from fewer than 3 points, got 2"),
        ([], [], "no points"),
    ],
)
def test_undefined_is_none_with_a_note(method, x, y, note):
    result = correlation(x, y, method=method)
    assert result == Correlation(None, None, None, None, len(x), len(x), method, (note,))


def test_no_interval_comes_from_discarded_resamples():
    """A resample without a coefficient counts against both ends; too many leave no interval."""
    rare = correlation(np.eye(12)[0], np.arange(12.0))
    assert (rare.low, rare.high) == (None, None)
    assert rare.notes[-2].endswith("of 2000 resamples have no coefficient")
    assert rare.notes[-1] == "too many for an interval"
    rng = np.random.default_rng(0)
    known = rng.normal(size=(6, 2))
    few = correlation(*rng.normal(size=(2, 6)), level="between", given=known)
    assert (few.low, few.high) == (None, None)
    assert few.coefficient is not None


@pytest.mark.parametrize("method", METHODS)
def test_resamples_that_agree_are_no_interval(method):
    found = correlation(np.arange(8.0), np.exp(np.arange(8.0) / 99), method=method)
    assert found.coefficient > 0.99
    if method == "pearson":  # not quite a line
        assert found.low < found.high
    else:
        assert (found.low, found.notes[-1]) == (None, "no interval: all resamples have the same coefficient")


@pytest.mark.parametrize(("n_groups", "level"), [(3, "within"), (5, "pooled"), (5, "between"), (6, "within")])
def test_a_bootstrap_of_fewer_than_six_groups_gives_no_interval(n_groups, level):
    x, y, groups = table([6] * n_groups, rho=0.5)
    assert (correlation(x, y, groups, level=level).low is None) == (n_groups < 6)


@pytest.mark.parametrize(("n_groups", "rho"), [(8, 0.6), (16, 0.9)])
def test_pearsons_interval_covers_where_groups_differ_in_spread(n_groups, rho):
    """Nominal 95 %; three groups in ten are four times as wide. 200 draws; 0.904 is three standard errors below."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(n_groups), 8)
    covered = []
    for seed in range(200):
        scale = np.where(rng.random(n_groups) < 0.3, 4.0, 1.0)[groups]
        first, second = rng.normal(size=(2, n_groups))[:, groups] + rng.normal(size=(2, len(groups)))
        x, y = scale * first, scale * (rho * first + np.sqrt(1 - rho**2) * second)
        found = correlation(x, y, groups, "pearson", n_resamples=400, seed=seed)
        covered.append(found.low <= rho <= found.high)
    assert np.mean(covered) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 200)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": [1, np.nan, 2], "y": [1, 2, 3]}, InputError, "x must be finite, got nan at row 1"),
        ({"x": [1, 2, 3], "y": [1, 2]}, InputError, "x and y must have the same length, got 3 and 2"),
        ({"x": [1, 2, 3], "y": [1, 2, 3], "groups": ["a"]}, InputError, r"groups must have shape \(3,\)"),
        ({"x": [1, 2, 3], "y": [1, 2, 3], "method": "spearmen"}, UnknownNameError, "did you mean 'spearman'"),
        ({"x": [1, 2, 3], "y": [1, 2, 3], "n_resamples": 0}, InputError, "n_resamples must be at least 100, got 0"),
        ({"x": [1, 2, 3], "y": [1, 2, 3], "confidence": 95}, InputError, "confidence must be between 0 and 1, got 95"),
    ],
)
def test_bad_input_is_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message):
        correlation(**arguments)


def test_a_study_takes_seconds():
    x, y, groups = table((8,) * 12, rho=0.3)
    start = time.perf_counter()
    for method in METHODS:
        for seed in range(5):
            correlation(x, y, groups, method, seed=seed)
    assert time.perf_counter() - start < 15 * 30 / 135


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=8))
@settings(max_examples=50, deadline=None)
def test_holm_against_the_definition(p_values):
    adjusted = holm(p_values)
    tested = [p for p in p_values if p is not None]
    for p, got in zip(p_values, adjusted, strict=True):
        if p is None:
            assert got is None
            continue
        rank = sorted(tested)
        below = [min(1.0, (len(rank) - j) * q) for j, q in enumerate(rank) if q <= p]
        assert got == max(below)


def test_holm_refuses_what_is_no_p_value():
    assert holm([]) == []
    with pytest.raises(InputError, match="p_values must be in"):
        holm([0.1, float("nan")])
