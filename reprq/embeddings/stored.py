"""What a file of embeddings holds, and which of its arrays are the embeddings, the labels and the ids."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reprq.embeddings.embeddings import Embeddings
from reprq.errors import InputError, UnknownNameError

MATRIX_NAMES = ("X", "x", "embeddings", "features")
LABEL_NAMES = ("y", "labels", "label")
ID_NAMES = ("id", "ids")

Shape = tuple[int | str, ...]


class Choice(NamedTuple):
    """The names of the arrays of a file; `classes` are the names of the labels, where these are numbers."""

    matrix: str
    labels: str | None = None
    ids: str | None = None
    classes: str | None = None

    def read(self, get: Callable[[str], NDArray[Any]]) -> "Stored":
        """Return the arrays, each read by its name."""
        labels, ids, classes = (None if name is None else get(name) for name in (self.labels, self.ids, self.classes))
        found = Stored(get(self.matrix), labels, ids)
        return found if classes is None else found._replace(provenance={"classes": classes.astype(np.str_).tolist()})


class Stored(NamedTuple):
    """The three arrays of a file as they were stored, and what the file says about how they were made."""

    matrix: NDArray[Any]
    labels: NDArray[Any] | None = None
    ids: NDArray[Any] | None = None
    provenance: Mapping[str, Any] = {}

    def embeddings(self, path: Path) -> Embeddings:
        """Return the arrays as `Embeddings`; raises `InputError` where they are not."""
        provenance = {"backbone": "file", **self.provenance, "file": path.name}
        labels = None
        if self.labels is not None:
            labels, classes = class_numbers(self.labels)
            if classes:
                provenance["classes"] = classes
        ids = np.array([], dtype=np.str_) if self.ids is None else np.asarray(self.ids).ravel().astype(np.str_)
        layer = str(provenance.get("layer", path.stem))
        return Embeddings(self.matrix, layer, ids=ids, labels=labels, provenance=provenance)


def choose(path: Path, shapes: Mapping[str, Shape], key: str | None, labels: str | None) -> Choice:
    """Choose the arrays of a file by the names asked for, or by their usual names.

    Args:
        path: The file, for the messages.
        shapes: The shape of every array in the file.
        key: The name of the matrix; by default the only one, or the only one with a usual name.
        labels: The name of the labels; by default a usual one, if it is there.

    Raises:
        UnknownNameError: a name that is not in the file.
        InputError: no array or several could be the matrix.

    Example:
        >>> choose(Path("a.npz"), {"X": (9, 2), "y": (9,)}, None, None)
        Choice(matrix='X', labels='y', ids=None, classes=None)
    """
    for name in (key, labels):
        if name is not None and name not in shapes:
            raise UnknownNameError(f"array of {path}", name, shapes)
    columns = [name for name, shape in shapes.items() if name != key and (len(shape) == 1 or shape[1:] == (1,))]
    if labels is None:
        labels = next((name for name in LABEL_NAMES if name in columns), None)
    ids = next((name for name in ID_NAMES if name in columns and name != labels), None)
    if key is None:
        matrices = [name for name, shape in shapes.items() if len(shape) == 2 and name not in (labels, ids)]
        usual = [name for name in matrices if name in MATRIX_NAMES]
        candidates = usual if len(usual) == 1 else matrices
        if len(candidates) != 1:
            listed = ", ".join(f"{name} ({', '.join(map(str, shape))})" for name, shape in shapes.items())
            raise InputError(f"{path} must hold one (n, d) array, got {listed or 'none'}; name one as key (--key)")
        key = candidates[0]
    named = labels is not None and "classes" in columns and shapes["classes"] != shapes[key][:1]
    return Choice(key, labels, ids, "classes" if named else None)


def class_numbers(labels: NDArray[Any]) -> tuple[NDArray[np.int64], list[str]]:
    """Return labels as integers, and the names they stand for if they were text that is no number.

    Args:
        labels: (n,) or (n, 1) of whole numbers, booleans, text or bytes; or (n, k) with one 1 a row, the others 0.

    Raises:
        InputError: fractions, missing values, or anything else.

    Example:
        >>> class_numbers(np.array(["dog", "cat", "dog"]))
        (array([1, 0, 1]), ['cat', 'dog'])
        >>> class_numbers(np.array([b"1", b"0"]))
        (array([1, 0]), [])
    """
    labels = labels[:, 0] if labels.shape[1:] == (1,) else labels
    if labels.ndim == 2:
        labels = _from_one_hot(labels)
    if labels.dtype.kind in "OTS":
        labels = _text(labels)
    if labels.dtype.kind == "U":
        names, numbers = np.unique(labels, return_inverse=True)
        if all(re.fullmatch(r"[+-]?\d{1,15}(\.0*)?", name) for name in names.tolist()):
            return names.astype(np.float64).astype(np.int64)[numbers], []
        return numbers.astype(np.int64), names.tolist()
    whole = labels.dtype.kind in "biu" or (labels.dtype.kind == "f" and bool((labels == np.floor(labels)).all()))
    if not whole or (labels.dtype.kind == "f" and not np.isfinite(labels).all()):
        odd = next((x for x in labels.flat if not (isinstance(x, float | np.floating) and x == np.floor(x))), "inf")
        raise InputError(f"labels must be whole numbers or text, got {odd} ({labels.dtype}); name another array")
    return labels.astype(np.int64), []


def _text(labels: NDArray[Any]) -> NDArray[Any]:
    """Text of bytes and objects; whole numbers and booleans among objects as integers."""
    values = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in labels.tolist()]
    if all(isinstance(value, str) for value in values):
        return np.array(values, dtype=np.str_)
    return np.array(values) if all(isinstance(value, int) for value in values) else labels


def _from_one_hot(labels: NDArray[Any]) -> NDArray[np.int64]:
    if labels.dtype.kind not in "biuf" or not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
        raise InputError(f"labels must be one a row, or one 1 a row among zeros, got shape {labels.shape}; name others")
    return np.asarray(np.argmax(labels, axis=1), dtype=np.int64)


def read_provenance(text: str | bytes | None) -> dict[str, Any]:
    """Return what an exported file says about how it was made; raises `ValueError` if that is no JSON object."""
    found = json.loads(text or "{}")
    if not isinstance(found, dict):
        raise ValueError("its provenance is not a JSON object")
    return found
