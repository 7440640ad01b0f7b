"""The local outlier factor, on exact distances and with a density where rows are equal."""

import numpy as np
from numpy.typing import NDArray

from reprq.detectors.rows.base import check_count
from reprq.detectors.rows.shallow import ShallowDetector
from reprq.errors import InputError
from reprq.numerics.nearest import ExactNeighbours
from reprq.numerics.rows import Matrix, Scores, distinct_rows
from reprq.numerics.shortlist import Ids


class LOF(ShallowDetector):
    """Local outlier factor (Breunig et al. 2000): how much sparser a row lies than its neighbors; 1 is as dense.

    With d(x, y) the distance, r_k(y) that of y to its k-th neighbor and N(x) the k nearest benign rows of x, the
    density is 1 / mean_{y in N(x)} max(r_k(y), d(x, y)), and the score is the mean density of N(x) over that of x.

    Where a benign row occurs more than k times its density would be infinite; equal rows then count once, which is the
    k-distinct-distance of the paper's footnote to definition 6.

    Args:
        k: How many neighbors, 20 as in scikit-learn; with fewer rows, all the others.

    Attributes:
        densities_: (m,) of the benign rows that count, in units of one over the scaled rows.

    Raises:
        InputError: from `fit`, where all rows are equal.

    Example:
        >>> LOF(k=2).fit([[0.0], [1.0], [2.0], [3.0]]).anomaly_score([[9.0]]) > 2
        array([ True])
    """

    densities_: Scores

    def __init__(self, k: int = 20) -> None:
        self.k = k

    def check_parameters(self) -> None:
        """Raise an InputError unless k is a positive integer."""
        check_count("k", self.k)

    def describe(self) -> str:
        """Return for example "lof[k=20]"."""
        return f"lof[k={self.k}]"

    def _learn(self, rows: NDArray[np.float64]) -> None:
        distances, ids = self._among_themselves(rows)
        if not distances[:, -1].all():
            different = distinct_rows(rows)
            if len(different) < 2:
                raise InputError("X must have at least two different rows, got all equal; a density needs a spread")
            distances, ids = self._among_themselves(different)
        self.radii_ = distances[:, -1]
        self.densities_ = np.asarray(1.0 / self._reach(distances, ids), dtype=np.float64)

    def _among_themselves(self, rows: Matrix) -> tuple[Scores, Ids]:
        """Distances to the k nearest other rows, and their numbers."""
        self.neighbours_ = ExactNeighbours(rows)
        self.k_ = min(self.k, len(rows) - 1)
        squares, ids = self.neighbours_.search(rows, self.k_, np.arange(len(rows)))
        return np.sqrt(squares), ids

    def _reach(self, distances: Scores, ids: Ids) -> Scores:
        return np.asarray(np.maximum(self.radii_[ids], distances).mean(axis=1), dtype=np.float64)

    def _anomaly(self, rows: NDArray[np.float64]) -> Scores:
        squares, ids = self.neighbours_.search(rows, self.k_)
        return np.asarray(self.densities_[ids].mean(axis=1) * self._reach(np.sqrt(squares), ids), dtype=np.float64)
