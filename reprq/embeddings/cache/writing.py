"""Filling a cache on disk: missing blocks, written whole by any number of processes at once."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.errors import ContainsGroupError
from zarr.storage import LocalStore

from reprq.data import Dataset
from reprq.embeddings.cache.cache import (
    BLOCK_ROWS,
    CONTENT,
    FORMAT,
    IDS,
    LABELS,
    LAYERS,
    Array,
    array_of,
    blocks_present,
    layer_arrays,
    missing_blocks,
    open_group,
)
from reprq.embeddings.cache.files import array_metadata, has_plain_blocks, make_array, write_block
from reprq.errors import CacheError
from reprq.provenance import digest
from reprq.storage import file_name


class CacheWriter:
    """Fills the missing blocks of one cache; a context manager that marks the cache as being written.

    Several processes may write one cache at once: they write the same bytes under the same names.

    Args:
        root: The folder that holds the caches.
        identity: What decides the content: backbone, weights digest, preprocessing, data fingerprint, dtype, precision.
        provenance: What else is to be remembered.
        data: The items: their names, labels and classes stand beside the rows.

    Attributes:
        path: The folder.
        identity: As given.
        content: (n, 32) the digests of the items.
        rows: How many items.
        noun: What an item is, in errors.
        blocks: How many blocks a layer has.
        dtype: On disk.

    Raises:
        CacheError: the folder cannot be written, or what is there is no cache.
    """

    def __init__(
        self,
        root: Path,
        identity: Mapping[str, Any],
        provenance: Mapping[str, Any],
        data: Dataset,
    ) -> None:
        name = "-".join((str(identity["backbone"]), str(identity["data"]), str(identity["split"])))
        slug = re.sub(r"[^A-Za-z0-9_.]+", "-", name)[-80:].strip("-.")
        self.path = root / f"{slug}-{digest({**identity, 'format': FORMAT})[:16]}"
        self.identity, self.content = dict(identity), data.content
        self.rows, self.noun = len(data), data.noun
        self.blocks = -(-self.rows // BLOCK_ROWS)
        self.dtype = str(identity["dtype"])
        self._provenance = {**identity, **provenance}
        self._attributes = {"reprq_format": FORMAT, "provenance": self._provenance, "classes": list(data.classes)}
        text = np.frombuffer(json.dumps(data.ids.tolist()).encode(), np.uint8)
        self._rows: dict[str, NDArray[Any]] = {LABELS: data.labels, IDS: text, CONTENT: data.content}
        self._arrays: dict[str, Array] = {}
        self._plain: dict[str, bool] = {}
        self._folders: dict[str, str] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with _disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._stack.enter_context(_being_written(self.path))
            if not (self.path / "zarr.json").exists():
                with suppress(ContainsGroupError):  # another process was faster
                    zarr.create_group(LocalStore(self.path), zarr_format=3, attributes=self._attributes)
            self._group = open_group(self.path, "r+")
            if not self._stored(LAYERS):
                with suppress(ContainsGroupError):
                    self._group.create_group(LAYERS)
            for name, values in self._rows.items():
                array = self._require(name, values.shape, values.shape, str(values.dtype), {})
                if missing_blocks(array):
                    self._put(name, array, 0, values)
            self._folders = {name: array.path for name, array in layer_arrays(self._group).items()}
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def remember(self, **more: Any) -> None:
        """Add to the provenance of a cache that is not made yet."""
        self._provenance |= more

    def missing(self, layers: Sequence[str]) -> list[int]:
        """Return the numbers of the blocks that some of the layers lack."""
        present = [self._present(name) for name in layers]
        return [block for block in range(self.blocks) if any(block not in blocks for blocks in present)]

    def incomplete(self, layers: Sequence[str]) -> list[str]:
        """Return those of the layers that lack a block."""
        return [name for name in layers if len(self._present(name)) < self.blocks]

    def rows_of(self, block: int) -> range:
        """Return the rows of a block."""
        return range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, self.rows))

    def write(
        self, layer: str, number: int, block: int, values: NDArray[np.floating], linked: Path | None = None
    ) -> None:
        """Write one block of one layer, whole or not at all.

        Args:
            layer: The layer's name.
            number: The layer's number, which orders the layers.
            block: The block's number.
            values: (rows of the block, d), in the cache's dtype.
            linked: A file of another cache that holds this very block, which is linked instead where that is possible.
        """
        shape, chunks = (self.rows, values.shape[1]), (min(BLOCK_ROWS, self.rows), values.shape[1])
        with _disk_errors(self.path):
            array = self._require(self._place(layer), shape, chunks, self.dtype, {"number": number, "name": layer})
            if linked is not None and _link(linked, self.path / self._place(layer) / "c" / str(block) / "0"):
                return
            self._put(self._place(layer), array, self.rows_of(block).start, values)

    def discard(self, layers: Sequence[str]) -> None:
        """Remove what is stored of some layers."""
        with _disk_errors(self.path):
            for layer in layers:
                self._arrays.pop(self._place(layer), None)
                shutil.rmtree(self.path / self._place(layer), ignore_errors=True)

    def _put(self, name: str, array: Array, start: int, values: NDArray[Any]) -> None:
        """Write the block that starts at a row, with the bytes that zarr would."""
        if name not in self._plain:
            self._plain[name] = has_plain_blocks(self._said(name))
        rows = array.chunks[0]
        whole = start % rows == 0 and values.shape == (min(rows, array.shape[0] - start), *array.chunks[1:])
        if whole and self._plain[name] and values.dtype == array.dtype:
            write_block(self.path / name, start // rows, array.chunks, values)
        else:  # a cache of another make
            array[start : start + len(values)] = values

    def _present(self, layer: str) -> set[int]:
        place = self._place(layer)
        return blocks_present(self._array(place)) if self._stored(place) else set()

    def _place(self, layer: str) -> str:
        """Where a layer stands or will; caches of older versions kept it under its very name."""
        return self._folders.setdefault(layer, f"{LAYERS}/{file_name(layer)}")

    def _require(
        self, name: str, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: str, attributes: dict[str, Any]
    ) -> Array:
        """The array, made if it is not there; no compression, so the same numbers are always the same bytes."""
        if name not in self._arrays and not self._stored(name):
            make_array(self.path / name, array_metadata(shape, chunks, dtype, attributes))
        return self._array(name)

    def _array(self, name: str) -> Array:
        """An array that is there; each is opened once, as that takes as long as writing a block."""
        if name not in self._arrays:
            with zarr.config.set({"array.write_empty_chunks": True, "array.order": "C"}):
                self._arrays[name] = array_of(self._group, name)
        return self._arrays[name]

    def _said(self, name: str) -> Any:
        return json.loads((self.path / name / "zarr.json").read_bytes())

    def _stored(self, name: str) -> bool:
        """Whether an array or group is on disk: asked of the file system, as zarr takes a millisecond for it."""
        return (self.path / name / "zarr.json").is_file()


def _link(file: Path, path: Path) -> bool:
    """Whether a second name could be given to a file; not every file system has such, nor across devices."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(file)
    except OSError:
        return path.exists()
    return True


@contextmanager
def _being_written(path: Path) -> Iterator[None]:
    """Hold the cache's lock, shared by all its writers; whoever finds itself alone sweeps what a killed one left."""
    try:
        import fcntl
    except ImportError:  # Windows: leftovers stay, which harms nothing
        yield
        return
    with (path / ".lock").open("a") as lock:

        def sweep_if_alone() -> None:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for leftover in path.rglob("*.partial"):
                    leftover.unlink(missing_ok=True)

        sweep_if_alone()
        fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            yield
        finally:
            sweep_if_alone()


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Say a full or read-only disk in one sentence; what was written stays usable."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise CacheError(f"the cache {path} cannot be written: {reason}; what was written stays usable") from None
