"""Have benign scores changed since a model was fitted, as they do when somebody moved the camera?"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

_SURE = 0.01
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Drift:
    """How far the scores of new benign samples are from those of held-out samples of the fitting.

    Attributes:
        statistic: Of Kolmogorov and Smirnov: the largest distance between both distribution functions, in [0, 1].
        low: Lower end of its 95 % interval, by the inequality of Dvoretzky, Kiefer and Wolfowitz (Massart 1990) on
            either side; never too narrow, and wide for few samples.
        high: Upper end.
        p_value: Two-sided; small where both came from different distributions.
        n_fitted: Held-out samples of the fitting.
        n_new: New samples.
    """

    statistic: float
    low: float
    high: float
    p_value: float
    n_fitted: int
    n_new: int

    @property
    def changed(self) -> bool:
        """Whether the scores are others than those of fitting, at 1 %."""
        return self.p_value < _SURE

    @property
    def bounded(self) -> bool:
        """Whether the interval says anything, which it does not where it is all of [0, 1]."""
        return self.low > 0.0 or self.high < 1.0

    def __str__(self) -> str:
        said = "the scores have changed since fitting" if self.changed else "no change of the scores is seen"
        interval = f" [{self.low:.2f}, {self.high:.2f}]" if self.bounded else ""
        few = "" if self.bounded else ", too few for an interval: give more, or fit on more"
        return (
            f"{said} (Kolmogorov-Smirnov distance {self.statistic:.2f}{interval}, p = {self.p_value:.2g},"
            f" {self.n_new} new samples against {self.n_fitted}{few})"
        )


def drift_between(fitted: NDArray[np.float64], new: NDArray[np.float64]) -> Drift:
    """Compare scores that one and the same detector gave to samples that it had not seen.

    Args:
        fitted: (n,) of held-out samples of the fitting.
        new: (m,) of new samples, all benign as far as is known.

    Example:
        >>> found = drift_between(np.arange(50.0), np.arange(50.0) + 40)
        >>> found.changed, round(found.statistic, 2), round(found.low, 2), found.high
        (True, 0.8, 0.38, 1.0)
    """
    found = ks_2samp(fitted, new)
    share = (1.0 - _CONFIDENCE) / 2.0  # for either sample
    margin = sum(math.sqrt(math.log(2.0 / share) / (2.0 * len(x))) for x in (fitted, new))
    value = float(found.statistic)
    return Drift(value, max(0.0, value - margin), min(1.0, value + margin), float(found.pvalue), len(fitted), len(new))
