"""Embeddings that somebody else extracted: array files, tables, and folders of shards; nothing is ever unpickled."""

import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray
from safetensors import safe_open

from reprq.embeddings.catalogue import pick_layer
from reprq.embeddings.embeddings import Embeddings
from reprq.embeddings.stored import Stored, choose, read_provenance
from reprq.embeddings.tables import metadata_column, read_csv, read_parquet
from reprq.errors import CacheError, InputError, ReprqError
from reprq.labels import anomaly_labels


def load_embeddings(
    path: Path | str, key: str | None = None, labels: str | None = None, *, benign: str | Sequence[str] = ()
) -> Embeddings:
    """Read an (n, d) array, with its labels and ids where the file has them, without unpickling anything.

    ====================  =============================================================================================
    what                  which array
    ====================  =============================================================================================
    ``.npy``              the one it holds, memory-mapped: it may be larger than memory
    ``.npz``,             `key`, or the only two-dimensional array, or the one called `X`, `x`, `embeddings` or
    ``.safetensors``      `features`
    ``.parquet``          `key`, or the only list column, or all numeric columns (needs pyarrow: the extra `parquet`)
    ``.csv``              all columns, which must be numeric; with a header or without (then columns are `0`, `1`, ...)
    a folder of ``.npy``  numbered shards such as `img_emb/img_emb_0.npy`, joined in the order of their numbers; the
                          folder itself or its parent, where `key` picks one of several kinds (`img_emb`, `text_emb`)
    an embedding cache    the layer called `key`, or the only one
    ====================  =============================================================================================

    Labels are the array or column named `labels`, or else `y`, `labels` or `label`; ids the one named `id` or `ids`,
    or the index that pandas writes. For shards `labels` may also name a column of `metadata/*.parquet`. Labels that are
    text become the numbers of the sorted names, which the provenance then lists as `classes`.

    Args:
        path: The file or folder.
        key: The array or column to read.
        labels: The array or column of the labels; an unlabelled file is fine if this is not given.
        benign: Labels that are benign, or patterns; then the labels become 0 for these and 1 for all others, as in
            `reprq.labels.anomaly_labels`.

    Returns:
        The embeddings in their own dtype; the layer is the one the file says it holds, or else the file's name.

    Raises:
        CacheError: the path is missing, truncated, foreign, holds pickled objects or does not fit into memory.
        UnknownNameError: `key` or `labels` is not there.
        InputError: no array or several fit, a column is not numeric, shards do not fit together, or the array is not
            a finite (n, d) matrix with one label and one id a row.
    """
    path = Path(path)
    if not path.exists():
        raise CacheError(f"the embeddings file {path} does not exist; check the path")
    if path.is_file() and path.stat().st_size == 0:
        raise CacheError(f"{path} is empty; save the embeddings again")
    reader = _read_folder if path.is_dir() else _READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(_READERS)
        raise CacheError(f"{path} must be a {known} file or a folder of .npy shards, got a {path.suffix!r} file")
    try:
        found = reader(path, key, labels)
    except ReprqError:
        raise
    except Exception as error:  # what a parser raises on foreign bytes is anything, from TokenError to ArrowException
        raise CacheError(f"{path} cannot be read as embeddings ({error}); save or copy it again") from None
    try:
        x = found.embeddings(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return _judged(x, path, benign) if benign else x


def _judged(x: Embeddings, path: Path, benign: str | Sequence[str]) -> Embeddings:
    """The embeddings with labels of 0 and 1."""
    if x.labels is None:
        raise InputError(f"{path} must hold labels for benign={benign!r}, got none; name them (--labels)")
    classes = x.provenance.get("classes", ())
    truth = anomaly_labels(x.labels, benign, classes=classes, name=f"the labels of {path}")
    provenance = {name: value for name, value in x.provenance.items() if name != "classes"}
    named = [benign] if isinstance(benign, str) else list(benign)
    return replace(x, labels=truth, provenance={**provenance, "benign": named})


def _read_npy(path: Path, key: str | None, labels: str | None) -> Stored:
    if key is not None or labels is not None:
        name = key if key is not None else labels
        raise InputError(f"{path} holds one array without a name, got {name!r} to look for; save an .npz file instead")
    return Stored(_mapped(path))


def _read_npz(path: Path, key: str | None, labels: str | None) -> Stored:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        if not hasattr(archive, "zip"):
            raise ValueError("it is one .npy array under another name")
        members = archive.zip.NameToInfo
        sizes = {name: _shape_and_bytes(archive.zip, name) for name in archive.files if f"{name}.npy" in members}
        chosen = choose(path, {name: shape for name, (shape, _) in sizes.items()}, key, labels)
        _check_fits(path, sizes[chosen.matrix][1])
        return chosen.read(lambda name: np.asarray(archive[name]))


def _shape_and_bytes(archive: ZipFile, name: str) -> tuple[tuple[int, ...], int]:
    """What the header of an array in an .npz file says, so that arrays nobody asked for are not read."""
    with archive.open(f"{name}.npy") as file:
        first = npy_format.read_magic(file) == (1, 0)
        shape, _, dtype = (npy_format.read_array_header_1_0 if first else npy_format.read_array_header_2_0)(file)
    return shape, math.prod(shape) * dtype.itemsize


def _read_safetensors(path: Path, key: str | None, labels: str | None) -> Stored:
    with safe_open(path, framework="numpy") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        chosen = choose(path, shapes, key, labels)
        metadata = file.metadata() or {}
    found = chosen.read(lambda name: _tensor(path, name))
    if "ids" in metadata:
        found = found._replace(ids=np.array(json.loads(metadata["ids"]), dtype=np.str_))
    return found._replace(provenance=read_provenance(metadata.get("provenance")))


def _tensor(path: Path, name: str) -> NDArray[Any]:
    with safe_open(path, framework="numpy") as file:
        dtype = file.get_slice(name).get_dtype()
        _check_fits(path, math.prod(file.get_slice(name).get_shape()) * 8)
        if dtype != "BF16":
            return np.asarray(file.get_tensor(name))
    with safe_open(path, framework="pt") as file:  # numpy has no bfloat16; float32 holds every bfloat16 exactly
        return np.asarray(file.get_tensor(name).float())


def _read_folder(path: Path, key: str | None, labels: str | None) -> Stored:
    if (path / "zarr.json").exists():
        x = pick_layer(path, key)
        if labels is not None:
            raise InputError(f"{path} is an embedding cache with its own labels, got labels={labels!r}; leave it out")
        return Stored(x.array, x.labels, x.ids, x.provenance)
    kinds = _shards(path)
    if not kinds:
        raise CacheError(f"{path} holds no .npy shards and is no embedding cache; give a folder such as img_emb")
    shapes = {name: _mapped(files[0]).shape for name, files in kinds.items()}
    from_metadata = None if labels is None or labels in kinds else metadata_column(path, labels)
    chosen = choose(path, shapes, key, None if from_metadata is not None else labels)
    found = chosen.read(lambda name: _joined(kinds[name]))
    return found if from_metadata is None else found._replace(labels=from_metadata)


def _shards(folder: Path) -> dict[str, list[Path]]:
    """The files of each kind, `img_emb_0.npy, img_emb_1.npy, ...`, in the order of their numbers."""
    kinds: dict[str, dict[int, Path]] = {}
    for file in sorted(folder.glob("*.npy")) or sorted(folder.glob("*/*.npy")):
        parts = re.fullmatch(r"(.*?)[_-]?(\d*)", file.stem)
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
    shards = [_mapped(file) for file in files]
    if len(shards) == 1:
        return shards[0]
    for file, shard in zip(files, shards, strict=True):
        if shard.shape[1:] != shards[0].shape[1:] or shard.ndim != shards[0].ndim:
            raise InputError(
                f"{file} must have rows of shape {shards[0].shape[1:]} as {files[0].name} has, got {shard.shape[1:]}"
            )
    _check_fits(files[0].parent, sum(shard.nbytes for shard in shards))
    return np.concatenate(shards)


def _mapped(path: Path) -> NDArray[Any]:
    """An array on disk that is read when it is looked at."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:
        pickled = "pickle" in str(error) or "Python objects" in str(error)
        reason = "it is foreign or holds pickled objects, which are never loaded" if pickled else error
        raise CacheError(f"{path} cannot be read as a .npy array ({reason}); save or copy it again") from None
    if not isinstance(array, np.ndarray):
        raise CacheError(f"{path} must be a .npy array, got an .npz archive; name it .npz")
    return array


def _check_fits(path: Path, size: int) -> None:
    """Refuse what would not fit into this machine's memory."""
    if not hasattr(os, "sysconf"):
        return
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if size > memory:
        raise CacheError(
            f"{path} holds {size / 1e9:.1f} GB and this machine has {memory / 1e9:.1f} GB of memory;"
            " save the array as one .npy file, which is read piece by piece"
        )


_Reader = Callable[[Path, str | None, str | None], Stored]
_READERS: Mapping[str, _Reader] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
    ".parquet": read_parquet,
    ".csv": read_csv,
}
