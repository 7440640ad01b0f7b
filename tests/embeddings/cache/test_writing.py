"""The files of a cache are those that zarr itself would write."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import Crc32cCodec, GzipCodec

from reprq.data import ArraySource, Dataset
from reprq.embeddings.cache.cache import BLOCK_ROWS
from reprq.embeddings.cache.files import array_metadata, has_plain_blocks, make_array
from reprq.embeddings.cache.writing import CacheWriter

ROWS = BLOCK_ROWS + 88  # the last block is not full


def written(root: Path, values: np.ndarray) -> Path:
    """Write one layer, and return its folder."""
    rows = np.arange(ROWS)
    source = ArraySource(np.zeros((ROWS, 1, 1), np.uint8))
    data = Dataset("none", "train", ("none",), np.zeros(ROWS, np.int64), rows.astype(np.str_), source, rows)
    identity = {"backbone": "none", "data": "none", "split": "train", "dtype": str(values.dtype)}
    with CacheWriter(root, identity, {}, data) as writer:
        for block in range(writer.blocks):
            span = writer.rows_of(block)
            writer.write("layer", 1, block, values[span.start : span.stop])
    return writer.path


def files(folder: Path) -> dict[str, bytes]:
    """The bytes of every block of every array."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("c/**/*") if file.is_file()}


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("columns", [1, 5])
def test_blocks_have_the_bytes_that_zarr_writes(tmp_path: Path, dtype: str, columns: int) -> None:
    values = np.random.default_rng(0).normal(size=(ROWS, columns)).astype(dtype)
    values[3] = 0
    path = written(tmp_path, values)
    before = files(path)
    group = zarr.open_group(path, mode="r+")
    np.testing.assert_array_equal(group["layers/layer"][:], values)
    for name in ("labels", "ids", "content", "layers/layer"):
        with zarr.config.set({"array.write_empty_chunks": True}):
            array = group[name]
        held = array[:]
        for file in (path / name / "c").rglob("*"):
            if file.is_file():
                file.unlink()
        array[:] = held
    assert len(before) == 5
    assert files(path) == before


def made_by_zarr(folder: Path, dtype: str, **how: Any) -> Any:
    """The metadata of an array that zarr makes."""
    how = {"compressors": Crc32cCodec(), "attributes": {"number": 1, "name": "é"}, **how}
    return zarr.create_array(folder, shape=(ROWS, 5), chunks=(BLOCK_ROWS, 5), dtype=dtype, **how)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int64", "uint8"])
def test_an_array_is_what_zarr_makes_of_it(tmp_path: Path, dtype: str) -> None:
    expected = made_by_zarr(tmp_path / "zarr", dtype)
    said = array_metadata((ROWS, 5), (BLOCK_ROWS, 5), dtype, {"number": 1, "name": "é"})
    make_array(tmp_path / "ours", said)
    assert zarr.open_array(tmp_path / "ours", mode="r").metadata == expected.metadata
    assert has_plain_blocks(json.loads((tmp_path / "ours" / "zarr.json").read_text()))


@pytest.mark.parametrize(
    "how", [{"compressors": GzipCodec()}, {"chunk_key_encoding": {"name": "default", "separator": "."}}], ids=str
)
def test_a_layer_of_another_make_goes_on_as_zarr_writes_it(tmp_path: Path, how: dict[str, Any]) -> None:
    values = np.random.default_rng(0).normal(size=(ROWS, 5)).astype(np.float32)
    path = written(tmp_path, values)
    shutil.rmtree(path / "layers" / "layer")
    made_by_zarr(path / "layers" / "layer", "float32", **how)
    assert not has_plain_blocks(json.loads((path / "layers" / "layer" / "zarr.json").read_text()))
    assert written(tmp_path, values) == path
    np.testing.assert_array_equal(zarr.open_group(path, mode="r")["layers/layer"][:], values)
