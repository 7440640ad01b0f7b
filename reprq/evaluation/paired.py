"""Is one detector's AUROC higher than another's on the same rows?"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import ndtr

from reprq.errors import InputError
from reprq.evaluation.roc import (
    Placements,
    critical_value,
    few_decide,
    few_rows,
    placement_variance,
    placements,
    score_interval,
)
from reprq.statistics.estimate import Estimate
from reprq.validation import as_scores

_SMALLEST_Z = 1e-3
_LARGEST_Z = 37.0  # its normal tail is the least positive float


@dataclass(frozen=True)
class Comparison:
    """The difference of two AUROCs on the same rows, and how surprising it would be if there were none.

    Args:
        difference: First AUROC minus second, with its interval.
        p_value: Two-sided; 1 where the AUROCs are equal. Below 0.05 exactly where the 95 % interval leaves 0 out.
        z: The normal quantile of the p-value, with the sign of the difference.
    """

    difference: Estimate
    p_value: float
    z: float


def paired_delong(labels: ArrayLike, first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Comparison:
    """DeLong's test (1988, section 3) between two detectors that scored the same rows.

    The variance of the difference is s10 / p + s01 / q with s10 and s01 the sample variances (n - 1) of the differences
    of their placements, in O(n log n) (Sun & Xu 2014); the interval is difference +- z sqrt(variance), cut to [-1, 1].

    Where few rows decide one of the AUROCs, as `reprq.evaluation.auroc` says, or no placement differs, that variance
    is too small or zero. There `difference.method` is "newcombe-paired": from the score intervals [l, u] of both, the
    low end is D - sqrt(a^2 - 2 r a b + b^2) with a = A1 - l1 and b = u2 - A2, and the high end likewise (Newcombe 1998,
    method 10; Zou & Donner 2008). r is the correlation of the two by DeLong's covariance, 0 where it has none, times
    1 - 1 / sqrt(m) for m rows in the smaller class, from which it is estimated. The p-value is that of the interval
    that ends at 0.

    Args:
        labels: (n,) 1 is anomalous, 0 is benign.
        first: (n,) anomaly scores of the first detector, higher is more anomalous.
        second: (n,) anomaly scores of the second.
        confidence: The level of the interval, inside (0, 1).

    Raises:
        InputError: shapes that differ, a nan or inf, or a class with fewer than two rows.

    Example:
        >>> result = paired_delong([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [1, 5, 4, 3, 2, 6])
        >>> print(result.difference, round(result.p_value, 3))
        0.333 [-0.211, 0.740] 0.282
    """
    z = critical_value(confidence)
    a, b = as_scores(first, "first"), as_scores(second, "second")
    if len(a) != len(b):
        raise InputError(f"first and second must score the same rows, got {len(a)} and {len(b)} scores")
    one, two = placements(labels, a), placements(labels, b)
    p, q = len(one.anomalous), len(one.benign)
    if min(p, q) < 2:
        raise InputError(
            f"labels must hold at least two rows of each class for a test, got {p} anomalous and {q} benign"
        )
    pair = _Pair(one, two)
    if pair.few_decide() or pair.variance == 0.0:
        low, high = pair.interval(z)
        method, size = "newcombe-paired", pair.quantile()
    else:
        error = math.sqrt(pair.variance)
        low, high = np.clip([pair.difference - z * error, pair.difference + z * error], -1.0, 1.0)
        method, size = "delong-paired", pair.difference / error
    estimate = Estimate(pair.difference, float(low), float(high), p + q, method, confidence, few_rows(p, q))
    return Comparison(estimate, p_value=float(2.0 * ndtr(-abs(size))), z=size)


class _Pair:
    """Two AUROCs on the same rows, their variances and their covariance."""

    def __init__(self, one: Placements, two: Placements) -> None:
        self.p, self.q = len(one.anomalous), len(one.benign)
        self.values = [float(np.clip(place.anomalous.mean(), 0.0, 1.0)) for place in (one, two)]
        self.variances = [placement_variance(place) for place in (one, two)]
        apart = Placements(one.anomalous - two.anomalous, one.benign - two.benign)
        self.difference, self.variance = float(apart.anomalous.mean()), placement_variance(apart)

    def few_decide(self) -> bool:
        return any(few_decide(value, self.p, self.q) for value in self.values)

    def correlation(self) -> float:
        first, second = self.variances
        if min(first, second) == 0.0:
            return 0.0
        found = (first + second - self.variance) / (2.0 * math.sqrt(first * second))
        return max(-1.0, min(1.0, found)) * (1.0 - 1.0 / math.sqrt(min(self.p, self.q)))

    def interval(self, z: float) -> tuple[float, float]:
        (one, two), r = self.values, self.correlation()
        both = zip(self.values, self.variances, strict=True)
        (low1, high1), (low2, high2) = (score_interval(value, self.p, self.q, v, z) for value, v in both)
        low = self.difference - _combined(one - low1, high2 - two, r)
        return max(-1.0, low), min(1.0, self.difference + _combined(high1 - one, two - low2, r))

    def quantile(self) -> float:
        """The z at which the interval ends at 0, with the sign of the difference."""
        if self.difference == 0.0:
            return 0.0
        end, sign = (0, 1.0) if self.difference > 0.0 else (1, -1.0)
        if sign * self.interval(_SMALLEST_Z)[end] <= 0.0:
            return 0.0
        return sign * float(brentq(lambda z: self.interval(z)[end], _SMALLEST_Z, _LARGEST_Z))


def _combined(a: float, b: float, correlation: float) -> float:
    return math.sqrt(max(0.0, a * a - 2.0 * correlation * a * b + b * b))
