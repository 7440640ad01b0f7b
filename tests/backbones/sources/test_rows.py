"""`identity` and `mlp`: what they learn from benign rows, and that they are the same wherever that is read again."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import reprq
from reprq.backbones import load_backbone
from reprq.data import Dataset, as_dataset
from reprq.errors import InputError, WeightsError

RNG = np.random.default_rng(0)
BENIGN = pd.DataFrame({"size": RNG.normal(5, 2, 30), "kind": RNG.choice(["a", "b"], 30), "age": RNG.exponential(1, 30)})


def rows(backbone: reprq.backbones.Backbone, frame: pd.DataFrame, folder: Path, layer: str = "rows") -> np.ndarray:
    return reprq.extract(backbone, frame, layer, cache_dir=folder, progress=False)[layer].array


def test_identity_gives_the_rows_with_the_scales_of_benign_ones(tmp_path: Path) -> None:
    plain = load_backbone("identity").fit(as_dataset(BENIGN))
    one_hot = [BENIGN["kind"] == kind for kind in ("a", "b")]
    expected = np.column_stack([BENIGN["size"], BENIGN["age"], *one_hot]).astype(np.float32)
    np.testing.assert_array_equal(rows(plain, BENIGN, tmp_path), expected)
    scaled = load_backbone("identity", preprocessing={"scaler": "standard"}).fit(as_dataset(BENIGN))
    other = pd.DataFrame({"kind": ["c"], "age": [BENIGN["age"].mean()], "size": [100.0]})
    found = rows(scaled, other, tmp_path)
    np.testing.assert_allclose(
        found, [[(100 - BENIGN["size"].mean()) / BENIGN["size"].std(ddof=0), 0, 0, 0]], atol=1e-6
    )


def test_what_was_learned_is_part_of_the_address_of_rows(tmp_path: Path) -> None:
    halves = [
        load_backbone("identity", preprocessing={"scaler": "minmax"}).fit(as_dataset(half))
        for half in (BENIGN[:15], BENIGN[15:])
    ]
    first, second = (rows(half, BENIGN, tmp_path) for half in halves)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(rows(halves[0], BENIGN, tmp_path), first)
    assert halves[0].weights_digest != halves[1].weights_digest


@pytest.mark.parametrize("name", ["identity", "mlp"])
def test_without_benign_rows_nothing_is_embedded(name: str, tmp_path: Path) -> None:
    backbone = load_backbone(name)
    assert not backbone.is_fitted
    with pytest.raises(InputError, match=f"{name} learns from benign training rows before it embeds any"):
        reprq.extract(backbone, as_dataset(BENIGN, "test"), cache_dir=tmp_path, progress=False)
    with pytest.raises(InputError, match="takes rows, and digits holds images; give rows"):
        reprq.extract(backbone, "digits", cache_dir=tmp_path, progress=False)
    with pytest.raises(InputError, match="resnet18 takes images, and .* holds rows"):
        reprq.extract(load_backbone("resnet18", "random"), BENIGN, cache_dir=tmp_path, progress=False)


def test_what_was_learned_is_saved_and_read_again(tmp_path: Path) -> None:
    learned = load_backbone("identity", preprocessing={"scaler": "quantile"}).fit(as_dataset(BENIGN))
    learned.save_learned(tmp_path / "learned.safetensors")
    again = load_backbone("identity", tmp_path / "learned.safetensors", preprocessing={"scaler": "quantile"})
    assert again.weights_digest == learned.weights_digest
    item = as_dataset(BENIGN).item(3)
    assert torch.equal(again.preprocessing(item), learned.preprocessing(item))
    (tmp_path / "learned.safetensors").write_bytes(b"no")
    with pytest.raises(WeightsError):
        load_backbone("identity", tmp_path / "learned.safetensors")


def test_the_layers_of_a_perceptron_are_drawn_by_the_seed(tmp_path: Path) -> None:
    data = as_dataset(BENIGN)
    made = [load_backbone("mlp", "random", seed=seed).fit(data) for seed in (0, 0, 1)]
    assert [layer.name for layer in made[0].layers] == ["block1", "block2", "block3", "pooled"]
    found = [rows(each, BENIGN, tmp_path, "pooled") for each in made]
    assert found[0].shape == (30, 256)
    assert made[2].weights == "random(seed=1); fitted on 30 rows of python:DataFrame train"  # figures draw it hollow
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    x = torch.stack([made[0].preprocessing(data.item(i)) for i in range(30)])
    first = made[0].network.blocks[0][0]
    expected = torch.relu(x @ first.weight.T + first.bias).detach()
    np.testing.assert_allclose(rows(made[0], BENIGN, tmp_path, "block1"), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "weights", "said"),
    [
        ("identity", "random", "identity has no random weights"),
        ("mlp", "mine.safetensors", "mlp has random weights, got 'mine.safetensors'"),
    ],
)
def test_weights_that_there_are_not_are_told(name: str, weights: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_backbone(name, weights)
    with pytest.raises(InputError, match="has no key 'size'"):
        load_backbone(name, preprocessing={"size": 3})


def test_constant_columns_and_a_single_row_do(tmp_path: Path) -> None:
    one = pd.DataFrame({"x": [3.0], "kind": ["a"]})
    backbone = load_backbone("identity", preprocessing={"scaler": "standard"}).fit(as_dataset(one))
    found = rows(backbone, pd.DataFrame({"x": [3.0, 5.0], "kind": ["a", "b"]}), tmp_path)
    np.testing.assert_array_equal(found, [[0, 1], [2, 0]])
    assert isinstance(as_dataset(one), Dataset)
