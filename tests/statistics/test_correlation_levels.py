"""Correlation between groups, within groups and given other columns: literal formulas, coverage, size."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reprq.errors import InputError, UnknownNameError
from reprq.evaluation import correlation

SCIPY = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}
METHODS = tuple(SCIPY)
SIZES = (2, 3, 4, 5, 5, 6, 9, 1)


def layers(sizes, *, share=0.7, between=0.0, inside=0.0, seed=0):
    """Rows of (x, y) and their groups: a share of the variance is common to a group; both parts have a correlation."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    common = rng.multivariate_normal([0, 0], [[1, between], [between, 1]], len(sizes))[groups]
    own = rng.multivariate_normal([0, 0], [[1, inside], [inside, 1]], len(groups))
    x, y = (np.sqrt(share) * common + np.sqrt(1 - share) * own).T
    return x, y, groups


def literal_within(x, y, groups, method):
    xy = xx = yy = 0.0
    for group in np.unique(groups):
        a, b = x[groups == group], y[groups == group]
        if method == "kendall":
            pairs = list(itertools.product(range(len(a)), repeat=2))
            signs = [(np.sign(a[i] - a[j]), np.sign(b[i] - b[j])) for i, j in pairs]
            xy += sum(s * t for s, t in signs) / len(a)
            xx += sum(s * s for s, _ in signs) / len(a)
            yy += sum(t * t for _, t in signs) / len(a)
            continue
        if method == "spearman":
            a, b = stats.rankdata(a) / len(a), stats.rankdata(b) / len(b)
        xy += np.sum((a - a.mean()) * (b - b.mean()))
        xx += np.sum((a - a.mean()) ** 2)
        yy += np.sum((b - b.mean()) ** 2)
    return xy / np.sqrt(xx * yy)


@pytest.mark.parametrize("method", METHODS)
def test_within_is_the_formula_written_out_and_a_group_of_one_row_says_nothing(method):
    x, y, groups = layers(SIZES, inside=0.6)
    x, y = np.round(x, 1), np.round(y, 1)  # with ties
    found = correlation(x, y, groups, method, level="within")
    assert found.coefficient == pytest.approx(literal_within(x, y, groups, method), abs=1e-12)
    assert (found.n, found.n_groups) == (sum(SIZES) - 1, len(SIZES) - 1)
    moved = correlation(x + 100.0 * groups, y - 50.0 * groups, groups, method, level="within")
    assert (moved.coefficient, moved.p_value) == pytest.approx((found.coefficient, found.p_value), abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_within_one_group_is_the_plain_coefficient(method):
    x, y, _ = layers((12,), inside=0.5)
    found = correlation(x, y, np.zeros(12), method, level="within")
    assert found.coefficient == pytest.approx(SCIPY[method](x, y)[0], abs=1e-12)
    assert found.p_value is None


def test_the_p_value_within_is_the_share_of_literal_flips():
    x, y, groups = layers((3, 2, 4, 2, 3), inside=0.7, seed=3)
    sums = np.array([((x[groups == g] - x[groups == g].mean()) * y[groups == g]).sum() for g in range(5)])
    draws = [abs(np.array(signs) @ sums) for signs in itertools.product((1, -1), repeat=5)]
    expected = np.mean(np.array(draws) >= abs(sums.sum()) * (1 - 1e-9))
    assert correlation(x, y, groups, "pearson", level="within").p_value == pytest.approx(expected)


@pytest.mark.parametrize("method", METHODS)
def test_between_is_the_coefficient_of_the_means_of_the_groups(method):
    x, y, groups = layers(SIZES, between=0.6)
    means = [np.array([values[groups == g].mean() for g in range(len(SIZES))]) for values in (x, y)]
    found = correlation(x, y, groups, method, level="between", seed=4)
    same = correlation(*means, method=method, seed=4)
    assert (found.low, found.high, found.p_value) == pytest.approx((same.low, same.high, same.p_value), abs=1e-12)
    assert found.coefficient == pytest.approx(SCIPY[method](*means)[0], abs=1e-12)
    assert found.n == found.n_groups == len(SIZES)


def left_over(values, given):
    design = np.column_stack([np.ones(len(values)), given])
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def with_depth(seed=0, sizes=(6,) * 10, effect=1.0):
    """A depth that moves both x and y, and a width that belongs to neither."""
    x, y, groups = layers(sizes, share=0.3, seed=seed)
    depth = np.concatenate([np.linspace(0, 1, size) for size in sizes]) * 3
    width = np.random.default_rng(seed + 1).normal(size=len(x))
    return x + effect * depth, y + effect * depth, groups, np.column_stack([width, depth])


def powers(columns, degree):
    return np.column_stack([column**power for column in columns.T for power in range(1, degree + 1)])


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize(("sizes", "degree"), [((3,) * 4, 1), ((5,) * 5, 2), ((4,) * 10, 3)])
def test_a_partial_coefficient_is_that_of_the_residuals_of_a_polynomial(method, sizes, degree):
    x, y, groups, given = with_depth(sizes=sizes)
    ranked = stats.rankdata if method == "spearman" else np.asarray
    a, b, z = ranked(x), ranked(y), powers(np.column_stack([ranked(column) for column in given.T]) / len(x), degree)
    expected = stats.pearsonr(left_over(a, z), left_over(b, z))[0]
    found = correlation(x, y, groups, method, given=given)
    assert found.coefficient == pytest.approx(expected, abs=1e-8)
    kind = (
        "straight lines: too few points for curves" if degree == 1 else f"cubic splines of at most {degree + 1} knots"
    )
    assert f"what is given was removed as {kind}" in found.notes


def test_with_a_knot_at_every_depth_what_is_left_is_the_difference_from_the_mean_of_the_depth():
    x, y, groups, given = with_depth(sizes=(5,) * 20)
    depth = given[:, 1]
    a, b = (values - [values[depth == at].mean() for at in depth] for values in (x, y))
    assert correlation(x, y, groups, "pearson", given=depth).coefficient == pytest.approx(stats.pearsonr(a, b)[0])


def test_a_partial_tau_is_that_of_the_residuals_of_the_ranks():
    x, y, groups, given = with_depth()
    depth = given[:, 1]
    ranks = [stats.rankdata(values) for values in (x, y)]
    a, b = (np.round(values - [values[depth == at].mean() for at in depth], 6) for values in ranks)
    found = correlation(x, y, groups, "kendall", given=depth)
    assert found.coefficient == pytest.approx(stats.kendalltau(a, b)[0], abs=1e-12)


@pytest.mark.parametrize("level", ["pooled", "within"])
@pytest.mark.parametrize("method", METHODS)
def test_two_columns_that_rise_and_fall_with_depth_are_unrelated_given_depth(method, level):
    def p_value(seed):
        x, y, groups, given = with_depth(seed, effect=0.0)
        bend = (given[:, 1] - 1.5) ** 2
        return correlation(x + bend, y + bend, groups, method, 127, level=level, given=given[:, 1]).p_value

    # a binomial share of 5 % in 100 draws is at most 0.13 in 99.9 %; with straight lines it is over 0.9
    assert np.mean([p_value(seed) <= 0.05 for seed in range(0, 200, 2)]) <= 0.13


@pytest.mark.parametrize("level", ["pooled", "within"])
def test_what_depth_explains_is_gone_when_depth_is_given_and_the_size_is_kept(level):
    tables = [with_depth(seed) for seed in range(0, 300, 2)]
    plain = [correlation(x, y, g, "pearson", 199, level=level).p_value for x, y, g, _ in tables]
    given = [correlation(x, y, g, "pearson", 199, level=level, given=z).p_value for x, y, g, z in tables]
    assert np.mean(np.array(plain) <= 0.05) > 0.9
    assert np.mean(np.array(given) <= 0.05) <= 0.1  # 150 draws: a standard error of 0.018


def fisher_z(r, n):
    half = stats.norm.ppf(0.975) / np.sqrt(n - 3)
    return np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)


