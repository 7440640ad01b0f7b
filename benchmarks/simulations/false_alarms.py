"""How often a fitted detector's `predict` calls new benign rows anomalous."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.detectors import create, describe, names
from reprq.errors import InputError
from simulations.measured import Measured, Section, measured

Rows = NDArray[np.float64]
Draw = Callable[[np.random.Generator], Rows]

NEW = 200
LEAST_TRIALS, SHARE = 20, 20  # a trial fits up to six detectors, so there are fewer of them
INVERSES = ({"name": "mahalanobis", "covariance": "empirical"}, "gaussian", "mve")


def normal(n: int, d: int, times: int = 1, again: int = 0) -> Draw:
    """Return draws of n normal rows of d columns, each `times`, the first `again` of them once more."""

    def draw(rng: np.random.Generator) -> Rows:
        rows = rng.standard_normal((n, d))
        return np.vstack([np.repeat(rows, times, axis=0), rows[:again]])

    return draw


SETTINGS: dict[str, tuple[int, Draw]] = {
    "3 rows of 2 columns": (2, normal(3, 2)),
    "30 rows of 60": (60, normal(30, 60)),
    "100 rows of 8": (8, normal(100, 8)),
    "100 rows of 8, each twice": (8, normal(100, 8, times=2)),
    "100 rows of 8, a tenth twice": (8, normal(100, 8, again=10)),
    "400 rows of 8": (8, normal(400, 8)),
    "400 rows of 8, each twice": (8, normal(400, 8, times=2)),
}


def flagged(spec: Any, d: int, draw: Draw, trials: int, seed: int, unit: float = 1.0) -> tuple[list[float], float]:
    """Return the share of new rows that each trial flags, and the rate that was promised; no share where refused."""
    rng = np.random.default_rng(seed)
    shares, rate = [], np.nan
    for _ in range(trials):
        try:
            detector = create(spec).fit(unit * draw(rng))
            shares.append(float(np.mean(detector.predict(unit * rng.standard_normal((NEW, d))) == -1)))
        except InputError:
            return [], np.nan
        rate = detector.calibration_.rate
    return shares, rate


def false_alarms(trials: int, seed: int) -> Iterator[Measured]:
    """`predict` flags new benign rows no more often than it says, whatever the detector; few rows are refused."""
    for setting, (d, draw) in SETTINGS.items():
        for name in names():
            spec = {"name": name, "k": 1} if name == "knn" else name
            shares, rate = flagged(spec, d, draw, max(LEAST_TRIALS, trials // SHARE), seed)
            yield measured(f"{describe(create(spec))}, {setting}", "flagged", rate, shares)


def false_alarms_of_inverses(trials: int, seed: int) -> Iterator[Measured]:
    """The same of inverse covariances with about as many rows as columns, in three units."""
    for n, d in ((20, 100), (50, 100), (101, 100), (110, 100), (200, 100), (400, 100), (400, 500)):
        for spec in INVERSES[:2] if d > 100 else INVERSES:
            for unit in (1e-3, 1.0, 1e3):
                shares, rate = flagged(spec, d, normal(n, d), max(LEAST_TRIALS, trials // SHARE), seed, unit)
                yield measured(f"{describe(create(spec))}, {n} rows of {d}, unit {unit:g}", "flagged", rate, shares)


SECTIONS: dict[str, Section] = {
    "false_alarms": false_alarms,
    "false_alarms_of_inverses": false_alarms_of_inverses,
}
