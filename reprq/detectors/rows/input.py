"""The rows that detectors take: reprq's checks, in words that scikit-learn's estimator checks recognize too."""

from typing import Any

from reprq.conversion import NotNumbersError
from reprq.errors import InputError
from reprq.numerics.tensors import as_resident
from reprq.validation import as_matrix

_WORDS = {
    "reshape one row": "Reshape your data",
    "at least one column": "0 feature(s) (shape={shape}) while a minimum of 1 is required.",
    "dtype complex": "Complex data not supported",
    " nan ": "NaN is not a missing value to {owner}",
}


def as_rows(x: Any, owner: str, *, resident: bool = False) -> Any:
    """Return `x` as finite (n, d) rows, as `reprq.validation.as_matrix` does.

    Args:
        x: Rows in any form that `as_matrix` takes.
        owner: The detector that asks, for the messages.
        resident: Whether a tensor on a GPU is returned as one, as `reprq.numerics.tensors.as_resident` does.

    Raises:
        InputError: `x` is masked, sparse, complex, not numeric, not 2-d, empty, or holds a nan or an inf.
        NotNumbersError: `x` holds objects that are no numbers.

    Example:
        >>> import numpy as np
        >>> as_rows(np.array([[1, 2]], dtype=object), "KNN")
        array([[1., 2.]])
    """
    try:
        return as_resident(x, "X") if resident else as_matrix(x, "X")
    except NotNumbersError as error:
        raise NotNumbersError(f"{error} (argument must be a string or a real number, says NumPy)") from None
    except InputError as error:
        shape = str(error).rpartition("got shape ")[2]
        for said, theirs in _WORDS.items():
            if said in str(error):
                raise InputError(f"{error} ({theirs.format(owner=owner, shape=shape)})") from None
        raise
