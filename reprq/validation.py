"""The one door for arrays that come from outside: every metric and detector lets its input in through here."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError


def as_matrix(x: Any, name: str = "x", *, min_rows: int = 1, columns: int | None = None) -> NDArray[np.floating]:
    """Return `x` as a finite two-dimensional floating-point array, or say in one sentence why it is not one.

    Args:
        x: An (n, d) array, nested sequence, tensor (any device) or memory map. Booleans and integers become float64;
            float16, float32 and float64 are kept as they are, without a copy.
        name: What the caller calls the argument; the error messages use it.
        min_rows: The fewest rows the caller can work with.
        columns: The number of columns the caller needs, when it has one.

    Returns:
        The (n, d) array in float16, float32 or float64.

    Raises:
        InputError: `x` is not numeric, not 2-d, empty, has too few rows or another width, or holds a nan or an inf
            (the message names its row and column).

    Example:
        >>> as_matrix([[1, 2], [3, 4]]).dtype
        dtype('float64')
    """
    if hasattr(x, "detach"):  # a torch tensor, without importing torch
        x = x.detach().cpu()
        x = x.float() if str(x.dtype) == "torch.bfloat16" else x
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise InputError(f"{name} must be an (n, d) array, got a ragged sequence; give rows of one length") from error
    if array.ndim != 2:
        hint = "; reshape one row to (1, d) or one column to (n, 1)" if array.ndim == 1 else ""
        raise InputError(f"{name} must be an (n, d) array, got shape {array.shape}{hint}")
    if array.dtype.kind in "biu":
        array = array.astype(np.float64)
    if array.dtype not in (np.float16, np.float32, np.float64):
        raise InputError(f"{name} must be real numbers, got dtype {array.dtype}; convert it to float32 or float64")
    if array.shape[1] == 0:
        raise InputError(f"{name} must have at least one column, got shape {array.shape}")
    if array.shape[0] < min_rows:
        rows = "row" if min_rows == 1 else "rows"
        raise InputError(f"{name} must have at least {min_rows} {rows}, got {array.shape[0]}; give more embeddings")
    if columns is not None and array.shape[1] != columns:
        raise InputError(f"{name} must have {columns} columns as the data it is compared with, got {array.shape[1]}")
    check_finite(array, name)
    return array


def check_finite(array: NDArray[np.floating], name: str, first_row: int = 0) -> None:
    """Raise an `InputError` that names the first row and column that is nan or inf, if there is one.

    Args:
        array: (n, d), any floating dtype.
        name: What the caller calls the array.
        first_row: The number of the first row, where `array` is a block of a larger matrix.
    """
    # The sum is finite only if every entry is (or if huge values cancel or overflow, which the second look settles).
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.sum(array, dtype=np.float64)):
            return
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        row, column = (int(i) for i in bad[0])
        value = array[row, column]
        raise InputError(
            f"{name} must be finite, got {value} at row {row + first_row}, column {column}"
            f" ({len(bad)} such values); remove or repair those rows"
        )


def as_labels(labels: Any, n: int, name: str = "labels") -> NDArray[np.int64]:
    """Return `labels` as (n,) int64 with 0 for benign and 1 for anomalous, or say why they are not.

    Args:
        labels: (n,) of 0/1 or booleans.
        n: How many are needed.
        name: What the caller calls the argument.

    Raises:
        InputError: another shape or length, or a value other than 0 and 1.

    Example:
        >>> as_labels([True, False], 2)
        array([1, 0])
    """
    array = np.asarray(labels)
    if array.shape != (n,):
        raise InputError(f"{name} must have shape ({n},), one label a score, got {array.shape}")
    if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise InputError(f"{name} must be 0 (benign) or 1 (anomalous), got {sorted(set(array.tolist()))[:5]}")
    return array.astype(np.int64)


def as_scores(scores: Any, name: str = "scores") -> NDArray[np.float64]:
    """Return `scores` as a finite (n,) float64 array, or say why it is not one.

    Args:
        scores: (n,) anomaly scores, higher is more anomalous.
        name: What the caller calls the argument.

    Raises:
        InputError: not one-dimensional, empty, not numeric, or with a nan or an inf (its row is named).

    Example:
        >>> as_scores([0, 1])
        array([0., 1.])
    """
    array = np.asarray(scores)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "biuf":
        raise InputError(f"{name} must be a non-empty (n,) array of numbers, got {array.dtype} of shape {array.shape}")
    array = array.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise InputError(f"{name} must be finite, got {array[bad[0]]} at row {bad[0]}")
    return array
