"""What is claimed of many metrics and detectors at once, where nothing is true and where one thing is."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reprq.evaluation import Correlation, holm
from reprq.statistics.correlation import infer
from reprq.statistics.flips import common_flips
from reprq.statistics.multiplicity import westfall_young
from reprq.statistics.points import Sample
from simulations.measured import Measured, Section, measured

Floats = NDArray[np.float64]


def world(
    rng: np.random.Generator, networks: int, layers: int, metrics: int, detectors: int, effect: float
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Draw metrics (n, K), scores (n, D) and networks of layers, half of the variance common to a network.

    Three traits make up three quarters of every metric, and one trait four fifths of every detector's score; the first
    metric has the correlation `effect` with that trait, the others none.
    """
    groups = np.repeat(np.arange(networks), layers)

    def columns(count: int) -> Floats:
        common, own = rng.standard_normal((networks, count))[groups], rng.standard_normal((len(groups), count))
        return (common + own) / np.sqrt(2)

    traits = columns(3) @ np.eye(3)[np.arange(metrics) % 3].T
    x = np.sqrt(0.75) * traits + np.sqrt(0.25) * columns(metrics)
    quality = columns(1)
    x[:, :1] = np.sqrt(1 - effect**2) * x[:, :1] + effect * quality
    return x, np.sqrt(0.8) * quality + np.sqrt(0.2) * columns(detectors), groups


def headline(trials: int, seed: int) -> Iterator[Measured]:
    """A report claims something in 5 % of worlds in which no metric is related to any detector."""
    for networks, metrics, detectors in ((8, 11, 3), (16, 11, 3), (16, 11, 1), (30, 4, 6)):
        for effect in (0.0, 0.6):
            claims: dict[str, list[bool]] = {"Holm within a detector": [], "Westfall and Young": []}
            for trial in range(trials):
                rng = np.random.default_rng((seed, trial))
                x, y, groups = world(rng, networks, 6, metrics, detectors, effect)
                flips = common_flips(groups, 500, trial)
                tests = [
                    [infer(Sample.of(a, b, groups), n_resamples=500, seed=trial, common=flips) for a in x.T]
                    for b in y.T
                ]
                separate = [p for row in tests for p in holm([found.p_value for found, _ in row])]
                together = westfall_young([ratios for row in tests for _, ratios in row])
                found = [found for row in tests for found, _ in row]
                for name, adjusted in zip(claims, (separate, together), strict=True):
                    claims[name].append(any(map(_sure, found, adjusted)))
            for name, made in claims.items():
                setting = f"{networks} networks, {metrics} metrics, {detectors} detectors, effect {effect}: {name}"
                yield measured(setting, "something claimed", None if effect else 0.05, made)


def _sure(found: Correlation, p_value: float | None) -> bool:
    if p_value is None or found.low is None or found.high is None:
        return False
    return p_value <= 0.05 and (found.low > 0 or found.high < 0)


SECTIONS: dict[str, Section] = {"headline": headline}
