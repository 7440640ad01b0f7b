"""Tables of any format: which columns are the embeddings, which the labels and the ids, and which are left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reprq.column_names import families, id_name, is_bookkeeping, label_name
from reprq.embeddings.formats.stored import MANY, Stored, choose, in_words, refuse_possible_labels
from reprq.errors import InputError, UnknownNameError, listed

Kind = Literal["number", "vector", "broken", "other"]
Arrays = dict[str, NDArray[Any]]

_CHOOSE = "choose with columns (--columns 'NAME,PATTERN*', or '*' for all)"
_CONSECUTIVE, _INCREASING = 4, 10  # rows from which on such whole numbers are no chance


@dataclass(frozen=True)
class ColumnTable:
    """A table in a file that has not been read yet.

    Attributes:
        path: The file, for the messages.
        kinds: What each column holds, in their order: a number a row, a vector a row, numbers of which some are broken,
            or something else.
        load: Reads columns: (n, d) of each of vectors, (n,) of each other.
        provenance: What the file says about how it was made.
    """

    path: Path
    kinds: Mapping[str, Kind]
    load: Callable[[Sequence[str]], Arrays]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def of_kind(self, kind: Kind) -> list[str]:
        """Return the names of the columns that hold this."""
        return [name for name, held in self.kinds.items() if held == kind]


def read_table(table: ColumnTable, key: str | None, labels: str | None, columns: Sequence[str] = ()) -> Stored:
    """Read the vectors of a table: a column of lists, or the columns of numbers that are one vector together.

    Args:
        table: The table.
        key: A column of lists.
        labels: The column of the labels; by default the only one whose name says so.
        columns: The columns of numbers, by name or pattern; one that is named is neither labels nor ids.

    Raises:
        UnknownNameError: a column that is not there.
        InputError: the columns do not say which of them are the embeddings; the message says how to choose.
    """
    names = [name for name in table.kinds if name != key and (name not in columns or name == labels)]
    label = label_name(f"column of {table.path}", names, labels)
    identity = id_name(name for name in names if name != label and table.kinds[name] != "vector")
    rest = [name for name in table.kinds if name not in (key, label, identity)]
    used, arrays = _embedding(table, rest, key, columns)
    extra = table.load([name for name in (label, identity) if name is not None])
    left_out = [name for name in rest if name not in used]
    if label is None and key is None and not columns:
        doubtful = [name for name in left_out if not is_bookkeeping(name) and table.kinds[name] != "vector"]
        unread = table.load([name for name in doubtful if name not in arrays])
        refuse_possible_labels(table.path, {name: {**arrays, **unread}[name] for name in doubtful})
    _refuse_missing(table.path, {name: arrays[name] for name in used})
    matrix = arrays[used[0]] if table.kinds[used[0]] == "vector" else np.column_stack([arrays[name] for name in used])
    said = {"read": in_words(used, label, identity, left_out)}
    labels_and_ids = [None if name is None else extra[name] for name in (label, identity)]
    return Stored(matrix, labels_and_ids[0], labels_and_ids[1], {**table.provenance, **said}, label or "")


def _embedding(
    table: ColumnTable, rest: Sequence[str], key: str | None, columns: Sequence[str]
) -> tuple[list[str], Arrays]:
    """The columns that are the embedding, and all columns that were read to tell."""
    vectors = [name for name in table.of_kind("vector") if name == key or name in rest]
    if columns:
        used = _asked(table, rest, columns)
        return used, table.load(used)
    numbers = [name for name in rest if table.kinds[name] == "number"]
    if key is not None or vectors:
        if key is not None and table.kinds.get(key) == "number":
            raise InputError(f"column {key!r} of {table.path} is one number a row, no vector; {_CHOOSE}")
        used = [choose(table.path, dict.fromkeys(vectors, ("n", "d")), key, None).matrix]
        if key is None and (beside := families(numbers)):
            stem = next(iter(beside.values()))
            raise InputError(
                f"{table.path} holds the vectors {used[0]} and the columns {stem[0]} to {stem[-1]}; name the vectors by"
                f" key (--key {used[0]}), or {_CHOOSE}"
            )
        return used, table.load(used)
    _refuse_broken(table, rest)
    arrays = table.load(numbers)
    return _embedding_columns(table, arrays), arrays


def _embedding_columns(table: ColumnTable, arrays: Arrays) -> list[str]:
    """Return which columns of numbers are the embedding, or refuse where names and values leave it open.

    Columns whose names say bookkeeping, that count the rows, or that are empty are left out. If names are numbered
    after one stem, these are the embedding, and other columns of whole numbers are left out; a column of fractions
    beside them is in doubt. So is a column of whole numbers among columns of fractions whose name has no such stem.

    Args:
        table: The table.
        arrays: Its columns of numbers, without labels and ids.

    Raises:
        InputError: nothing is left, or a column is in doubt.
    """
    path = table.path
    used = [n for n in arrays if not is_bookkeeping(n) and not _counts_rows(arrays[n]) and _has_values(arrays[n])]
    numbered = families(used)
    if len(numbered) > 1:
        found = ", ".join(f"{members[0]} to {members[-1]}" for members in list(numbered.values())[:4])
        raise InputError(f"{path} holds several numbered kinds of columns ({found}); {_CHOOSE}")
    for stem, members in numbered.items():
        others = [name for name in used if name not in members]
        fractions = [name for name in others if not _is_whole(arrays[name])]
        if fractions:
            raise InputError(
                f"{path} holds the columns {members[0]} to {members[-1]} and beside them {listed(fractions)}; {_CHOOSE}"
            )
        for name in table.of_kind("other"):
            if name in families([*members, name]).get(stem, ()):
                raise InputError(f"column {name!r} of {path} must hold numbers as {members[0]!r} does; {_CHOOSE}")
        used = members
    if not used:
        raise InputError(
            f"{path} must hold a column of lists or columns of numbers besides labels and ids, got"
            f" {_held(table) or 'no column'}"
        )
    if "" in numbered or not numbered:
        _refuse_labels_among(path, arrays, used)
    return used


def _refuse_labels_among(path: Path, arrays: Arrays, used: Sequence[str]) -> None:
    """Refuse whole numbers where most columns hold fractions, and few values where most hold many."""
    values = {name: len(np.unique(arrays[name])) for name in used if _is_whole(arrays[name])}
    fractions = 2 * len(values) < len(used)
    many = 2 * sum(count > MANY for count in values.values()) > len(used)
    for name, count in values.items():
        if count > 1 and (fractions or (many and count <= MANY)):
            raise InputError(
                f"column {name!r} of {path} holds {'whole numbers' if fractions else f'{count} values'} where most"
                f" columns hold {'fractions' if fractions else 'many'}; name it as labels (--labels), or {_CHOOSE}"
            )


def _refuse_missing(path: Path, used: Arrays) -> None:
    for name, values in used.items():
        if values.dtype.kind == "f" and values.ndim == 1 and (missing := int(np.isnan(values).sum())):
            row = int(np.argmax(np.isnan(values)))
            raise InputError(
                f"column {name!r} of {path} must have a value in every row, got {missing} missing, the first in row"
                f" {row} (counted from 0); remove or repair such rows"
            )


def _refuse_broken(table: ColumnTable, names: Sequence[str]) -> None:
    """Name the first cell that is no number in a column that is all numbers but for some cells."""
    for name in names:
        if table.kinds[name] == "broken" and not is_bookkeeping(name):
            cells = table.load([name])[name].tolist()
            row = next(i for i, cell in enumerate(cells) if not _is_number(cell))
            raise InputError(
                f"column {name!r} of {table.path} must hold numbers, got {cells[row]!r} in row {row} (counted"
                f" from 0); repair it, name it as labels, or {_CHOOSE}"
            )


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _asked(table: ColumnTable, rest: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The columns that patterns name, in the order of the file."""
    numbers = [name for name in rest if table.kinds[name] == "number"]
    for pattern in patterns:
        if pattern in table.kinds and pattern not in numbers:
            raise InputError(f"column {pattern!r} of {table.path} must hold numbers, no labels or ids; leave it out")
        if not any(name == pattern or fnmatchcase(name, pattern) for name in numbers):
            raise UnknownNameError(f"column of numbers of {table.path}", pattern, numbers)
    return [name for name in numbers if any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)]


def _counts_rows(values: NDArray[Any]) -> bool:
    """Whether a column is 0, 1, 2, ..., or increasing or decreasing whole numbers in so many rows."""
    if len(values) < _CONSECUTIVE or not _is_whole(values) or not np.isfinite(values).all():
        return False
    steps = np.diff(values.astype(np.float64))
    monotone = bool((steps > 0).all() or (steps < 0).all())
    return bool((steps == 1).all()) or (monotone and len(values) >= _INCREASING)


def _is_whole(values: NDArray[Any]) -> bool:
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return values.dtype.kind in "biu" or bool((finite == np.floor(finite)).all())


def _has_values(values: NDArray[Any]) -> bool:
    return values.dtype.kind != "f" or not len(values) or not bool(np.isnan(values).all())


def _held(table: ColumnTable) -> str:
    return listed([f"{name} ({'text' if kind == 'other' else kind})" for name, kind in table.kinds.items()])
