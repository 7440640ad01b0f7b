"""Embeddings in tables: .csv, and .parquet by the optional extra `parquet`."""

import csv
import re
import warnings
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reprq.embeddings.stored import ID_NAMES, LABEL_NAMES, Shape, Stored, choose, read_provenance
from reprq.errors import CacheError, InputError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

# Where pandas writes its index: a column without a name in .csv, one of this name in .parquet.
_INDEX_NAMES = (*ID_NAMES, "", "__index_level_0__")


def read_csv(path: Path, key: str | None, labels: str | None) -> Stored:
    """Read all columns of a CSV file but the labels and the ids; see `load_embeddings`."""
    if key is not None:
        raise InputError(f"{path} is read by all its numeric columns, got key={key!r}; leave key out")
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = ([cell.strip() for cell in line] for line in csv.reader(file, skipinitialspace=True) if line)
        try:
            first, second = (*islice(lines, 2), [], [])[:2]
        except csv.Error as error:
            raise ValueError(error) from None
    header = _is_header(first, second)
    names = first if header else [str(i) for i in range(len(first))]
    label_name, id_name = _label_and_id(path, names, labels)
    frame = _frame(path, header, len(names), None if id_name is None else names.index(id_name))
    columns = {name: frame[i] for i, name in enumerate(names) if name not in (label_name, id_name)}
    if not columns:
        raise InputError(f"{path} must hold a numeric column besides labels and ids, got {', '.join(names)}")
    matrix = np.column_stack([_numbers(path, name, column) for name, column in columns.items()])
    label_column, id_column = (
        None if name is None else frame[names.index(name)].to_numpy() for name in (label_name, id_name)
    )
    return Stored(matrix, label_column, id_column)


def _frame(path: Path, header: bool, width: int, id_column: int | None) -> "pd.DataFrame":
    """The cells of a CSV file, its columns numbered."""
    import pandas as pd
    from pandas.errors import ParserWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", ParserWarning)
        try:
            frame = pd.read_csv(
                path,
                header=0 if header else None,
                names=list(range(width)),
                index_col=False,
                skipinitialspace=True,
                dtype=None if id_column is None else {id_column: str},
                encoding="utf-8-sig",
                low_memory=False,
            )
        except ParserWarning:
            raise InputError(f"the rows of {path} must have {width} cells as the first line, got more") from None
    if frame.empty:
        raise InputError(f"{path} must hold at least one row of numbers, got a header alone; save the embeddings again")
    return frame


def _numbers(path: Path, name: str, column: "pd.Series[Any]") -> NDArray[Any]:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(column.dtype):
        bad = int(np.argmax(pd.to_numeric(column, errors="coerce").isna()))
        raise InputError(
            f"column {name!r} of {path} must hold numbers, got {column.iloc[bad]!r} in row {bad};"
            " remove the column, call it 'id', or name it as labels"
        )
    return column.to_numpy()


