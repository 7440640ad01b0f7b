"""Which rows are benign and which anomalous: one rule for files, folders, commands and Python."""

import csv
import unicodedata
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError, UnknownNameError, listed

__all__ = ["anomaly_labels"]


def anomaly_labels(
    labels: Any, benign: str | Sequence[str] = (), *, classes: Sequence[str] = (), name: str = "the labels"
) -> NDArray[np.int64]:
    """Return class labels as 0 (benign) and 1 (anomalous), or say why they cannot be read as such.

    Without `benign` only 0 and 1 can be read: -1 is the anomaly in one half of the field and the norm in the other, and
    nothing in "good" and "defect", or in 1 and 2, says which is which.

    Args:
        labels: (n,) whole numbers, or booleans.
        benign: The labels that are benign, by name or as text ("good", "-1"), or patterns such as "*" for all of them;
            several in a sequence, or with commas between. Every other label is anomalous.
        classes: The names of the labels where they are the numbers of classes 0, 1, ...
        name: What the caller calls the labels; the error messages use it.

    Returns:
        (n,) of 0 and 1.

    Raises:
        InputError: `benign` is needed to tell the labels apart, or is empty text.
        UnknownNameError: `benign` names a label that no row has.

    Example:
        >>> anomaly_labels([1, 1, -1], "1")
        array([0, 0, 1])
        >>> anomaly_labels([0, 1, 0], "good", classes=["crack", "good"])
        array([1, 0, 1])
    """
    numbers, rows = np.unique(np.asarray(labels).astype(np.int64), return_inverse=True)
    names = [str(classes[number]) if classes else str(number) for number in numbers.tolist()]
    patterns = named_labels(benign, names)
    if not patterns:
        if classes or not set(names) <= {"0", "1"}:
            raise InputError(
                f"{name} must be 0 (benign) or 1 (anomalous), got {listed(names)};"
                " name those that are benign (benign, --benign NAME; '*' is all of them)"
            )
        return np.asarray(labels).astype(np.int64)
    for pattern in patterns:
        if pattern not in names and not any(fnmatchcase(label, pattern) for label in names):
            raise UnknownNameError("label", pattern, names, among=name)
    anomalous = [not any(label == p or fnmatchcase(label, p) for p in patterns) for label in names]
    return np.array(anomalous, dtype=np.int64)[rows]


def named_labels(benign: str | Sequence[str], names: Sequence[str]) -> list[str]:
    """Return what `benign` names, one name or pattern each; a comma may belong to a name, or stand between two.

    Raises:
        InputError: a text of `benign` names nothing.

    Example:
        >>> named_labels(["good, ok", "a,b"], ["a,b", "good", "ok"])
        ['good', 'ok', 'a,b']
    """
    found: list[str] = []
    for text in [benign] if isinstance(benign, str) else benign:
        plain = unicodedata.normalize("NFC", text)
        whole = any(name == plain or fnmatchcase(name, plain) for name in names)
        parts = [plain] if whole else [part for part in next(csv.reader([plain], skipinitialspace=True), []) if part]
        if not parts:
            raise InputError(
                f"benign must name labels that are benign, got {text!r}; name some (--benign NAME), or leave it out"
            )
        found += parts
    return found
