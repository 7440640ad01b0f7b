"""NumPy's and safetensors' files of arrays; nothing is ever unpickled."""

import json
import math
import os
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray
from safetensors import safe_open

from reprq.embeddings.formats.stored import Stored, read_arrays, read_provenance
from reprq.errors import CacheError, InputError


def read_npy(path: Path, key: str | None, labels: str | None) -> Stored:
    """Map the one array of an .npy file."""
    if key is not None or labels is not None:
        name = key if key is not None else labels
        raise InputError(f"{path} holds one array without a name, got {name!r} to look for; save an .npz file instead")
    return Stored(mapped(path))


def read_npz(path: Path, key: str | None, labels: str | None) -> Stored:
    """Read the arrays asked for, and no other, of an .npz file."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        if not hasattr(archive, "zip"):
            raise ValueError("it is one .npy array under another name")
        members = archive.zip.NameToInfo
        sizes = {name: _shape_and_bytes(archive.zip, name) for name in archive.files if f"{name}.npy" in members}
        if {"indices", "indptr", "shape", "data"} <= sizes.keys():
            raise InputError(f"{path} holds a sparse matrix; save its toarray() by numpy.save")

        def get(name: str) -> NDArray[Any]:
            check_fits(path, sizes[name][1])
            return np.asarray(archive[name])

        return read_arrays(path, {name: shape for name, (shape, _) in sizes.items()}, get, key, labels)


def _shape_and_bytes(archive: ZipFile, name: str) -> tuple[tuple[int, ...], int]:
    """What the header of an array in an .npz file says, so that arrays nobody asked for are not read."""
    with archive.open(f"{name}.npy") as file:
        first = npy_format.read_magic(file) == (1, 0)
        shape, _, dtype = (npy_format.read_array_header_1_0 if first else npy_format.read_array_header_2_0)(file)
    return shape, math.prod(shape) * dtype.itemsize


def read_safetensors(path: Path, key: str | None, labels: str | None) -> Stored:
    """Read the tensors asked for of a safetensors file, and the ids and the provenance in its metadata."""
    with safe_open(path, framework="numpy") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata() or {}
    found = read_arrays(path, shapes, lambda name: _tensor(path, name), key, labels)
    if "ids" in metadata:
        found = found._replace(ids=np.array(json.loads(metadata["ids"]), dtype=np.str_))
    return found._replace(provenance={**read_provenance(metadata.get("provenance")), **found.provenance})


def _tensor(path: Path, name: str) -> NDArray[Any]:
    with safe_open(path, framework="numpy") as file:
        dtype = file.get_slice(name).get_dtype()
        check_fits(path, math.prod(file.get_slice(name).get_shape()) * 8)
        if dtype != "BF16":
            return np.asarray(file.get_tensor(name))
    with safe_open(path, framework="pt") as file:  # numpy has no bfloat16; float32 holds every bfloat16 exactly
        return np.asarray(file.get_tensor(name).float())


def mapped(path: Path) -> NDArray[Any]:
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


def check_fits(path: Path, size: int) -> None:
    """Refuse what would not fit into this machine's memory."""
    if not hasattr(os, "sysconf"):
        return
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if size > memory:
        raise CacheError(
            f"{path} holds {size / 1e9:.1f} GB and this machine has {memory / 1e9:.1f} GB of memory;"
            " save the array as one .npy file, which is read piece by piece"
        )
