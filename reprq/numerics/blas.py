"""A matrix product of BLAS that several threads of Python can take at once."""

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Single = NDArray[np.float32]


def add_products(block: Single, scale: float, queries: Single, rows: Single) -> None:
    """Add `scale` queries rows^T to the block, in place and without Python's lock, which SciPy's own call holds.

    Args:
        block: (m, n), contiguous.
        scale: A number.
        queries: (m, d), contiguous.
        rows: (n, d), contiguous.

    Example:
        >>> block = np.ones((1, 2), dtype=np.float32)
        >>> add_products(block, -2.0, np.float32([[1, 2]]), np.float32([[3, 0], [0, 1]]))
        >>> block.tolist()
        [[-5.0, -3.0]]
    """
    if not block.size:
        return
    (m, d), n = queries.shape, len(rows)
    whole = [ctypes.byref(ctypes.c_int(number)) for number in (n, m, d)]
    numbers = [ctypes.byref(ctypes.c_float(number)) for number in (scale, 1.0)]
    theirs, ours, out = (array.ctypes.data for array in (rows, queries, block))
    # BLAS reads by columns: what NumPy calls (n, d) by rows is (d, n) there
    _sgemm()(b"T", b"N", *whole, numbers[0], theirs, whole[2], ours, whole[2], numbers[1], out, whole[0])


@cache
def _sgemm() -> Any:
    """The function that SciPy offers to compiled code, called as such: `ctypes` lets go of the lock."""
    from scipy.linalg import cython_blas

    capsule = cython_blas.__pyx_capi__["sgemm"]
    named, held = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    named.restype, named.argtypes = ctypes.c_char_p, [ctypes.py_object]
    held.restype, held.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, *[ctypes.c_void_p] * 11)(
        held(capsule, named(capsule))
    )
