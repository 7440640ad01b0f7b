from pathlib import Path

import numpy as np
import pytest

from reprq.backbones import Backbone
from reprq.data import ImageDataset
from reprq.embeddings import EmbeddingCache, extract
from reprq.errors import CacheError, UnknownNameError
from reprq.metrics import measure


@pytest.fixture
def cache(lenet: Backbone, images: ImageDataset, tmp_path: Path) -> EmbeddingCache:
    return extract(lenet, images, "0-1", cache_dir=tmp_path, progress=False)


def test_a_layer_can_be_read_block_by_block(cache: EmbeddingCache) -> None:
    whole, lazy = cache["conv2"].array, cache.array("conv2")
    assert lazy.chunks == (512, 64)
    assert np.array_equal(lazy[500:520], whole[500:520])
    streamed, held = measure(lazy), measure(whole)
    for name in ("rankme", "aucev", "participation_ratio"):
        assert streamed[name].value == pytest.approx(held[name].value, rel=1e-9)


def test_the_documented_path_is_what_dask_reads(cache: EmbeddingCache) -> None:
    dask_array = pytest.importorskip("dask.array", reason="needs dask")
    lazy = dask_array.from_zarr(str(cache.path / "layers" / "conv2"))
    assert lazy.chunks[0] == (512, 512, 76)
    np.testing.assert_allclose(lazy.mean(axis=0).compute(), cache["conv2"].array.mean(axis=0), rtol=1e-5)


def test_a_lazy_layer_that_is_unknown_or_incomplete_is_refused(cache: EmbeddingCache) -> None:
    with pytest.raises(UnknownNameError, match="unknown layer of the cache 'conv9'"):
        cache.array("conv9")
    (cache.path / "layers" / "conv2" / "c" / "1" / "0").unlink()
    with pytest.raises(CacheError, match="conv2 of the cache .* lacks 1 blocks"):
        cache.array("conv2")


def test_what_a_killed_writer_left_is_swept_by_the_next(
    cache: EmbeddingCache, lenet: Backbone, images: ImageDataset
) -> None:
    leftover = cache.path / "layers" / "conv1" / "c" / "0" / "0.123abc.partial"
    leftover.write_text("half")
    extract(lenet, images, 2, cache_dir=cache.path.parent, progress=False)
    assert not leftover.exists()


def test_a_finished_cache_is_read_where_nothing_can_be_written(
    cache: EmbeddingCache, lenet: Backbone, images: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: pytest.fail("it was opened for writing"))
    again = extract(lenet, images, "0-1", cache_dir=cache.path.parent, progress=False)
    assert np.array_equal(again["conv1"].array, cache["conv1"].array)
