import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from reprq.backbones import Backbone, as_backbone, load_backbone
from reprq.data import ImageDataset
from reprq.embeddings import EmbeddingCache, extract
from reprq.embeddings.cache.addressing import stored_rows
from reprq.errors import CacheError

HIDDEN = {"factor": 1.0}  # where no digest of a network looks


class Hidden(nn.Module):
    def forward(self, x: torch.Tensor) -> Any:
        return torch.tanh(HIDDEN["factor"] * x)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), Hidden(), nn.Conv2d(4, 4, 3))


def test_networks_that_no_digest_tells_apart_have_their_own_rows_and_find_them_again(
    images: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = images.select(range(20))
    paths, expected = {}, {}
    for factor in (1.0, 9.0, 1.5):
        monkeypatch.setitem(HIDDEN, "factor", factor)
        cache = _extract(network(), few, tmp_path / "shared")
        paths[factor], expected[factor] = cache.path, _extract(network(), few, tmp_path / str(factor))["1"].array
        assert np.array_equal(cache["1"].array, expected[factor])
    assert len(set(paths.values())) == 3
    assert EmbeddingCache(paths[1.5]).provenance["alternative"] == 3
    assert "layer '1' differs by" in EmbeddingCache(paths[9.0]).provenance["notes"][0]
    for factor, path in paths.items():
        monkeypatch.setitem(HIDDEN, "factor", factor)
        assert _extract(network(), few, tmp_path / "shared").path == path
    assert capsys.readouterr().err == ""
    extract(network(), few, "1", preprocessing={"size": 12}, cache_dir=tmp_path / "shared")
    assert f"{paths[1.0].name} holds other rows under the same weights and code" in capsys.readouterr().err


def test_a_layer_asked_for_later_does_not_join_the_cache_of_another_network(
    images: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = images.select(range(8))
    one = _extract(network(), few, tmp_path, layers="1")
    monkeypatch.setitem(HIDDEN, "factor", 9.0)
    nine = _extract(network(), few, tmp_path, layers="2")
    assert one.path != nine.path
    assert list(EmbeddingCache(one.path)) == ["1"]


def test_a_backbone_that_was_changed_after_loading_does_not_get_the_old_rows(
    lenet: Backbone, images: ImageDataset, tmp_path: Path
) -> None:
    few = images.select(range(12))
    first = extract(lenet, few, cache_dir=tmp_path, progress=False)
    with torch.no_grad():
        for parameter in lenet.network.parameters():
            parameter.mul_(1.1)
    changed = extract(lenet, few, cache_dir=tmp_path, progress=False)
    fresh = extract(lenet, few, cache_dir=tmp_path / "fresh", progress=False)
    assert changed.path != first.path
    assert np.array_equal(changed["pooled"].array, fresh["pooled"].array)
    assert extract(load_backbone("lenet", "random"), few, cache_dir=tmp_path, progress=False).path == first.path


@pytest.mark.parametrize("where", ["made", "run"])
def test_a_callable_that_reads_an_environment_variable_gives_the_rows_of_its_value(
    where: str, images: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"environment_net_{where}"
    made, run = ("float(os.environ['NET_FACTOR'])", "self.k") if where == "made" else ("0", "float(os.environ[KEY])")
    (tmp_path / f"{name}.py").write_text(
        "import os, torch\n"
        "from torch import nn\n"
        "KEY = 'NET_' + 'FACTOR'\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        f"        self.conv, self.k = nn.Conv2d(3, 4, 3), {made}\n"
        "        self.act = nn.Tanh()\n"
        "    def forward(self, x):\n"
        f"        return self.act(self.conv(x) * {run})\n"
    )
    monkeypatch.chdir(tmp_path)
    few = images.select(range(6))
    paths = []
    for factor in ("1", "9", "1"):
        monkeypatch.setenv("NET_FACTOR", factor)
        backbone = load_backbone(f"{name}:Net", preprocessing={"size": 12})
        found = extract(backbone, few, cache_dir=tmp_path / "caches", progress=False)
        fresh = extract(backbone, few, cache_dir=tmp_path / f"fresh{len(paths)}", progress=False)
        assert np.array_equal(found["act"].array, fresh["act"].array)
        paths.append(found.path)
    del sys.modules[name]
    assert paths[0] == paths[2] != paths[1]


def test_an_interrupted_cache_of_another_network_is_not_resumed(
    images: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = _extract(network(), images, tmp_path)
    last = max((cache.path / "layers" / "1" / "c").iterdir(), key=lambda block: int(block.name))
    (last / "0").unlink()
    monkeypatch.setitem(HIDDEN, "factor", 9.0)
    assert _extract(network(), images, tmp_path).path != cache.path
    monkeypatch.setitem(HIDDEN, "factor", 1.0)
    assert _extract(network(), images, tmp_path).path == cache.path


def test_rows_that_another_network_left_of_a_block_are_not_taken(
    images: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = images.select(range(40))
    net = as_backbone(network(), preprocessing={"size": 12})
    sizes: list[int] = []

    def stop(module: nn.Module, inputs: Any) -> None:
        sizes.append(len(inputs[0]))
        if sizes[-3:] == [8, 8, 8]:
            raise KeyboardInterrupt

    handle = net.network.register_forward_pre_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        extract(net, few, "1", cache_dir=tmp_path, progress=False, batch_size=8)
    handle.remove()
    (begun,) = tmp_path.iterdir()
    assert len(stored_rows(begun, ["1"], 4).rows) == 4
    assert not list((begun / "layers").glob("*/c"))
    monkeypatch.setitem(HIDDEN, "factor", 9.0)
    assert extract(net, few, "1", cache_dir=tmp_path, progress=False).path != begun
    monkeypatch.setitem(HIDDEN, "factor", 1.0)
    assert extract(net, few, "1", cache_dir=tmp_path, progress=False).path == begun


def test_rows_are_borrowed_from_caches_of_the_same_network_only(
    images: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = images.select(range(512)), images.select(range(512, 1024))
    one = _extract(network(), first, tmp_path)
    monkeypatch.setitem(HIDDEN, "factor", 9.0)
    nine = _extract(network(), second, tmp_path)
    both = images.select(range(1024))
    found = _extract(network(), both, tmp_path)["1"].array
    fresh = _extract(network(), both, tmp_path / "fresh")["1"].array
    assert np.array_equal(found, fresh)
    assert np.array_equal(found[512:], nine["1"].array)
    assert not np.allclose(found[:512], one["1"].array)


def test_rows_of_another_precision_on_disk_or_in_the_pass_are_found_again(images: ImageDataset, tmp_path: Path) -> None:
    few = images.select(range(20))
    for how in ({"dtype": "float16"}, {"precision": "bfloat16"}, {"pooling": "max"}, {"batch_size": 3}):
        first, second = (_extract(network(), few, tmp_path, **how).path for _ in range(2))
        assert first == second
    assert len(list(tmp_path.iterdir())) == 3


def test_stored_rows_are_spread_over_the_first_block(images: ImageDataset, tmp_path: Path) -> None:
    cache = _extract(network(), images, tmp_path)
    found = stored_rows(cache.path, ["1", "none"], 4)
    assert found.rows[0] == 0
    assert len(found.rows) == 4
    assert found.device == "cpu"
    assert np.array_equal(found.values["1"], cache["1"].array[found.rows])
    assert not stored_rows(tmp_path / "none", ["1"], 4).values


def test_a_damaged_block_is_refused_before_anything_is_compared(images: ImageDataset, tmp_path: Path) -> None:
    few = images.select(range(8))
    block = _extract(network(), few, tmp_path).path / "layers" / "1" / "c" / "0" / "0"
    content = bytearray(block.read_bytes())
    content[10] ^= 1
    block.write_bytes(content)
    expected = rf"1 block 0 of the cache \S+ is damaged \(its checksum is wrong\); delete {block.parent} and extract"
    with pytest.raises(CacheError, match=expected):
        _extract(network(), few, tmp_path)


def _extract(net: nn.Module, images: ImageDataset, folder: Path, layers: str = "1", **how: Any) -> EmbeddingCache:
    backbone = as_backbone(net, preprocessing={"size": 12})
    return extract(backbone, images, layers, cache_dir=folder, progress=False, **how)
