"""Exact nearest neighbours: a float32 shortlist by FAISS, proved complete, re-ranked in float64."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.numerics.rows import Matrix

Ids = NDArray[np.int64]
Squares = NDArray[np.float64]

_SLACK = 4  # neighbours beyond k on the shortlist: enough that the proof rarely fails
_QUERIES = 4096
_PAIR_BUDGET = 2**16  # entries of a block of differences: half a MB, inside a core's cache


class ExactNeighbours:
    """The k nearest of n rows in Euclidean distance, as float64 differences of the original values give them.

    FAISS computes squared distances in float32, for large batches as |x|^2 + |y|^2 - 2 x.y, which cancels, and for
    small ones by differences. Here it only proposes. The rows are centred and scaled first, so that float32 spends its
    digits on differences; the shortlist is re-ranked by float64 differences of the values as they were given; and it is
    proved complete by the error bound of the float32 formula (Higham 2002, section 3.1), g (|x| + |y|)^2 with
    g = (d + 8) 2^-24. A row y nearer to x than the k-th candidate, at distance r, has |y| <= |x| + r, so FAISS must
    have seen it within r^2 + g (2 |x| + r)^2. Where the last of the shortlist is not beyond that, the query is searched
    again in float64, with the same argument.

    Args:
        rows: (n, d) float32 or float64; they are copied.
        device: Where the shortlist is made: "cpu", or "cuda" or "cuda:1" with faiss-gpu. The result is the same.

    Raises:
        InputError: the device is not there.
    """

    def __init__(self, rows: Matrix, device: str = "cpu") -> None:
        self.rows = np.array(rows, order="C")
        self._centre = rows.mean(axis=0, dtype=np.float64)
        ends = np.stack([rows.max(axis=0), rows.min(axis=0)])  # the largest entry of the centred rows is at one
        self._scale = float(np.max(np.abs(ends - self._centre))) or 1.0
        self._index = _flat_index(rows.shape[1], device)
        for start in range(0, len(rows), _QUERIES):
            self._index.add(self.centred(self.rows[start : start + _QUERIES]).astype(np.float32))

    def __getstate__(self) -> Matrix:
        return self.rows  # FAISS's own objects cannot be copied or pickled; a copy searches on the CPU

    def __setstate__(self, rows: Matrix) -> None:
        self.__init__(rows)  # type: ignore[misc]

    def search(self, queries: Matrix, k: int, own: Ids | None = None) -> tuple[Squares, Ids]:
        """Find the k nearest rows of every query.

        Args:
            queries: (m, d) float32 or float64.
            k: How many, at most n (n - 1 where `own` is given).
            own: (m,) the row that each query itself is, which is not its own neighbour.

        Returns:
            (m, k) squared distances in float64, ascending, and the (m, k) numbers of those rows.
        """
        squares, ids = np.empty((len(queries), k)), np.empty((len(queries), k), dtype=np.int64)
        for start in range(0, len(queries), _QUERIES):
            part = slice(start, start + _QUERIES)
            mine = None if own is None else own[part]
            squares[part], ids[part], proved = self._shortlist(queries[part], k, mine)
            unproved = start + np.flatnonzero(~proved)
            for some in np.split(unproved, range(128, len(unproved), 128)):
                mine = None if own is None else own[some]
                squares[some], ids[some] = self._search_float64(queries[some], k, mine)
        return squares, ids

    def _shortlist(self, queries: Matrix, k: int, own: Ids | None) -> tuple[Squares, Ids, NDArray[np.bool_]]:
        n, d = self.rows.shape
        length = min(n, k + _SLACK + (own is not None))
        centred = self.centred(queries)
        seen, ids = self._index.search(centred.astype(np.float32), length)
        found = ids >= 0  # FAISS answers -1 where float32 overflowed
        ids = np.where(found, ids, 0)
        query = np.repeat(np.arange(len(ids)), length)
        squares = pair_squares(self.rows, queries, ids.ravel(), query).reshape(ids.shape)
        squares[~found if own is None else ~found | (ids == own[:, None])] = np.inf
        nearest = smallest(squares, ids, k)
        radius = np.sqrt(nearest[0][:, -1]) / self._scale
        norm = np.sqrt(np.einsum("ij,ij->i", centred, centred))
        bound = radius**2 + (d + 8) * 2.0**-24 * (2.0 * norm + radius) ** 2 + np.finfo(np.float32).tiny
        proved = found.all(axis=1) & ((seen[:, -1] > bound) | (length == n))
        return *nearest, proved

    def _search_float64(self, queries: Matrix, k: int, own: Ids | None) -> tuple[Squares, Ids]:
        x = self.centred(queries)
        x_norm = np.sqrt(np.einsum("ij,ij->i", x, x))[:, None]
        lower, upper = np.empty((2, len(x), len(self.rows)))
        for start in range(0, len(self.rows), _QUERIES):
            y = self.centred(self.rows[start : start + _QUERIES])
            y_norm = np.sqrt(np.einsum("ij,ij->i", y, y))
            seen = x_norm**2 + y_norm**2 - 2.0 * (x @ y.T)
            error = (y.shape[1] + 8) * 2.0**-53 * (x_norm + y_norm) ** 2 + np.finfo(np.float64).tiny
            part = slice(start, start + len(y))
            lower[:, part], upper[:, part] = seen - error, seen + error
        if own is not None:
            lower[np.arange(len(x)), own] = upper[np.arange(len(x)), own] = np.inf
        reach = np.partition(upper, k - 1, axis=1)[:, k - 1]
        query, row = np.nonzero((lower <= reach[:, None]) & np.isfinite(lower))
        squares = np.full(lower.shape, np.inf)
        squares[query, row] = pair_squares(self.rows, queries, row, query)
        return smallest(squares, np.broadcast_to(np.arange(len(self.rows)), lower.shape), k)

    def centred(self, rows: Matrix) -> Squares:
        """Subtract the mean of the rows and divide by their largest entry: what FAISS is shown."""
        centred: Squares = np.subtract(rows, self._centre, dtype=np.float64)
        centred /= self._scale
        return centred


def gpu_number(device: str) -> int | None:
    """Return the number of the GPU that "cuda" or "cuda:1" names, or None for "cpu".

    Raises:
        InputError: another word, a FAISS without GPU support, or no such GPU.

    Example:
        >>> gpu_number("cpu") is None
        True
    """
    if device == "cpu":
        return None
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number or "0").isdigit():
        raise InputError(f"device must be cpu, cuda or cuda:NUMBER, got {device!r}")
    if not hasattr(faiss, "StandardGpuResources"):
        raise InputError(
            f"device {device} needs faiss-gpu, and this FAISS is for the CPU; install faiss-gpu-cu12 or use cpu"
        )
    if int(number or 0) >= (count := int(faiss.get_num_gpus())):
        raise InputError(f"device {device} must be one of the {count} GPUs that FAISS sees; use cpu")
    return int(number or 0)


def _flat_index(d: int, device: str) -> Any:
    number = gpu_number(device)
    index = faiss.IndexFlatL2(d)
    return index if number is None else faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), number, index)


def pair_squares(rows: Matrix, queries: Matrix, row: Ids, query: Ids) -> Squares:
    """Squared Euclidean distances of pairs, by float64 differences: |rows[row[p]] - queries[query[p]]|^2.

    Args:
        rows: (n, d), any floating dtype.
        queries: (m, d), any floating dtype.
        row: (p,) the row of each pair.
        query: (p,) the query of each pair.
    """
    squares = np.empty(len(row))
    step = max(1, _PAIR_BUDGET // rows.shape[1])

    def fill(stretch: range) -> None:
        for start in stretch:
            part = slice(start, min(start + step, len(row)))
            difference = np.subtract(rows[row[part]], queries[query[part]], dtype=np.float64)
            np.einsum("pd,pd->p", difference, difference, out=squares[part])

    workers = faiss.omp_get_max_threads()  # as many as the search itself may use; NumPy lets go of Python's lock
    with ThreadPoolExecutor(workers) as threads:
        list(threads.map(fill, [range(i * step, len(row), workers * step) for i in range(workers)]))
    return squares


def smallest(squares: Squares, ids: Ids, k: int) -> tuple[Squares, Ids]:
    """The k smallest of each row in ascending order, and their ids; among equals the smaller id comes first."""
    order = np.lexsort((ids, squares), axis=1)[:, :k]
    return np.take_along_axis(squares, order, axis=1), np.take_along_axis(ids, order, axis=1)
