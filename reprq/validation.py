"""The checks of arrays that come from outside: every metric, detector and evaluation lets its input in through here."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.conversion import as_real, to_numpy
from reprq.errors import InputError


def as_matrix(x: Any, name: str = "x", *, min_rows: int = 1, columns: int | None = None) -> NDArray[np.floating]:
    """Return `x` as a finite two-dimensional floating-point array, or say in one sentence why it is not one.

    Args:
        x: An (n, d) array, nested sequence, tensor (any device), table, memory map, or an object whose `array` is one,
            such as `Embeddings`; `reprq.conversion.to_numpy` lists them all. Booleans, integers and objects become
            float64; float16, float32 and float64 are kept as they are, without a copy.
        name: What the caller calls the argument; the error messages use it.
        min_rows: The fewest rows the caller can work with.
        columns: The number of columns the caller needs, when it has one.

    Returns:
        The (n, d) array in float16, float32 or float64.

    Raises:
        InputError: `x` is masked, sparse, not numeric, not 2-d, empty, has too few rows or another width, or holds a
            nan or an inf (the message names its row and column).

    Example:
        >>> as_matrix([[1, 2], [3, 4]]).dtype
        dtype('float64')
    """
    array = to_numpy(x, name)
    check_matrix(array, name)
    array = as_real(array, name)
    check_size(array, name, min_rows, columns)
    check_finite(array, name)
    return array


def check_matrix(array: Any, name: str) -> None:
    """Raise an `InputError` unless an array or tensor has two axes."""
    if array.ndim != 2:
        raise InputError(f"{name} must be an (n, d) array, got {_not_a_matrix(array)}")


def check_size(array: Any, name: str, min_rows: int, columns: int | None) -> None:
    """Raise an `InputError` unless an (n, d) array or tensor has columns, rows enough and the wanted width, if any."""
    n, d = array.shape
    if d == 0:
        raise InputError(f"{name} must have at least one column, got shape {(n, d)}")
    if n < min_rows:
        rows = "row" if min_rows == 1 else "rows"
        raise InputError(f"{name} must have at least {min_rows} {rows}, got {n}; give more embeddings")
    if columns is not None and d != columns:
        raise InputError(f"{name} must have {columns} columns as the data it is compared with, got {d}")


def _not_a_matrix(array: Any) -> str:
    shape = tuple(array.shape)
    if array.ndim == 0:
        return f"one {type(array.item()).__name__}"
    if array.ndim == 1:
        return f"shape {shape}; reshape one row to (1, d) or one column to (n, 1)"
    wide = [size for size in shape[1:] if size != 1]
    if len(wide) < 2:
        return f"shape {shape}; drop the axes of length 1 with reshape({shape[0]}, {wide[0] if wide else 1})"
    return f"shape {shape}; pool or flatten every sample to one row"


def check_finite(array: NDArray[np.floating], name: str, first_row: int = 0) -> None:
    """Raise an `InputError` that names the first row and column that is nan or inf, if there is one.

    Args:
        array: (n, d), any floating dtype.
        name: What the caller calls the array.
        first_row: The number of the first row, where `array` is a block of a larger matrix.
    """
    # The sum is finite only if every entry is (or if huge values cancel or overflow, which the second look settles).
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.sum(array, dtype=np.float64 if array.dtype == np.float16 else None)):
            return
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        row, column = (int(i) for i in bad[0])
        raise not_finite(name, array[row, column], (row + first_row, column), len(bad))


def not_finite(name: str, value: Any, place: tuple[int, int], count: int) -> InputError:
    """Return the error of a matrix with a nan or an inf.

    Args:
        name: What the caller calls the matrix.
        value: The first of them.
        place: Its row and column.
        count: How many there are.
    """
    row, column = place
    return InputError(
        f"{name} must be finite, got {value} at row {row}, column {column} (counted from 0)"
        f" ({count} such values); remove or repair those rows"
    )


def as_labels(labels: Any, n: int, name: str = "labels") -> NDArray[np.int64]:
    """Return `labels` as (n,) int64 with 0 for benign and 1 for anomalous, or say why they are not.

    Args:
        labels: (n,) of 0/1 or booleans, in any form that `as_matrix` takes.
        n: How many are needed.
        name: What the caller calls the argument.

    Raises:
        InputError: masked, another shape or length, or a value other than 0 and 1.

    Example:
        >>> as_labels([True, False], 2)
        array([1, 0])
    """
    array = _column(labels, n, name, "one label a score")
    if array.dtype == np.dtype(object):
        array = as_real(array, name)
    if array.dtype.kind not in "biuf" or not ((array == 0) | (array == 1)).all():
        raise InputError(f"{name} must be 0 (benign) or 1 (anomalous), got {np.unique(array)[:5].tolist()}")
    return array.astype(np.int64)


def as_classes(labels: Any, n: int, name: str = "labels") -> NDArray[Any]:
    """Return class labels as an (n,) array of integers or text, or say why they are not.

    Args:
        labels: (n,) whole numbers, booleans or text, in any form that `as_matrix` takes.
        n: How many are needed.
        name: What the caller calls the argument.

    Raises:
        InputError: masked or missing values, fractions, or another shape or length.

    Example:
        >>> as_classes([1.0, 2.0], 2), as_classes(["a", "b"], 2)
        (array([1, 2]), array(['a', 'b'], dtype='<U1'))
    """
    array = _column(labels, n, name, "one a row")
    if array.dtype == np.dtype(object):
        text = all(isinstance(item, str) for item in array)
        array = array.astype(np.str_) if text else as_real(array, name)
    if array.dtype.kind == "f" and (np.isfinite(array) & (array == np.floor(array))).all():
        array = array.astype(np.int64)
    if array.dtype.kind not in "biuSUT":
        raise InputError(f"{name} must be class labels, whole numbers or text, got dtype {array.dtype}")
    return array


def as_scores(scores: Any, name: str = "scores") -> NDArray[np.float64]:
    """Return `scores` as a finite (n,) float64 array, or say why it is not one.

    Args:
        scores: (n,) anomaly scores, higher is more anomalous, in any form that `as_matrix` takes.
        name: What the caller calls the argument.

    Raises:
        InputError: masked, not one-dimensional, empty, not numeric, or with a nan or an inf (its row is named).

    Example:
        >>> as_scores([0, 1])
        array([0., 1.])
    """
    array = to_numpy(scores, name)
    if array.ndim != 1 or array.size == 0:
        hint = "; flatten it with ravel()" if array.ndim == 2 and 1 in array.shape else ""
        raise InputError(
            f"{name} must be a non-empty (n,) array of numbers, got {array.dtype} of shape {array.shape}{hint}"
        )
    array = as_real(array, name).astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise InputError(f"{name} must be finite, got {array[bad[0]]} at row {bad[0]} (counted from 0)")
    return array


def check_columns(table: Iterable[Any], columns: Iterable[str], name: str) -> None:
    """Raise an `InputError` unless a table, which names its columns when it is iterated over, has all of these."""
    names = [str(column) for column in table]
    for column in columns:
        if column not in names:
            raise InputError(f"{name} must have a column {column!r}, got {', '.join(names) or 'none'}")


def _column(values: Any, n: int, name: str, meaning: str) -> NDArray[Any]:
    array = to_numpy(values, name)
    if array.shape != (n,):
        hint = "; flatten them with ravel()" if array.shape == (n, 1) else ""
        raise InputError(f"{name} must have shape ({n},), {meaning}, got {array.shape}{hint}")
    return array
