"""What all comparisons of two representations share: centered rows of the same samples, and distances between rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.numerics import tensors
from reprq.numerics.tensors import Rows, as_resident, is_tensor
from reprq.validation import as_matrix

Matrix = NDArray[np.float64]

BLOCK = 1024  # rows taken through all steps while they are near the processor
LARGEST = 1e120  # sum of squares of a centered matrix that is not scaled


def centred_rows(x: Any, name: str, min_rows: int = 2) -> Rows:
    """Return x as float64 less its column means; scaled where the fourth powers of its entries would leave float64.

    Args:
        x: (n, d) array or tensor, or an object whose `array` is one; a tensor on a GPU stays there.
        name: What the caller calls it.
        min_rows: The fewest rows the caller can work with.

    Raises:
        InputError: x is not a finite (n, d) matrix with `min_rows` rows, or its rows are all equal.
    """
    array = as_resident(x, name, min_rows=min_rows)
    if is_tensor(array):
        matrix = tensors.centred(array)
    else:
        with np.errstate(over="ignore", invalid="ignore"):  # seen below
            matrix = np.subtract(array, array[0], dtype=np.float64)  # a constant column is then 0 to the last bit
            matrix -= matrix.mean(axis=0)
    if not 1 / LARGEST < inner(matrix, matrix) < LARGEST:
        largest = float(abs(matrix).max())
        if not np.isfinite(largest):
            raise InputError(f"{name} must have differences that float64 can hold, got values too large; rescale it")
        if largest == 0:
            raise InputError(f"{name} must have rows that differ, got all rows equal: it has no similarity to anything")
        matrix /= largest
    return matrix


def centred_single(x: Any, name: str, min_rows: int = 2) -> NDArray[np.float32]:
    """Return x less its column means, computed in float64, over a scale of its deviations, and then in float32.

    Args:
        x: (n, d) array or tensor in float16 or float32, or an object whose `array` is one.
        name: What the caller calls it.
        min_rows: The fewest rows the caller can work with.

    Raises:
        InputError: x is not a finite (n, d) matrix with `min_rows` rows, or its rows are all equal.
    """
    array = as_matrix(x, name, min_rows=min_rows)
    first, total, squares = array[0], np.zeros(array.shape[1]), 0.0
    blocks = [slice(start, start + BLOCK) for start in range(0, len(array), BLOCK)]
    for block in blocks:
        deviations = np.subtract(array[block], first, dtype=np.float64)
        total += deviations.sum(axis=0)
        squares += float(np.vdot(deviations, deviations))
    if squares == 0:
        raise InputError(f"{name} must have rows that differ, got all rows equal: it has no similarity to anything")
    scale = np.sqrt(array.size / squares)  # at most sqrt(n + 1) off the deviations from the mean
    rows = np.empty(array.shape, dtype=np.float32)
    for block in blocks:
        deviations = np.subtract(array[block], first, dtype=np.float64)
        deviations -= total / len(array)
        np.multiply(deviations, scale, out=rows[block], casting="same_kind")
    return rows


def inner(a: Rows, b: Rows) -> float:
    """Return the sum of the products of the entries of two matrices."""
    return float(tensors.namespace(a).vdot(a.ravel(), b.ravel()) if is_tensor(a) else np.vdot(a, b))


def check_paired(x: Rows, y: Rows, x_name: str = "x", y_name: str = "y") -> None:
    """Raise an `InputError` if two representations are not of the same number of samples."""
    if len(x) != len(y):
        raise InputError(f"{y_name} must have {len(x)} rows as {x_name}, one for each sample, got {len(y)}")


def squared_distances(x: Rows, y: Rows | None = None) -> Rows:
    """Return the squared Euclidean distances between rows that are centered, since an offset costs digits.

    Args:
        x: (m, d) float64, also a tensor on a GPU.
        y: (n, d); x itself by default, where what comes out is symmetric and exactly 0 on the diagonal.

    Returns:
        (m, n), never negative.

    Example:
        >>> squared_distances(np.array([[-1.0], [1.0]]), np.array([[2.0]])).ravel().tolist()
        [9.0, 1.0]
    """
    other, xp = x if y is None else y, tensors.namespace(x)
    squares = xp.einsum("ij,ij->i", x, x)[:, None] + xp.einsum("ij,ij->i", other, other)
    product = x @ other.T
    squares -= xp.multiply(product, 2.0, out=product)
    if y is None:
        xp.einsum("ii->i", squares)[:] = 0.0
    return xp.clip(squares, 0.0, None, out=squares)
