"""Everything the one-pass metrics need to know of a matrix, in sums that merge across blocks and machines."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from reprq.conversion import held_array
from reprq.errors import InputError
from reprq.numerics import packed, tensors
from reprq.numerics.blas import products
from reprq.numerics.dask_arrays import is_dask, reduce_blocks
from reprq.numerics.tensors import Rows, as_resident, is_tensor
from reprq.validation import as_matrix

BLOCK_BYTES = 64 * 2**20  # of float64 held at once; large enough for the matrix product, small beside the data
_CACHED = 2**15  # values whose bits fit in a core's cache
LARGEST = 1e140  # norm of a row; the sums of their squares, and the squares of those, stay within float64


class Moments:
    """The sufficient statistics of an (n, d) matrix: n, mean, centered second moment and the sum of unit vectors.

    Blocks of rows are centered on their own mean in float64 and joined by the pairwise update of Chan, Golub & LeVeque
    (1983), so that column means far larger than the deviations cost no digits. While n <= d the rows themselves are
    the smaller statistic and are kept; with the first row more they are folded into the (d, d) second moment.

    Args:
        d: The number of columns.

    Attributes:
        n: Rows seen so far.
        d: Columns.
        mean: (d,) float64, the column means.
        unit_sum: (d,) float64, the sum of x / |x| over the rows that are not zero.
        zero_rows: How many rows are all zero, and so have no direction.

    Example:
        >>> import numpy as np
        >>> x = np.arange(12.0).reshape(6, 2)
        >>> half = Moments(2).update(x[:3]).merge(Moments(2).update(x[3:]))
        >>> half.n, half.mean.tolist(), half.scatter.tolist()
        (6, [5.0, 6.0], [[70.0, 70.0], [70.0, 70.0]])
    """

    def __init__(self, d: int) -> None:
        self.n, self.d = 0, d
        self.mean = np.zeros(d)
        self.unit_sum = np.zeros(d)
        self.zero_rows = 0
        self._rows: list[Rows] | None = []
        self._scatter: NDArray[np.float64] | None = None  # as `reprq.numerics.packed` has it
        self._squares: list[NDArray[np.float64]] = []  # of the rows that were folded
        self._sketches: list[NDArray[np.float64]] = []  # one number a row, equal for equal rows
        self._sketch_weights = np.random.default_rng(0).standard_normal(2 * d)

    @classmethod
    def of(cls, x: Any, name: str = "x", *, min_rows: int = 1) -> Self:
        """Return the statistics of one matrix.

        Args:
            x: An (n, d) array, tensor, memory map or chunked array on disk (zarr, h5py), an object whose `array` is
                one, or an iterator over (m, d) blocks. Of a dask array each block is summed by the worker that has it,
                and only the sums travel; of a tensor on a GPU only the sums leave it.
            name: What the caller calls `x`; the error messages use it.
            min_rows: The fewest rows the caller can work with.

        Raises:
            InputError: `x` is not such a matrix, or holds a nan or an inf.
        """
        moments: Self | None = None
        if is_dask(x):
            moments = reduce_blocks([x], [name], partial(cls._of_block, name), cls._joined)
        else:
            for block in blocks_of(x, name, min_rows=min_rows):
                moments = cls(block.shape[1]) if moments is None else moments
                moments._absorb(block)
        if moments is None or moments.n < min_rows:
            rows = 0 if moments is None else moments.n
            raise InputError(f"{name} must have at least {min_rows} rows, got {rows}; give more embeddings")
        return moments

    def update(self, block: Any) -> Self:
        """Add the rows of an (m, d) block, and return this object.

        Raises:
            InputError: `block` is not a finite (m, d) matrix.
        """
        self._absorb(as_resident(block, "block", columns=self.d))
        return self

    def merge(self, other: "Moments") -> Self:
        """Add what `other` has seen, as if its rows had come here, and return this object.

        Raises:
            InputError: `other` has another number of columns.
        """
        if other.d != self.d:
            raise InputError(f"other must have {self.d} columns as the statistics it joins, got {other.d}")
        if other._rows is not None:
            for rows in other._rows:
                self._store(rows if is_tensor(rows) else rows.copy())
        else:
            self._spill()
            assert self._scatter is not None
            assert other._scatter is not None
            self._scatter += other._scatter
            self._join(other.n, other.mean)
        self.unit_sum += other.unit_sum
        self.zero_rows += other.zero_rows
        self._sketches += other._sketches
        self._squares += other._squares
        return self

    def fold(self) -> Self:
        """Fold the rows that are kept into the second moment, which then merges by addition; return this object."""
        self._spill()
        return self

    def __sizeof__(self) -> int:
        """Return the bytes that are held, by which dask plans what to move."""
        scatter = [] if self._scatter is None else [self._scatter]
        return (
            sum(int(x.nbytes) for x in (*scatter, *(self._rows or ()), *self._squares, *self._sketches)) + 32 * self.d
        )

    @classmethod
    def _of_block(cls, name: str, number: int, block: Any) -> Self:
        rows = as_matrix(block, f"block {number} of {name}", min_rows=0)
        moments = cls(rows.shape[1])
        moments._absorb(rows)
        return moments

    @classmethod
    def _joined(cls, one: Self, other: Self) -> Self:
        return cls(one.d).merge(one).merge(other)

    @property
    def rows(self) -> Rows | None:
        """The (n, d) rows themselves while n <= d, in float64, else None; a tensor on a GPU if they came as such."""
        if self._rows is None:
            return None
        return tensors.double(tensors.joined(self._rows)) if self._rows else np.empty((0, self.d))

    @property
    def scatter(self) -> NDArray[np.float64]:
        """The centered second moment, sum over rows of (x - mean)(x - mean)^T: (d, d) float64."""
        if self._scatter is None:
            rows = self.rows if self.rows is not None else np.empty((0, self.d))
            if is_tensor(rows):
                return tensors.spread(rows).product
            centred = rows - self.mean
            return centred.T @ centred
        lower = np.tril(self.scatter_lower)
        lower += np.tril(lower, -1).T
        return lower

    @property
    def scatter_lower(self) -> NDArray[np.float64]:
        """The lower triangle of `scatter`, a new (d, d) matrix in column order; what is above it is anything."""
        return np.asfortranarray(self.scatter) if self._scatter is None else packed.lower(self._scatter, self.d)

    @property
    def scatter_packed(self) -> NDArray[np.float64]:
        """What `scatter` is, packed as `reprq.numerics.packed` says; not to be changed."""
        return packed.pack(self.scatter) if self._scatter is None else self._scatter

    @property
    def scatter_diagonal(self) -> NDArray[np.float64]:
        """The sum of squared deviations of each column, (d,) float64; exactly 0 for a constant column."""
        if self._scatter is not None:
            return packed.diagonal(self._scatter, self.d)
        rows = self.rows
        if rows is None or not len(rows):
            return np.zeros(self.d)
        return tensors.column_squares(rows) if is_tensor(rows) else np.square(rows - self.mean).sum(axis=0)

    @property
    def duplicates(self) -> int:
        """How many rows repeat an earlier row."""
        return self.n - len(np.unique(np.concatenate(self._sketches))) if self._sketches else 0

    @property
    def squares(self) -> NDArray[np.float64]:
        """The squared distance of each row to the mean as it was with its block, (n,) float64, in no order."""
        rows = self.rows
        if is_tensor(rows):
            kept = [tensors.squares_around(rows, self.mean)]
        else:
            kept = [] if rows is None else [np.square(rows - self.mean).sum(axis=1)]
        return np.concatenate([*self._squares, *kept, np.empty(0)])

    def _absorb(self, block: Rows) -> None:
        if is_tensor(block):
            unit_sum, lengths = tensors.directions(block)
            self._count(_checked(lengths, block), unit_sum, tensors.sketches(block, self._sketch_weights))
            self._store(block)
            return
        size = max(1, BLOCK_BYTES // (8 * self.d))
        for start in range(0, len(block), size):
            rows = block[start : start + size].astype(np.float64, order="C")  # always a copy: the caller may reuse it
            norms = _norms(rows)
            inverse = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
            self._count(norms, products(rows.T, inverse), _sketches(rows, self._sketch_weights))
            self._store(rows)

    def _count(self, norms: NDArray[np.float64], unit_sum: NDArray[np.float64], sketches: NDArray[np.float64]) -> None:
        """Add what is summed of rows by themselves."""
        self.unit_sum += unit_sum
        self.zero_rows += int(np.count_nonzero(norms == 0))
        self._sketches.append(sketches)

    def _store(self, rows: Rows) -> None:
        """Keep the rows while they are fewer than the columns, else fold them into the second moment."""
        if self._rows is not None and self.n + len(rows) <= self.d:
            self._rows.append(rows.clone() if is_tensor(rows) else rows)  # the caller may reuse a tensor
            self._join(len(rows), tensors.column_means(rows) if is_tensor(rows) else _centre(rows.copy()))
        else:
            self._spill()
            self._fold(rows)

    def _spill(self) -> None:
        if self._rows is None:
            return
        if self.d > packed.MOST_COLUMNS:
            raise InputError(
                f"x must have at most {packed.MOST_COLUMNS} columns where it has more rows than columns, got {self.d}; "
                "give fewer columns or fewer rows"
            )
        kept, self._rows = self._rows, None
        self._scatter = packed.zeros(self.d)
        self.n, self.mean = 0, np.zeros(self.d)
        for rows in kept:
            self._fold(rows)

    def _fold(self, rows: Rows) -> None:
        """Add rows to the second moment; an array is used up."""
        if is_tensor(rows):
            mean, product, squares = tensors.spread(rows)
            assert self._scatter is not None
            self._scatter += packed.pack(product)
            self._join(len(rows), mean)
            moved = mean - self.mean
            along = tensors.products(rows, mean, moved) if self.n > len(rows) else 0.0
        else:
            mean = _centre(rows)
            self._add_product(rows)
            self._join(len(rows), mean)
            moved = mean - self.mean
            squares, along = np.vecdot(rows, rows), products(rows, moved)
        self._squares.append(squares + 2 * along + moved @ moved)

    def _join(self, n: int, mean: NDArray[np.float64]) -> None:
        """Move the mean to that of both, and add the spread between the two means to the second moment."""
        total = self.n + n
        if total == 0:
            return
        delta = mean - self.mean
        if self._scatter is not None and self.n:
            self._add_product(np.sqrt(self.n * n / total) * delta[None])
        self.mean = self.mean + delta * (n / total) if self.n else mean
        self.n = total

    def _add_product(self, rows: NDArray[np.float64]) -> None:
        assert self._scatter is not None
        self._scatter = packed.with_rows(self._scatter, rows)


def _sketches(rows: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a number a row from its bits, two words a value: far from zero a sum of values would round rows alike."""
    sketches = np.empty(len(rows))
    step = max(1, _CACHED // rows.shape[1])
    for start in range(0, len(rows), step):
        words = (rows[start : start + step] + 0.0).view(np.int32).astype(np.float64)  # + 0.0: no -0.0
        np.vecdot(words, weights, out=sketches[start : start + step])
    return sketches


def _norms(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        return _checked(np.sqrt(np.vecdot(rows, rows)), rows)


def _checked(norms: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
    """Return the norms of some rows; an `InputError` if their fourth powers leave float64."""
    if norms.max() > LARGEST or (0 < norms.max() < 1 / LARGEST) or (norms.max() == 0 and rows.any()):
        size = float(abs(rows).max())
        raise InputError(f"x must have squares that float64 can hold, got values of about {size:.1g}; rescale it")
    return norms


def _centre(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Subtract the mean in place, and return it; for a constant column exactly that constant, and exactly 0 is left."""
    first = rows[0].copy()
    rows -= first
    shift: NDArray[np.float64] = rows.mean(axis=0)
    rows -= shift
    mean: NDArray[np.float64] = first + shift
    return mean


def blocks_of(x: Any, name: str = "x", *, min_rows: int = 1) -> Iterator[Rows]:
    """Yield the rows of a matrix in blocks, each a finite floating-point array, or a tensor if it is one on a GPU.

    Args:
        x: An (n, d) array, tensor or memory map, an object whose `array` is one, or an iterator over (m, d) blocks. A
            chunked array on disk (zarr, h5py) is read block by block.
        name: What the caller calls `x`.
        min_rows: The fewest rows the caller can work with, where x is not an iterator.

    Raises:
        InputError: as `reprq.validation.as_matrix` says; for an iterator the block is named.
    """
    x = held_array(x)
    if hasattr(x, "chunks") and len(getattr(x, "shape", ())) == 2:
        step = max(1, BLOCK_BYTES // (8 * max(x.shape[1], 1)))
        for start in range(0, x.shape[0], step):
            yield as_matrix(x[start : start + step], f"{name}[{start}:{start + step}]")
        return
    if not isinstance(x, Iterator):
        yield as_resident(x, name, min_rows=min_rows)
        return
    columns: int | None = None
    for number, block in enumerate(x):
        matrix = as_resident(block, f"block {number} of {name}", columns=columns)
        columns = matrix.shape[1]
        yield matrix
