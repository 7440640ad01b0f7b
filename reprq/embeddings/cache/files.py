"""The files of a cache's arrays as zarr v3 lays them out: zarr reads them, and takes milliseconds to write each."""

import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]


def array_metadata(shape: Shape, chunks: Shape, dtype: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what zarr v3 says of an array of uncompressed blocks with a checksum.

    Args:
        shape: Of the array.
        chunks: Of a block.
        dtype: NumPy's name of a type of numbers.
        attributes: What else is said of the array.
    """
    kind = np.dtype(dtype)
    of_several: dict[str, Any] = {"configuration": {"endian": "little"}} if kind.itemsize > 1 else {}
    return {
        "shape": shape,
        "data_type": kind.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": kind.type(0).item(),
        "codecs": [{"name": "bytes", **of_several}, {"name": "crc32c"}],
        "attributes": attributes,
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }


def make_array(folder: Path, metadata: Mapping[str, Any]) -> None:
    """Make an array that has no block yet; another process may make the same one meanwhile."""
    _write(folder / "zarr.json", json.dumps(metadata, indent=2).encode())


def has_plain_blocks(metadata: Mapping[str, Any]) -> bool:
    """Whether the blocks of an array are its numbers, as they are in memory here, and their checksum."""
    chunks = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    ours = array_metadata(metadata["shape"], chunks, metadata["data_type"], {})
    keys = ("chunk_grid", "chunk_key_encoding", "codecs", "storage_transformers")
    return sys.byteorder == "little" and all(metadata.get(key) == ours[key] for key in keys)


def write_block(folder: Path, number: int, chunks: Shape, values: NDArray[Any]) -> None:
    """Write a block of rows, whole or not at all: the numbers, zeros that fill up the last block, and their CRC-32C.

    Args:
        folder: Of the array, which has plain blocks.
        number: The block's.
        chunks: The shape of a block.
        values: (at most chunks[0], ...) of the array's type.
    """
    block = np.zeros(chunks, values.dtype)
    block[: len(values)] = values
    place = folder.joinpath("c", str(number), *"0" * (len(chunks) - 1))
    _write(place, block.data, google_crc32c.value(block).to_bytes(4, "little"))


def _write(path: Path, *parts: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{secrets.token_hex(16)}.partial")
    try:
        with partial.open("wb") as file:
            file.writelines(parts)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
