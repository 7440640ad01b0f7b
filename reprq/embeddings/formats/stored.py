"""What a file of embeddings holds, and which of its arrays are the embeddings, the labels and the ids."""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reprq.column_names import label_name, normalized, says_benign
from reprq.embeddings.embeddings import Embeddings
from reprq.errors import InputError, UnknownNameError, listed

_MATRIX_NAMES = ("X", "x", "embeddings", "features")
MANY = 20  # different values that labels do not exceed, unless they are named as such

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
        found = Stored(get(self.matrix), labels, ids, label_name=self.labels or "")
        return found if classes is None else found._replace(provenance={"classes": classes.astype(np.str_).tolist()})


class Stored(NamedTuple):
    """The arrays of a file as they were stored, what the file says about how they were made, and the labels' name."""

    matrix: NDArray[Any]
    labels: NDArray[Any] | None = None
    ids: NDArray[Any] | None = None
    provenance: Mapping[str, Any] = {}
    label_name: str = ""

    def embeddings(self, path: Path) -> Embeddings:
        """Return the arrays as `Embeddings`; raises `InputError` where they are not."""
        provenance = {"backbone": "file", **self.provenance, "file": path.name}
        labels = None
        if self.labels is not None:
            labels, classes = _class_numbers(
                self.labels, f"labels {self.label_name!r}" if self.label_name else "labels"
            )
            if says_benign(self.label_name) and set(labels.tolist()) <= {0, 1}:
                classes = [f"{self.label_name}={value}" for value in (0, 1)]
            if classes:
                provenance["classes"] = classes
        ids = np.array([], dtype=np.str_) if self.ids is None else np.asarray(self.ids).ravel().astype(np.str_)
        layer = str(provenance.get("layer", path.stem))
        return Embeddings(self.matrix, layer, ids=ids, labels=labels, provenance=provenance)


def _parent(name: str) -> str:
    """The group that an array of a nested file is in."""
    return re.sub(r"[^./]*$", "", name)


def read_arrays(
    path: Path, shapes: Mapping[str, Shape], get: Callable[[str], NDArray[Any]], key: str | None, labels: str | None
) -> Stored:
    """Read the arrays of a file that `choose` chooses.

    Args:
        path: The file, for the messages.
        shapes: The shape of every array in the file.
        get: Reads an array by its name; raises `ValueError` for one that cannot be read.
        key: The name of the matrix.
        labels: The name of the labels.

    Raises:
        UnknownNameError: a name that is not in the file.
        InputError: no array or several could be the matrix, or one that was not named could be the labels.
    """
    chosen = choose(path, shapes, key, labels)
    found = chosen.read(get)
    left_out = [name for name in shapes if name not in chosen]
    if chosen.labels is None and key is None:
        rows = len(found.matrix)
        refuse_possible_labels(path, _readable(get, [n for n in left_out if shapes[n] in ((rows,), (rows, 1))]))
    said = in_words([chosen.matrix], chosen.labels, chosen.ids, left_out)
    return found._replace(provenance={**found.provenance, "read": said})


def _readable(get: Callable[[str], NDArray[Any]], names: Sequence[str]) -> dict[str, NDArray[Any]]:
    found = {}
    for name in names:
        with suppress(ValueError):  # pickled objects, which nobody asked for
            found[name] = get(name).reshape(-1)
    return found


def in_words(used: Sequence[str], labels: str | None, ids: str | None, left_out: Sequence[str]) -> str:
    """Return which arrays or columns were read, for a person.

    Example:
        >>> in_words(["e0", "e1", "e2", "e3"], "y", None, ["fold"])
        '4 columns, e0 to e3; labels: y; left out: fold'
    """
    span = listed(used) if len(used) < 4 else f"{len(used)} columns, {used[0]} to {used[-1]}"
    left = listed([name or "''" for name in left_out]) or None
    more = {"labels": labels, "ids": "''" if ids == "" else ids, "left out": left}
    return "; ".join([span, *(f"{what}: {name}" for what, name in more.items() if name is not None)])


