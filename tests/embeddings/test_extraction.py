import dataclasses
import importlib.util
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.transforms.functional import to_tensor

from reprq.backbones import Backbone, Layer, as_backbone, load_backbone
from reprq.data import ImageDataset
from reprq.embeddings import EmbeddingCache, extract, verify_cache
from reprq.embeddings.cache import filling
from reprq.embeddings.forward import Forward
from reprq.errors import CacheError, InputError, UnknownNameError
from reprq.study import run_study


def batch(backbone: Backbone, images: ImageDataset) -> torch.Tensor:
    return torch.stack([backbone.preprocessing(images.item(i)) for i in range(len(images))])


def files(cache: EmbeddingCache) -> dict[str, bytes]:
    return {str(p.relative_to(cache.path)): p.read_bytes() for p in sorted(cache.path.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_every_layer_is_what_a_feature_extractor_gives_averaged_over_positions(
    name: str, images: ImageDataset, tmp_path: Path
) -> None:
    backbone = load_backbone(name, "random", preprocessing={"size": 32})
    few = images.select(range(9))
    cache = extract(backbone, few, cache_dir=tmp_path, progress=False, batch_size=4)
    inner = [layer for layer in backbone.layers if layer.where == "output"]
    oracle = create_feature_extractor(backbone.network, {layer.module: layer.name for layer in inner}).eval()
    with torch.no_grad():
        expected = oracle(batch(backbone, few))
    assert list(cache) == [layer.name for layer in backbone.layers]
    for layer in inner:
        pooled = expected[layer.name].mean(dim=(2, 3)).numpy()
        np.testing.assert_allclose(cache[layer.name].array, pooled, rtol=1e-4, atol=1e-5)


def test_the_pooled_layer_is_what_the_head_reads(lenet: Backbone, images: ImageDataset, tmp_path: Path) -> None:
    few = images.select(range(5))
    heads = [module for module in lenet.network.modules() if isinstance(module, torch.nn.Linear)]
    read: list[torch.Tensor] = []
    heads[-1].register_forward_pre_hook(lambda module, inputs: read.append(inputs[0].detach()))
    with torch.no_grad():
        lenet.network(batch(lenet, few))
    found = extract(lenet, few, -1, cache_dir=tmp_path, progress=False)["pooled"].array
    np.testing.assert_allclose(found, read[0].flatten(1).numpy(), rtol=1e-5, atol=1e-6)


def test_the_pass_stops_after_the_last_layer_wanted(lenet: Backbone, images: ImageDataset, tmp_path: Path) -> None:
    ran: list[str] = []
    for name, module in lenet.network.named_modules():
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    extract(lenet, images.select(range(3)), "conv1", cache_dir=tmp_path, progress=False)
    last = next(layer.module for layer in lenet.layers if layer.name == "conv1")
    assert ran[-1] == last


def test_all_layers_come_from_one_forward_pass(
    lenet: Backbone, images: ImageDataset, tmp_path: Path, extracted: Callable[[Any], list[int]]
) -> None:
    passes = extracted(lenet.network)
    extract(lenet, images, "all", cache_dir=tmp_path, progress=False, batch_size=100)
    assert sum(passes) == len(images)


def test_an_in_place_activation_after_the_layer_does_not_reach_the_cache(images: ImageDataset, tmp_path: Path) -> None:
    backbone = load_backbone("resnet18", "random", preprocessing={"size": 32})
    assert backbone.network.relu.inplace  # it follows bn1 and overwrites its output
    backbone = dataclasses.replace(backbone, layers=(Layer(0, "bn1", "bn1"), Layer(1, "relu", "relu")))
    cache = extract(backbone, images.select(range(2)), cache_dir=tmp_path, progress=False)
    assert cache["bn1"].array.min() < 0
    assert cache["relu"].array.min() >= 0


def test_rows_labels_and_provenance_travel_with_the_array(
    lenet: Backbone, images: ImageDataset, tmp_path: Path
) -> None:
    cache = extract(lenet, images, cache_dir=tmp_path, progress=False)
    x = cache["conv2"]
    assert x.array.dtype == np.float32
    assert np.array_equal(x.ids, images.ids)
    assert x.labels is not None
    assert np.array_equal(x.labels, images.labels)
    assert x.provenance["backbone"] == "lenet"
    assert x.provenance["weights_digest"] == lenet.weights_digest
    assert x.provenance["data_fingerprint"] == images.fingerprint
    assert x.provenance["split_info"] == images.split_info
    assert x.provenance["preprocessing"] == lenet.preprocessing.to_dict()
    assert cache.classes == images.classes
    assert cache.widths() == {name: cache[name].width for name in cache}


def test_a_second_run_reads_the_cache_and_runs_the_network_on_four_rows_only(
    lenet: Backbone, images: ImageDataset, tmp_path: Path
) -> None:
    first = extract(lenet, images, cache_dir=tmp_path, progress=False)
    sizes: list[int] = []
    lenet.network.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    second = extract(lenet, images, cache_dir=tmp_path, progress=False)
    assert sizes == [4]
    assert first.path == second.path
    assert np.array_equal(first["pooled"].array, second["pooled"].array)


def test_a_layer_asked_for_later_joins_the_same_cache(lenet: Backbone, images: ImageDataset, tmp_path: Path) -> None:
    one = extract(lenet, images, "conv3", cache_dir=tmp_path, progress=False)
    assert list(one) == ["conv3"]
    every = extract(lenet, images, "all", cache_dir=tmp_path, progress=False)
    assert every.path == one.path
    assert list(EmbeddingCache(one.path)) == [layer.name for layer in lenet.layers]


@pytest.mark.parametrize("stop_after", [1, 8, 9, 12, 17])
def test_an_interrupted_run_goes_on_and_ends_with_the_same_bytes(
    stop_after: int,
    lenet: Backbone,
    images: ImageDataset,
    tmp_path: Path,
    extracted: Callable[[Any], list[int]],
) -> None:
    whole = extract(lenet, images, cache_dir=tmp_path / "whole", progress=False)
    passes: list[int] = []

    def interrupt(module: torch.nn.Module, inputs: Any) -> None:
        if len(inputs[0]) > 4:  # not one of those on which the network is tried
            passes.append(len(inputs[0]))
        if len(passes) == stop_after:
            signal.raise_signal(signal.SIGINT)

    handle = lenet.network.register_forward_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        extract(lenet, images, cache_dir=tmp_path / "cut", progress=False, batch_size=64)
    handle.remove()
    (cut,) = (tmp_path / "cut").iterdir()
    assert verify_cache(cut)
    before = sum(passes[:-1])
    stop_after = -1
    passes = extracted(lenet.network)
    resumed = extract(lenet, images, cache_dir=tmp_path / "cut", progress=False, batch_size=64)
    assert sum(passes) == len(images) - before  # what the interrupted batch was is all that is computed again
    assert files(resumed) == files(whole)


def test_what_is_kept_of_a_block_is_used_only_where_it_is_whole_and_of_the_same_layers(
    lenet: Backbone,
    images: ImageDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    extracted: Callable[[Any], list[int]],
) -> None:
    monkeypatch.setattr(filling, "KEEP_SECONDS", 0.0)  # as if every batch took long
    few, passes = images.select(range(300)), [0]

    def interrupt(module: torch.nn.Module, inputs: Any) -> None:
        passes[0] += len(inputs[0]) > 4  # not those on which the network is tried
        if passes[0] == 4:
            raise RuntimeError("stopped")

    handle = lenet.network.register_forward_pre_hook(interrupt)
    with pytest.raises((RuntimeError, InputError)):
        extract(lenet, few, "0-1", cache_dir=tmp_path, progress=False, batch_size=64)
    handle.remove()
    (cache,) = tmp_path.iterdir()
    kept = sorted((cache / "unfinished").iterdir())
    assert [path.stem for path in kept] == [f"{n:09d}-{n + 64:09d}" for n in (0, 64, 128)]
    assert list(EmbeddingCache(cache)) == []
    damaged = bytearray(kept[1].read_bytes())
    damaged[len(damaged) // 2] ^= 1
    kept[1].write_bytes(damaged)
    ran = extracted(lenet.network)
    more = extract(lenet, few, "0-2", cache_dir=tmp_path, progress=False, batch_size=64)
    assert sum(ran) == 300  # conv3 was not among what was kept
    expected = extract(lenet, few, "0-2", cache_dir=tmp_path / "fresh", progress=False, batch_size=64)
    assert all(np.array_equal(more[name].array, expected[name].array) for name in expected)
    assert not (cache / "unfinished").exists()


def test_a_damaged_piece_of_a_block_is_computed_again(
    lenet: Backbone, images: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "KEEP_SECONDS", 0.0)
    few = images.select(range(300))
    whole = extract(lenet, few, 0, cache_dir=tmp_path / "whole", progress=False, batch_size=64)
    pieces = filling.Unfinished(tmp_path / "pieces")
    rows = whole["conv1"].array
    for start in (0, 64, 128):
        pieces.keep(start, {"conv1": rows[start : start + 64]})
    assert pieces.read(range(300), ["conv1"])[0] == 192
    path = tmp_path / "pieces" / f"{64:09d}-{128:09d}.npz"
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    end, (found,) = pieces.read(range(300), ["conv1"])
    assert (end, len(found)) == (64, 1)
    assert np.array_equal(found[0], rows[:64])
    path.write_bytes(b"")
    assert pieces.read(range(300), ["conv1"])[0] == 64
    assert pieces.read(range(300), ["conv2"])[0] == 0
    assert pieces.read(range(512, 900), ["conv1"])[0] == 512


def test_anything_that_changes_the_content_changes_the_address(images: ImageDataset, tmp_path: Path) -> None:
    few = images.select(range(8))

    def address(data: ImageDataset = few, seed: int = 0, channels: str = "rgb", **arguments: Any) -> Path:
        backbone = load_backbone("lenet", "random", preprocessing={"channels": channels}, seed=seed)
        return extract(backbone, data, 0, cache_dir=tmp_path, progress=False, **arguments).path

    others = [
        address(seed=1),
        address(channels="bgr"),
        address(dtype="float16"),
        address(images.select(range(1, 9))),
        address(images.select([*range(1, 8), 0])),
    ]
    assert len({address(), *others}) == 6
    assert address() == address()


def test_another_pooling_is_another_layer_of_the_same_cache(
    lenet: Backbone, images: ImageDataset, tmp_path: Path
) -> None:
    few = images.select(range(8))
    average, largest = (extract(lenet, few, 1, pooling=p, cache_dir=tmp_path, progress=False) for p in ("avg", "max"))
    assert average.path == largest.path
    assert (list(average), list(largest)) == (["conv2"], ["conv2@max"])
    assert (largest["conv2@max"].array >= average["conv2"].array).all()


@pytest.mark.parametrize("pooling", ["avg,max,grid:2x2", ["avg", "max", "grid:2x2", "max"]])
def test_one_pass_serves_several_poolings(
    pooling: Any, lenet: Backbone, images: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = count_fills(monkeypatch)
    few, how = images.select(range(20)), {"progress": False}
    cache = extract(lenet, few, "0,3", pooling=pooling, cache_dir=tmp_path / "one", **how)  # type: ignore[arg-type]
    assert len(passes) == 1
    assert list(cache) == ["conv1", "conv1@max", "conv1@grid:2x2", "pooled", "pooled@max", "pooled@grid:2x2"]
    for each in ("avg", "max", "grid:2x2"):
        alone = extract(lenet, few, "0,3", pooling=each, cache_dir=tmp_path / "each", **how)  # type: ignore[arg-type]
        for name in alone:
            np.testing.assert_allclose(cache[name].array, alone[name].array, rtol=1e-5, atol=1e-6)
    passes.clear()
    assert list(extract(lenet, few, 0, pooling="max", cache_dir=tmp_path / "one", **how)) == ["conv1@max"]  # type: ignore[arg-type]
    assert not passes
    extract(lenet, few, 0, pooling="max,gem", cache_dir=tmp_path / "one", **how)  # type: ignore[arg-type]
    assert len(passes) == 1
    with pytest.raises(UnknownNameError, match="unknown pooling 'maxx'"):
        extract(lenet, few, 0, pooling="avg,maxx", cache_dir=tmp_path / "none", **how)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="pooling must name at least one of avg"):
        extract(lenet, few, 0, pooling=[], cache_dir=tmp_path / "none", **how)  # type: ignore[arg-type]
    assert not (tmp_path / "none").exists()


def test_a_study_of_two_poolings_of_one_network_takes_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = count_fills(monkeypatch)
    network = {"name": "lenet", "weights": "random", "layers": "0-1"}
    config = {
        "data": {"name": "digits", "train_per_class": 12, "test_per_class": 6},
        "backbones": [{**network, "label": "a"}, {**network, "label": "b", "pooling": "max"}],
        "tasks": ["unimodal:0"],
        "metrics": ["rankme"],
        "detectors": ["knn"],
    }
    results = run_study(config, tmp_path / "out", cache_dir=tmp_path / "caches", progress=False)
    assert len(passes) == 2  # of the training and of the test images
    values = results.metrics.set_index(["backbone", "layer"])["value"]
    assert values["a", "conv1"] != values["b", "conv1"]


def count_fills(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by one for every pass over a data set."""
    passes: list[int] = []
    original = Forward.fill

    def fill(self: Forward, *arguments: Any, **named: Any) -> None:
        passes.append(1)
        original(self, *arguments, **named)

    monkeypatch.setattr(Forward, "fill", fill)
    return passes


def test_float16_on_disk_is_the_rounded_float32(lenet: Backbone, images: ImageDataset, tmp_path: Path) -> None:
    few = images.select(range(8))
    full = extract(lenet, few, 0, cache_dir=tmp_path, progress=False)["conv1"].array
    half = extract(lenet, few, 0, dtype="float16", cache_dir=tmp_path, progress=False)["conv1"].array
    assert half.dtype == np.float16
    assert np.array_equal(half, full.astype(np.float16))


def test_samples_are_stratified_seeded_and_stated(tmp_path: Path) -> None:
    def sample(seed: int) -> EmbeddingCache:
        return extract(
            "lenet", "digits", 0, weights="random", samples=50, seed=seed, cache_dir=tmp_path, progress=False
        )

    assert np.array_equal(sample(0).ids, sample(0).ids)
    assert not np.array_equal(sample(0).ids, sample(1).ids)
    assert set(np.bincount(sample(0).labels)) <= {4, 5, 6}


def test_a_nan_from_the_network_is_refused_and_the_image_named(
    lenet: Backbone, images: ImageDataset, tmp_path: Path
) -> None:
    few = images.select(range(5))
    with torch.no_grad():
        next(iter(lenet.network.parameters())).fill_(float("nan"))
    with pytest.raises(
        InputError, match=f"layer 'conv1' in float32 must be finite, got nan at row 0.*the image '{few.ids[0]}'"
    ):
        extract(lenet, few, cache_dir=tmp_path, progress=False)


def test_values_too_large_for_float16_are_refused(lenet: Backbone, images: ImageDataset, tmp_path: Path) -> None:
    with torch.no_grad():
        for parameter in lenet.network.embedding.parameters():
            parameter.mul_(1e7)
    few = images.select(range(4))
    assert np.isfinite(extract(lenet, few, cache_dir=tmp_path, progress=False)["pooled"].array).all()
    with pytest.raises(InputError, match="layer 'pooled' in float16 must be finite, got -?inf"):
        extract(lenet, few, cache_dir=tmp_path, dtype="float16", progress=False)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"pooling": "gems"}, UnknownNameError, "unknown pooling 'gems': did you mean 'gem'?"),
        ({"pooling": "cls"}, InputError, "pooling 'cls' needs layers with a class token, got conv1"),
        ({"dtype": "float8"}, UnknownNameError, "unknown dtype 'float8': did you mean 'float32'"),
        ({"batch_size": 0}, InputError, "batch_size must be at least 1, got 0"),
        ({"layers": "conv9"}, UnknownNameError, "unknown layer of lenet 'conv9'"),
    ],
)
def test_a_bad_argument_is_refused_before_any_work(
    arguments: dict[str, Any],
    error: type[Exception],
    sentence: str,
    lenet: Backbone,
    images: ImageDataset,
    tmp_path: Path,
) -> None:
    with pytest.raises(error) as caught:
        extract(lenet, images, cache_dir=tmp_path, progress=False, **arguments)
    assert sentence in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_a_foreign_and_a_newer_cache_are_named(lenet: Backbone, images: ImageDataset, tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="does not exist; make it with"):
        EmbeddingCache(tmp_path / "none")
    (tmp_path / "foreign").mkdir()
    with pytest.raises(CacheError, match="is not an embedding cache"):
        EmbeddingCache(tmp_path / "foreign")
    cache = extract(lenet, images.select(range(4)), cache_dir=tmp_path, progress=False)
    header = json.loads((cache.path / "zarr.json").read_text())
    header["attributes"]["reprq_format"] = 99
    (cache.path / "zarr.json").write_text(json.dumps(header))
    with pytest.raises(CacheError, match="must be an embedding cache of format 1, got 99"):
        EmbeddingCache(cache.path)


def test_a_flipped_byte_and_a_missing_block_are_caught_on_reading(
    lenet: Backbone, images: ImageDataset, tmp_path: Path
) -> None:
    cache = extract(lenet, images.select(range(600)), cache_dir=tmp_path, progress=False)
    block = cache.path / "layers" / "conv1" / "c" / "0" / "0"
    content = bytearray(block.read_bytes())
    content[100] ^= 1
    block.write_bytes(content)
    with pytest.raises(CacheError, match="layers/conv1 block 0 of the cache .* is damaged"):
        cache["conv1"]
    (cache.path / "layers" / "conv2" / "c" / "1" / "0").unlink()
    with pytest.raises(CacheError, match="layers/conv2 of the cache .* lacks 1 blocks"):
        cache["conv2"]
    assert "conv2" not in EmbeddingCache(cache.path)


def test_an_unknown_layer_of_a_cache_lists_the_layers(lenet: Backbone, images: ImageDataset, tmp_path: Path) -> None:
    cache = extract(lenet, images.select(range(4)), cache_dir=tmp_path, progress=False)
    with pytest.raises(UnknownNameError, match="unknown layer of the cache 'conv9': did you mean 'conv"):
        cache["conv9"]


def test_a_folder_that_cannot_be_made_is_one_sentence(lenet: Backbone, images: ImageDataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="cannot be written: Not a directory; what was written stays usable"):
        extract(lenet, images.select(range(4)), cache_dir=tmp_path / "file", progress=False)


def test_a_network_of_ones_own_needs_only_its_preprocessing(images: ImageDataset, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 225, 2))
    few = images.select(range(6))
    with pytest.raises(InputError, match="preprocessing must be given for a network of your own"):
        extract(network, few, cache_dir=tmp_path, progress=False)
    cache = extract(network, few, "1", preprocessing={"size": 32}, cache_dir=tmp_path, progress=False)
    backbone = as_backbone(network, preprocessing={"size": 32})
    with torch.no_grad():
        expected = network[:2](batch(backbone, few)).mean(dim=(2, 3))
    np.testing.assert_allclose(cache["1"].array, expected.numpy(), rtol=1e-5, atol=1e-6)


def test_a_changed_forward_of_ones_own_network_is_another_cache(images: ImageDataset, tmp_path: Path) -> None:
    source = (
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 4, 3)\n"
        "        nn.init.ones_(self.conv.weight)\n"
        "        nn.init.zeros_(self.conv.bias)\n"
        "        self.act = nn.ReLU()\n"
        "    def forward(self, x):\n"
        "        return self.act(self.conv(x))\n"
    )

    def written(text: str) -> EmbeddingCache:
        file = tmp_path / "mynet.py"
        file.write_text(text)
        spec = importlib.util.spec_from_file_location("mynet", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["mynet"] = module  # as an import does, and as inspect expects
        spec.loader.exec_module(module)
        few = images.select(range(4))
        return extract(module.Net(), few, "act", preprocessing={"size": 16}, cache_dir=tmp_path / "c", progress=False)

    first = written(source)
    again = written(source)
    changed = written(source.replace("self.conv(x)", "self.conv(x).square()"))
    del sys.modules["mynet"]
    assert first.path == again.path != changed.path
    assert not np.array_equal(first["act"].array, changed["act"].array)


def test_what_python_holds_gives_the_rows_of_the_same_images(
    lenet: Backbone, images: ImageDataset, tmp_path: Path
) -> None:
    few = images.select(range(7))
    pixels = torch.stack([to_tensor(few.item(i)) for i in range(7)])
    expected = extract(lenet, few, "1-2", cache_dir=tmp_path, progress=False)
    files = [str(tmp_path / f"{i}.png") for i in range(7)]
    for i, file in enumerate(files):
        few.item(i).save(file)
    frame = pd.DataFrame({"path": files, "label": few.labels})
    given = (TensorDataset(pixels, torch.from_numpy(few.labels)), pixels, [few.item(i) for i in range(7)], files, frame)
    for data in given:
        found = extract(lenet, data, "1-2", cache_dir=tmp_path, progress=False)
        for layer in expected:
            np.testing.assert_allclose(found[layer].array, expected[layer].array, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="are no 8-bit pixels"):
        extract(lenet, (pixels - 0.5) / 0.2, cache_dir=tmp_path, progress=False)


@pytest.mark.parametrize("backbone", [lambda x: x, torch.nn.Sequential, None, 3])
def test_what_is_no_backbone_is_one_sentence(backbone: Any, images: ImageDataset) -> None:
    with pytest.raises(InputError, match=r"backbone must be a name, a Backbone or a torch.nn.Module, got a \w+$"):
        extract(backbone, images, preprocessing={"size": 32})
