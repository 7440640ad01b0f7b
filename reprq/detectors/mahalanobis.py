"""Mahalanobis distance to the benign rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.detectors.base import ArrayDetector, Matrix, Scores, check_choice
from reprq.detectors.covariance import (
    Moments,
    Whitening,
    condition_number,
    ledoit_wolf_shrinkage,
    moments,
    oas_shrinkage,
    shrink,
    whiten_definite,
    whiten_diagonal,
    whiten_pseudo,
)
from reprq.errors import InputError

COVARIANCES = ("empirical", "ledoit_wolf", "oas", "diagonal")

_BLOCK = 512


class Mahalanobis(ArrayDetector):
    """Squared Mahalanobis distance (z - mean)ᵀ S⁻¹ (z - mean), as |(z - mean) W|^2 with S⁻¹ = W Wᵀ: never negative.

    With n <= d the sample covariance is singular and its small eigenvalues are noise; shrinkage is the safe default.

    Args:
        covariance: How S is estimated (all divide by n):
            "empirical": the sample covariance and its pseudo-inverse; what lies outside the span of the benign rows
                does not count. Eigenvalues up to max(n, d) eps times the largest are taken for zero.
            "ledoit_wolf": (1 - s) S + s tr(S) / d I, with s of Ledoit & Wolf (2004).
            "oas": the same with s of Chen et al. (2010).
            "diagonal": the variances alone; a constant column does not count.

    Attributes:
        mean_: (d,) mean of the benign rows.
        covariance_: (d, d) the estimate S, float64.
        rank_: Rank of S, the number of directions that count.
        condition_number_: Largest over smallest non-zero eigenvalue of S.
        shrinkage_: s in [0, 1]; 0 for "empirical" and "diagonal".

    Raises:
        InputError: from `fit`, with fewer than two rows, or where all rows are equal.

    Example:
        >>> detector = Mahalanobis("empirical").fit([[-1, 0], [1, 0], [0, -2], [0, 2]])
        >>> detector.anomaly_score([[0, 2], [1, 0], [2, 0]])
        array([2., 2., 8.])
        >>> detector.rank_, round(detector.condition_number_, 6)
        (2, 4.0)
    """

    min_rows = 2
    mean_: NDArray[np.float64]
    covariance_: NDArray[np.float64]
    shrinkage_: float

    def __init__(self, covariance: str = "ledoit_wolf") -> None:
        self.covariance = covariance

    def check_parameters(self) -> None:
        """Raise an InputError unless the covariance is one of those above."""
        check_choice("covariance", self.covariance, COVARIANCES)

    def describe(self) -> str:
        """Return for example "mahalanobis[ledoit_wolf]"."""
        return f"mahalanobis[{self.covariance}]"

    @property
    def rank_(self) -> int:
        """Rank of the covariance estimate."""
        return self.whitening_.rank

    @property
    def condition_number_(self) -> float:
        """Condition number of the covariance estimate, computed when it is asked for (Lanczos, O(d^2) a step)."""
        return condition_number(self.covariance_, self.whitening_)

    def _fit(self, rows: Matrix, labels: NDArray[Any] | None) -> None:
        found = moments(rows)
        if not found.covariance.any():
            raise InputError("X must have at least two different rows, got all rows equal; a covariance needs a spread")
        self.mean_ = found.mean
        self.shrinkage_, self.covariance_, self.whitening_ = _estimate(self.covariance, found, len(rows))

    def _score(self, rows: Matrix) -> Scores:
        # Blocks of one size, the last one filled up: BLAS sums in another order for another shape.
        scores = np.empty(len(rows))
        block = np.zeros((_BLOCK, rows.shape[1]))
        for start in range(0, len(rows), _BLOCK):
            part = rows[start : start + _BLOCK]
            np.subtract(part, self.mean_, out=block[: len(part)])
            white = self.whitening_(block)
            scores[start : start + len(part)] = np.einsum("ij,ij->i", white, white)[: len(part)]
        return scores


def _estimate(kind: str, found: Moments, n: int) -> tuple[float, NDArray[np.float64], Whitening]:
    if kind == "diagonal":
        covariance = np.diag(np.diag(found.covariance))
        return 0.0, covariance, whiten_diagonal(found, n)
    shrinkage = 0.0
    if kind == "ledoit_wolf":
        shrinkage = ledoit_wolf_shrinkage(found.covariance, found.fourth, n)
    elif kind == "oas":
        shrinkage = oas_shrinkage(found.covariance, n)
    covariance = shrink(found.covariance, shrinkage)
    d = len(covariance)
    # tr(S) bounds the largest eigenvalue and s tr(S) / d the smallest: above this, Cholesky is safe
    definite = shrinkage > d * d * np.finfo(np.float64).eps
    return shrinkage, covariance, whiten_definite(covariance) if definite else whiten_pseudo(covariance, n)
