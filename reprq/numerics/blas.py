"""Routines of BLAS and LAPACK that several threads of Python can take at once."""

import ctypes
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

Single = NDArray[np.float32]
Double = NDArray[np.float64]


def add_products(block: Single, scale: float, queries: Single, rows: Single) -> None:
    """Add `scale` queries rows^T to the block, in place and without Python's lock, which SciPy's own call holds.

    Args:
        block: (m, n), contiguous.
        scale: A number.
        queries: (m, d), contiguous, or neighboring columns of a contiguous array: BLAS needs no copy of them.
        rows: (n, d), likewise.

    Example:
        >>> block = np.ones((1, 2), dtype=np.float32)
        >>> add_products(block, -2.0, np.float32([[1, 2]]), np.float32([[3, 0], [0, 1]]))
        >>> block.tolist()
        [[-5.0, -3.0]]
    """
    if not block.size:
        return
    (m, d), n = queries.shape, len(rows)
    apart = [max(d, array.strides[0] // array.itemsize) for array in (rows, queries)]
    whole = [ctypes.byref(ctypes.c_int(number)) for number in (n, m, d, *apart)]
    numbers = [ctypes.byref(ctypes.c_float(number)) for number in (scale, 1.0)]
    theirs, ours, out = (array.ctypes.data for array in (rows, queries, block))
    # BLAS reads by columns: what NumPy calls (n, d) by rows is (d, n) there
    routine = _routine("cython_blas", "sgemm", 2, 11)
    routine(b"T", b"N", *whole[:3], numbers[0], theirs, whole[3], ours, whole[4], numbers[1], out, whole[0])


def products(matrix: Double, other: Double) -> Double:
    """Return matrix @ other by SciPy's BLAS, for what stands between other calls of it.

    NumPy's own is often another library, with threads of its own. Each one's threads wait for more work at full speed
    for some milliseconds, so that two pools in turn keep each other from the processor.

    Args:
        matrix: (n, d), contiguous.
        other: (d,) or (d, r).

    Example:
        >>> products(np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([1.0, 10.0])).tolist()
        [21.0, 10.0]
    """
    by_rows = matrix.flags.c_contiguous  # and BLAS reads by columns
    columns = matrix.T if by_rows else matrix
    found: Double = (
        blas.dgemv(1.0, columns, other, trans=by_rows)
        if other.ndim == 1
        else blas.dgemm(1.0, columns, other, trans_a=by_rows)
    )
    return found


def tridiagonal_eigenvectors(diagonal: NDArray[np.float64], off: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the eigenvectors of a symmetric tridiagonal matrix, (d, d) in column order, eigenvalues ascending.

    They are those of LAPACK's dstemr, which SciPy's own call keeps Python's lock for. Divide and conquer (dstedc) takes
    about five sixths of its time, but mixes what belongs to eigenvalues below 1e-16 of the largest: where one entry is
    huge, as of a mean far from zero, dstemr tells these apart.

    Args:
        diagonal: (d,) with d at least 2.
        off: (d - 1,) beside the diagonal.

    Raises:
        LinAlgError: LAPACK found none.

    Example:
        >>> vectors = tridiagonal_eigenvectors(np.zeros(2), np.ones(1))
        >>> np.abs(vectors).round(3).tolist()
        [[0.707, 0.707], [0.707, 0.707]]
    """
    d = len(diagonal)
    numbers = np.array([d, 1, d, 0, 1, 18 * d, 10 * d, 0], dtype=np.int32)  # n, il, iu, m, tryrac, sizes, info
    n, first, last, many, relative, work, whole, info = (numbers[at:].ctypes.data for at in range(len(numbers)))
    floats = [np.append(diagonal, 0.0)[:d], np.append(off, 0.0), np.zeros(1), np.empty(d), np.empty(18 * d)]
    main, beside, bound, values, space = (array.ctypes.data for array in floats)  # main and beside are overwritten
    support, whole_space = np.empty(2 * d, dtype=np.int32), np.empty(10 * d, dtype=np.int32)
    found = np.empty((d, d), order="F")
    spaces = (space, work, whole_space.ctypes.data, whole, info)
    _routine("cython_lapack", "dstemr", 2, 19)(
        b"V", b"A", n, main, beside, bound, bound, first, last, many, values, found.ctypes.data, n, n,
        support.ctypes.data, relative, *spaces,
    )  # fmt: skip
    if numbers[-1] or numbers[3] != d:
        raise np.linalg.LinAlgError(f"dstemr found {numbers[3]} of {d} eigenvectors, info {numbers[-1]}")
    return found


@cache
def _routine(module: str, name: str, letters: int, pointers: int) -> Any:
    """A function that SciPy offers to compiled code, called as such: `ctypes` lets go of the lock."""
    capsule = import_module(f"scipy.linalg.{module}").__pyx_capi__[name]
    named, held = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    named.restype, named.argtypes = ctypes.c_char_p, [ctypes.py_object]
    held.restype, held.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.CFUNCTYPE(None, *[ctypes.c_char_p] * letters, *[ctypes.c_void_p] * pointers)(
        held(capsule, named(capsule))
    )
