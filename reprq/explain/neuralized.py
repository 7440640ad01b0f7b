"""Kernel detectors as two layers, distances and a soft minimum, through which relevance goes back to the columns.

Kauffmann, Müller & Montavon (2020), "Towards explaining anomalies: a deep Taylor decomposition of one-class models".
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from reprq.detectors.rows.density import KDE
from reprq.detectors.rows.shallow import OCSVM
from reprq.explain.rows import checked_rows
from reprq.numerics.pairs import squared_distances

Array = NDArray[np.float64]

_BLOCK = 256  # samples whose distances are formed at once
_NEIGHBORS = 1024  # kernels whose differences from one sample are formed at once


def of_kde(detector: KDE, X: Any) -> Array:
    """Explain o, of which the score is g o + (d / 2) log(2 pi h^2) + d log(scale)."""
    rows = (checked_rows(detector, X) - detector.mean_) / detector.scale_
    n = len(detector.rows_)
    return explained(rows, detector.rows_, np.full(n, 1.0 / n), 0.5 / detector.bandwidth_**2)


def of_ocsvm(detector: OCSVM, X: Any) -> Array:
    """Explain o, of which the score is -exp(-g o); with a cosine kernel the score itself."""
    rows = (checked_rows(detector, X) - detector.mean_) / detector.scale_
    if detector.kernel == "cosine":
        largest = np.abs(rows).max(axis=1, keepdims=True)
        rows = rows / np.where(largest > 0, largest, 1.0)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(-rows * detector.direction_ / np.where(lengths > 0, lengths, 1.0), dtype=np.float64)
    weights = detector.model_.dual_coef_[0]
    return explained(rows, detector.model_.support_vectors_, weights / weights.sum(), detector.gamma_)


def explained(rows: Array, centers: Array, weights: Array, gamma: float) -> Array:
    """Return the relevance of columns for o = -(1/g) log sum_j w_j exp(-g |x - u_j|^2): (m, d), rows sum to o.

    Differences are formed of kernels alone whose share of the sum is above float64's rounding, and never of all rows
    with all kernels at once.

    Args:
        rows: (m, d) samples.
        centers: (n, d), the u_j.
        weights: (n,) positive, sum to 1.
        gamma: g, positive.

    Example:
        >>> explained(np.array([[3.0, 4.0]]), np.zeros((1, 2)), np.ones(1), 0.5)
        array([[ 9., 16.]])
    """
    found = np.empty(rows.shape)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        logs = np.log(weights) - gamma * squared_distances(block, centers)
        total = logsumexp(logs, axis=1)
        shares = np.exp(logs - total[:, None])
        for i, (row, share) in enumerate(zip(block, shares, strict=True)):
            found[start + i] = max(-total[i] / gamma, 0.0) * _attributed(row, centers, share)
    return found


def _attributed(row: Array, centers: Array, shares: Array) -> Array:
    """Sum_j share_j (x - u_j)^2 / |x - u_j|^2 of one sample: (d,)."""
    kept = np.flatnonzero(shares > np.finfo(np.float64).eps / len(shares))
    total = np.zeros(len(row))
    for start in range(0, len(kept), _NEIGHBORS):
        some = kept[start : start + _NEIGHBORS]
        squares = np.square(row - centers[some])
        lengths = squares.sum(axis=1)
        total += np.divide(shares[some], lengths, out=np.zeros(len(some)), where=lengths > 0) @ squares
    return total
