"""Intervals of an AUROC, of the difference of two and of a ROC curve where few rows decide."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from reprq.evaluation import auroc, paired_delong, roc_band
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


def paired(trials: int, seed: int) -> Iterator[Measured]:
    """The interval of `paired_delong` covers the true difference, nominal 95 %; its test keeps 5 % where it is 0."""
    for p, q in ((3, 3), (5, 500), (10, 10), (10, 1000), (29, 29), (40, 400), (100, 100)):
        for areas in ((0.999, 0.95), (0.95, 0.6), (0.8, 0.7), (0.9, 0.9)):
            for alike in (0.0, 0.5, 0.9, 0.99):
                rng = np.random.default_rng(seed)
                labels = np.repeat([1, 0], [p, q])
                shifts = math.sqrt(2) * ndtri(areas)
                covered = []
                for _ in range(trials):
                    own = math.sqrt(1 - alike) * rng.standard_normal((2, p + q))
                    scores = own + math.sqrt(alike) * rng.standard_normal(p + q) + shifts[:, None] * labels
                    found = paired_delong(labels, *scores).difference
                    covered.append(found.low <= areas[0] - areas[1] <= found.high)
                setting = f"{p} anomalous, {q} benign, areas {areas[0]} and {areas[1]}, alike {alike}"
                yield measured(setting, "covered", 0.95, covered)


def roc_bands(trials: int, seed: int) -> Iterator[Measured]:
    """The band of `roc_band` covers the true curve at each false positive rate, nominal 95 %."""
    at = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95])
    for p, q in ((5, 50), (10, 10), (20, 400), (30, 1000), (50, 50), (200, 200)):
        for area, spread in ((0.7, 1.0), (0.9, 1.0), (0.98, 1.0), (0.9, 3.0)):
            shift = float(ndtri(area)) * math.sqrt(1 + spread**2)
            truth = ndtr((shift + ndtri(at)) / spread)
            draw, _ = normal(area, spread)
            rng = np.random.default_rng(seed)
            labels = np.repeat([1, 0], [p, q])
            bands = [roc_band(labels, np.concatenate(draw(rng, p, q)), at) for _ in range(trials)]
            inside = np.array([(low <= truth) & (truth <= high) for _, low, high in bands])
            setting = f"{p} anomalous, {q} benign, area {area}, spread {spread:g}"
            worst = int(inside.mean(axis=0).argmin())
            yield measured(setting, "covered, mean of 9 rates", 0.95, inside.mean(axis=1))
            yield measured(setting, f"covered at {at[worst]:g}, the worst", 0.95, inside[:, worst])


SECTIONS: dict[str, Section] = {"small_classes": small_classes, "paired": paired, "roc_bands": roc_bands}
