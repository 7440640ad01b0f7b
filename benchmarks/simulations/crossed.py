"""Networks and data sets both drawn: coverage of the mean coefficient, what ignores one of them, and power."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from reprq.statistics.crossed import crossed_correlation
from simulations.measured import Measured, Section, measured

LAYERS, RESAMPLES = 6, 400
Floats = NDArray[np.float64]
SIZES = ((6, 4), (10, 6), (10, 12), (20, 12))


def world(
    rng: np.random.Generator, networks: int, datasets: int, rho: float, differs: float
) -> tuple[Floats, Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Draw points of which r within a data set has the mean `rho` and the standard deviation `differs` over data sets.

    Half of the variance of metric and score is a network's, and half of that the same on all data sets.
    """
    network = np.tile(np.repeat(np.arange(networks), LAYERS), datasets)
    dataset = np.repeat(np.arange(datasets), networks * LAYERS)

    def normal() -> Floats:
        everywhere = rng.normal(size=networks)[network]
        here = rng.normal(size=(datasets, networks))[dataset, network]
        found: Floats = 0.5 * everywhere + 0.5 * here + np.sqrt(0.5) * rng.normal(size=len(network))
        return found

    x, noise = normal(), normal()
    r = np.clip(rng.normal(rho, differs, size=datasets), -0.95, 0.95)[dataset]
    return x, r * x + np.sqrt(1 - r**2) * noise, network, dataset


def _truth(rho: float, differs: float) -> float:
    """The mean Spearman coefficient over data sets, of normal points."""
    r = np.clip(np.random.default_rng(0).normal(rho, differs, size=200_000), -0.95, 0.95)
    return float((6 / np.pi * np.arcsin(r / 2)).mean())


def crossed(trials: int, seed: int) -> Iterator[Measured]:
    """The interval for other networks and data sets covers, nominal 95 %, and what ignores either does not."""
    for networks, datasets in SIZES:
        for rho, differs in ((0.0, 0.0), (0.0, 0.3), (0.5, 0.2)):
            truth, covered = _truth(rho, differs), {"both": [], "data sets alone": []}
            widths = []
            for trial in range(max(1, trials // 4)):
                rng = np.random.default_rng((seed, trial))
                x, y, network, dataset = world(rng, networks, datasets, rho, differs)
                both = crossed_correlation(x, y, network, dataset, n_resamples=RESAMPLES, seed=trial)
                within = [stats.spearmanr(x[dataset == d], y[dataset == d]).statistic for d in range(datasets)]
                alone = stats.ttest_1samp(within, 0).confidence_interval()
                covered["both"].append(both.low <= truth <= both.high)
                covered["data sets alone"].append(alone.low <= truth <= alone.high)
                widths.append(both.high - both.low)
            setting = f"{networks} networks, {datasets} data sets, rho {rho} +- {differs}"
            for what, values in covered.items():
                yield measured(setting, f"{what}, covered", 0.95, values)
            yield measured(setting, "both, width", None, widths)


def crossed_power(trials: int, seed: int) -> Iterator[Measured]:
    """How often the interval for other networks and data sets excludes 0 where the mean rho is 0.5, or 0."""
    for networks in (6, 10, 20):
        for datasets in (4, 8, 13, 20):
            for rho in (0.0, 0.5):
                found = []
                for trial in range(max(1, trials // 4)):
                    rng = np.random.default_rng((seed, trial))
                    points = world(rng, networks, datasets, rho, 0.3)
                    interval = crossed_correlation(*points, n_resamples=RESAMPLES, seed=trial)
                    found.append(interval.low > 0 or interval.high < 0)
                wanted = 0.05 if rho == 0 else None
                yield measured(
                    f"{networks} networks, {datasets} data sets, rho {rho} +- 0.3", "0 excluded", wanted, found
                )


SECTIONS: dict[str, Section] = {"crossed": crossed, "crossed_power": crossed_power}
