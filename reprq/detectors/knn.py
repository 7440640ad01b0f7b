"""Distance to the nearest benign rows."""

import numpy as np
from numpy.typing import NDArray

from reprq.detectors.base import ArrayDetector, Matrix, Scores, check_choice
from reprq.detectors.nearest import ExactNeighbours
from reprq.errors import InputError

AGGREGATIONS = ("kth", "mean", "sum")
METRICS = ("euclidean", "cosine")


class KNN(ArrayDetector):
    """Distance to the k nearest benign rows (Ramaswamy et al. 2000), exact: found by FAISS, re-ranked in float64.

    Euclidean distances are plain, not squared; a cosine distance is 1 - cos, in [0, 2]. With `kth` the score is the
    distance to the k-th nearest row, with `mean` and `sum` that over the k nearest (Angiulli & Pizzuti 2002).

    Args:
        k: How many neighbours, at most the number of benign rows.
        aggregation: "kth", "mean" or "sum" of the k distances.
        metric: "euclidean" or "cosine".

    Raises:
        InputError: from `fit`, where k is larger than the number of rows, or a row is zero and has no cosine.

    Example:
        >>> KNN(k=2).fit([[0.0], [1.0], [5.0]]).anomaly_score([[0.0], [9.0]])
        array([1., 8.])
    """

    def __init__(self, k: int = 5, *, aggregation: str = "kth", metric: str = "euclidean") -> None:
        self.k = k
        self.aggregation = aggregation
        self.metric = metric

    def check_parameters(self) -> None:
        """Raise an InputError unless k is a positive integer and the words are known."""
        if isinstance(self.k, bool) or not isinstance(self.k, (int, np.integer)) or self.k < 1:
            raise InputError(f"k must be a positive integer, got {self.k!r}")
        check_choice("aggregation", self.aggregation, AGGREGATIONS)
        check_choice("metric", self.metric, METRICS)

    def describe(self) -> str:
        """Return for example "knn[k=5,kth,euclidean]"."""
        return f"knn[k={self.k},{self.aggregation},{self.metric}]"

    def _fit(self, rows: Matrix) -> None:
        if self.k > len(rows):
            raise InputError(f"k must be at most the number of benign rows, got k={self.k} and {len(rows)} rows")
        self.neighbours_ = ExactNeighbours(self._prepared(rows))

    def _score(self, rows: Matrix) -> Scores:
        squares, _ = self.neighbours_.search(self._prepared(rows), self.k)
        distances = squares / 2.0 if self.metric == "cosine" else np.sqrt(squares)
        if self.aggregation == "kth":
            return np.ascontiguousarray(distances[:, -1])
        total: Scores = distances.sum(axis=1)
        return total if self.aggregation == "sum" else total / self.k

    def _prepared(self, rows: Matrix) -> Matrix:
        if self.metric == "cosine":  # 1 - cos = |x / |x| - y / |y||^2 / 2, without the cancellation of 1 - cos
            return unit_rows(rows)
        return rows.astype(np.float32) if rows.dtype == np.float16 else rows


def unit_rows(rows: Matrix) -> NDArray[np.float64]:
    """Divide each row by its Euclidean length, in float64.

    Raises:
        InputError: a row is zero and has no direction.

    Example:
        >>> unit_rows(np.array([[3.0, 4.0]]))
        array([[0.6, 0.8]])
    """
    largest = np.abs(rows).max(axis=1, keepdims=True).astype(np.float64)
    if not largest.all():
        row = int(np.argmin(largest))
        raise InputError(f"X must have no zero row for cosine distances, got row {row}; remove it or use euclidean")
    scaled = rows / largest  # so that squares neither overflow nor vanish
    lengths: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
    unit: NDArray[np.float64] = scaled / lengths[:, None]
    return unit
