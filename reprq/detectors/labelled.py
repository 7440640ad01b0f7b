"""Samples whose labels are known, beside the benign ones that a detector learns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError


def known_labels(labels: Any, n: int) -> NDArray[np.int64]:
    """Return the labels of n labelled samples, 1 anomalous and 0 benign; all are anomalous where none are given.

    Raises:
        InputError: not n of them, or others than 0 and 1.

    Example:
        >>> known_labels(None, 2), known_labels([True, False], 2)
        (array([1, 1]), array([1, 0]))
    """
    if labels is None:
        return np.ones(n, dtype=np.int64)
    found = np.asarray(labels)
    if found.shape != (n,):
        raise InputError(f"labels must be one for each of the {n} labelled samples, got the shape {found.shape}")
    strange = found[~np.isin(found, (0, 1))] if found.dtype.kind in "biuf" else found
    if len(strange):
        raise InputError(f"labels must be 1 for anomalous and 0 for benign samples, got {strange.tolist()[0]!r}")
    return found.astype(np.int64)
