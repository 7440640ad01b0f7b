"""The centered and the uncentered spectrum of a matrix, both from one tridiagonal reduction."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack, qr

from reprq.numerics import tensors
from reprq.numerics.blas import products
from reprq.numerics.dask_arrays import is_dask
from reprq.numerics.eigenvectors import Eigenvectors, Space, of_tridiagonals
from reprq.numerics.moments import Moments, blocks_of
from reprq.numerics.tensors import Rows, is_tensor

_RESOLVED = 1e-12  # of the largest eigenvalue: a sum of squares leaves smaller ones fewer than about four digits

Again = Callable[[], Iterable[Rows]]


@dataclass(frozen=True, eq=False)
class Spectra:
    """The squared singular values of a matrix as it is and of the matrix less its mean.

    Attributes:
        centered: (min(n, d),) float64, squared singular values of x - mean(x), descending; the eigenvalues of the
            covariance times n - 1.
        uncentered: (min(n, d),) float64, squared singular values of x, descending; those of x^T x.
        n: Rows.
        d: Columns.
    """

    centered: NDArray[np.float64]
    uncentered: NDArray[np.float64]
    n: int
    d: int


def spectra(moments: Moments) -> Spectra:
    """Return both spectra of the rows that `moments` has seen.

    A reflection takes the mean to the first axis. There the two second moments differ in their first entry alone, so
    one reduction to tridiagonal form serves both. The reduction keeps the first entry to itself: a mean that is huge
    beside the deviations takes no digits from the other eigenvalues. Where n <= d the reflection acts on the rows, and
    the (n, n) Gram matrix takes the place of the (d, d) second moment.

    Args:
        moments: At least one row.

    Returns:
        The spectra; values below the rounding error of the largest are 0.
    """
    n, d = moments.n, moments.d
    if moments.rows is None:
        return Reduction(moments).spectra
    products, along = _gram(moments.rows, moments.mean)
    gram = _reflect(products, np.ones(n))
    gram[:, 0] = np.sqrt(n) * _reflect_vector(along, np.ones(n))
    gram[0, 0] = n * float(moments.mean @ moments.mean)
    diagonal, off = _tridiagonal(gram)[:2]
    centered = np.append(_eigenvalues(diagonal[1:], off[1:]), 0.0)
    return _clean(centered, _eigenvalues(diagonal, off), n, d)


def _gram(rows: Rows, mean: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower triangle of the Gram matrix of rows less their mean, and their products with it."""
    if is_tensor(rows):
        return tensors.gram(rows, mean)
    deviations = rows - mean
    return blas.dsyrk(1.0, deviations, lower=1), deviations @ mean


class Reduction:
    """The second moments of more rows than columns in tridiagonal form, which eigenvalues and eigenvectors follow from.

    Args:
        moments: Folded ones, which keep no rows.
    """

    def __init__(self, moments: Moments) -> None:
        self._n, self._d, self._mean = moments.n, moments.d, moments.mean
        self._diagonal, self._off, *self._turns = _tridiagonal(_reflect(moments.scatter_lower, moments.mean))

    @cached_property
    def spectra(self) -> Spectra:
        """Both spectra, as `spectra` returns them."""
        centered, uncentered = (_eigenvalues(self._diagonal_of(centered), self._off) for centered in (True, False))
        return _clean(centered, uncentered, self._n, self._d)

    def eigenvectors(self, centerings: Sequence[bool]) -> list[Eigenvectors]:
        """Return the eigenvectors of the centered (True) or the uncentered (False) second moment, as asked for."""
        turned = of_tridiagonals([self._diagonal_of(centered) for centered in centerings], self._off)
        space = Space(self._d)
        return [Eigenvectors(self._basis, each, space) for each in turned]

    @cached_property
    def _basis(self) -> NDArray[np.float64]:
        """What takes the second moments to tridiagonal form, (d, d): both reflections and rotations."""
        reflections, factors = self._turns
        if self._d == 1:
            return np.ones((1, 1))
        columns = reflections.T  # one a row; they move by one, where they are: the first, of factor 0, turns nothing
        for number in range(self._d - 1, 0, -1):
            columns[number] = columns[number - 1]
        columns[0], self._turns = 0.0, []
        work = 64 * self._d  # for blocks of 64 columns; less is slow
        basis = lapack.dorgqr(reflections, np.append(0.0, factors), lwork=work, overwrite_a=1)[0]
        v = _reflector(self._mean)
        return basis if v is None else blas.dger(-2.0, v, products(basis.T, v), a=basis, overwrite_a=1)

    def _diagonal_of(self, centered: bool) -> NDArray[np.float64]:
        diagonal: NDArray[np.float64] = self._diagonal.copy()
        diagonal[0] += 0.0 if centered else self._n * float(self._mean @ self._mean)
        return diagonal


