"""The detectors' door for arrays: reprq's checks, in words that scikit-learn's estimator checks recognise too."""

from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.validation import as_matrix


class NotNumbersError(InputError, TypeError):
    """An object array whose entries are not numbers (also a TypeError, as in scikit-learn)."""


def as_rows(x: Any, owner: str) -> NDArray[np.floating]:
    """Return `x` as finite (n, d) rows, as `reprq.validation.as_matrix` does; object arrays of numbers pass as float64.

    Args:
        x: Rows in any form that NumPy reads.
        owner: The detector that asks, for the messages.

    Raises:
        InputError: `x` is sparse, complex, not numeric, not 2-d, empty, or holds a nan or an inf.
        NotNumbersError: `x` is an object array of something else than numbers.

    Example:
        >>> as_rows(np.array([[1, 2]], dtype=object), "KNN")
        array([[1., 2.]])
    """
    if scipy.sparse.issparse(x):
        raise InputError("X must be a dense array, got a sparse matrix; convert it with X.toarray()")
    if not hasattr(x, "detach"):
        x = _as_array(x)
    if x.ndim == 1:
        raise InputError(
            f"X must be an (n, d) array, got shape {tuple(x.shape)}; reshape one row to (1, d) or one column to (n, 1)"
            " (Reshape your data)"
        )
    if x.ndim == 2 and x.shape[1] == 0:
        raise InputError(
            f"X must have at least one column, got 0 feature(s) (shape={tuple(x.shape)}) while a minimum of 1 is"
            " required; give embeddings"
        )
    try:
        return as_matrix(x, "X")
    except InputError as error:
        if " nan " in str(error):
            raise InputError(f"{error} (NaN is not a missing value to {owner})") from None
        raise


def _as_array(x: Any) -> NDArray[Any]:
    try:
        array = np.asarray(x)
    except ValueError:
        return as_matrix(x, "X")  # says that it is ragged
    if array.dtype.kind == "c":
        raise InputError("X must be real numbers, got complex ones (Complex data not supported); give X.real")
    if array.dtype != np.dtype(object):
        return array
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise NotNumbersError(f"X must be real numbers, got an object array: {error}") from error
