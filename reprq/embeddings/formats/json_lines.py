"""JSON lines: one object a row, `{"id": "a", "embedding": [0.1, 0.2], "label": 0}`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reprq.embeddings.formats.delimited import open_text
from reprq.embeddings.formats.tables import Arrays, ColumnTable, Kind
from reprq.embeddings.formats.vectors import is_vector, parse_vectors
from reprq.errors import InputError


def read_json_lines(path: Path) -> ColumnTable:
    """Open a file of JSON lines as a table; raises `InputError` where a line is no object with the first's keys."""
    columns: dict[str, list[Any]] = {}
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            row = _parsed(line)
            if not isinstance(row, dict) or (columns and row.keys() != columns.keys()):
                expected = f"an object with the keys {list(columns)}" if columns else "an object"
                raise InputError(f"line {number} of {path} must be {expected}, got {line.strip()[:60]!r}; repair it")
            for name, value in row.items():
                columns.setdefault(name, []).append(value)
    kinds = {
        name: _kind(next((value for value in values if value is not None), None)) for name, values in columns.items()
    }

    def load(names: Sequence[str]) -> Arrays:
        return {name: _values(path, name, columns[name], kinds[name]) for name in names}

    return ColumnTable(path, kinds, load)


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # a line that was cut off, or brackets without end
        return None


def _kind(value: Any) -> Kind:
    if isinstance(value, list) or is_vector(value):
        return "vector"
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else "other"


def _values(path: Path, name: str, values: list[Any], kind: Kind) -> Any:
    where = f"column {name!r} of {path}"
    if kind == "vector" and any(isinstance(value, str) for value in values):
        return parse_vectors(where, values)
    try:
        array = np.array(values, dtype=np.object_ if kind == "other" else np.float64)
    except (TypeError, ValueError):
        what = "lists of numbers, all of one length" if kind == "vector" else "a number in every row"
        raise InputError(f"{where} must hold {what}; repair it, or choose with columns (--columns)") from None
    if array.ndim > 2 and max(array.shape[1:]) < array[0].size:
        raise InputError(
            f"{where} must hold one vector a row, got lists of shape {array.shape[1:]}; average them first"
        )
    return array if array.ndim < 3 else array.reshape(len(array), -1)
