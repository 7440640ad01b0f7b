"""From the rows of one batch after another to whole blocks in a cache, with what a block has so far kept on disk."""

import time
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from reprq.embeddings.cache.cache import BLOCK_ROWS
from reprq.embeddings.cache.writing import CacheWriter
from reprq.errors import CacheError, InputError, ReprqError
from reprq.storage import file_name, write_whole
from reprq.validation import check_finite

KEEP_SECONDS = 5.0

Rows = NDArray[np.floating]


class Filler:
    """Gathers the rows of some layers to blocks; a context manager that keeps what there is when it is left early.

    A block is written when it is whole. Until then its rows are kept beside the layers every few seconds, and when an
    exception or Ctrl-C ends the run, so that an interruption costs some seconds or one batch, whatever is longer.

    Args:
        writer: The cache, open.
        layers: (name in the cache, number) of each layer.
        ids: The names of all rows of the data set, for errors.
    """

    def __init__(self, writer: CacheWriter, layers: Sequence[tuple[str, int]], ids: NDArray[np.str_]) -> None:
        self._writer, self._layers, self._ids = writer, layers, ids
        self._unfinished = Unfinished.of(writer.path)
        self._new: list[list[torch.Tensor]] = []  # a list of layers a batch, since rows were last kept
        self._kept: list[list[Rows]] = [[] for _ in layers]  # of the block at hand, in the cache's dtype
        self._resumed: dict[int, list[list[Rows]]] = {}  # by the end of the block
        self._start = 0  # the first of the new rows
        self._due = 0.0

    def __enter__(self) -> "Filler":
        self._due = time.monotonic() + KEEP_SECONDS
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            missing = self._writer.missing([name for name, _ in self._layers])
            for block in set(range(self._writer.blocks)).difference(missing):
                self._unfinished.forget(self._writer.rows_of(block))  # also of one that a killed process had written
            self._unfinished.close()
            return
        with suppress(ReprqError):  # what ended the run is the error to tell
            self._keep()

    def resume(self, block: range) -> range:
        """Return the rows of a block that are not kept on disk: its end."""
        end, pieces = self._unfinished.read(block, [name for name, _ in self._layers])
        if not block.start < end < block.stop:
            return block
        self._resumed[block.stop] = pieces  # now, since another process may finish the block and remove them
        return range(end, block.stop)

    def add(self, rows: range, block: range, pooled: Sequence[torch.Tensor]) -> None:
        """Take the next rows.

        Args:
            rows: Which rows; those of a block come in order, from where it was to be resumed.
            block: What is left of their block, as `resume` returned it.
            pooled: (len(rows), d) of every layer.

        Raises:
            InputError: a layer puts out a nan or an inf.
            CacheError: the cache cannot be written.
        """
        if not self._new:
            self._start = rows.start
        self._new.append(list(pooled))
        if rows.stop == block.stop:
            self._finish(block)
        elif time.monotonic() >= self._due:
            self._keep()

    def _finish(self, block: range) -> None:
        self._convert()
        number = block.start // BLOCK_ROWS
        before = self._resumed.pop(block.stop, [[] for _ in self._layers])
        for (name, layer_number), first, rest in zip(self._layers, before, self._kept, strict=True):
            self._writer.write(name, layer_number, number, np.concatenate([*first, *rest]))
            rest.clear()
        self._unfinished.forget(self._writer.rows_of(number))
        self._due = time.monotonic() + KEEP_SECONDS

    def _keep(self) -> None:
        """Write the new rows of the block at hand beside the layers."""
        if not self._new:
            return
        start, names = self._start, [name for name, _ in self._layers]
        rows = self._convert()
        self._unfinished.keep(start, dict(zip(names, rows, strict=True)))
        self._due = time.monotonic() + KEEP_SECONDS

    def _convert(self) -> list[Rows]:
        """Bring the new rows to the cache's dtype and put them to those of their block."""
        fresh, self._new = self._new, []
        ids = self._ids[self._start : self._start + sum(len(batch[0]) for batch in fresh)]
        found = [
            _stored(torch.cat(parts).float().cpu().numpy(), self._writer.dtype, name, ids, self._writer.noun)
            for (name, _), parts in zip(self._layers, zip(*fresh, strict=True), strict=True)
        ]
        for kept, rows in zip(self._kept, found, strict=True):
            kept.append(rows)
        return found


class Unfinished:
    """Rows of blocks that are not whole, a file each time some were kept; zip's CRC-32 guards them.

    Args:
        folder: Made when it is needed, removed when it is empty.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of(cls, cache: Path) -> "Unfinished":
        """Return the rows that are kept beside the layers of a cache."""
        return cls(cache / "unfinished")

    def keep(self, start: int, rows: Mapping[str, Rows]) -> None:
        """Write some rows of every layer, whole or not at all.

        Raises:
            CacheError: the disk is full or cannot be written.
        """
        stop = start + len(next(iter(rows.values())))
        arrays = {file_name(name): values for name, values in rows.items()}

        def write(path: Path) -> None:
            with path.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)

        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{start:09d}-{stop:09d}.npz"
        write_whole(path, write, error=CacheError, hint="what was written stays usable")

    def read(self, block: range, layers: Sequence[str]) -> tuple[int, list[list[Rows]]]:
        """Return up to which row a block is kept without a gap, and the pieces of every layer up to there."""
        row, pieces = block.start, [list[Rows]() for _ in layers]
        for path in self._files(block):
            found = self._load(path, layers) if self._span(path).start == row else None
            if found is not None:
                row = self._span(path).stop
                for piece, rows in zip(pieces, found, strict=True):
                    piece.append(rows)
        return row, pieces

    def first(self, layers: Sequence[str]) -> tuple[int, dict[str, Rows]]:
        """Return the first rows that are kept, by layer, and where they start; no layer where none is kept."""
        for path in sorted(self._folder.glob("*-*.npz")):
            found = {name: rows[0] for name in layers if (rows := self._load(path, [name]))}
            if found:
                return self._span(path).start, found
        return 0, {}

    def forget(self, block: range) -> None:
        """Remove what was kept of a block."""
        for path in self._files(block):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder, if nothing is in it."""
        with suppress(OSError):
            self._folder.rmdir()

    def _files(self, block: range) -> list[Path]:
        return [path for path in sorted(self._folder.glob("*-*.npz")) if self._span(path).start in block]

    @staticmethod
    def _span(path: Path) -> range:
        start, stop = path.stem.split("-")
        return range(int(start), int(stop))

    def _load(self, path: Path, layers: Sequence[str]) -> list[Rows] | None:
        """The rows of every layer; None where the file lacks one, is damaged or was removed."""
        try:
            with np.load(path, allow_pickle=False) as file:
                found = [file[file_name(name)] for name in layers]
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
            return None
        return found if all(len(rows) == len(self._span(path)) for rows in found) else None


def _stored(values: Rows, dtype: str, layer: str, ids: NDArray[np.str_], noun: str) -> Rows:
    """Round to the dtype on disk; a nan or an inf is refused before it is written, and its item named."""
    with np.errstate(over="ignore"):
        values = values.astype(dtype, copy=False)
    try:
        check_finite(values, f"layer {layer!r} in {dtype}")
    except InputError as error:
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise InputError(f"{error}; it is the {noun} {str(ids[row])!r}: check its preprocessing") from None
    return values
