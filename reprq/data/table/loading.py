"""Data sets of rows: a file with a column a variable, or a DataFrame, with mostly one of labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reprq.column_names import id_name, label_name, normalized
from reprq.data.classes import labelled
from reprq.data.dataset import Dataset
from reprq.data.names import readable
from reprq.data.sides import SPLIT_NAMES, says_sides, side_of
from reprq.data.table.cells import column_of_values
from reprq.data.table.files import read_columns
from reprq.data.table.sources import TableRows
from reprq.errors import DataError, counted, listed

PREFIX = "table:"
_INDEX = ("", "unnamed:_0", "__index_level_0__")  # what pandas writes of its own index


def load_rows(path: str, split: str, seed: int, *, whole: bool = False) -> Dataset:
    """Return one split of a table of numbers and categories.

    The column of labels is found by its name (label, class, target, y, category, outlier, fraud, ...); `FILE#COLUMN`
    says another. A column split, set or fold that says train and test is the split; without it rows are split here,
    seeded and stratified. A column id, of different values, names the rows. All others are what is embedded.

    Args:
        path: A file as `reprq.data.table.files.read_columns` reads it, or `FILE#COLUMN`.
        split: "train" or "test".
        seed: Seed of the split where the table has none.
        whole: Whether to take all rows where the table has no split.

    Raises:
        DataError: The file cannot be read as a table, or has no column but labels.
    """
    file, asked = _parts(path)
    if not file.is_file():
        raise DataError(f"{PREFIX}{path} must name a file, got no file {file}; give a CSV, TSV, JSONL, Parquet or .npz")
    columns = read_columns(file)
    label = label_name(f"column of {file}", list(columns), asked)
    return _dataset(columns, label, split, seed, name=f"{PREFIX}{path}", where=str(file), stem=file.name, whole=whole)


class Frame(NamedTuple):
    """What of a DataFrame is used: its rows, what they are called where a column says so, and their labels."""

    source: TableRows
    ids: Sequence[str] | None
    labels: list[Any] | None


def rows_of_frame(table: Any) -> Frame:
    """Return the rows of a DataFrame; columns are chosen as in `load_rows`.

    Raises:
        DataError: No row, or a column that holds neither numbers nor categories.
        InputError: Several columns that may be the labels.
    """
    where = "the DataFrame"
    if not len(table):
        raise DataError(f"{where} must have rows, got none; give some")
    names = [str(name) for name in table.columns]
    label = label_name(f"column of {where}", names, None)
    columns = {
        name: column_of_values(table.iloc[:, i].astype(object).tolist(), name, where)
        for i, name in enumerate(names)
        if name != label
    }
    labels = None if label is None else table.iloc[:, names.index(label)].astype(object).tolist()
    features, ids = _features(columns, None, where)
    return Frame(TableRows(features, where), ids, labels)


def _parts(path: str) -> tuple[Path, str | None]:
    """The file, and the column of labels that is asked for after a "#"."""
    whole = Path(path).expanduser()
    file, mark, column = path.rpartition("#")
    return (Path(file).expanduser(), column) if mark and not whole.exists() else (whole, None)


def _dataset(
    columns: Mapping[str, NDArray[Any]],
    label: str | None,
    split: str,
    seed: int,
    *,
    name: str,
    where: str,
    stem: str,
    whole: bool,
) -> Dataset:
    n = len(next(iter(columns.values()), []))
    if not n:
        raise DataError(f"{where} must have rows, got a header alone; give some")
    labels, classes = labelled(None if label is None else _labels(columns[label], label, where), None, n)
    sides = next((name for name in columns if normalized(name) in SPLIT_NAMES and name != label), None)
    if sides is not None and not says_sides(_words(columns[sides])):
        sides = None
    features, ids = _features({name: column for name, column in columns.items() if name != sides}, label, where)
    said = None if sides is None else _words(columns[sides])
    rows, made = side_of(said, labels, split, seed, where=where, whole=whole)
    own = "" if said is not None or whole else ", split here"
    counts = [f"{each} {count}" for each, count in zip(classes, np.bincount(labels).tolist(), strict=True)]
    left = [name for name in columns if name not in (*features, label, sides)]
    about = (
        f"{counted(len(features), 'column')}; left out: {listed(left)}" if left else counted(len(features), "column")
    )
    names = [f"{stem}/{row:06d}" for row in range(n)] if ids is None else ids
    return Dataset(
        name=readable(name),
        split=split,
        classes=classes,
        labels=labels[rows],
        ids=np.array(names, dtype=np.str_)[rows],
        source=TableRows(features, where),
        rows=rows,
        split_info=made,
        notes=(f"{readable(where)} was read as a table of {about}{own}: {listed(counts)}",),
        modality="table",
    )


def _labels(column: NDArray[Any], name: str, where: str) -> list[Any]:
    values: list[Any] = column.tolist()
    lacking = [row for row, value in enumerate(values) if value is None or value != value]
    if lacking:
        raise DataError(
            f"column {name!r} of {where} must hold a label in every row, got none in row {lacking[0]} (counted from 0)"
        )
    return values


def _features(
    columns: Mapping[str, NDArray[Any]], label: str | None, where: str
) -> tuple[dict[str, NDArray[Any]], Sequence[str] | None]:
    """The columns that are embedded, and what the rows are called where a column says so."""
    rest = {name: column for name, column in columns.items() if name != label}
    named = id_name(rest)
    words = None if named is None else _words(rest[named])
    ids = words if words is not None and len(set(words)) == len(words) else None
    left = {name for name in rest if normalized(name) in _INDEX} | ({named} if ids is not None else set())
    kept = {name: column for name, column in rest.items() if name not in left}
    if not kept:
        raise DataError(f"{where} must have columns besides labels and ids, got none; give some")
    return kept, ids


def _words(column: NDArray[Any]) -> list[str]:
    if column.dtype.kind == "f":
        return [str(int(value)) if value == value and value == int(value) else str(value) for value in column.tolist()]
    return [str(value) for value in column]