def spectrum(x: Any, *, centered: bool = True) -> NDArray[np.float64]:
    """Return the eigenvalues of the covariance of x, or of its second moment around zero.

    Centered, they are those of (x - mean)^T (x - mean) / (n - 1); uncentered, those of x^T x / n.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n at least 2.
        centered: Whether the mean is taken away first.

    Returns:
        (min(n, d),) float64, descending, in squared units of x. Singular values below the rounding error of the largest
        are 0; of an iterator, whose blocks are seen once, eigenvalues are.

    Raises:
        InputError: x is not a finite (n, d) matrix of at least two rows.

    Example:
        >>> spectrum([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [0.0, -0.5]]).round(4).tolist()
        [0.6667, 0.1667]
    """
    both = resolved_spectra_of(x)
    return both.centered / (both.n - 1) if centered else both.uncentered / both.n


def again(x: Any) -> Again | None:
    """Return what gives the rows of x once more, or None where they pass by once (an iterator, `Moments`, dask)."""
    return None if isinstance(x, Iterator | Moments) or is_dask(x) else lambda: blocks_of(x)


def resolved_spectra_of(x: Any, count: int | None = None) -> Spectra:
    """Return both spectra of a matrix, as `resolved_spectra` does."""
    moments = Moments.of(x, min_rows=2)
    return resolved_spectra(moments, spectra(moments), again(x), count)


def resolved_spectra(moments: Moments, found: Spectra, rows: Again | None, count: int | None = None) -> Spectra:
    """Return spectra whose first `count` values are more than rounding error, from the rows where it takes them.

    An eigenvalue of a sum of squares is off by some 1e-16 of the largest one, a singular value of the rows themselves
    by 1e-16 of the largest one: below 1e-12 the latter are computed, by QR of block after block and one SVD. Columns
    that are constant have exact zeros and ask for nothing.

    Args:
        moments: Of the rows.
        found: Their `spectra`.
        rows: What gives the rows once more, or None.
        count: How many values matter; all by default.
    """
    constant = int((moments.scatter_diagonal == 0).sum())
    count = min(count or moments.d, moments.d - constant, moments.n - 1)
    if moments.rows is not None:
        kept = moments.rows
        rows = lambda: [kept]  # noqa: E731
    if count < 1 or rows is None or found.centered[count - 1] >= _RESOLVED * found.centered[0]:
        return found
    return singular_spectra(rows(), moments.mean, moments.n)


def singular_spectra(rows: Iterable[Rows], mean: NDArray[np.float64], n: int) -> Spectra:
    """Return both spectra by a singular value decomposition, which keeps twice the digits of `spectra`.

    Args:
        rows: Blocks of the n rows.
        mean: (d,) their mean.
        n: Rows.
    """
    d, blocks = len(mean), iter(rows)
    first = next(blocks)
    if is_tensor(first):
        found = _singular_values_there(tensors.joined([first, *blocks]), mean, n)
    else:
        found = _singular_values(chain([first], blocks), mean, n)
    centered, uncentered = (values[: min(n, d)] for values in found)
    floor = max(n, d) * np.finfo(np.float64).eps * centered[0]  # as in `_clean`, the mean costs no digits
    for values in (centered, uncentered):
        values[values <= floor] = 0.0
    return Spectra(np.square(centered), np.square(uncentered), n, d)


