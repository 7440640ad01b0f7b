"""Layers of any name: chosen by it, cached under it, read back under it."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from reprq.backbones import as_backbone
from reprq.backbones.layers.selection import Layer, select
from reprq.data import ImageDataset
from reprq.embeddings import EmbeddingCache, export, extract, list_caches, load_embeddings, verify_cache
from reprq.embeddings.cache.cache import cached_name
from reprq.embeddings.cache.catalogue import pick_layer

NAMES = (
    "a/b",
    "a\\b",
    ",",
    "a,b",
    "a, b",
    " padded ",
    "1-2",
    "*",
    "a[0]",
    "x" * 300,
    "\N{LATIN SMALL LETTER E WITH ACUTE}",
    os.fsdecode(b"caf\xe9"),
    "new\nline",
    "\0",
    "aux",
    "a#b",
    "a@1",
    "~",
)


def _network(*names: str) -> nn.Sequential:
    torch.manual_seed(0)
    network = nn.Sequential()
    for number, name in enumerate(names):
        module = nn.Conv2d(3 if number == 0 else 4, 4, 3)
        network.add_module(name, module)
    return network


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_of_any_name_is_cached_and_read_back_under_it(name: str, images: ImageDataset, tmp_path: Path) -> None:
    network, few = _network(name, "other"), images.select(range(5))
    how = {"preprocessing": {"size": 16}, "cache_dir": tmp_path / "caches", "progress": False}
    cache = extract(network, few, name, **how)  # type: ignore[arg-type]
    assert list(cache) == [name]
    opened = EmbeddingCache(cache.path)
    assert list(opened) == [name]
    assert np.array_equal(opened[name].array, cache[name].array)
    assert opened.array(name).shape == (5, 4)
    assert opened.widths() == {name: 4}
    assert np.array_equal(pick_layer(cache.path, name).array, cache[name].array)
    assert verify_cache(cache.path) == []
    (info,) = list_caches(tmp_path / "caches")
    assert (info.complete, info.layers) == (True, 1)
    for ending in ("npz", "safetensors", "parquet"):
        back = load_embeddings(export(cache, tmp_path / f"x.{ending}", name))
        assert np.array_equal(back.array, cache[name].array)
    both = extract(network, few, "all", **how)  # type: ignore[arg-type]
    assert list(both) == [name, "other"]


def test_names_that_differ_in_case_alone_have_folders_that_differ_in_more(images: ImageDataset, tmp_path: Path) -> None:
    names = ["Conv", "conv", "CONV"]
    cache = extract(
        _network(*names), images.select(range(3)), preprocessing={"size": 16}, cache_dir=tmp_path, progress=False
    )
    assert list(cache) == names
    folders = [path.name.lower() for path in (cache.path / "layers").iterdir() if path.is_dir()]
    assert len(set(folders)) == 3
    assert "conv" in folders


def test_caches_that_keep_a_layer_under_its_very_name_stay_readable_and_grow(
    images: ImageDataset, tmp_path: Path
) -> None:
    network, few = _network("Conv", "other"), images.select(range(3))
    how = {"preprocessing": {"size": 16}, "cache_dir": tmp_path, "progress": False}
    cache = extract(network, few, "Conv", **how)  # type: ignore[arg-type]
    expected = cache["Conv"].array
    (folder,) = (path for path in (cache.path / "layers").iterdir() if path.is_dir())
    old = folder.rename(folder.with_name("Conv"))
    header = json.loads((old / "zarr.json").read_text())
    del header["attributes"]["name"]
    (old / "zarr.json").write_text(json.dumps(header))
    assert np.array_equal(EmbeddingCache(cache.path)["Conv"].array, expected)
    shutil.rmtree(old / "c")
    grown = extract(network, few, "all", **how)  # type: ignore[arg-type]
    assert list(grown) == ["Conv", "other"]
    assert sorted(path.name for path in (cache.path / "layers").iterdir() if path.is_dir()) == ["Conv", "other"]


def test_names_with_commas_stay_whole_in_a_list_of_layers() -> None:
    layers = [Layer(i, name, "") for i, name in enumerate(["a", "b", "a,b", "c, d", "1-2"])]

    def chosen(spec: str | list[str | int]) -> list[str]:
        return [layer.name for layer in select(layers, spec, "net")]

    assert chosen("a,b") == ["a,b"]
    assert chosen("b,a") == ["a", "b"]
    assert chosen(["a", "b"]) == ["a", "b"]
    assert chosen("b,c, d") == ["b", "c, d"]
    assert chosen("c, d,a,b,0") == ["a", "a,b", "c, d"]
    assert chosen("1-2") == ["1-2"]
    assert chosen("0-2") == ["a", "b", "a,b"]


def test_a_star_does_not_mean_the_network_itself() -> None:
    backbone = as_backbone(_network("one", "two"), preprocessing={"size": 16})
    assert [layer.name for layer in backbone.select_layers("*")] == ["one", "two"]


def test_a_layer_called_like_a_pooling_of_another_is_no_other_layer(images: ImageDataset, tmp_path: Path) -> None:
    network, few = _network("conv", "conv@max"), images.select(range(3))
    how = {"preprocessing": {"size": 16}, "cache_dir": tmp_path, "progress": False}
    called = extract(network, few, "conv@max", **how)  # type: ignore[arg-type]
    pooled = extract(network, few, "conv", pooling="max", **how)  # type: ignore[arg-type]
    assert (list(called), list(pooled)) == (["conv@max@avg"], ["conv@max"])
    assert not np.allclose(called["conv@max@avg"].array, pooled["conv@max"].array)
    assert cached_name("conv@0", "avg") == "conv@0"
