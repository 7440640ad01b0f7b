"""Labels of other people's data sets as classes."""

import unicodedata
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.data.arrays import as_numpy, is_array
from reprq.errors import InputError, listed

UNLABELLED = "unlabelled"


def labelled(
    labels: Sequence[Any] | None, names: Sequence[str] | None, n: int
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return (n,) class indices and the names of the classes.

    Args:
        labels: A name or whole number a row, of any scalar type, or a row of zeros with one 1 at the number of the
            class; None for no labels.
        names: The names of the classes, which whole numbers from 0 index; None where there are none.
        n: How many rows there are.

    Raises:
        InputError: another length, a row without a label, or labels that are no names or whole numbers.

    Example:
        >>> labelled([2, 0, 2], None, 3)
        (array([1, 0, 1]), ('0', '2'))
        >>> labelled([1, 0, 1], ["cat", "dog"], 3)
        (array([1, 0, 1]), ('cat', 'dog'))
    """
    if labels is None:
        return np.zeros(n, dtype=np.int64), (UNLABELLED,)
    if len(labels) != n:
        raise InputError(f"labels must have one entry for each of the {n} rows, got {len(labels)}")
    if len(np.shape(labels[0])) == 1 and len(labels[0]) > 1:
        labels = _from_one_hot(labels)
    values = [_scalar(label, row) for row, label in enumerate(labels)]
    names = None if names is None else [unicodedata.normalize("NFC", name) for name in names]
    kinds = {isinstance(value, str) for value in values}
    if len(kinds) > 1:
        raise InputError("labels must be all names or all whole numbers, got both")
    if names is not None:
        index: dict[str | int, int] = {name: i for i, name in enumerate(names)} | {i: i for i in range(len(names))}
        if set(values) <= set(index):
            return np.array([index[value] for value in values], dtype=np.int64), tuple(names)
    found, places = np.unique(np.array(values), return_inverse=True)
    return places.astype(np.int64), tuple(str(value) for value in found)


def check_named(benign: Sequence[str], classes: Sequence[str], name: str = "the data") -> None:
    """Raise an InputError where benign classes are named of data that was read without labels.

    Args:
        benign: Their names, or patterns.
        classes: The classes that there are; `UNLABELLED` alone where no labels were read.
        name: The data.
    """
    if tuple(classes) == (UNLABELLED,) and not all(fnmatchcase(UNLABELLED, each) for each in benign):
        raise InputError(f"benign names {listed(benign)}, and {without_labels(name)}")


def without_labels(name: str = "the data") -> str:
    """Return in words that no labels were read, and how to say which column holds them."""
    file = name if name.startswith("table:") else "table:FILE"
    return f"no column of {name} was read as labels; call it label, or say which it is, as in {file}#COLUMN"


def class_names(data: Any) -> list[str] | None:
    """Return the names that a data set gives its classes: torchvision's `classes`, Hugging Face's `features`.

    Subsets are followed to the data set that they are of.
    """
    while not hasattr(data, "classes") and hasattr(data, "dataset"):
        data = data.dataset
    names = getattr(data, "classes", None)
    features: Any = getattr(data, "features", None)
    if names is None and hasattr(features, "values"):
        stated = [feature.names for feature in features.values() if hasattr(feature, "names")]
        names = stated[0] if len(stated) == 1 else None
    if not isinstance(names, list | tuple):
        return None
    said = [", ".join(map(str, name)) if isinstance(name, list | tuple) else str(name) for name in names]
    return said if len(set(said)) == len(said) else None


def _from_one_hot(labels: Sequence[Any]) -> list[int]:
    """The place of the one 1 in each row."""
    rows = [as_numpy(label) if is_array(label) else np.asarray(label) for label in labels]
    for row, values in enumerate(rows):
        if values.shape != rows[0].shape or sorted(values.tolist()) != [0] * (len(values) - 1) + [1]:
            raise InputError(
                f"labels must be one class a row, or one 1 a row among zeros, got {values.tolist()} at row {row}"
                " (counted from 0)"
            )
    return [int(values.argmax()) for values in rows]


def _scalar(label: Any, row: int) -> str | int:
    """A label as a name or a whole number."""
    value = as_numpy(label).item() if is_array(label) and as_numpy(label).size == 1 else label
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, int):
        return value
    got = repr(value) if value is None or isinstance(value, float) else type(value).__name__
    raise InputError(
        f"labels must be names or whole numbers, got {got} at row {row} (counted from 0); give the class of each row"
    )