@pytest.mark.parametrize(("level", "truth"), [("pooled", 0.7 * 0.8 + 0.3 * 0.2), ("between", 0.782), ("within", 0.2)])
def test_intervals_cover_under_dependence_and_those_that_count_rows_do_not(level, truth):
    # between: mean x of 8 rows has variance 0.7 + 0.3 / 8, and the two means the covariance 0.7 x 0.8 + 0.3 x 0.2 / 8
    tables = [layers((8,) * 16, between=0.8, inside=0.2, seed=seed) for seed in range(300)]
    found = [correlation(x, y, g, "pearson", 400, level=level) for x, y, g in tables]
    covered = np.mean([result.low <= truth <= result.high for result in found])
    assert 0.91 <= covered <= 0.985  # 300 draws: a standard error of 0.013
    if level == "pooled":
        naive = [fisher_z(result.coefficient, result.n) for result in found]
        assert np.mean([low <= truth <= high for low, high in naive]) < 0.8
        rows = [correlation(x, y, None, "pearson", 200) for x, y, _ in tables[:150]]
        assert np.mean([result.low <= truth <= result.high for result in rows]) < 0.8


@pytest.mark.parametrize("method", METHODS)
def test_within_keeps_its_size_when_groups_differ_and_layers_do_not(method):
    tables = [layers((7,) * 12, between=0.9, seed=seed) for seed in range(200)]
    p_values = np.array([correlation(x, y, g, method, 199, level="within").p_value for x, y, g in tables])
    assert np.mean(p_values <= 0.05) <= 0.1  # 200 draws: a standard error of 0.015
    pooled = np.array([correlation(x, y, g, method, 199).p_value for x, y, g in tables[:60]])
    assert np.mean(pooled <= 0.05) > 0.7  # the same rows do correlate through their groups


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_said_is_none_with_its_reason(method):
    flat = correlation([1.0, 1, 2, 2, 3, 3], [1.0, 2, 3, 4, 5, 6], list("aabbcc"), method, level="within")
    assert (flat.coefficient, flat.notes) == (None, ("constant x or y inside every group: no coefficient",))
    single = correlation([1.0, 2, 3], [1.0, 2, 3], list("abc"), method, level="within")
    assert (single.coefficient, single.n) == (None, 0)
    x, y, groups, _ = with_depth()
    copied = correlation(x, y, groups, method, given=x)
    assert (copied.coefficient, copied.notes[0]) == (None, "constant x or y given the other columns: no coefficient")


