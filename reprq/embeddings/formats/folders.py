"""Folders: numbered shards of arrays, numbered parts of a table, and zarr arrays and groups."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.embeddings.formats.arrays import check_fits, mapped
from reprq.embeddings.formats.columnar import metadata_column
from reprq.embeddings.formats.stored import Stored, read_arrays
from reprq.embeddings.formats.tables import Arrays, ColumnTable
from reprq.errors import CacheError, InputError, listed


def read_shards(path: Path, key: str | None, labels: str | None) -> Stored:
    """Read numbered .npy files, `img_emb/img_emb_0.npy, ...`; `labels` may be a column of `metadata/*.parquet`."""
    kinds = shards(path, "npy")
    shapes = {
        name: (sum(len(mapped(file)) for file in files), *mapped(files[0]).shape[1:]) for name, files in kinds.items()
    }
    from_metadata = None if labels is None or labels in kinds else metadata_column(path, labels)
    asked = None if from_metadata is not None else labels
    found = read_arrays(path, shapes, lambda name: _joined(kinds[name]), key, asked)
    return found if from_metadata is None else found._replace(labels=from_metadata, label_name=labels or "")


def shards(folder: Path, ending: str) -> dict[str, list[Path]]:
    """Return the files of each kind, `img_emb_0.npy, img_emb_1.npy, ...`, in the order of their numbers.

    Args:
        folder: The folder of the files, or its parent.
        ending: Their ending, without the dot.

    Raises:
        InputError: two files of one kind have one number, or a number is lacking.
    """
    kinds: dict[str, dict[int, Path]] = {}
    for file in sorted(folder.glob(f"*.{ending}")) or sorted(folder.glob(f"*/*.{ending}")):
        parts = re.fullmatch(r"(.*?)[_-]?(\d*)(?:-of-\d+|-[0-9a-f]{8}-[0-9a-f-]+.*)?", file.stem)
        assert parts is not None
        kind, number = parts[1], int(parts[2] or 0)
        if file.parent != folder:
            kind = file.parent.name if kind in ("", file.parent.name) else f"{file.parent.name}/{kind}"
        numbered = kinds.setdefault(kind, {})
        if number in numbered:
            raise InputError(f"{file} must have a number of its own, got that of {numbered[number]}; rename one")
        numbered[number] = file
    for numbered in kinds.values():
        first, last = min(numbered), max(numbered)
        if lacking := sorted(set(range(first, last)) - set(numbered)):
            raise InputError(
                f"the shards {numbered[first]} to {numbered[last].name} must be numbered without gaps,"
                f" got none with the number {lacking[0]}; copy it too"
            )
    return {kind: [numbered[number] for number in sorted(numbered)] for kind, numbered in kinds.items()}


def _joined(files: list[Path]) -> NDArray[Any]:
    shards = [mapped(file) for file in files]
    if len(shards) == 1:
        return shards[0]
    for file, shard in zip(files, shards, strict=True):
        if shard.shape[1:] != shards[0].shape[1:] or shard.ndim != shards[0].ndim:
            raise InputError(
                f"{file} must have rows of shape {shards[0].shape[1:]} as {files[0].name} has, got {shard.shape[1:]}"
            )
    check_fits(files[0].parent, sum(shard.nbytes for shard in shards))
    return np.concatenate(shards)


def read_parts(path: Path, ending: str, reader: Callable[[Path], ColumnTable]) -> ColumnTable:
    """Open numbered files of one table, `part-0.parquet, part-1.parquet, ...`, as one table.

    Args:
        path: The folder.
        ending: The ending of the files.
        reader: Opens one of them.

    Raises:
        InputError: the files are of several kinds (`train-0`, `test-0`), or have other columns than the first.
    """
    if partition := next((file for file in path.rglob(f"*.{ending}") if "=" in str(file.relative_to(path))), None):
        folder = partition.relative_to(path).parts[0]
        raise InputError(f"{path} must hold the files of one table, got the partition {folder}; give one such folder")
    kinds = shards(path, ending)
    if len(kinds) > 1:
        raise InputError(f"{path} must hold the files of one table, got {listed(kinds)}; give one by itself")
    (files,) = kinds.values()
    parts = [reader(file) for file in files]
    for part in parts:
        if part.kinds != parts[0].kinds:
            raise InputError(f"{part.path} must have the columns of {parts[0].path}, got others; remove or repair it")

    def load(names: Sequence[str]) -> Arrays:
        loaded = [part.load(names) for part in parts]
        return {name: _stacked(path, name, [arrays[name] for arrays in loaded]) for name in names}

    return ColumnTable(path, parts[0].kinds, load, parts[0].provenance)


def _stacked(path: Path, name: str, arrays: list[NDArray[Any]]) -> NDArray[Any]:
    if len({array.shape[1:] for array in arrays}) > 1:
        raise InputError(f"column {name!r} must have vectors of one length in all files of {path}; got several lengths")
    return np.concatenate(arrays)


def read_zarr(path: Path, key: str | None, labels: str | None) -> Stored:
    """Read a zarr array, or the arrays of a group and of the groups in it."""
    import zarr

    if any("pickle" in header.read_text("utf-8", "replace") for header in path.rglob(".zarray")):
        raise CacheError(f"{path} holds pickled objects, which are never loaded; save the array as numbers")
    root = zarr.open(str(path), mode="r")
    if isinstance(root, zarr.Array):
        if key is not None or labels is not None:
            raise InputError(f"{path} holds one array without a name, got {key or labels!r} to look for; leave it out")
        check_fits(path, root.nbytes)
        return Stored(np.asarray(root[:]))
    arrays = {name: node for name, node in root.members(max_depth=None) if isinstance(node, zarr.Array)}

    def get(name: str) -> NDArray[Any]:
        check_fits(path, arrays[name].nbytes)
        return np.asarray(arrays[name][:])

    return read_arrays(path, {name: array.shape for name, array in arrays.items()}, get, key, labels)
