"""The finished cells of a study, one JSON line each: whatever was computed once is never computed again."""

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

from reprq.errors import ReprqError

Row = dict[str, Any]

_encoded = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode  # made once: faster
_BETWEEN = secrets.token_hex()  # two lines that are encoded at once; no row holds it


class CellStore:
    """An append-only file of finished cells, found by a digest of everything that decides their rows.

    Memory holds where each cell stands and not its rows, so that a million cells take 300 MB. A line that an
    interruption cut short is dropped when the file is opened again.

    Args:
        path: The `.jsonl` file; made when the first cell is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._starts: dict[str, int] = {}
        self._file: FileIO | None = None
        if path.exists():
            self._load()

    def _load(self) -> None:
        start = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                self._starts[self._parsed(line, f"line {number}")[0]] = start
                start += len(line)
        if start < self.path.stat().st_size:
            with self.path.open("r+b") as file:
                file.truncate(start)

    def __contains__(self, key: str) -> bool:
        return key in self._starts

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, key: str) -> list[Row]:
        return next(self.read([key]))

    def read(self, keys: Iterable[str]) -> Iterator[list[Row]]:
        """Yield the rows of finished cells; many are read in one pass where they were finished in this order.

        Raises:
            KeyError: a cell that is not finished.
            ReprqError: the file was changed or removed since it was opened.
        """
        try:
            with self.path.open("rb") as file:
                for key in keys:
                    yield self._at(file, key)
        except OSError as error:
            raise ReprqError(f"{self.path} cannot be read: {error.strerror}") from None

    def _at(self, file: BinaryIO, key: str) -> list[Row]:
        start = self._starts[key]
        file.seek(start)
        found, rows = self._parsed(file.readline(), f"byte {start}")
        if found != key:
            raise ReprqError(f"{self.path} was changed by another run; start again")
        return rows

    def _parsed(self, line: bytes, where: str) -> tuple[str, list[Row]]:
        try:
            cell = json.loads(line)
            return cell["key"], cell["rows"]
        except (ValueError, KeyError, TypeError):
            raise ReprqError(f"{self.path} is damaged at {where}; delete the file to compute anew") from None

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Keep the file open while many cells are added, which halves the time of each; it is made if need be."""
        with self._opened() as self._file:
            try:
                yield
            finally:
                self._file = None

    def _opened(self) -> FileIO:
        try:
            return self.path.open("ab", buffering=0)
        except OSError as error:
            raise self._unwritten(error) from None

    def _unwritten(self, error: OSError) -> ReprqError:
        return ReprqError(f"{self.path} cannot be written: {error.strerror}; finished cells stay usable")

    def add(self, key: str, rows: list[Row]) -> None:
        """Remember the rows of a finished cell on disk.

        Args:
            key: The cell's digest.
            rows: Its rows, of JSON values.

        Raises:
            ReprqError: the disk is full or cannot be written; what was written stays usable.
        """
        self.add_all({key: rows})

    def add_all(self, cells: Mapping[str, list[Row]]) -> None:
        """Remember the rows of several finished cells in one write; otherwise as `add`."""
        left = written = _lines(cells)
        try:
            with self._opened() if self._file is None else nullcontext(self._file) as file:
                while left:
                    left = left[file.write(left) :]
                end = file.tell()  # after what another run may have added meanwhile
        except OSError as error:
            raise self._unwritten(error) from None
        start = end - len(written)
        for key, line in zip(cells, written.splitlines(keepends=True), strict=True):
            self._starts[key] = start
            start += len(line)


def _lines(cells: Mapping[str, list[Row]]) -> bytes:
    """A line for each cell, in one call of the encoder: one for each takes half as long again."""
    parts = [part for key, rows in cells.items() for part in (_BETWEEN, {"key": key, "rows": rows})][1:]
    text = _encoded(parts)[1:-1].replace(f', "{_BETWEEN}", ', "\n")
    return text.encode(errors="backslashreplace") + b"\n" * bool(cells)
