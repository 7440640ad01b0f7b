"""The finished cells of a study, one JSON line each: whatever was computed once is never computed again."""

import json
from pathlib import Path
from typing import Any

from reprq.errors import ReprqError

Row = dict[str, Any]


class CellStore:
    """An append-only file of finished cells, found by a digest of everything that decides their rows.

    A line that an interruption cut short is dropped when the file is opened again.

    Args:
        path: The `.jsonl` file; made when the first cell is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[str, list[Row]] = {}
        if path.exists():
            self._load()

    def _load(self) -> None:
        text = self.path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                cell = json.loads(line)
                self._rows[cell["key"]] = cell["rows"]
            except (ValueError, KeyError, TypeError):
                raise ReprqError(f"{self.path} is damaged at line {number}; delete the file to compute anew") from None
        if len(whole) < len(text):
            with self.path.open("r+b") as file:
                file.truncate(len(whole))

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __getitem__(self, key: str) -> list[Row]:
        return self._rows[key]

    def add(self, key: str, rows: list[Row]) -> None:
        """Remember the rows of a finished cell, in memory and on disk.

        Args:
            key: The cell's digest.
            rows: Its rows, of JSON values.

        Raises:
            ReprqError: the disk is full or cannot be written; what was written stays usable.
        """
        line = json.dumps({"key": key, "rows": rows}, ensure_ascii=False, allow_nan=False)
        try:
            with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(line + "\n")
                file.flush()
        except OSError as error:
            raise ReprqError(f"{self.path} cannot be written: {error.strerror}; finished cells stay usable") from None
        self._rows[key] = rows