def choose(path: Path, shapes: Mapping[str, Shape], key: str | None, labels: str | None) -> Choice:
    """Choose the arrays of a file by the names asked for, or by their usual names.

    Args:
        path: The file, for the messages.
        shapes: The shape of every array in the file.
        key: The name of the matrix; by default the only one, or the only one with a usual name.
        labels: The name of the labels; by default the only one that says so (`y`, `label`, `target`, ...), or `y_train`
            beside `X_train`.

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
    if key is None:
        key = _matrix(path, shapes, labels)
    beside = [name for name in shapes if name != key and _parent(name) == _parent(key)]
    columns = [name for name in beside if len(shapes[name]) == 1 or shapes[name][1:] == (1,)]
    if labels is None and key[0] in "Xx" and f"y{key[1:]}" in columns:
        labels = f"y{key[1:]}"
    for candidates in (columns, [name for name in beside if len(shapes[name]) == 2]):
        labels = labels if labels is not None else label_name(f"array of {path}", candidates, None)
    ids = next((name for name in columns if normalized(name) in ("id", "ids") and name != labels), None)
    named = labels is not None and "classes" in columns and shapes["classes"] != shapes[key][:1]
    return Choice(key, labels, ids, "classes" if named else None)


def _matrix(path: Path, shapes: Mapping[str, Shape], labels: str | None) -> str:
    """The only two-dimensional array, or the only one of these with a usual name; labels may be so too, if one-hot."""
    matrices = [name for name, shape in shapes.items() if len(shape) == 2 and name != labels]
    several = [name for name in matrices if label_name("", [name], None) is None]
    wide = [name for name in several if shapes[name][1] != 1]
    usual = [name for name in matrices if re.split(r"[./]", name)[-1] in _MATRIX_NAMES]
    candidates = next((found for found in (usual, wide, several) if len(found) == 1), matrices)
    if len(candidates) != 1:
        held = listed([f"{name} ({', '.join(map(str, shape))})" for name, shape in shapes.items()])
        raise InputError(f"{path} must hold one (n, d) array, got {held or 'none'}; name one as key (--key)")
    return candidates[0]


def refuse_possible_labels(path: Path, unread: Mapping[str, NDArray[Any]]) -> None:
    """Refuse to leave out what could be labels, for then anomalies would count as benign.

    Args:
        path: The file, for the message.
        unread: (n,) arrays that nobody asked for.

    Raises:
        InputError: text, booleans or whole numbers of few different values that repeat.
    """
    for name, values in unread.items():
        if values.dtype.kind == "f" and not (values == np.floor(values)).all():
            continue
        different = {str(value) for value in values.tolist()}
        if 2 <= len(different) <= min(MANY, len(values) // 2):
            raise InputError(
                f"{name!r} of {path} could be labels ({listed(sorted(different), 4)}); name it as labels (--labels), or"
                " name what is the embedding by key (--key) or columns (--columns)"
            )


def _class_numbers(labels: NDArray[Any], name: str = "labels") -> tuple[NDArray[np.int64], list[str]]:
    """Return labels as integers, and the names they stand for if they were text that is no number.

    Args:
        labels: (n,) or (n, 1) of whole numbers, booleans, text or bytes; or (n, k) with one 1 a row, the others 0.
        name: What the messages call them.

    Raises:
        InputError: fractions, missing values, or anything else.

    Example:
        >>> _class_numbers(np.array(["dog", "cat", "dog"]))
        (array([1, 0, 1]), ['cat', 'dog'])
        >>> _class_numbers(np.array([b"1", b"0"]))
        (array([1, 0]), [])
    """
    labels = labels[:, 0] if labels.shape[1:] == (1,) else labels
    if labels.ndim == 2:
        labels = _from_one_hot(labels)
    if labels.dtype.kind in "OTSU":
        labels = _text(labels)
    if labels.dtype.kind == "U":
        names, numbers = np.unique(labels, return_inverse=True)
        if all(re.fullmatch(r"[+-]?\d{1,15}(\.0*)?", name) for name in names.tolist()):
            return names.astype(np.float64).astype(np.int64)[numbers], []
        return numbers.astype(np.int64), names.tolist()
    whole = labels.dtype.kind in "biu" or (labels.dtype.kind == "f" and bool((labels == np.floor(labels)).all()))
    if not whole or (labels.dtype.kind == "f" and not np.isfinite(labels).all()):
        raise InputError(
            f"{name} must be whole numbers or text in every row, got {_odd(labels)}; repair or remove such rows, or say"
            " which are the labels (--labels) or the embedding (--columns of a table, --key)"
        )
    return labels.astype(np.int64), []


def _odd(labels: NDArray[Any]) -> str:
    """What of some labels is neither a whole number nor text, in words."""
    values = labels.ravel().tolist()
    if missing := [row for row, value in enumerate(values) if value is None or value != value]:
        return f"{len(missing)} missing, the first in row {missing[0]} (counted from 0)"
    if broken := [row for row, value in enumerate(values) if isinstance(value, float) and not value.is_integer()]:
        return f"{len(broken)} that are not, the first {values[broken[0]]:.6g} in row {broken[0]} (counted from 0)"
    return f"{listed(dict.fromkeys(type(value).__name__ for value in values))} in an array of {labels.dtype}"


def _text(labels: NDArray[Any]) -> NDArray[Any]:
    """Text of bytes and objects; whole numbers and booleans among objects as integers."""
    values = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in labels.tolist()]
    if all(isinstance(value, str) for value in values):
        return np.array([unicodedata.normalize("NFC", value.strip()) for value in values], dtype=np.str_)
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
