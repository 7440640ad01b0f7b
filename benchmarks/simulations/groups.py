"""The interval of a correlation over groups: few groups, groups of unequal spread, covariates."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from reprq.evaluation import correlation
from simulations.measured import Measured, Section, measured

ROWS = 8  # of each group
RESAMPLES = 999


class Points(NamedTuple):
    """Two columns and the group of each row."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    groups: NDArray[np.int64]


def normal(rng: np.random.Generator, n_groups: int, rho: float, spread: str = "equal") -> Points:
    """Draw normal points of which a group shares half the variance; rho is their correlation at every level.

    Args:
        rng: Draws them.
        n_groups: How many groups of 8 rows.
        rho: Pearson's r of groups, of rows in a group, and so of all points, whatever the spread of a group.
        spread: How groups differ in scale: "equal", "some wide" (30 % four times as wide), "lognormal".
    """
    groups = np.repeat(np.arange(n_groups), ROWS)
    scale = {
        "equal": np.ones(n_groups),
        "some wide": np.where(rng.random(n_groups) < 0.3, 4.0, 1.0),
        "lognormal": np.exp(0.8 * rng.standard_normal(n_groups)),
    }[spread]
    first, second = rng.standard_normal((2, n_groups))[:, groups] + rng.standard_normal((2, len(groups)))
    x, y = scale[groups] * first, scale[groups] * (rho * first + np.sqrt(1 - rho**2) * second)
    return Points(x, y, groups)


def unequal_spread(trials: int, seed: int) -> Iterator[Measured]:
    """Pearson's interval covers where groups differ in spread, nominal 95 %."""
    for spread in ("equal", "some wide", "lognormal"):
        for rho in (0.0, 0.6, 0.9):
            for n_groups in (6, 8, 10, 16):
                rng = np.random.default_rng(seed)
                covered = []
                for trial in range(trials):
                    points = normal(rng, n_groups, rho, spread)
                    found = correlation(*points, "pearson", n_resamples=RESAMPLES, seed=trial)
                    covered.append(found.low is not None and found.low <= rho <= found.high)
                yield measured(f"spread {spread}, r {rho}, {n_groups} groups", "covered", 0.95, covered)


def unequal_noise(trials: int, seed: int) -> Iterator[Measured]:
    """Pearson's and Spearman's intervals where y is noisier in some groups, as lognormal (sd .8), nominal 95 %."""
    slope = 0.9
    noise = np.sqrt(1 - slope**2)
    truth = {"pearson": slope / np.hypot(slope, noise * np.exp(0.8**2))}  # E s^2 = exp(2 * .8^2)
    many = _noisy(np.random.default_rng(seed), 50_000, slope)
    truth["spearman"] = float(spearmanr(many.x, many.y).statistic)
    for method, rho in truth.items():
        for n_groups in (6, 8, 10, 16, 32):
            rng = np.random.default_rng(seed)
            covered = []
            for trial in range(trials):
                found = correlation(*_noisy(rng, n_groups, slope), method, n_resamples=RESAMPLES, seed=trial)
                covered.append(found.low is not None and found.low <= rho <= found.high)
            yield measured(f"{method} {rho:.2f}, {n_groups} groups", "covered", 0.95, covered)


def _noisy(rng: np.random.Generator, n_groups: int, slope: float) -> Points:
    groups = np.repeat(np.arange(n_groups), ROWS)
    scale = np.exp(0.8 * rng.standard_normal(n_groups))
    x, other = rng.standard_normal((2, n_groups))[:, groups] + rng.standard_normal((2, len(groups)))
    return Points(x, slope * x + np.sqrt(1 - slope**2) * scale[groups] * other, groups)


def few_groups(trials: int, seed: int) -> Iterator[Measured]:
    """No interval from fewer than 6 groups; from 6 on it covers at every level, nominal 95 %."""
    for level in ("pooled", "between", "within"):
        for n_groups in (3, 5, 6, 8):
            rng = np.random.default_rng(seed)
            there, covered = [], []
            for trial in range(trials):
                points = normal(rng, n_groups, 0.6)
                found = correlation(*points, "pearson", level=level, n_resamples=RESAMPLES, seed=trial)
                there.append(found.low is not None)
                if found.low is not None:
                    covered.append(found.low <= 0.6 <= found.high)
            yield measured(f"{level}, {n_groups} groups", "has an interval", None, there)
            yield measured(f"{level}, {n_groups} groups", "covered, of those", 0.95, covered)


def covariates(trials: int, seed: int) -> Iterator[Measured]:
    """A partial correlation between groups has no interval where too many resamples have no coefficient."""
    for n_groups in (5, 8, 12, 20, 40):
        for count in (1, 2):
            rng = np.random.default_rng(seed)
            there, covered = [], []
            for trial in range(trials):
                x, y = rng.standard_normal((2, n_groups))
                known = rng.standard_normal((n_groups, count))
                found = correlation(x, 0.6 * x + 0.8 * y, None, "pearson", RESAMPLES, seed=trial, given=known)
                there.append(found.low is not None)
                if found.low is not None:
                    covered.append(found.low <= 0.6 <= found.high)
            yield measured(f"{n_groups} groups, {count} covariates", "has an interval", None, there)
            yield measured(f"{n_groups} groups, {count} covariates", "covered, of those", 0.95, covered)


SECTIONS: dict[str, Section] = {
    "unequal_spread": unequal_spread,
    "unequal_noise": unequal_noise,
    "few_groups": few_groups,
    "covariates": covariates,
}
