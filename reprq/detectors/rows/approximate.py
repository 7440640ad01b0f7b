"""Approximate nearest neighbors by FAISS, with their recall measured and their distances exact."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from reprq.numerics.nearest import ExactNeighbours, pair_squares, smallest
from reprq.numerics.rows import Matrix
from reprq.numerics.shortlist import Ids, Squares

_QUERIES = 200  # benign rows on which the recall is measured


class ApproximateNeighbours:
    """Most of the k nearest of n rows, from a graph or inverted lists, with float64 distances.

    Where an index returns fewer than k rows, the missing ones are filled by an exact search, so a score is never made
    of fewer neighbors than it says.

    Args:
        rows: (n, d) float32 or float64; they are copied.
        kind: "hnsw" (32 links a row, 128 candidates) or "ivf" (about sqrt(n) lists, an eighth of them searched).
    """

    def __init__(self, rows: Matrix, kind: str) -> None:
        self._exact = ExactNeighbours(rows)
        self._kind = kind
        d = rows.shape[1]
        centred = self._exact.centred(self._exact.rows).astype(np.float32)
        with _one_thread():  # FAISS links rows in the order its threads reach them
            self._index = _graph(d) if kind == "hnsw" else _lists(centred)
            self._index.add(centred)

    def __getstate__(self) -> tuple[Matrix, str]:
        return self._exact.rows, self._kind  # FAISS's own objects cannot be copied or pickled

    def __setstate__(self, state: tuple[Matrix, str]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def search(self, queries: Matrix, k: int) -> tuple[Squares, Ids]:
        """Find k near rows of every query: squared distances in float64, ascending, and the numbers of those rows."""
        _, ids = self._index.search(self._exact.centred(queries).astype(np.float32), k)
        ids.sort(axis=1)
        query = np.repeat(np.arange(len(ids)), k)
        squares = pair_squares(self._exact.rows, queries, np.maximum(ids, 0).ravel(), query).reshape(ids.shape)
        squares, ids = smallest(squares, ids, k)
        short = np.flatnonzero((ids < 0).any(axis=1))
        if len(short):
            squares[short], ids[short] = self._exact.search(queries[short], k)
        return squares, ids

    def recall(self, k: int) -> float:
        """Share of the true k nearest rows that `search` finds, for up to 200 of the rows, each left out itself."""
        n = len(self._exact.rows)
        own = np.random.default_rng(0).choice(n, min(n, _QUERIES), replace=False)
        k = min(k, n - 1)
        if k == 0:
            return 1.0
        queries = self._exact.rows[own]
        truth, _ = self._exact.search(queries, k, own)
        found, ids = self.search(queries, k + 1)
        hits = (found <= truth[:, -1:]) & (ids != own[:, None])
        return float(np.mean(np.minimum(hits.sum(axis=1), k) / k))


def _graph(d: int) -> Any:
    index = faiss.IndexHNSWFlat(d, 32)
    index.hnsw.efSearch = 128
    return index


def _lists(centred: NDArray[np.float32]) -> Any:
    n, d = centred.shape
    lists = max(1, round(n**0.5))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(d), d, lists)
    index.nprobe = -(-lists // 8)
    index.cp.min_points_per_centroid = 1  # else FAISS warns on stdout
    index.train(centred)
    return index


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