def _singular_values(
    rows: Iterable[NDArray[np.floating]], mean: NDArray[np.float64], n: int
) -> list[NDArray[np.float64]]:
    """Return the singular values of rows less their mean, and of the rows."""
    d = len(mean)
    step = max(4 * d, 1024)
    triangle: NDArray[Any] = np.empty((0, d))
    for block in rows:
        for start in range(0, len(block), step):
            part: NDArray[Any] = np.vstack([triangle, block[start : start + step] - mean])
            triangle = part if len(part) <= d else qr(part, mode="r", overwrite_a=True, check_finite=False)[0][:d]
    v = _reflector(mean)
    turned = triangle if v is None else triangle - 2 * np.outer(triangle @ v, v)  # the mean on the first axis
    matrices = (triangle, np.vstack([_mean_on_first_axis(mean, n)[None], turned]))
    return [np.linalg.svd(matrix, compute_uv=False) for matrix in matrices]


def _singular_values_there(rows: Rows, mean: NDArray[np.float64], n: int) -> list[NDArray[np.float64]]:
    """Return what `_singular_values` does, of a tensor on its device."""
    deviations = rows - tensors.beside(rows, mean)
    v = _reflector(mean)
    turned = deviations
    if v is not None:
        there = tensors.beside(rows, v)
        turned = deviations - 2 * (deviations @ there)[:, None] * there
    return [
        tensors.singular_values(deviations),
        tensors.singular_values(turned, _mean_on_first_axis(mean, n)),
    ]


def _mean_on_first_axis(mean: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the row that the mean of n rows adds to their deviations, turned to the first axis."""
    top = np.zeros(len(mean))
    top[0] = np.sqrt(n) * np.linalg.norm(mean)
    return top


def _reflector(direction: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the unit v for which I - 2 v v^T takes `direction` to the first axis, up to sign; None for zero."""
    length = np.linalg.norm(direction)
    if length == 0:
        return None
    v = direction / length
    v[0] += np.copysign(1.0, v[0])
    unit: NDArray[np.float64] = v / np.linalg.norm(v)
    return unit


def _reflect(matrix: NDArray[np.float64], direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return H matrix H for the reflection H that takes `direction` to the first axis, in place of a symmetric matrix.

    Of both the lower triangle, in column order, is what counts.
    """
    v = _reflector(direction)
    if v is None:
        return matrix
    w = blas.dsymv(1.0, matrix, v, lower=1)
    w = 2 * (w - (v @ w) * v)
    turned: NDArray[np.float64] = blas.dsyr2(-1.0, w, v, a=matrix, lower=1, overwrite_a=1)
    return turned


def _reflect_vector(vector: NDArray[np.float64], direction: NDArray[np.float64]) -> NDArray[np.float64]:
    v = _reflector(direction)
    return vector if v is None else vector - 2 * (v @ vector) * v


def _tridiagonal(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return the diagonal and off-diagonal of a tridiagonal matrix similar to a symmetric one, first entry kept.

    Of the symmetric matrix the lower triangle, in column order, is read and destroyed: the reflections that take one to
    the other, and their factors, are returned too.
    """
    size = len(matrix)
    if size == 1:
        return np.diagonal(matrix).copy(), np.zeros(0), matrix, np.zeros(0)
    work = int(lapack.dsytrd_lwork(size, lower=1)[0])
    reflections, diagonal, off, factors, _ = lapack.dsytrd(matrix, lower=1, lwork=work, overwrite_a=1)
    return diagonal, off, reflections, factors


def _eigenvalues(diagonal: NDArray[np.float64], off: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the eigenvalues of a tridiagonal matrix, descending."""
    values = diagonal if len(diagonal) < 2 else lapack.dsterf(diagonal, off)[0]
    return np.sort(values)[::-1]


def _clean(centered: NDArray[np.float64], uncentered: NDArray[np.float64], n: int, d: int) -> Spectra:
    """Set to 0 what rounding alone can have made; the mean costs no digits, so the centered one gives the scale."""
    floor = max(len(centered), 1) * np.finfo(np.float64).eps * max(float(centered[0]), 0.0)
    for values in (centered, uncentered):
        values[values <= floor] = 0.0
    return Spectra(centered, uncentered, n, d)
