"""Exact nearest neighbors: a shortlist in float32 that is proved complete, ranked in float64."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from reprq.numerics.engines import Engine, faster_engine
from reprq.numerics.rows import Matrix
from reprq.numerics.shortlist import (
    LARGEST,
    Candidates,
    FaissShortlist,
    Ids,
    ProductShortlist,
    Shortlist,
    Single,
    Squares,
    ragged,
)
from reprq.numerics.threads import in_threads

_BUDGET = 64 * 2**20  # bytes of what is held of a batch of queries
_THREAD = 2**24  # multiply-adds that are worth a thread
_PAIR_BUDGET = 2**17  # entries of a block of differences, 3 MB with both rows: threads wait less than in smaller ones
_MODERATE = 1e6  # largest entries that float32 squares without being scaled, and their inverses
_SMALLEST = 1e-30  # of the rows' entries, of which float32 has all digits


class ExactNeighbours:
    """The k nearest of n rows in Euclidean distance, as float64 differences of the original values give them.

    A float32 product computes squared distances as |x|^2 + |y|^2 - 2 x.y, which cancels. Here it only proposes. The
    rows are centered and scaled first, so that float32 spends its digits on differences; each row that may be among the
    k nearest, by the error bound of the float32 formula (`reprq.numerics.shortlist.Reach`), is ranked by float64
    differences of the values as they were given. Where float32 cannot tell enough rows apart, the query is searched
    in float64, with the same argument. So the result depends neither on the batch nor on what made the shortlist:
    a product of BLAS or FAISS. Beyond the rows and a float32 copy of them, memory is bounded whatever n and m.

    Args:
        rows: (n, d) float32 or float64; contiguous ones are kept and not copied, and must not be changed.
        device: Where the shortlist is made: "cpu", or "cuda" or "cuda:1" with faiss-gpu. The result is the same.
        engine: "product" or "faiss"; by default the faster one.

    Raises:
        InputError: the device is not there.
    """

    def __init__(self, rows: Matrix, device: str = "cpu", engine: Engine | None = None) -> None:
        self.rows = np.ascontiguousarray(rows)
        self._centre, self._scale = _center_and_scale(self.rows)
        self._device, self._engine = device, engine
        self._shortlists: dict[Engine, Shortlist] = {}
        if device != "cpu":
            self._shortlists["faiss"] = FaissShortlist(self._single_blocks(), rows.shape[1], device)
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
            own: (m,) the row that each query itself is, which is not its own neighbor.

        Returns:
            (m, k) squared distances in float64, ascending, and the (m, k) numbers of those rows; equally near ones
            rank by number.
        """
        squares, ids = np.empty((len(queries), k)), np.empty((len(queries), k), dtype=np.int64)

        def fill(stretch: slice) -> None:
            for part, found in self._candidates(queries, k, own, stretch):
                near, rows = self._measured(queries[part], found.ids, found.ids >= 0)
                if near.shape[1] >= k:
                    squares[part], ids[part] = smallest(near, rows, k)
                for some in _in_steps(part.start + np.flatnonzero(~found.complete), 128):
                    squares[some], ids[some] = self._search_float64(queries[some], k, _of(own, some))

        self._share(fill, len(queries))
        return squares, ids

    def kth(self, queries: Matrix, k: int, own: Ids | None = None) -> Squares:
        """Return the squared distance of every query to its k-th nearest row, the last column of what `search` finds.

        Only rows that may be the k-th are looked at in float64, not those that are nearer for certain.

        Args:
            queries: (m, d) float32 or float64.
            k: At most n (n - 1 where `own` is given).
            own: (m,) the row that each query itself is.
        """
        squares = np.empty(len(queries))

        def fill(stretch: slice) -> None:
            for part, found in self._candidates(queries, k, own, stretch):
                near, _ = self._measured(queries[part], found.ids, (found.ids >= 0) & ~found.nearer)
                left = np.where(found.complete, k - 1 - np.count_nonzero(found.nearer, axis=1), 0)
                if near.shape[1]:
                    squares[part] = np.take_along_axis(np.sort(near, axis=1), left[:, None], axis=1)[:, 0]
                for some in _in_steps(part.start + np.flatnonzero(~found.complete), 128):
                    squares[some] = self._search_float64(queries[some], k, _of(own, some))[0][:, -1]

        self._share(fill, len(queries))
        return squares

    def _share(self, fill: Callable[[slice], None], m: int) -> None:
        """Give each thread some of the queries; FAISS has threads of its own."""
        if isinstance(self._shortlist(m), ProductShortlist):
            in_threads(fill, m, least=max(64, _THREAD // self.rows.size))
        else:
            fill(slice(0, m))

    def _candidates(
        self, queries: Matrix, k: int, own: Ids | None, stretch: slice
    ) -> Iterator[tuple[slice, Candidates]]:
        shortlist = self._shortlist(len(queries))
        step = _step(16 * queries.shape[1] + 64 * k, most=shortlist.batch)
        count = stretch.stop - stretch.start
        step = max(-(-count // -(-count // step)), 1)  # as many in the last batch: rows are packed again for each
        space = np.empty((step, queries.shape[1]), dtype=np.float32)
        for start in range(stretch.start, stretch.stop, step):
            part = slice(start, min(start + step, stretch.stop))
            single = self._single(queries[part], space[: part.stop - start])
            yield part, shortlist.search(single, k, _of(own, part))

    def _measured(self, queries: Matrix, ids: Ids, some: NDArray[np.bool_]) -> tuple[Squares, Ids]:
        """The squared distances in float64 to some of the rows that are named, (m, w) with inf for none, and those."""
        query, column = np.nonzero(some)
        row = ids[query, column]
        squares = pair_squares(self.rows, queries, row, query)
        near, rows = ragged(query, len(queries), (squares, np.inf), (row, len(self.rows)))
        return near, rows

    def _shortlist(self, m: int) -> Shortlist:
        """What makes the shortlists of m queries; one is kept, since each holds a copy of the rows."""
        n, d = self.rows.shape
        engine = self._engine or faster_engine(n * m, d)
        if engine not in self._shortlists:
            product = engine == "product"
            made = ProductShortlist(self._single_rows()) if product else FaissShortlist(self._single_blocks(), d)
            self._shortlists = {engine: made}
        return self._shortlists[engine]

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
            row += start
            found = pair_squares(self.rows, queries, row, query)
            squares, ids = ragged(query, len(x), (found, np.inf), (row, len(self.rows)))
            nearest = smallest(
                np.concatenate([nearest[0], squares], axis=1), np.concatenate([nearest[1], ids], axis=1), k
            )
            start += len(y)
        return nearest

    def _blocks(self) -> Iterator[Squares]:
        step = _step(8 * self.rows.shape[1] + 128 * 40)  # beside a block of rows stand its distances to 128 queries
        return (self.centred(self.rows[start : start + step]) for start in range(0, len(self.rows), step))

    def _single_rows(self) -> Single:
        single = np.empty(self.rows.shape, dtype=np.float32)
        for part in self._parts():
            self._single(self.rows[part], single[part])
        return single

    def _single_blocks(self) -> Iterator[Single]:
        return (self._single(self.rows[part]) for part in self._parts())

    def _parts(self) -> Iterator[slice]:
        step = _step(12 * self.rows.shape[1])
        return (slice(start, start + step) for start in range(0, len(self.rows), step))

    def _single(self, rows: Matrix, out: Single | None = None) -> Single:
        """What `centred` gives, in float32 and but for a power of two: the shortlist is made of it."""
        out = np.empty(rows.shape, dtype=np.float32) if out is None else out
        power = 1.0 if 1 / _MODERATE < self._scale < _MODERATE else 2.0 ** -np.ceil(np.log2(self._scale))
        if rows.dtype != np.float32 or self.rows.dtype != np.float32 or not _SMALLEST < self._scale < LARGEST:
            wide: Squares = np.subtract(rows, self._centre, dtype=np.float64)
            wide *= power
            with np.errstate(over="ignore"):
                out[:] = wide
            return out
        np.subtract(rows, self._centre.astype(np.float32), out=out)  # rounded once, as a cast from float64 is
        if power != 1.0:
            out *= np.float32(power)
        return out

    def centred(self, rows: Matrix) -> Squares:
        """Subtract the mean of the rows and divide by their largest entry."""
        centred: Squares = np.subtract(rows, self._centre, dtype=np.float64)
        centred /= self._scale
        return centred


def _center_and_scale(rows: Matrix) -> tuple[Squares, float]:
    """About the mean of each column, as the rows' type holds it, and the largest entry of the centered rows."""
    step = max(1, _PAIR_BUDGET // rows.shape[1])
    total, high, low = np.zeros(rows.shape[1]), rows[0], rows[0]
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(rows), step):  # few rows, near the processor: it needs no better sum
            block = rows[start : start + step]
            total += block.sum(axis=0)
            high, low = np.maximum(high, block.max(axis=0)), np.minimum(low, block.min(axis=0))
    mean = total / len(rows) if np.isfinite(total).all() else rows.mean(axis=0, dtype=np.float64)
    center = mean.astype(rows.dtype).astype(np.float64)
    ends = np.stack([high - center, center - low])
    return center, float(ends.max()) or 1.0


def _step(row_bytes: int, most: int = 1024) -> int:
    """How many rows of some bytes the budget holds, at least one and few enough to stay near the processor."""
    return min(max(_BUDGET // row_bytes, 1), most)


def _of(own: Ids | None, part: slice | Ids) -> Ids | None:
    return None if own is None else own[part]


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
        size = min(step, stretch.stop - stretch.start), rows.shape[1]
        ours, theirs = np.empty(size, rows.dtype), np.empty(size, queries.dtype)
        difference, subtracted = np.empty(size), np.empty(size)
        for start in range(stretch.start, stretch.stop, step):
            part = slice(start, min(start + step, stretch.stop))
            used = slice(0, part.stop - start)
            difference[used] = np.take(rows, row[part], axis=0, out=ours[used], mode="clip")  # "raise" would copy
            subtracted[used] = np.take(queries, query[part], axis=0, out=theirs[used], mode="clip")
            difference[used] -= subtracted[used]  # each cast whole: NumPy's own casts on the way take twice as long
            np.square(difference[used], out=difference[used])
            difference[used].sum(axis=1, out=squares[part])

    in_threads(fill, len(row), least=step)
    return squares


def smallest(squares: Squares, ids: Ids, k: int) -> tuple[Squares, Ids]:
    """The k smallest of each row in ascending order, and their ids; among equals the one on the left comes first."""
    order = np.argsort(squares, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(squares, order, axis=1), np.take_along_axis(ids, order, axis=1)
