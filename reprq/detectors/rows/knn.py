"""Distance to the nearest benign rows."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reprq.detectors.calibration import copies
from reprq.detectors.rows.base import ArrayDetector, check_choice, check_count
from reprq.errors import InputError
from reprq.numerics.nearest import ExactNeighbours
from reprq.numerics.rows import Matrix, Scores, column_means, unit_rows
from reprq.numerics.shortlist import gpu_number
from reprq.numerics.tensor_neighbours import TensorNeighbours, exact_neighbours
from reprq.numerics.tensors import Rows, beside, is_tensor

if TYPE_CHECKING:
    from reprq.detectors.rows.approximate import ApproximateNeighbours

    _Neighbours = ExactNeighbours | TensorNeighbours | ApproximateNeighbours

_AGGREGATIONS = ("kth", "mean", "sum")
METRICS = ("euclidean", "cosine")
_INDEXES = ("flat", "hnsw", "ivf")


class KNN(ArrayDetector):
    """Distance to the k nearest benign rows (Ramaswamy et al. 2000), exact: by a shortlist re-ranked in float64.

    Euclidean distances are plain, not squared; a cosine distance is 1 - cos, in [0, 2]. With `kth` the score is the
    distance to the k-th nearest row, with `mean` and `sum` that over the k nearest (Angiulli & Pizzuti 2002).

    Args:
        k: How many neighbors, at most the number of benign rows.
        aggregation: "kth", "mean" or "sum" of the k distances.
        metric: "euclidean" or "cosine".
        center: Whether to subtract the mean of the benign rows first; it changes directions, not Euclidean distances.
        normalize: Whether to divide rows by their Euclidean length first (after centering); cosine implies it.
        index: "flat" is exact. "hnsw" (graph, Malkov & Yashunin 2018) and "ivf" (inverted lists) find most of the
            neighbors, and `recall_` says how many; their distances are exact all the same.
        device: Where a "flat" index makes its shortlist: "cpu", or "cuda" or "cuda:1" with faiss-gpu. The float64
            re-rank is the same, so scores do not depend on it. Rows that are a tensor on a GPU are searched there, with
            torch and whatever the device; scores agree to float64's rounding.

    Attributes:
        recall_: Share of the true k nearest that the index finds, measured on benign rows; 1 for "flat".

    Raises:
        InputError: from `fit`, where k is larger than the number of rows, or a row is zero and has no direction.

    Example:
        >>> detector = KNN(k=2).fit([[0.0], [1.0], [5.0]])
        >>> detector.anomaly_score([[0.0], [9.0]])
        array([1., 8.])
        >>> detector.training_scores()
        array([5., 4., 5.])
    """

    recall_: float
    neighbours_: "ExactNeighbours | TensorNeighbours | ApproximateNeighbours"

    @property
    def stays(self) -> bool:  # type: ignore[override]
        """Whether tensors on a GPU are searched there: by the exact index alone."""
        return self.index == "flat"

    def __init__(
        self,
        k: int = 5,
        *,
        aggregation: str = "kth",
        metric: str = "euclidean",
        center: bool = False,
        normalize: bool = False,
        index: str = "flat",
        device: str = "cpu",
    ) -> None:
        self.k = k
        self.aggregation = aggregation
        self.metric = metric
        self.center = center
        self.normalize = normalize
        self.index = index
        self.device = device

    def check_parameters(self) -> None:
        """Raise an InputError unless k is a positive integer, the words are known and the device is there."""
        check_count("k", self.k)
        check_choice("aggregation", self.aggregation, _AGGREGATIONS)
        check_choice("metric", self.metric, METRICS)
        check_choice("index", self.index, _INDEXES)
        if gpu_number(self.device) is not None and self.index != "flat":
            raise InputError(f"device {self.device} goes with index 'flat', got {self.index!r}; use cpu")

    def describe(self) -> str:
        """Return for example "knn[k=5,kth,euclidean]"; other settings follow where they are not the default."""
        extra = [word for word in ("center", "normalize") if getattr(self, word)]
        extra += [self.index] if self.index != "flat" else []
        return f"knn[{','.join([f'k={self.k}', self.aggregation, self.metric, *extra])}]"

    def training_scores(self) -> Scores:
        """Score every benign row against all that are no copy of it: (n,) float64, exact for every index.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: a row has fewer than k others that are no copies of it.
        """
        self.check_fitted()
        rows = self._prepared(self.benign_)
        exact = isinstance(self.neighbours_, ExactNeighbours | TensorNeighbours)
        nearest = self.neighbours_ if exact else ExactNeighbours(rows)
        group = copies(rows)
        _, first, times = np.unique(group, return_index=True, return_counts=True)
        if self.k + times.max() > len(rows):
            raise InputError(
                "k must be below the number of benign rows to leave one and its copies out,"
                f" got k={self.k} and {len(rows)} rows, one of them {times.max()} times"
            )
        scores = np.empty(len(first))
        for count in np.unique(times).tolist():  # a row's copies come first, at distance 0
            some = np.flatnonzero(times == count)
            scores[some] = self._scored(nearest, rows[first[some]], count)
        return np.asarray(scores[group])

    def _fit(self, rows: Matrix, labels: NDArray[Any] | None) -> None:
        if self.k > len(rows):
            raise InputError(
                f"k must be at most the number of benign rows, got k={self.k} and n_samples={len(rows)}; lower k"
            )
        self.mean_ = column_means(rows)
        prepared = self._prepared(rows)
        if self.index == "flat":
            self.neighbours_ = exact_neighbours(prepared, self.device)
            self.recall_ = 1.0
        else:
            from reprq.detectors.rows.approximate import ApproximateNeighbours  # loads FAISS

            self.neighbours_ = ApproximateNeighbours(prepared, self.index)
            self.recall_ = self.neighbours_.recall(self.k)

    def _score(self, rows: Matrix) -> Scores:
        return self._scored(self.neighbours_, self._prepared(rows))

    def _scored(self, nearest: "_Neighbours", rows: Rows, skipped: int = 0) -> Scores:
        """The scores of rows of which the nearest `skipped` do not count."""
        if self.aggregation == "kth" and isinstance(nearest, ExactNeighbours):
            return self._aggregated(nearest.kth(rows, self.k + skipped)[:, None])
        return self._aggregated(nearest.search(rows, self.k + skipped)[0][:, skipped:])

    def _aggregated(self, squares: Scores) -> Scores:
        distances = squares / 2.0 if self.metric == "cosine" else np.sqrt(squares)
        if self.aggregation == "kth":
            return np.ascontiguousarray(distances[:, -1])
        total: Scores = distances.sum(axis=1)
        return total if self.aggregation == "sum" else total / self.k

    def _prepared(self, rows: Rows) -> Rows:
        if self.center:
            rows = rows - beside(rows, self.mean_)
        if self.normalize or self.metric == "cosine":
            # 1 - cos = |x / |x| - y / |y||^2 / 2, without the cancellation of 1 - cos
            return unit_rows(rows, "X", "remove it or use euclidean")
        if is_tensor(rows):  # of half precision too: the search takes differences in float64
            return rows
        return rows.astype(np.float32) if rows.dtype == np.float16 else rows
