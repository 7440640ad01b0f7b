"""Is one detector's AUROC higher than another's on the same rows?"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from reprq.errors import InputError
from reprq.evaluation.auroc import critical_value, placements
from reprq.evaluation.estimate import Estimate
from reprq.validation import as_scores


@dataclass(frozen=True)
class Comparison:
    """The difference of two AUROCs on the same rows, and how surprising it would be if there were none.

    Args:
        difference: First AUROC minus second, with its interval.
        p_value: Two-sided; 1 where the two rank the rows alike.
        z: The difference over its standard error.
    """

    difference: Estimate
    p_value: float
    z: float


def paired_delong(labels: ArrayLike, first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Comparison:
    """DeLong's test (1988, section 3) between two detectors that scored the same rows.

    The variance of the difference is s10 / p + s01 / q with s10 and s01 the sample variances (n - 1) of the differences
    of their placements, in O(n log n) (Sun & Xu 2014); the interval is difference +- z sqrt(variance), cut to [-1, 1].

    Args:
        labels: (n,) 1 is anomalous, 0 is benign.
        first: (n,) anomaly scores of the first detector, higher is more anomalous.
        second: (n,) anomaly scores of the second.
        confidence: The level of the interval, inside (0, 1).

    Raises:
        InputError: shapes that differ, a nan or inf, a class with fewer than two rows, or a difference without
            variance (one separates the classes perfectly, the other perfectly the wrong way round).

    Example:
        >>> result = paired_delong([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [1, 5, 4, 3, 2, 6])
        >>> print(result.difference, round(result.p_value, 3))
        0.333 [-0.200, 0.867] 0.221
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
    anomalous, benign = one.anomalous - two.anomalous, one.benign - two.benign
    value = float(anomalous.mean())
    error = math.sqrt(anomalous.var(ddof=1) / p + benign.var(ddof=1) / q)
    if not anomalous.any() and not benign.any():
        estimate = Estimate(0.0, 0.0, 0.0, n=p + q, method="delong-paired", confidence=confidence)
        return Comparison(estimate, p_value=1.0, z=0.0)
    if error == 0.0:
        raise InputError(
            f"the AUROCs differ by {value:g} without any variance, which DeLong's test cannot judge; give more rows"
        )
    low, high = np.clip([value - z * error, value + z * error], -1.0, 1.0)
    estimate = Estimate(value, float(low), float(high), n=p + q, method="delong-paired", confidence=confidence)
    return Comparison(estimate, p_value=float(2.0 * ndtr(-abs(value / error))), z=value / error)
