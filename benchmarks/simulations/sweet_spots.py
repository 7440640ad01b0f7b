"""Metrics that are best in the middle: the distance correlation, and the distance from a target."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from reprq.analysis import sweet_spots
from reprq.evaluation import correlation
from simulations.crossed import LAYERS, world
from simulations.measured import Measured, Section, measured

FLIPS, RESAMPLES = 199, 999
MANY = 20_000  # networks, of which a coefficient is the truth

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def columns(rng: np.random.Generator, networks: int, layers: int, shared: float = 0.5) -> tuple[Floats, Floats, Ints]:
    """Draw two unrelated standard normal columns and the network of each row, which carries a share of all variance."""
    groups = np.repeat(np.arange(networks), layers)
    common, own = rng.standard_normal((2, networks))[:, groups], rng.standard_normal((2, len(groups)))
    first, second = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
    return first, second, groups


def distance(trials: int, seed: int) -> Iterator[Measured]:
    """The distance correlation rejects unrelated columns in 5 %, and finds a best value in the middle."""
    for level in ("pooled", "between", "within"):
        for networks, layers in ((8, 5), (16, 6), (30, 6)):
            p_values = []
            for trial in range(trials):
                x, y, groups = columns(np.random.default_rng((seed, trial)), networks, layers)
                p_values.append(correlation(x, y, groups, "distance", FLIPS, seed=trial, level=level).p_value)
            yield measured(f"{level}, {networks} networks of {layers}, unrelated", *_rejected(0.05, p_values))
    for shared in (0.5, 0.9):
        for networks, layers in ((8, 5), (16, 6)):
            found: dict[str, list[float | None]] = {"distance": [], "spearman": []}
            for trial in range(trials):
                x, noise, groups = columns(np.random.default_rng((seed, trial)), networks, layers, shared)
                for method, p_values in found.items():
                    y = x**2 + 0.5 * noise
                    p_values.append(correlation(x, y, groups, method, FLIPS, seed=trial).p_value)
            for method, p_values in found.items():
                setting = f"{networks} networks of {layers} carry {shared}, y = x^2 + noise: {method}"
                yield measured(setting, *_rejected(None, p_values))


def targets(trials: int, seed: int) -> Iterator[Measured]:
    """Spearman's rho of -|log(metric / target)|: its interval covers, nominal 95 %, and noise is rejected in 5 %."""
    for effect, target in ((0.0, 1.0), (1.0, 1.0), (1.0, 1.5)):
        many = _of_target(np.random.default_rng(seed), MANY, effect, target)
        truth = float(stats.spearmanr(many[0], many[1]).statistic) if effect else 0.0
        for networks in (6, 8, 16, 30):
            covered, p_values = [], []
            for trial in range(trials):
                points = _of_target(np.random.default_rng((seed, trial)), networks, effect, target)
                found = correlation(*points, "spearman", RESAMPLES, seed=trial)
                covered.append(found.low is not None and found.low <= truth <= found.high)
                p_values.append(found.p_value)
            setting = f"best at 1, effect {effect:g}, target {target:g}, rho {truth:.2f}, {networks} networks"
            yield measured(setting, "covered", 0.95, covered)
            yield measured(setting, *_rejected(None if effect else 0.05, p_values))


def two_lines(trials: int, seed: int) -> Iterator[Measured]:
    """`sweet_spots` finds a peak over data sets that share networks, and none in a line or in one that levels off."""
    shapes: dict[str, Callable[[Floats], Floats]] = {
        "nothing": lambda x: 0 * x,
        "a line": lambda x: x,
        "levels off at its median": lambda x: np.minimum(x, 0),
        "worst in the middle": np.abs,
        "best at its median": lambda x: -np.abs(x),
        "best at its upper quartile": lambda x: -np.abs(x - 0.67),
    }
    for datasets, networks in ((6, 10), (12, 10), (12, 20)):
        for name, shape in shapes.items():
            found = []
            for trial in range(max(1, trials // 4)):
                x, noise, _, dataset = world(np.random.default_rng((seed, trial)), networks, datasets, 0.0, 0.0)
                table = {"dataset": dataset, "metric": name, "value": x, "auroc": shape(x) + noise}
                found.append(sweet_spots(pd.DataFrame(table))["p_value"][0])
            wanted = None if name.startswith("best") else 0.05
            yield measured(f"{datasets} data sets, {networks} networks of {LAYERS}, {name}", *_rejected(wanted, found))


def _of_target(rng: np.random.Generator, networks: int, effect: float, target: float) -> tuple[Floats, Floats, Ints]:
    """The distance of a metric from its target, and a score that falls with the metric's distance from 1."""
    logarithm, noise, groups = columns(rng, networks, 6)
    return -np.abs(logarithm - np.log(target)), noise - effect * np.abs(logarithm), groups


def _rejected(wanted: float | None, p_values: list[float | None]) -> tuple[str, float | None, list[bool]]:
    return "p <= .05", wanted, [p is not None and p <= 0.05 for p in p_values]


SECTIONS: dict[str, Section] = {"distance": distance, "targets": targets, "two_lines": two_lines}
