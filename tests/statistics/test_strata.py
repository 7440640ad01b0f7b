"""Correlations over several data sets: the mean of those within each, of which networks move as a whole."""

import itertools

import numpy as np
import pytest

from reprq.errors import InputError
from reprq.statistics import correlation
from reprq.statistics.correlation import over_clusters
from reprq.statistics.difference import coefficient_difference, cross_fitted
from reprq.statistics.points import Sample

METHODS = ("spearman", "pearson", "kendall")
LEVELS = ("pooled", "between", "within")
NETWORKS, LAYERS = 7, 4


def columns(seed: int, datasets: int = 3, rho: float = 0.5):
    """x, y, network and data set; places and spreads of data sets differ, and high x goes with high y among them."""
    rng = np.random.default_rng(seed)
    network = np.tile(np.repeat(np.arange(NETWORKS), LAYERS), datasets)
    dataset = np.repeat(np.arange(datasets), NETWORKS * LAYERS)
    of_network = rng.normal(size=(2, NETWORKS))[:, network]
    first, second = of_network + rng.normal(size=(2, len(network)))
    place, spread = 5.0 * rng.normal(size=datasets), np.exp(rng.normal(size=datasets))
    x = place[dataset] + spread[dataset] * first
    y = place[dataset] + spread[dataset] * (rho * first + np.sqrt(1 - rho**2) * second)
    return x, y, network, dataset


@pytest.mark.parametrize(("method", "level"), list(itertools.product((*METHODS, "distance"), LEVELS)))
def test_the_coefficient_is_the_mean_of_those_within(method, level):
    x, y, network, dataset = columns(0)
    found = correlation(x, y, network, method, 199, level=level, strata=dataset)
    single = [
        correlation(x[dataset == k], y[dataset == k], network[dataset == k], method, 199, level=level) for k in range(3)
    ]
    assert found.coefficient == pytest.approx(np.mean([each.coefficient for each in single]))
    assert (found.n, found.n_groups) == (sum(each.n for each in single), NETWORKS)


@pytest.mark.parametrize(("method", "level"), list(itertools.product(METHODS, LEVELS)))
def test_one_stratum_is_none(method, level):
    x, y, network, _ = columns(1, datasets=1)
    plain = correlation(x, y, network, method, 199, level=level)
    assert correlation(x, y, network, method, 199, level=level, strata=np.zeros(len(x))) == plain


@pytest.mark.parametrize(("method", "level"), list(itertools.product(METHODS, LEVELS)))
def test_no_unit_of_a_data_set_matters(method, level):
    x, y, network, dataset = columns(2)
    found = correlation(x, y, network, method, 199, level=level, strata=dataset)
    moved = correlation(
        x * 10.0**dataset + 100.0 * dataset, y - 50.0 * dataset, network, method, 199, level=level, strata=dataset
    )
    assert moved.coefficient == pytest.approx(found.coefficient)
    assert (moved.low, moved.high) == pytest.approx((found.low, found.high))
    assert moved.p_value == found.p_value


@pytest.mark.parametrize(("method", "level"), [("pearson", "pooled"), *itertools.product(METHODS, ["within"])])
def test_the_p_value_flips_a_network_on_all_data_sets_at_once(method, level):
    """The oracle flips values: inside groups any coefficient allows that, over all points Pearson's."""
    networks, layers = 5, 4
    network = np.tile(np.repeat(np.arange(networks), layers), 2)
    dataset = np.repeat([0, 1], networks * layers)
    x, y = np.random.default_rng(3).normal(size=(2, len(network)))
    found = correlation(x, y, network, method, 199, level=level, strata=dataset)
    cells = network + networks * dataset if level == "within" else dataset

    def centred(values):
        return values - (np.bincount(cells, values) / np.bincount(cells))[cells]

    sizes = []
    for one, other in ((centred(x), y), (centred(y), x)):
        for signs in itertools.product((1.0, -1.0), repeat=networks - 1):
            flipped = np.array([1.0, *signs])[network] * one
            sizes.append(
                abs(correlation(flipped, other, network, method, 100, level=level, strata=dataset).coefficient)
            )
    assert found.p_value == pytest.approx(np.mean(np.array(sizes) >= abs(found.coefficient) * (1 - 1e-9)))


