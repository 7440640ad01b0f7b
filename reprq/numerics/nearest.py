"""Exact nearest neighbours: a shortlist in float32, proved complete, re-ranked in float64."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reprq.numerics.rows import Matrix
from reprq.numerics.shortlist import (
    Engine,
    FaissShortlist,
    Ids,
    ProductShortlist,
    Shortlist,
    Squares,
    faster_engine,
    ragged,
)
from reprq.numerics.threads import in_threads

SLACK = 4  # neighbours beyond k on the shortlist: enough that the proof rarely fails
_BUDGET = 64 * 2**20  # bytes of what is held of a batch of queries
_PAIR_BUDGET = 2**16  # entries of a block of differences: half a MB, inside a core's cache
LARGEST = 1e38  # squares that float32 can hold, and the sums on the way to them


class ExactNeighbours:
    """The k nearest of n rows in Euclidean distance, as float64 differences of the original values give them.

    A float32 product computes squared distances as |x|^2 + |y|^2 - 2 x.y, which cancels. Here it only proposes. The
    rows are centred and scaled first, so that float32 spends its digits on differences; the shortlist is re-ranked by
    float64 differences of the values as they were given; and it is proved complete by the error bound of the float32
    formula (Higham 2002, section 3.1), g (|x| + |y|)^2 with g = (d + 8) 2^-24. A row y nearer to x than the k-th
    candidate, at distance r, has |y| <= |x| + r, so it must have been seen within r^2 + g (2 |x| + r)^2. Where the rows
    off the shortlist are not all beyond that, the query is searched again in float64, with the same argument. So the
    result depends neither on the batch nor on what made the shortlist: NumPy's product or FAISS, see
    `reprq.numerics.shortlist`. Beyond the rows and a float32 copy of them, memory is bounded whatever n and m.

    Args:
        rows: (n, d) float32 or float64; they are copied.
        device: Where the shortlist is made: "cpu", or "cuda" or "cuda:1" with faiss-gpu. The result is the same.
        engine: "product" or "faiss"; by default the faster one.

    Raises:
        InputError: the device is not there.
    """

    def __init__(self, rows: Matrix, device: str = "cpu", engine: Engine | None = None) -> None:
        self.rows = np.array(rows, order="C")
        self._centre = rows.mean(axis=0, dtype=np.float64)
        ends = np.stack([rows.max(axis=0), rows.min(axis=0)])  # the largest entry of the centred rows is at one
        self._scale = float(np.max(np.abs(ends - self._centre))) or 1.0
        self._device, self._engine = device, engine
        self._shortlists: dict[Engine, Shortlist] = {}
        if device != "cpu":
            self._shortlists["faiss"] = FaissShortlist(self._blocks(), rows.shape[1], device)
            self._engine = "faiss"

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
            (m, k) squared distances in float64, ascending, and the (m, k) numbers of those rows; equally near ones
            rank by number.
        """
        squares, ids = np.empty((len(queries), k)), np.empty((len(queries), k), dtype=np.int64)
        shortlist = self._shortlist(len(queries))
        step = _step(16 * queries.shape[1] + 64 * (k + SLACK))
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            mine = None if own is None else own[part]
            squares[part], ids[part], proved = self._search(shortlist, queries[part], k, mine)
            for some in _in_steps(start + np.flatnonzero(~proved), 128):
                mine = None if own is None else own[some]
                squares[some], ids[some] = self._search_float64(queries[some], k, mine)
        return squares, ids

    def _shortlist(self, m: int) -> Shortlist:
        """What makes the shortlists of m queries; one is kept, since each holds a copy of the rows."""
        n, d = self.rows.shape
        engine = self._engine or faster_engine(n * m, d)
        if engine not in self._shortlists:
            made = ProductShortlist(self._blocks(), n, d) if engine == "product" else FaissShortlist(self._blocks(), d)
            self._shortlists = {engine: made}
        return self._shortlists[engine]

    def _search(
        self, shortlist: Shortlist, queries: Matrix, k: int, own: Ids | None
    ) -> tuple[Squares, Ids, NDArray[np.bool_]]:
        n, d = self.rows.shape
        length = min(n, k + SLACK + (own is not None))
        centred = self.centred(queries)
        ids, beyond = shortlist.search(centred, length)
        ids.sort(axis=1)
        found = ids >= 0  # -1 where float32 overflowed
        ids = np.where(found, ids, 0)
        query = np.repeat(np.arange(len(ids)), length)
        squares = pair_squares(self.rows, queries, ids.ravel(), query).reshape(ids.shape)
        squares[~found if own is None else ~found | (ids == own[:, None])] = np.inf
        nearest = smallest(squares, ids, k)
        radius = np.sqrt(nearest[0][:, -1]) / self._scale
        norm = np.sqrt(np.einsum("ij,ij->i", centred, centred))
        terms = (2.0 * norm + radius) ** 2
        bound = radius**2 + (d + 8) * (2.0**-24 * terms + np.finfo(np.float32).tiny)
        proved = found.all(axis=1) & (((beyond > bound) & (terms < LARGEST)) | (length == n))
        return *nearest, proved

    def _search_float64(self, queries: Matrix, k: int, own: Ids | None) -> tuple[Squares, Ids]:
        x = self.centred(queries)
        x_norm = np.sqrt(np.einsum("ij,ij->i", x, x))[:, None]
        reach = np.full((len(x), k), np.inf)  # upper bounds of the k least squared distances, of the rows so far
        nearest = np.full((len(x), k), np.inf), np.broadcast_to(np.arange(k), (len(x), k))
        start = 0
        for y in self._blocks():
            y_norm = np.sqrt(np.einsum("ij,ij->i", y, y))
            seen = x_norm**2 + y_norm**2 - 2.0 * (x @ y.T)
            error = (y.shape[1] + 8) * 2.0**-53 * (x_norm + y_norm) ** 2 + np.finfo(np.float64).tiny
            lower, upper = seen - error, seen + error
            if own is not None:
                itself = own[:, None] == np.arange(start, start + len(y))
                lower[itself] = upper[itself] = np.inf
            reach = np.partition(np.concatenate([reach, upper], axis=1), k - 1, axis=1)[:, :k]
            query, row = np.nonzero((lower <= reach[:, -1:]) & np.isfinite(lower))
            squares = ragged(pair_squares(self.rows, queries, row + start, query), query, len(x), np.inf)
            ids = ragged(row + start, query, len(x), len(self.rows))
            nearest = smallest(
                np.concatenate([nearest[0], squares], axis=1), np.concatenate([nearest[1], ids], axis=1), k
            )
            start += len(y)
        return nearest

    def _blocks(self) -> Iterator[Squares]:
        step = _step(8 * self.rows.shape[1] + 128 * 40)  # beside a block of rows stand its distances to 128 queries
        return (self.centred(self.rows[start : start + step]) for start in range(0, len(self.rows), step))

    def centred(self, rows: Matrix) -> Squares:
        """Subtract the mean of the rows and divide by their largest entry: what the shortlist is made of."""
        centred: Squares = np.subtract(rows, self._centre, dtype=np.float64)
        centred /= self._scale
        return centred


def _step(row_bytes: int) -> int:
    """How many rows of some bytes the budget holds, at least one and at most 1,024: they stay near the processor."""
    return min(max(_BUDGET // row_bytes, 1), 1024)


def _in_steps(numbers: Ids, step: int) -> list[Ids]:
    return [numbers[start : start + step] for start in range(0, len(numbers), step)]


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

    def fill(stretch: slice) -> None:
        for start in range(stretch.start, stretch.stop, step):
            part = slice(start, min(start + step, stretch.stop))
            difference = np.subtract(rows[row[part]], queries[query[part]], dtype=np.float64)
            np.einsum("pd,pd->p", difference, difference, out=squares[part])

    in_threads(fill, len(row), least=step)
    return squares


def smallest(squares: Squares, ids: Ids, k: int) -> tuple[Squares, Ids]:
    """The k smallest of each row in ascending order, and their ids; among equals the one on the left comes first."""
    order = np.argsort(squares, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(squares, order, axis=1), np.take_along_axis(ids, order, axis=1)
