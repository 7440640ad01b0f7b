"""Embeddings that somebody else extracted: array files, tables, and folders of shards; nothing is ever unpickled."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reprq.embeddings.cache.catalogue import is_cache, pick_layer
from reprq.embeddings.cache.remote import is_url, local_copy
from reprq.embeddings.embeddings import Embeddings
from reprq.embeddings.formats.arrays import read_npy, read_npz, read_safetensors
from reprq.embeddings.formats.columnar import read_arrow, read_parquet
from reprq.embeddings.formats.delimited import read_delimited
from reprq.embeddings.formats.folders import read_parts, read_shards, read_zarr, shards
from reprq.embeddings.formats.json_lines import read_json_lines
from reprq.embeddings.formats.pytorch import read_torch
from reprq.embeddings.formats.scientific import read_hdf5, read_mat
from reprq.embeddings.formats.stored import Stored
from reprq.embeddings.formats.tables import ColumnTable, read_table
from reprq.errors import CacheError, InputError, ReprqError, one_line
from reprq.labels import anomaly_labels


def load_embeddings(
    path: Path | str,
    key: str | None = None,
    labels: str | None = None,
    *,
    columns: str | Sequence[str] = (),
    benign: str | Sequence[str] = (),
) -> Embeddings:
    """Read an (n, d) array, with its labels and ids where the file has them, without unpickling anything.

    =====================  ============================================================================================
    what                   which array
    =====================  ============================================================================================
    ``.npy``               the one it holds, memory-mapped: it may be larger than memory
    ``.npz``,              `key`, or the only two-dimensional array, or the one called `X`, `x`, `embeddings` or
    ``.safetensors``,      `features`; of nested files the names are paths, such as `train/features` in HDF5 and
    ``.pt``, ``.pth``,     `train.features` elsewhere. A .pt file may also hold one tensor, or a list or mapping of
    ``.mat``, ``.h5``,     vectors, one a row. HDF5 files (and .mat of version 7.3) need h5py: the extra `hdf5`
    ``.hdf5``, zarr
    ``.csv``, ``.tsv``,    `key`, or the only column of lists (also lists written as text), or the columns of numbers
    ``.jsonl``,            that belong together, see below. Text may be packed (``.csv.gz``, ``.bz2``, ``.xz``,
    ``.parquet``,          ``.zip``); delimiter, decimal comma, header and comments are found out. The last three need
    ``.feather``,          pyarrow: the extra `parquet`
    ``.arrow``
    a folder               numbered shards such as `img_emb/img_emb_0.npy`, joined in the order of their numbers: the
                           folder itself or its parent, where `key` picks one of several kinds (`img_emb`, `text_emb`);
                           numbered parts of one .parquet table; or an embedding cache, the layer called `key`
    =====================  ============================================================================================

    Of the columns of numbers in a table those are left out whose names say bookkeeping (`Unnamed: 0`, `image_id`,
    `fold`) or that count the rows. Where others are numbered after one stem (`emb_0`, `emb_1`, ...), these are the
    embedding. What is in doubt is refused until `columns` says it. The provenance says under `read` what was used and
    what was left out.

    Labels are the array or column named `labels`, or else the only one that says so (`y`, `label`, `Class`, `target`,
    `is_anomaly`, ...); ids the one named `id` or `ids`, or the index that pandas writes. For shards `labels` may also
    name a column of `metadata/*.parquet`. Labels that are text become the numbers of the sorted names, which the
    provenance then lists as `classes`; one-hot labels become the number of their column.

    Args:
        path: The file or folder, or the URL of one on a store that fsspec reads, such as "s3://bucket/x.npz" (the extra
            `remote`), which is copied first.
        key: The array or column to read.
        labels: The array or column of the labels; an unlabelled file is fine if this is not given.
        columns: The columns of numbers that are the embedding, by name or pattern ("emb_*"; "*" is all but labels and
            ids); several in a sequence, or with commas between.
        benign: Labels that are benign, or patterns; then the labels become 0 for these and 1 for all others, as in
            `reprq.labels.anomaly_labels`.

    Returns:
        The embeddings in their own dtype; the layer is the one the file says it holds, or else the file's name.

    Raises:
        CacheError: the path is missing, truncated, foreign, holds pickled objects or does not fit into memory.
        UnknownNameError: `key`, `labels` or one of `columns` or `benign` is not there.
        InputError: no array or several fit, a column is in doubt or not numeric, shards do not fit together, or the
            array is not a finite (n, d) matrix with one label and one id a row.
    """
    if is_url(path):
        return _load_remote(str(path), key, labels, columns=columns, benign=benign)
    path = Path(path)
    patterns = columns.split(",") if isinstance(columns, str) and columns else list(columns)
    _check_there(path)
    if key is not None and patterns:
        raise InputError(f"key and columns exclude each other, got {key!r} and {columns!r}; give one of them")
    try:
        opened = _open(path, key, labels)
        if isinstance(opened, Stored) and patterns:
            raise InputError(f"columns goes with tables, and {path} holds arrays; name one by key (--key)")
        found = read_table(opened, key, labels, patterns) if isinstance(opened, ColumnTable) else opened
    except ReprqError:
        raise
    except Exception as error:  # what a parser raises on foreign bytes is anything, from TokenError to ArrowException
        reason = one_line(error)
        raise CacheError(f"{path} cannot be read as embeddings ({reason}); save or copy it again") from None
    try:
        x = found.embeddings(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return _judged(x, path, benign) if benign or isinstance(benign, str) else x


def _load_remote(url: str, key: str | None, labels: str | None, **asked: Any) -> Embeddings:
    """Read a copy of what is at a URL; the array is in memory, since the copy goes."""
    with local_copy(url) as copy:
        try:
            found = load_embeddings(copy, key, labels, **asked)
        except ReprqError as error:
            error.args = tuple(str(said).replace(str(copy), url) for said in error.args)
            raise
        return replace(found, array=np.array(found.array))


def _check_there(path: Path) -> None:
    if not path.exists():
        raise CacheError(f"the embeddings file {path} does not exist; check the path")
    if path.is_file() and path.stat().st_size == 0:
        raise CacheError(f"{path} is empty; save the embeddings again")


def _open(path: Path, key: str | None, labels: str | None) -> Stored | ColumnTable:
    """What a file or folder holds: arrays, of which those asked for are read, or a table."""
    if path.is_dir():
        return _open_folder(path, key, labels)
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    if endings and endings[-1] in _PICKLED:
        raise CacheError(
            f"{path} is a pickle, which may run code when it is read; save the array by numpy.save instead"
        )
    packed = bool(endings) and endings[-1] in _PACKED
    ending = endings[0] if packed else (endings or [""])[-1]
    if ending in _TABLES and (not packed or ending in _TEXT):
        return _TABLES[ending](path)
    if ending in _ARRAYS and not packed:
        return _ARRAYS[ending](path, key, labels)
    known = ", ".join([*_ARRAYS, *_TABLES])
    got = f"a packed {''.join(endings)} file; unpack it" if packed else f"a {path.suffix!r} file"
    raise CacheError(f"{path} must be a {known} file, a zarr array or a folder of shards, got {got}")


def _open_folder(path: Path, key: str | None, labels: str | None) -> Stored | ColumnTable:
    if is_cache(path):
        x = pick_layer(path, key)
        if labels is not None:
            raise InputError(f"{path} is an embedding cache with its own labels, got labels={labels!r}; leave it out")
        return Stored(x.array, x.labels, x.ids, x.provenance)
    if any((path / header).exists() for header in ("zarr.json", ".zarray", ".zgroup")):
        return read_zarr(path, key, labels)
    if shards(path, "npy"):
        return read_shards(path, key, labels)
    if any(path.rglob("*.parquet")):
        return read_parts(path, "parquet", read_parquet)
    raise CacheError(
        f"{path} holds no .npy shards, no .parquet files and no zarr array, and is no embedding cache; give a folder"
        " such as img_emb"
    )


def _judged(x: Embeddings, path: Path, benign: str | Sequence[str]) -> Embeddings:
    """The embeddings with labels of 0 and 1."""
    if x.labels is None:
        raise InputError(f"{path} must hold labels for benign={benign!r}, got none; name them (--labels)")
    classes = x.provenance.get("classes", ())
    truth = anomaly_labels(x.labels, benign, classes=classes, name=f"the labels of {path}")
    provenance = {name: value for name, value in x.provenance.items() if name != "classes"}
    named = [benign] if isinstance(benign, str) else list(benign)
    return replace(x, labels=truth, provenance={**provenance, "benign": named})


_ARRAYS: Mapping[str, Callable[[Path, str | None, str | None], Stored]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".safetensors": read_safetensors,
    ".pt": read_torch,
    ".pth": read_torch,
    ".mat": read_mat,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
}
_TABLES: Mapping[str, Callable[[Path], ColumnTable]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".jsonl": read_json_lines,
    ".parquet": read_parquet,
    ".feather": read_arrow,
    ".arrow": read_arrow,
}
_TEXT = (".csv", ".tsv", ".jsonl")
_PACKED = (".gz", ".bz2", ".xz", ".zip")
_PICKLED = (".pkl", ".pickle", ".joblib", ".dill")
