"""Files of tables, column by column: CSV, TSV, JSON lines, Parquet, and X and y of an .npz."""

import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.data.json_objects import json_objects
from reprq.data.table.cells import column_of_values, column_of_words
from reprq.data.text.decoding import decoded, read_bytes
from reprq.errors import DataError, listed, one_line
from reprq.optional import require

Columns = dict[str, NDArray[Any]]
_JSON = (".jsonl", ".ndjson", ".json")
_PARQUET = (".parquet", ".pq")


def read_columns(path: Path) -> Columns:
    """Return the columns of a table, by name.

    Args:
        path: A file that ends in .parquet; .jsonl, .ndjson or .json (an object a line, or a list of them); .npz with
            X (n, d) and maybe y (n,); or whose columns are divided by tabs, semicolons or commas, under a header.

    Raises:
        DataError: The file cannot be read as a table; a column holds what is neither numbers nor categories.
    """
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _of_arrays(path)
    if suffix in _PARQUET:
        return _of_parquet(path)
    content, _ = decoded(read_bytes(path), path)
    return _of_json(content, path) if suffix in _JSON else _of_lines(content, path)


def check_names(names: Sequence[str], where: str) -> None:
    """Raise a `DataError` where two columns have one name, or one has none."""
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise DataError(f"{where} must have columns of different names, got {twice[0]!r} twice; rename one")


def _of_lines(content: str, path: Path) -> Columns:
    first = next(line for line in content.split("\n") if line.strip())
    divider = "\t" if path.suffix.lower() == ".tsv" else max("\t;,", key=first.count)
    try:
        names, *rows = [row for row in csv.reader(io.StringIO(content), delimiter=divider) if row]
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a table: {error}; write it as CSV, or as Parquet") from error
    names = [name.strip() for name in names]
    check_names(names, str(path))
    if all(_is_number(name) for name in names):
        raise DataError(f"{path} must have a header with the names of its columns, got {listed(names[:3])}; write one")
    if (uneven := next((i for i, row in enumerate(rows) if len(row) != len(names)), None)) is not None:
        raise DataError(
            f"{path} must have {len(names)} columns in every row, got {len(rows[uneven])} in row {uneven}"
            " (counted from 0); put quotes"
            " about what holds the divider"
        )
    return {name: column_of_words([row[i] for row in rows], name, str(path)) for i, name in enumerate(names)}


def _of_json(content: str, path: Path) -> Columns:
    names, entries = json_objects(content, path, "with a value a column")
    return {name: column_of_values([entry.get(name) for entry in entries], name, str(path)) for name in names}


def _of_parquet(path: Path) -> Columns:
    arrow, parquet = (
        require(name, "parquet", path, package="pyarrow", error=DataError) for name in ("pyarrow", "pyarrow.parquet")
    )
    try:
        table = parquet.read_table(path)
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {one_line(error)}; write it anew") from error
    check_names(table.column_names, str(path))
    return {name: column_of_values(table[name].to_pylist(), name, str(path)) for name in table.column_names}


def _of_arrays(path: Path) -> Columns:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in ("X", "y") if name in file.files}
            held = file.files
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as arrays: {one_line(error)}; write X and y anew") from error
    x = found.get("X")
    if x is None or x.ndim != 2 or x.dtype.kind not in "biuf":
        got = listed(held) if x is None else f"X of shape {x.shape} and type {x.dtype}"
        raise DataError(f"{path} must hold X, (n, d) numbers, and maybe y, (n,) labels, got {got or 'nothing'}")
    columns = {f"x{i}": column_of_values(x[:, i].tolist(), f"x{i}", str(path)) for i in range(x.shape[1])}
    y = found.get("y")
    if y is None:
        return columns
    if y.shape != (len(x),):
        raise DataError(f"{path} must hold a label for each of {len(x)} rows, got y of shape {y.shape}")
    return {**columns, "y": column_of_values(y.tolist(), "y", str(path))}


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