def rejected(groups_and_strata, draws: int = 120) -> float:
    """The share of unrelated columns with p <= .05; what networks have is the same on all data sets."""
    found = []
    for seed in range(draws):
        x, y, network, dataset = columns(seed, rho=0.0)
        groups, strata = groups_and_strata(network, dataset)
        found.append(correlation(x, y, groups, n_resamples=199, strata=strata).p_value <= 0.05)
    return float(np.mean(found))


def test_unrelated_columns_are_not_rejected_too_often_although_data_sets_differ():
    """120 draws: a standard error of .02 at .05."""
    assert rejected(lambda network, dataset: (network, dataset)) <= 0.1
    assert rejected(lambda network, dataset: (network, None)) > 0.5  # the values of all together
    assert rejected(lambda network, dataset: (network + 10 * dataset, dataset)) > 0.12  # each data set by itself


def test_a_data_set_without_a_coefficient_is_left_out_and_named():
    x, y, network, dataset = columns(4)
    x = np.where(dataset == 1, 2.5, x)
    names = np.array(["digits", "screws", "nuts"])[dataset]
    found = correlation(x, y, network, n_resamples=199, strata=names)
    kept = dataset != 1
    assert found.coefficient == correlation(x[kept], y[kept], network[kept], strata=names[kept]).coefficient
    assert found.notes[1:3] == ("left out: screws", "in screws: constant x: no coefficient")
    nothing = correlation(np.ones_like(x), y, network, strata=names)
    assert (nothing.coefficient, nothing.notes) == (None, ("constant x: no coefficient",))


def test_what_is_given_is_removed_within_each_data_set():
    x, y, network, dataset = columns(5, rho=0.0)
    depth = np.tile(np.arange(LAYERS), NETWORKS * 3) * np.where(dataset == 1, -1.0, 1.0)
    tied = correlation(x + 9 * depth, y + 9 * depth, network, "pearson", 199, strata=dataset)
    fixed = correlation(x + 9 * depth, y + 9 * depth, network, "pearson", 199, strata=dataset, given=depth)
    assert tied.coefficient > 0.7 > abs(fixed.coefficient)
    assert fixed.p_value > 0.05


def test_networks_may_be_on_some_data_sets_only():
    x, y, network, dataset = columns(6, rho=0.9)
    kept = ~((dataset == 0) & (network < 3)) & ~((dataset == 1) & (network > 4))
    found = correlation(x[kept], y[kept], network[kept], strata=dataset[kept])
    assert found.n_groups == NETWORKS
    assert found.low is not None
    assert found.low > 0


def test_differences_and_halves_are_over_the_same_strata():
    x, y, network, dataset = columns(7, rho=0.9)
    noise = np.random.default_rng(0).normal(size=len(x)) + 50.0 * dataset
    found = coefficient_difference(x, noise, y, network, strata=dataset)
    first, second = (
        over_clusters(Sample.of(column, y, network, strata=dataset), "spearman").coefficient for column in (x, noise)
    )
    assert found.difference == pytest.approx(abs(first) - abs(second))
    assert found.verdict == "better"
    assert cross_fitted([x, noise], y, network, strata=dataset) > 0.5
    flat = np.where(dataset == 0, 1.0, noise)
    with pytest.raises(InputError, match="different strata"):
        coefficient_difference(x, flat, y, network, strata=dataset)


def test_strata_of_another_length():
    x, y, network, dataset = columns(8)
    with pytest.raises(InputError, match="one stratum a row"):
        correlation(x, y, network, strata=dataset[1:])
