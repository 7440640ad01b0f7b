"""The tables of a study as they are made, row by row, and as files: CSV, or Parquet where they are large."""

import csv
import math
import os
from collections.abc import Sequence
from importlib.util import find_spec
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reprq.optional import require
from reprq.storage import exact_floats, write_text, write_whole
from reprq.study.cells import Row

LARGE = 200_000  # rows; a table of more is written as Parquet: a tenth of the bytes, a tenth of the seconds
_CHUNK = 100_000


class Table:
    """Rows that become a table; a million of them stand as columns of a frame, not as mappings.

    Args:
        columns: The columns of the table.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._missing, self._of_columns = dict.fromkeys(columns, math.nan), itemgetter(*columns)
        self._rows: list[tuple[Any, ...]] = []
        self._frames: list[pd.DataFrame] = []
        self._texts: dict[str, str] = {}

    def add(self, first: Row, rest: Row) -> None:
        """Add a row, given as two mappings; what neither has is missing, and what is no column is left out."""
        row = self._missing | first | rest
        values = self._of_columns(row)
        self._rows.append(tuple([self._texts.setdefault(v, v) if isinstance(v, str) else v for v in values]))
        if len(self._rows) == _CHUNK:
            self._frames.append(self._frame())

    def frame(self) -> pd.DataFrame:
        """Return the table."""
        if not self._frames:
            return self._frame()
        frames = [*self._frames, self._frame()] if self._rows else self._frames
        # A column that is missing in a whole chunk is of another type there.
        mixed = [name for name in self._columns if len({str(frame[name].dtype) for frame in frames}) > 1]
        frames = [frame.astype(dict.fromkeys(mixed, object)) for frame in frames]
        return pd.concat(frames, ignore_index=True).infer_objects()

    def _frame(self) -> pd.DataFrame:
        rows, self._rows = self._rows, []
        return pd.DataFrame(rows, columns=self._columns)


def read_table(path: Path, texts: Sequence[str]) -> pd.DataFrame:
    """Read a table, from its CSV or from the Parquet file of the same name.

    Args:
        path: The CSV file, which may be there or not.
        texts: The columns that are texts, whatever they look like.

    Raises:
        OSError: neither file is there, or it cannot be read.
        ValueError: it is no table, or was cut short.
        InputError: it is Parquet, and pyarrow is not installed.
    """
    large = path.with_suffix(".parquet")
    if path.exists() or not large.exists():
        _check_whole(path)
        # The last digit counts: values that were equal must be ties again.
        found: pd.DataFrame = pd.read_csv(path, dtype=dict.fromkeys(texts, str), **exact_floats())
        return found
    require("pyarrow", "parquet", large)
    found = pd.read_parquet(large, engine="pyarrow")
    # As CSV has it: a column that is missing is of numbers, and a text that is missing is nan and not None.
    missing = [name for name in found if name not in texts and found[name].isna().all()]
    found = found.astype(dict.fromkeys(missing, float))
    for name in [name for name in found if pd.api.types.is_object_dtype(found[name])]:
        found[name] = np.where(found[name].isna(), math.nan, found[name].to_numpy(object))
    return found


def _check_whole(path: Path) -> None:
    """Raise a ValueError where a CSV file was cut short: its last line does not end, or a row lacks columns."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 1))
        if file.read() not in (b"\n", b"\r"):
            raise ValueError(f"{path.name} is cut short: its last line does not end")
    if _all_alike(np.fromfile(path, dtype=np.uint8)):
        return
    with path.open(encoding="utf-8", newline="") as text:
        rows = csv.reader(text)
        width = len(next(rows, []))
        for row in rows:
            if row and len(row) != width:
                raise ValueError(
                    f"{path.name} is damaged: line {rows.line_num} has {len(row)} values, and there are {width} columns"
                )


def _all_alike(text: NDArray[np.uint8]) -> bool:
    """Whether all lines have as many commas outside quotes: a reader of rows takes longer, and says where not."""
    quote, comma, feed, back = b'",\n\r'
    outside = np.cumsum(text == quote, dtype=np.uint8) % 2 == 0
    ends = np.flatnonzero((text == feed) & outside)
    before = np.searchsorted(np.flatnonzero((text == comma) & outside), ends)
    return bool(outside[-1]) and not (text == back).any() and len(np.unique(np.diff(before, prepend=0))) <= 1


def has_table(path: Path) -> bool:
    """Whether a table is there, as CSV or as Parquet."""
    return path.exists() or path.with_suffix(".parquet").exists()


def save_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table of a study, whole or not at all: as CSV, or as Parquet if it is large and pyarrow is installed.

    Args:
        table: The table; its index is left out.
        path: The CSV file; a large table is written beside it with the ending `.parquet`, and the other is removed.
    """
    large = path.with_suffix(".parquet")
    if len(table) <= LARGE or find_spec("pyarrow") is None:
        write_table(table, path)
        large.unlink(missing_ok=True)
        return
    texts = table.select_dtypes(exclude="number").columns
    whole = table.assign(**{name: table[name].replace("", None) for name in texts})  # as CSV has it: "" is missing
    write_whole(large, lambda temporary: whole.to_parquet(temporary, engine="pyarrow", index=False))
    path.unlink(missing_ok=True)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, whole or not at all.

    Args:
        table: The table; its index is left out.
        path: The file.
    """
    write_text(path, table.to_csv(index=False, lineterminator="\n"))
