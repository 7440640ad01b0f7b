"""The interval of one AUROC where a class has few rows."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from reprq.evaluation import auroc
from simulations.measured import Measured, Section, measured

Draw = Callable[[np.random.Generator, int, int], tuple[NDArray[np.float64], NDArray[np.float64]]]

SIZES = ((2, 200), (5, 50), (5, 500), (10, 10), (10, 1000), (20, 30), (29, 29), (30, 30), (40, 400), (200, 200))
AREAS = (0.6, 0.8, 0.95, 0.99)


def normal(area: float, spread: float = 1.0, step: float = 0.0) -> tuple[Draw, float]:
    """Return draws of anomalous and benign scores, normal with a shift, and their true area.

    Args:
        area: The area before rounding.
        spread: The standard deviation of the anomalous scores; the benign ones have 1.
        step: Scores are rounded to multiples of it, which ties them; 0 leaves them.
    """
    shift = float(ndtri(area)) * math.sqrt(1 + spread**2)

    def draw(rng: np.random.Generator, p: int, q: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        up, down = shift + spread * rng.standard_normal(p), rng.standard_normal(q)
        return (np.round(up / step), np.round(down / step)) if step else (up, down)

    if not step:
        return draw, area
    edges = (np.arange(-200, 201) - 0.5) * step
    up, down = (np.diff(ndtr((edges - m) / s)) for m, s in ((shift, spread), (0.0, 1.0)))
    return draw, float(up @ (np.cumsum(down) - down / 2))


def missed(area: float) -> tuple[Draw, float]:
    """Return draws in which an anomaly scores over all benign rows or, with probability 1 - area, below all."""

    def draw(rng: np.random.Generator, p: int, q: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.where(rng.random(p) < area, 2.0, -2.0) + rng.random(p), rng.random(q)

    return draw, area


def small_classes(trials: int, seed: int) -> Iterator[Measured]:
    """The interval of `auroc` covers the true area, nominal 95 %."""
    for p, q in SIZES:
        for area in AREAS:
            for name, (draw, truth) in {
                "": normal(area),
                ", anomalies 3 times as wide": normal(area, 3.0),
                ", tied": normal(area, 1.0, 1.5),
                ", missed or found": missed(area),
            }.items():
                rng = np.random.default_rng(seed)
                labels = np.repeat([1, 0], [p, q])
                found = [auroc(labels, np.concatenate(draw(rng, p, q))) for _ in range(trials)]
                covered = [each.low <= truth <= each.high for each in found]
                setting = f"{p} anomalous, {q} benign, area {truth:.3f}{name}"
                yield measured(setting, "covered", 0.95, covered)


SECTIONS: dict[str, Section] = {"small_classes": small_classes}