def _is_header(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether the first line names the columns: by text over numbers, by text alone, or as 0, 1, 2, ... by pandas."""
    if not any(_is_number(cell) for cell in first):
        return True
    pairs = [(a, b) for a, b in zip(first, second, strict=False) if a]
    if any(not _is_number(a) and _is_number(b) for a, b in pairs):
        return True
    numbered = [(a, b) for a, b in pairs if _is_number(a)]
    counted = [a for a, _ in numbered] == [str(i) for i in range(len(numbered))]
    return counted and any(_is_number(b) and not b.strip().lstrip("+-").isdigit() for _, b in numbered)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _label_and_id(path: Path, names: Sequence[str], labels: str | None) -> tuple[str | None, str | None]:
    if labels is not None and labels not in names:
        raise UnknownNameError(f"column of {path}", labels, names)
    label = labels if labels is not None else next((name for name in LABEL_NAMES if name in names), None)
    return label, next((name for name in _INDEX_NAMES if name in names and name != label), None)


def read_parquet(path: Path, key: str | None, labels: str | None) -> Stored:
    """Read the list column, or else all numeric columns, of a Parquet file; see `load_embeddings`."""
    pa, pq = pyarrow_for(path)
    with pq.ParquetFile(path, memory_map=True) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
        metadata = schema.metadata or {}
        lists = {field.name: _width(field.type) for field in schema if _is_list(pa, field.type)}
        label_name, id_name = _label_and_id(path, [name for name in schema.names if name != key], labels)
        numeric = [
            field.name
            for field in schema
            if (pa.types.is_floating(field.type) or pa.types.is_integer(field.type))
            and field.name not in (label_name, id_name)
        ]
        if key is not None or lists:
            shapes: dict[str, Shape] = {name: (rows, width) for name, width in lists.items()}
            wanted = [choose(path, shapes, key, None).matrix]
        elif numeric:
            wanted = numeric
        else:
            held = ", ".join(f"{field.name} ({field.type})" for field in schema)
            raise InputError(f"{path} must hold a list column or numeric columns, got {held or 'no column'}")
        table = file.read([*wanted, *(name for name in (label_name, id_name) if name is not None)])
    for name in wanted:
        if missing := table[name].null_count:
            raise InputError(f"column {name!r} of {path} must have a value in every row, got {missing} missing")
    listed = wanted[0] in lists
    matrix = _from_lists(path, table, wanted[0]) if listed else np.column_stack([table[n].to_numpy() for n in wanted])
    label_column, id_column = (
        None if name is None else table[name].to_pandas().to_numpy() for name in (label_name, id_name)
    )
    return Stored(matrix, label_column, id_column, read_provenance(metadata.get(b"provenance")))


def _from_lists(path: Path, table: Any, name: str) -> NDArray[Any]:
    """A column of lists of one length as a matrix."""
    parts = []
    for chunk in table[name].chunks:
        values = chunk.flatten()
        if values.null_count:
            raise InputError(f"the lists in column {name!r} of {path} must be whole, got {values.null_count} nulls")
        lengths = {int(length) for length in chunk.value_lengths().unique().to_pylist()} if len(chunk) else set()
        parts.append((lengths, len(chunk), values.to_numpy(zero_copy_only=False)))
    widths = sorted(set().union(*(lengths for lengths, _, _ in parts)))
    if len(widths) > 1:
        raise InputError(
            f"the lists in column {name!r} of {path} must have one length, got {widths[0]} and {widths[-1]}"
        )
    width = widths[0] if widths else 0
    return np.concatenate([values.reshape(rows, width) for _, rows, values in parts] or [np.empty((0, 0))])


def metadata_column(folder: Path, name: str) -> NDArray[Any] | None:
    """Return a column of `metadata/*.parquet`, which clip-retrieval writes beside its shards; None without such files.

    Args:
        folder: The folder of the shards, or its parent.
        name: The column.

    Raises:
        UnknownNameError: no such column.
    """
    files = [file for place in (folder, folder.parent) for file in (place / "metadata").glob("*.parquet")]
    if not files:
        return None
    _, pq = pyarrow_for(files[0])
    parts = []
    for file in sorted(files, key=lambda file: int(re.sub(r"\D", "", file.stem) or 0)):
        schema = pq.read_schema(file)
        if name not in schema.names:
            raise UnknownNameError(f"column of {file}", name, schema.names)
        parts.append(pq.read_table(file, columns=[name])[name].to_pandas().to_numpy())
    return np.concatenate(parts)


def pyarrow_for(path: Path) -> tuple[Any, Any]:
    """Return `pyarrow` and `pyarrow.parquet`; raises `CacheError`, which names the extra, without them."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise CacheError(f"{path} needs pyarrow; install it with `pip install 'reprq[parquet]'`") from None
    return pyarrow, pyarrow.parquet


def _is_list(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _width(kind: Any) -> int | str:
    """The length of the lists, where the type says it."""
    return int(kind.list_size) if hasattr(kind, "list_size") else "?"
