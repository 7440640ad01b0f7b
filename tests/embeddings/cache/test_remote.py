"""A cache on a remote store, by URL; fsspec's memory stands for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reprq.embeddings import EmbeddingCache, extract
from reprq.errors import CacheError, InputError
from reprq.metrics import cka_matrix, measure

fsspec: Any = pytest.importorskip("fsspec", reason="fsspec is an optional extra")
URL = "memory://caches/one"


@pytest.fixture
def local(tmp_path: Path) -> EmbeddingCache:
    how: dict[str, Any] = {"weights": "random", "samples": 600, "pooling": "avg,max", "progress": False}
    return extract("lenet", "digits", "0,3", cache_dir=tmp_path, **how)


@pytest.fixture
def store(local: EmbeddingCache) -> Iterator[Any]:
    memory = fsspec.filesystem("memory")
    memory.put(str(local.path), "/caches/one", recursive=True)
    yield memory
    memory.rm("/caches", recursive=True)


def test_a_remote_cache_reads_as_the_folder_does(local: EmbeddingCache, store: Any) -> None:
    remote = EmbeddingCache(URL)
    assert list(remote) == list(local) == ["conv1", "conv1@max", "pooled", "pooled@max"]
    assert remote.widths() == local.widths()
    assert (remote.provenance, remote.classes) == (local.provenance, local.classes)
    assert (remote.ids == local.ids).all()
    for layer in local:
        assert (remote[layer].array == local[layer].array).all()
    assert measure(remote.array("conv1"))["rankme"].value == measure(local["conv1"])["rankme"].value
    with pytest.raises(InputError, match=f"the cache {URL} is on a remote store and has no folder here"):
        _ = remote.path


@pytest.mark.parametrize("where", [URL, ""])
def test_its_layers_are_dask_arrays(where: str, local: EmbeddingCache, store: Any) -> None:
    pytest.importorskip("dask.array", reason="dask is an optional extra")
    cache = EmbeddingCache(where or local.path)
    layers = {layer: cache.dask_array(layer) for layer in cache}
    assert (layers["pooled"].compute() == local["pooled"].array).all()
    found = measure(layers["pooled"], ["rankme"])["rankme"].value
    assert found == pytest.approx(measure(local["pooled"], ["rankme"])["rankme"].value, rel=1e-12)
    assert cka_matrix(layers) == pytest.approx(cka_matrix(local), abs=1e-6)


def test_a_lost_block_is_missed(local: EmbeddingCache, store: Any) -> None:
    store.rm(f"/caches/one/{local.array('pooled').path}/c/1/0")
    assert "pooled" not in EmbeddingCache(URL)
    with pytest.raises(CacheError, match=f"pooled of the cache {URL} lacks 1 blocks"):
        EmbeddingCache(URL, ["pooled"]).dask_array("pooled")


def test_a_damaged_block_is_one_sentence(local: EmbeddingCache, store: Any) -> None:
    block = f"/caches/one/{local.array('pooled').path}/c/1/0"
    content = bytearray(store.cat(block))
    content[5] ^= 255
    store.pipe(block, bytes(content))
    with pytest.raises(CacheError, match=r"cannot be read \(its checksum is wrong\); copy it there again"):
        EmbeddingCache(URL)["pooled"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://caches/none", "there is no embedding cache at memory://caches/none"),
        ("nostore://x", "the cache nostore://x cannot be opened"),
    ],
)
def test_a_url_without_a_cache_is_one_sentence(url: str, message: str) -> None:
    with pytest.raises(CacheError, match=message):
        EmbeddingCache(url)


def test_a_foreign_group_is_refused() -> None:
    import zarr
    from zarr.storage import FsspecStore

    group = zarr.create_group(FsspecStore.from_url("memory://caches/foreign"), zarr_format=3)
    group.create_array("a", data=np.zeros(3))
    with pytest.raises(CacheError, match="must be an embedding cache of format 1, got None"):
        EmbeddingCache("memory://caches/foreign")
