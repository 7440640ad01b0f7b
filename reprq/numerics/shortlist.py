"""Shortlists of nearest rows in float32: by a matrix product of BLAS or by FAISS; `engines` says which is faster."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.numerics.blas import add_products

Ids = NDArray[np.int64]
Squares = NDArray[np.float64]
Single = NDArray[np.float32]

QUERIES, ROWS = 1024, 4096  # of one product: 16 MiB, unless all rows are in one
_COLUMNS = 256  # of one sum of products: several sums, added, are rounded less than one
_NARROW = 144  # columns up to which the first of the error bounds is the smaller one
_CACHED = 2**16  # entries that stay near the processor from one pass to the next
_CANDIDATE = 40  # entries of a block that are looked through in the time that a candidate costs
_MANY = 256  # candidates, beyond four for each neighbor, that are too many to keep
_FAISS_ENTRIES = 2**17  # from 128,000 entries of queries on FAISS 1.15 multiplies matrices
LARGEST = 1e37  # squares that float32 can hold, and the sums on the way to them


class Candidates(NamedTuple):
    """The rows that may be among the k nearest of each query, as float32 sees them.

    Attributes:
        ids: (m, w) numbers of rows, ascending but for -1, which is none.
        nearer: (m, w) which of them are nearer than the k-th nearest whatever float32 has rounded.
        complete: (m,) whether all such rows are there; False where they are too many, or float32 overflowed.
    """

    ids: Ids
    nearer: NDArray[np.bool_]
    complete: NDArray[np.bool_]


class Shortlist(Protocol):
    """What finds the rows that may be among the nearest to a query.

    Attributes:
        batch: How many queries it is best given at once.
    """

    batch: int

    def search(self, queries: Single, k: int, own: Ids | None = None) -> Candidates:
        """Find the candidates for the k nearest of every query.

        Args:
            queries: (m, d) float32, centered and scaled as the rows are.
            k: At most n, or n - 1 where `own` is given.
            own: (m,) the row that each query itself is, which is no candidate.
        """
        ...


class Reach:
    """How near the k nearest rows are seen, by the error bound of the float32 formula (Higham 2002, section 3.1).

    With u = 2^-24 a sum of d products is off by d u times the sum of their sizes. So the squared distance r^2 of rows
    x and y is seen within (d + 12) u (|x| + |y|)^2, where 12 is for centering, scaling and comparing. Where the squared
    lengths are summed pairwise, and products in p stretches of c columns that are added to them, it is within
    2 (c + p + 4) u |x| |y| + (80 + p) u (|x| + |y|)^2, for many columns a fraction of that. Rows as near as r have
    |y| <= |x| + r.

    Args:
        queries: (m, d) float32.
        parts: The p of the second bound, where that one holds.
    """

    def __init__(self, queries: Single, parts: int | None = None) -> None:
        d = queries.shape[1]
        self.squares: Squares = squared_lengths(queries).astype(np.float64)
        self._lengths = np.sqrt(self.squares)
        if parts is None or d < _NARROW:
            every, cross = d + 12, 0
        else:
            every, cross = 80 + parts, 2 * (-(-d // parts) + parts + 4)
        self._all, self._cross = min(every * 2.0**-24, 0.1), min(cross * 2.0**-24, 0.1)
        self._tiny = (d + 12) * float(np.finfo(np.float32).tiny)

    def ends(self, seen: NDArray[np.floating]) -> tuple[Squares, Squares]:
        """Return what rows nearer than the k-th for certain are seen below, and what all k nearest are seen up to.

        Args:
            seen: (m,) the k-th smallest of the squared distances seen, or a bound from above of it (then only the
                second number holds).
        """
        x, share = self._lengths, self._cross + 4 * self._all
        inner = np.maximum(seen + share * x**2 + self._tiny, 0.0)  # r^2 = seen + error(r), a quadratic equation
        left = 1.0 - self._all
        radius = (share * x + np.sqrt((share * x) ** 2 + 4 * left * inner)) / (2 * left)
        error = self._cross * x * (x + radius) + self._all * (2 * x + radius) ** 2 + self._tiny
        return np.asarray(seen - 2.0 * error), np.asarray(radius**2 + error)


def squared_lengths(rows: Single) -> Single:
    """The squared length of each row, summed pairwise: off by at most 64 2^-24 of it."""
    lengths = np.empty(len(rows), dtype=np.float32)
    step = max(1, _CACHED // rows.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        np.square(rows[part]).sum(axis=1, out=lengths[part])
    return lengths


class ProductShortlist:
    """|y|^2 - 2 x.y of all rows y from float32 products, which BLAS adds to the lengths; the least are kept.

    Args:
        rows: (n, d) float32, contiguous, at most about 1 in size.
    """

    def __init__(self, rows: Single) -> None:
        n, d = rows.shape
        columns = -(-d // -(-d // _COLUMNS))
        self._columns = [slice(start, min(start + columns, d)) for start in range(0, d, columns)]
        self._rows, self._lengths = rows, squared_lengths(rows)
        many = ROWS if d > _COLUMNS else ROWS // 4  # narrow products are soon done: what looks through them waits less
        self._block = n if n <= 2 * many else many
        self.batch = min(QUERIES, QUERIES * ROWS // self._block)

    def search(self, queries: Single, k: int, own: Ids | None = None) -> Candidates:
        """Find rows as `Shortlist` says."""
        n = len(self._lengths)
        space = np.empty(len(queries) * min(self._block, n), dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            pool = _Pool(Reach(queries, len(self._columns)), k, n)
            for start in range(0, n, self._block):
                block = self._seen(queries, slice(start, min(start + self._block, n)), space)
                if own is not None:
                    mine = np.flatnonzero((own >= start) & (own < start + block.shape[1]))
                    block[mine, own[mine] - start] = np.inf
                pool.add(block, start)
            return pool.candidates()

    def _seen(self, queries: Single, rows: slice, space: Single) -> Single:
        """|y|^2 - 2 x.y of queries and some rows, in memory that is there: new pages take as long as these."""
        lengths = self._lengths[rows]
        block = space[: len(queries) * len(lengths)].reshape(len(queries), len(lengths))
        block[:] = lengths
        for columns in self._columns:
            add_products(block, -2.0, queries[:, columns], self._rows[rows, columns])
        return block


class _Pool:
    """The rows seen so far that may be among the k nearest of some queries, less |x|^2 as they are seen.

    Args:
        reach: Of the queries.
        k: How many are sought.
        n: How many rows there are.
    """

    def __init__(self, reach: Reach, k: int, n: int) -> None:
        self._reach, self._k, self._n = reach, k, n
        self._squares = reach.squares
        self._found: list[tuple[Ids, Ids, Single]] = []  # queries, rows and values since they were last narrowed down
        self._count = 0
        self._kth = np.full(len(self._squares), np.inf)
        self._failed = ~(self._squares < LARGEST)
        self._limit = np.where(self._failed, -np.inf, np.inf).astype(np.float32)

    def add(self, block: Single, start: int) -> None:
        """Look at a block of distances, of the rows from `start` on."""
        if start == 0:  # the k-th of c columns leaves about k n / c candidates; this c costs the least with them
            self._tighten(_bound(block, self._k, math.isqrt(_CANDIDATE * self._k * self._n)))
        near = np.flatnonzero(block <= self._limit[:, None])
        if len(near) > block.size // 8:  # the rows come nearer and nearer, or many are as near as the k-th
            self._tighten(_bound(block, self._k, block.shape[1]))
            self._give_up(np.count_nonzero(block <= self._limit[:, None], axis=1))
            near = np.flatnonzero(block <= self._limit[:, None])
        query = near // block.shape[1]
        self._found.append((query, near - query * block.shape[1] + start, block.ravel()[near]))
        self._count += len(near)
        if self._count > len(block) * (_MANY // 2 + 2 * self._k):
            ids, values, kept = self._narrowed()
            query, column = np.nonzero(kept)
            self._found = [(query, ids[query, column], values[query, column])]
            self._count = len(query)

    def candidates(self) -> Candidates:
        """What is left when all rows have been seen."""
        ids, values, kept = self._narrowed()
        low, _ = self._reach.ends(self._kth + self._squares)
        return Candidates(np.where(kept, ids, -1), kept & (values < (low - self._squares)[:, None]), ~self._failed)

    def _narrowed(self) -> tuple[Ids, Single, NDArray[np.bool_]]:
        """The rows that were found, (m, w) ids and values, and which may still be among the k nearest."""
        query, ids, values = (np.concatenate(each) for each in zip(*self._found, strict=True))
        if len(self._found) > 1:
            order = np.argsort(query.astype(np.int16), kind="stable")  # by radix
            query, ids, values = query[order], ids[order], values[order]
        ids, values = ragged(query, len(self._squares), (ids, -1), (values, np.inf))
        if values.shape[1] >= self._k:
            self._kth = np.partition(values, self._k - 1, axis=1)[:, self._k - 1].astype(np.float64)
            self._tighten(self._kth)
        kept = (values <= self._limit[:, None]) & (ids >= 0)
        self._give_up(np.count_nonzero(kept, axis=1))
        return ids, values, kept & ~self._failed[:, None]

    def _tighten(self, kth: NDArray[np.floating]) -> None:
        _, high = self._reach.ends(kth + self._squares)
        self._limit = np.fmin(self._limit, (high - self._squares).astype(np.float32))

    def _give_up(self, counts: Ids) -> None:
        """Leave a query to float64 that has so many candidates that memory would have no bound."""
        self._failed |= counts > _MANY + 4 * self._k
        self._limit[self._failed] = -np.inf


def _bound(block: Single, k: int, columns: int) -> Single:
    """A bound from above of the k-th smallest of each row: that of the minima of groups of about so many columns."""
    groups = max(64, 2 ** int(4 * k - 1).bit_length())
    block = block[:, : max(columns, 2 * groups)]
    width = block.shape[1]
    if width < k:
        return np.full(len(block), np.inf, dtype=np.float32)
    while width >= 2 * groups:  # the smaller ones of two halves; of an odd width a column is left out
        width //= 2
        block = np.minimum(block[:, :width], block[:, width : 2 * width])
    found: Single = np.partition(block, k - 1, axis=1)[:, k - 1]
    return found


def _joined(found: list[Candidates]) -> Candidates:
    """The candidates of several batches of queries together."""
    width = max((one.ids.shape[1] for one in found), default=0)
    pads = [((0, 0), (0, width - one.ids.shape[1])) for one in found]
    return Candidates(
        np.concatenate([np.pad(one.ids, pad, constant_values=-1) for one, pad in zip(found, pads, strict=True)]),
        np.concatenate([np.pad(one.nearer, pad) for one, pad in zip(found, pads, strict=True)]),
        np.concatenate([one.complete for one in found]),
    )


class FaissShortlist:
    """FAISS's flat index: for large batches the product formula too, for small ones differences.

    Args:
        blocks: The rows, (., d) float32 at a time.
        d: Columns.
        device: "cpu", or "cuda" or "cuda:1" with faiss-gpu.

    Raises:
        InputError: the device is not there.
    """

    def __init__(self, blocks: Iterable[Single], d: int, device: str = "cpu") -> None:
        import faiss  # only who uses it pays for loading it

        number = gpu_number(device)
        self.batch = max(QUERIES, least_queries(d))
        index = faiss.IndexFlatL2(d)
        self._index: Any = (
            index if number is None else faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), number, index)
        )
        for block in blocks:
            self._index.add(block)

    def search(self, queries: Single, k: int, own: Ids | None = None) -> Candidates:
        """Find rows as `Shortlist` says: as many as should do, and more where these turn out too few."""
        length = k + 4 + k // 8 + (own is not None)
        found = self._search(queries, k, own, length)
        few = np.flatnonzero(~found.complete)
        if not len(few) or length >= self._index.ntotal:
            return found
        more = self._search(queries[few], k, None if own is None else own[few], 2 * length + 64)
        order = np.concatenate([np.flatnonzero(found.complete), few])
        done = found.complete
        joined = _joined([Candidates(found.ids[done], found.nearer[done], done[done]), more])
        back = np.argsort(order)
        return Candidates(joined.ids[back], joined.nearer[back], joined.complete[back])

    def _search(self, queries: Single, k: int, own: Ids | None, length: int) -> Candidates:
        length = min(length, self._index.ntotal)
        with np.errstate(over="ignore", invalid="ignore"):
            reach = Reach(queries)
            seen, ids = self._index.search(queries, length)
            last = np.where(ids[:, -1] >= 0, seen[:, -1], np.nan) if length < self._index.ntotal else np.inf
            seen[ids < 0 if own is None else (ids < 0) | (ids == own[:, None])] = np.inf
            low, high = reach.ends(np.partition(seen, k - 1, axis=1)[:, k - 1])
            complete = (last > high) & np.isfinite(high) & (reach.squares < LARGEST)
            ids = np.where((seen <= high[:, None]) & complete[:, None], ids, -1)
        order = np.argsort(ids, axis=1)
        nearer = (seen < low[:, None]) & (ids >= 0)
        return Candidates(np.take_along_axis(ids, order, 1), np.take_along_axis(nearer, order, 1), complete)


def least_queries(d: int) -> int:
    """Return how many queries FAISS multiplies matrices for; it takes three times as long for each of fewer.

    Example:
        >>> least_queries(64), least_queries(2048)
        (2048, 64)
    """
    return -(-_FAISS_ENTRIES // d)


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
    import faiss

    if not hasattr(faiss, "StandardGpuResources"):
        raise InputError(
            f"device {device} needs faiss-gpu, and this FAISS is for the CPU; install faiss-gpu-cu12 or use cpu"
        )
    if int(number or 0) >= (count := int(faiss.get_num_gpus())):
        raise InputError(f"device {device} must be one of the {count} GPUs that FAISS sees; use cpu")
    return int(number or 0)


def ragged(query: Ids, count: int, *columns: tuple[NDArray[Any], Any]) -> list[NDArray[Any]]:
    """Return (count, w) values by query, those of a query from the left, for each column of values and what fills up.

    Args:
        query: (p,) the query of each value, ascending.
        count: How many queries there are.
        columns: The (p,) values and what stands where there are none.

    Example:
        >>> ragged(np.array([0, 2, 2]), 3, (np.array([5, 6, 7]), -1))[0].tolist()
        [[5, -1], [-1, -1], [6, 7]]
    """
    times = np.bincount(query, minlength=count)
    width = int(times.max(initial=0))
    first = np.arange(count) * width - (np.cumsum(times) - times)  # where a query starts, less the values before it
    place = np.repeat(first, times) + np.arange(len(query))
    found = [np.full(count * width, fill, dtype=values.dtype) for values, fill in columns]
    for whole, (values, _) in zip(found, columns, strict=True):
        whole[place] = values
    return [whole.reshape(count, width) for whole in found]