def test_bad_arguments_are_one_sentence():
    x, y, groups, given = with_depth()
    with pytest.raises(UnknownNameError, match="unknown level of correlation 'betwen': did you mean 'between'?"):
        correlation(x, y, groups, level="betwen")
    with pytest.raises(InputError, match="given must have one row a point, 60 rows, got 59"):
        correlation(x, y, groups, given=given[1:])
    with pytest.raises(InputError, match="given must be finite, got nan"):
        correlation(x, y, groups, given=np.where(given > 2, np.nan, given))


@pytest.mark.parametrize("level", ["pooled", "between", "within"])
@pytest.mark.parametrize("method", ["spearman", "pearson", "kendall"])
def test_a_constant_given_column_is_left_out_and_named(level, method):
    x, y, groups, given = with_depth()
    both = np.column_stack([np.full(len(x), 512.0), given[:, 0]])
    found = correlation(x, y, groups, method, 199, level=level, given=both)
    without = correlation(x, y, groups, method, 199, level=level, given=given[:, 0])
    note = "given column 0 is constant and was left out"
    assert note in found.notes
    assert dataclasses.replace(found, notes=()) == dataclasses.replace(without, notes=())
    alone = correlation(x, y, groups, method, 199, level=level, given=both[:, 0])
    plain = correlation(x, y, groups, method, 199, level=level)
    assert dataclasses.replace(alone, notes=()) == dataclasses.replace(plain, notes=())


def test_within_groups_a_column_that_differs_only_between_them_is_left_out():
    x, y, groups, _ = with_depth()
    widths = pd.DataFrame({"width": np.unique(groups, return_inverse=True)[1] + 1.0})
    found = correlation(x, y, groups, "pearson", 199, level="within", given=widths)
    assert "given column width is constant and was left out" in found.notes
    assert found.coefficient == correlation(x, y, groups, "pearson", 199, level="within").coefficient


@pytest.mark.parametrize("level", ["pooled", "between", "within"])
def test_clusters_of_one_group_each_are_the_groups_and_order_of_rows_says_nothing(level: str) -> None:
    rng = np.random.default_rng(3)
    x, y, groups = rng.normal(size=(2, 40)), rng.normal(size=40), np.repeat(list("fbdcae"), (9, 8, 8, 7, 7, 1))
    clusters = np.array([f"net {name}" for name in groups])
    how = {"level": level, "n_resamples": 200}
    assert correlation(x[0], y, groups, clusters=clusters, **how) == correlation(x[0], y, groups, **how)
    merged = np.where(np.isin(groups, ["a", "b"]), "one", groups)
    order = rng.permutation(40)
    found = correlation(x[0], y, groups, clusters=merged, **how)
    again = correlation(x[0][order], y[order], groups[order], clusters=merged[order], **how)
    assert found.coefficient == pytest.approx(correlation(x[0], y, groups, **how).coefficient)
    assert (found.n_groups, found.p_value) == (again.n_groups, again.p_value)
    assert found.n_groups == (5 if level != "within" else 4)


def test_a_group_lies_in_one_cluster() -> None:
    with pytest.raises(InputError, match="clusters must hold whole groups, got a group in two of them"):
        correlation([1, 2, 3], [1, 3, 2], ["a", "a", "b"], clusters=[0, 1, 1])
    with pytest.raises(InputError, match=r"clusters must have shape \(3,\), one cluster a row, got \(2,\)"):
        correlation([1, 2, 3], [1, 3, 2], ["a", "a", "b"], clusters=[0, 1])


def test_an_effect_of_the_architecture_is_no_finding_where_architectures_are_clusters() -> None:
    """Sixteen unrelated networks of six architectures that carry all of x and y: 5 % at most, and more without."""
    sizes, layers, trials = (6, 2, 2, 2, 2, 2), 6, 200
    of_network = np.repeat(np.arange(6), sizes)
    groups = np.repeat(np.arange(16), layers)
    rng = np.random.default_rng(0)
    rejected = {"architecture": 0, "backbone": 0}
    for _ in range(trials):
        x, y = (
            (rng.normal(size=6)[of_network] + 0.2 * rng.normal(size=16))[groups] + 0.3 * rng.normal(size=len(groups))
            for _ in range(2)
        )
        for name, clusters in (("architecture", of_network[groups]), ("backbone", None)):
            p = correlation(x, y, groups, "pearson", 199, clusters=clusters).p_value
            rejected[name] += p is not None and p <= 0.05
    error = np.sqrt(0.05 * 0.95 / trials)
    assert rejected["architecture"] / trials <= 0.05 + 3 * error
    assert rejected["backbone"] / trials > 0.05 + 3 * error
