"""Samples whose labels are known, beside the benign ones that a detector learns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.notices import notice


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


def note_copies(detector: str, known: NDArray[Any], rows: NDArray[Any], noun: str = "row") -> int:
    """Say in the log "reprq" how many known anomalies are copies of what counts as benign, and return it.

    They are not refused: polluted samples hold them too, and tables have equal rows of either kind.

    Args:
        detector: Its name.
        known: Contents or values of the known anomalies, a row each.
        rows: Those of the samples without a label, of the same type.
        noun: What one of these is called.

    Example:
        >>> note_copies("ssad", np.array([[1.0, 2.0]]), np.array([[0.0, 0.0], [0.0, 1.0]]))
        0
    """
    benign = {row.tobytes() for row in rows}
    copies = sum(row.tobytes() in benign for row in known)
    if copies:
        notice(
            "%s: %d of %d known anomalies are copies, to the byte, of %ss without a label, which count as benign: it"
            " learns either of the same; leave them out of one",
            *(detector, copies, len(known), noun),
        )
    return copies
