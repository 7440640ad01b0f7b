"""A correlation over several data sets: metrics and scores lie elsewhere in each, and the networks are the same."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reprq.evaluation import correlation
from simulations.measured import Measured, Section, measured

LAYERS = 6
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def study(
    rng: np.random.Generator, datasets: int, networks: int, shared: float, rho: float = 0.0, present: float = 1.0
) -> tuple[Floats, Floats, Ints, Ints]:
    """Draw the metric and the score of every layer on every data set: x, y, the network and the data set of each.

    Half of all variance is a network's. Data sets differ in place and spread, and where metrics are high scores are.

    Args:
        rng: Draws them.
        datasets: How many.
        networks: How many, of 6 layers.
        shared: The share of what networks and layers have that is the same on all data sets.
        rho: Pearson's r within a data set.
        present: The share of networks that a data set has; at 1 all have all.
    """
    network = np.tile(np.repeat(np.arange(networks), LAYERS), datasets)
    dataset = np.repeat(np.arange(datasets), networks * LAYERS)

    def normal() -> Floats:
        everywhere = rng.normal(size=networks)[network] + np.tile(rng.normal(size=networks * LAYERS), datasets)
        here = rng.normal(size=(datasets, networks))[dataset, network] + rng.normal(size=len(network))
        return np.sqrt(shared / 2) * everywhere + np.sqrt((1 - shared) / 2) * here

    first, second = normal(), normal()
    place, spread = 3.0 * rng.normal(size=datasets), np.exp(rng.normal(size=datasets))
    x = place[dataset] + spread[dataset] * first
    y = place[dataset] + spread[dataset] * (rho * first + np.sqrt(1 - rho**2) * second)
    kept = rng.random((datasets, networks))[dataset, network] <= present
    return x[kept], y[kept], network[kept], dataset[kept]


def datasets(trials: int, seed: int) -> Iterator[Measured]:
    """Rejections at 5 % of an unrelated metric and score, by how several data sets are read together."""
    for count, networks in ((2, 8), (4, 8), (4, 16)):
        for shared in (0.0, 0.5, 0.9):
            rng = np.random.default_rng(seed)
            found: dict[str, list[bool]] = {}
            for _ in range(max(1, trials // 2)):
                x, y, network, dataset = study(rng, count, networks, shared)
                ways = {
                    "ranks within, networks move": (network, dataset),
                    "ranks within, networks of each move": (network + networks * dataset, dataset),
                    "values of all together": (network, None),
                }
                for name, (groups, strata) in ways.items():
                    p = correlation(x, y, groups, "spearman", 199, strata=strata).p_value
                    found.setdefault(name, []).append(p is not None and p <= 0.05)
            for name, values in found.items():
                yield measured(f"{count} data sets, {networks} networks, {shared:.0%} shared", name, 0.05, values)


def datasets_null(trials: int, seed: int) -> Iterator[Measured]:
    """Rejections at 5 % at every level and by every method, and where a data set lacks networks; half is shared."""
    for method, level, present in (
        ("spearman", "between", 1.0),
        ("spearman", "within", 1.0),
        ("kendall", "pooled", 1.0),
        ("kendall", "within", 1.0),
        ("pearson", "pooled", 1.0),
        ("distance", "pooled", 1.0),
        ("spearman", "pooled", 0.6),
    ):
        rng, found = np.random.default_rng(seed), []
        for _ in range(max(1, trials // 2)):
            x, y, network, dataset = study(rng, 3, 10, 0.5, present=present)
            p = correlation(x, y, network, method, 199, level=level, strata=dataset).p_value
            found.append(p is not None and p <= 0.05)
        setting = f"3 data sets, 10 networks, {present:.0%} present"
        yield measured(setting, f"{method}, {level}", 0.05, found)


def datasets_covered(trials: int, seed: int) -> Iterator[Measured]:
    """The interval of a coefficient over data sets covers, nominal 95 %."""
    truth = {"pearson": 0.6, "spearman": 6 / np.pi * np.arcsin(0.3)}
    for method, count, networks, present in (
        ("spearman", 2, 8, 1.0),
        ("spearman", 4, 8, 1.0),
        ("spearman", 4, 16, 1.0),
        ("spearman", 4, 16, 0.6),
        ("pearson", 4, 8, 1.0),
    ):
        for shared in (0.0, 0.9):
            rng, covered = np.random.default_rng(seed), []
            for trial in range(max(1, trials // 2)):
                x, y, network, dataset = study(rng, count, networks, shared, 0.6, present)
                found = correlation(x, y, network, method, 999, seed=trial, strata=dataset)
                covered.append(found.low is not None and found.low <= truth[method] <= found.high)
            setting = f"{count} data sets, {networks} networks, {present:.0%} present, {shared:.0%} shared"
            yield measured(setting, f"{method}, covered", 0.95, covered)


SECTIONS: dict[str, Section] = {
    "datasets": datasets,
    "datasets_null": datasets_null,
    "datasets_covered": datasets_covered,
}
