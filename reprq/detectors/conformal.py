"""Thresholds and p-values from benign scores alone, with the false alarm rate they achieve."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from reprq.errors import InputError
from reprq.validation import as_scores


@dataclass(frozen=True)
class Threshold:
    """A score above which rows are called anomalous, and how often benign rows will be.

    Args:
        value: The threshold; a row is anomalous where its score is larger.
        rate: The false alarm rate that it achieves on average over calibration sets, at most the one asked for.
        low: Lower end of the 95 % interval of the rate that this calibration set achieves.
        high: Upper end of that interval.
        n: Number of calibration scores.

    Example:
        >>> print(threshold(range(99), 0.05))
        score > 94 (false alarms 5.0 % [1.7 %, 10.0 %], n = 99)
    """

    value: float
    rate: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        interval = f"[{self.low:.1%}, {self.high:.1%}]".replace("%", " %")
        return f"score > {self.value:g} (false alarms {100 * self.rate:.1f} % {interval}, n = {self.n})"


def threshold(benign_scores: ArrayLike, rate: float) -> Threshold:
    """The smallest threshold whose false alarm rate is at most `rate`: split conformal prediction.

    With n exchangeable benign scores and c = floor(rate (n + 1)) - 1, it is the (c + 1)-th largest of them. A new
    benign row scores above it with probability at most (c + 1) / (n + 1) <= rate (Vovk et al. 2005; Laxhammar 2014),
    equal to it where there are no ties. Given these scores the rate is Beta(c + 1, n - c) distributed (Vovk 2012,
    proposition 2a), which is the interval. This holds for held-out scores; for `training_scores` it holds nearly.

    Args:
        benign_scores: (n,) scores of benign rows that did not train the detector.
        rate: The largest false alarm rate to accept, inside (0, 1).

    Raises:
        InputError: `rate` is outside (0, 1), or too small for n: it needs n >= 1 / rate - 1.

    Example:
        >>> threshold([3, 1, 2, 5, 4, 7, 6, 9, 8], 0.2).value
        8.0
    """
    scores = np.sort(as_scores(benign_scores, "benign_scores"))[::-1]
    n = len(scores)
    if not 0.0 < rate < 1.0:
        raise InputError(f"rate must be between 0 and 1, got {rate!r}; 0.01 asks for at most 1 % false alarms")
    allowed = math.floor(rate * (n + 1) * (1.0 + 1e-12)) - 1  # 0.05 * 20 is 1, whatever float64 says
    if allowed < 0:
        raise InputError(
            f"rate {rate:g} needs at least {math.ceil(1 / rate - 1)} benign scores, got {n}; give more rows"
        )
    low, high = (float(beta.ppf(share, allowed + 1, n - allowed)) for share in (0.025, 0.975))
    return Threshold(float(scores[allowed]), (allowed + 1) / (n + 1), low, high, n)


def p_values(benign_scores: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """Conformal p-values: (1 + number of benign scores at least as large) / (n + 1).

    For a benign row P(p <= a) <= a for every a, whatever the detector (Vovk et al. 2005; Bates et al. 2023).

    Args:
        benign_scores: (n,) scores of benign rows that did not train the detector.
        scores: (m,) scores of the rows in question.

    Returns:
        (m,) in [1 / (n + 1), 1]; small is anomalous.

    Example:
        >>> p_values([1, 2, 3], [0, 2, 9])
        array([1.  , 0.75, 0.25])
    """
    calibration = np.sort(as_scores(benign_scores, "benign_scores"))
    below = np.searchsorted(calibration, as_scores(scores), side="left")
    return np.asarray((1.0 + len(calibration) - below) / (len(calibration) + 1.0), dtype=np.float64)
