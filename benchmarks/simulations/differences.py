"""Two coefficients of the same points: the interval of their difference, and how often its verdict is wrong."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reprq.statistics.difference import coefficient_difference
from simulations.measured import Measured, Section, measured

Floats = NDArray[np.float64]


def columns(
    rng: np.random.Generator, networks: int, first: float, second: float
) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """Draw two metrics with these correlations with a score, and it, of 4 layers a network that share half of all."""
    groups = np.repeat(np.arange(networks), 4)
    a, b, y = (rng.standard_normal((3, networks))[:, groups] + rng.standard_normal((3, len(groups)))) / np.sqrt(2)
    return first * y + np.sqrt(1 - first**2) * a, second * y + np.sqrt(1 - second**2) * b, y, groups


def differences(trials: int, seed: int) -> Iterator[Measured]:
    """The interval of a difference of coefficients covers, and verdicts are wrong in at most 5 %."""
    for networks in (8, 24):
        for first, second in ((0.7, 0.4), (0.6, 0.6), (0.7, 0.6)):
            rng = np.random.default_rng(seed)
            truth = first - second
            drawn = (columns(rng, networks, first, second) for _ in range(trials))
            found = [coefficient_difference(*each, "pearson", 300) for each in drawn]
            setting = f"{networks} networks, correlations {first} and {second}"
            covered = [each.low is not None and each.low <= truth <= (each.high or 0.0) for each in found]
            yield measured(setting, "covered", 0.95, covered)
            if truth == 0:
                yield measured(
                    setting, "better or worse", 0.05, [each.verdict in ("better", "worse") for each in found]
                )
            if truth > 0.09:
                wrong = [each.verdict in ("no better", "equivalent") for each in found]
                yield measured(setting, "no better by .1, wrongly", 0.05, wrong)


SECTIONS: dict[str, Section] = {"differences": differences}
