"""Distance to the mean embedding."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.detectors.rows.base import ArrayDetector
from reprq.numerics.rows import Matrix, Scores, column_means
from reprq.numerics.tensors import is_tensor, squares_around


class Centroid(ArrayDetector):
    """Squared Euclidean distance to the mean of the benign rows, |z - mean(X)|^2, accumulated in float64.

    It is the "MSE" score of Mai et al. (2021) up to their division by the width d.

    Attributes:
        mean_: (d,) float64 mean of the benign rows.

    Example:
        >>> Centroid().fit([[0, 0], [2, 0]]).anomaly_score([[1, 0], [1, 3]])
        array([0., 9.])
    """

    stays = True
    mean_: NDArray[np.float64]

    def check_parameters(self) -> None:
        """Nothing to check: the centroid has no parameters."""

    def describe(self) -> str:
        """Return "centroid"."""
        return "centroid"

    def _fit(self, rows: Matrix, labels: NDArray[Any] | None) -> None:
        self.mean_ = column_means(rows)

    def _score(self, rows: Matrix) -> Scores:
        if is_tensor(rows):
            return squares_around(rows, self.mean_)
        scores = np.empty(len(rows))
        for start in range(0, len(rows), 1024):
            block = rows[start : start + 1024] - self.mean_
            np.einsum("ij,ij->i", block, block, out=scores[start : start + len(block)])
        return scores
