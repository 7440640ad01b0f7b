"""Symmetric (d, d) matrices as their lower triangle in d (d + 1) / 2 numbers: LAPACK's rectangular full packed format.

So they take half the memory, and half of what moves between machines, and rows are added at the speed of BLAS
(Gustavson, Wasniewski, Dongarra & Langou, "Rectangular full packed format for Cholesky's algorithm", ACM TOMS 2010).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

Floats = NDArray[np.float64]
MOST_COLUMNS = 46_340  # d (d + 1) of more is no 32-bit number, which LAPACK counts in


def zeros(d: int) -> Floats:
    """Return the packed matrix of zeros."""
    return np.zeros(d * (d + 1) // 2)


def with_rows(packed: Floats, rows: Floats) -> Floats:
    """Return a packed matrix plus rows^T rows, of (n, d) contiguous rows, in the memory of the first.

    Example:
        >>> packed = with_rows(zeros(2), np.array([[1.0, 2.0], [3.0, 4.0]]))
        >>> lower(packed, 2)[1].tolist(), diagonal(packed, 2).tolist()
        ([14.0, 20.0], [10.0, 20.0])
    """
    n, d = rows.shape
    found: Floats = lapack.dsfrk(d, n, 1.0, rows.T, 1.0, packed, uplo="L", overwrite_c=1)
    return found


def pack(matrix: Floats) -> Floats:
    """Return a symmetric matrix packed; its lower triangle is read."""
    found: Floats = lapack.dtrttf(np.asfortranarray(matrix), uplo="L")[0]
    return found


def lower(packed: Floats, d: int) -> Floats:
    """Return the lower triangle as a new (d, d) matrix in column order; what is above it is anything."""
    found: Floats = lapack.dtfttr(d, packed, uplo="L")[0]
    return found


def diagonal(packed: Floats, d: int) -> Floats:
    """Return a copy of the diagonal, (d,)."""
    half, even = -(-d // 2), 1 - d % 2
    columns = packed.reshape(half, d + even)  # of the rectangle, one a row
    found = np.empty(d)
    found[:half] = columns[np.arange(half), np.arange(half) + even]
    found[half:] = columns[np.arange(1 - even, half), np.arange(d - half)]
    return found


def inner_product(one: Floats, other: Floats, d: int) -> float:
    """Return the sum of the products of all entries of two symmetric matrices."""
    return float(2.0 * blas.ddot(one, other) - blas.ddot(diagonal(one, d), diagonal(other, d)))
