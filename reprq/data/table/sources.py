"""Where the rows of a table come from: its columns in memory."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = 1  # joins the digest of every row: embeddings of rows that were read otherwise must not be found again
Cell = float | str | None


class TableRows:
    """The rows of a table: numbers, with nan for one that is missing, and categories, with None for one.

    Args:
        columns: By name (n,) float64, or (n,) objects, each a string or None.
        where: What to call the table in a note.
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]], where: str) -> None:
        self.columns, self.where = dict(columns), where

    @property
    def names(self) -> Sequence[str]:
        """The names of the columns."""
        return tuple(self.columns)

    def item(self, i: int) -> dict[str, Cell]:
        """Return row `i`, a number or a category by the name of each column."""
        return {
            name: column[i].item() if column.dtype.kind == "f" else column[i] for name, column in self.columns.items()
        }

    def digest(self, i: int) -> bytes:
        """Return the SHA-256 of row `i`, whatever the order of its columns."""
        sha = hashlib.sha256(f"table {VERSION}".encode())
        for name, cell in sorted(self.item(i).items()):
            value = np.float64(cell).tobytes() if isinstance(cell, float) else repr(cell).encode()
            sha.update(repr(name).encode() + value + b"\0")
        return sha.digest()

    def verify(self, i: int) -> None:
        """Do nothing: values were looked at when the table was read."""
