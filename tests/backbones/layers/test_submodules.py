from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from reprq.backbones import Backbone, Tap, as_backbone, layer_shapes, load_backbone
from reprq.errors import InputError, UnknownNameError, WeightsError


@pytest.fixture(scope="module")
def resnet() -> Backbone:
    return load_backbone("resnet18", "random", preprocessing={"size": 64})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("layer1.0.conv2", [(1, "layer1.0.conv2")]),
        ("conv1", [(0, "conv1")]),
        ("avgpool", [(4, "avgpool")]),
        ("fc", [(5, "fc")]),
        ("layer?.0", [(1, "layer1.0"), (2, "layer2.0"), (3, "layer3.0"), (4, "layer4.0")]),
        ("layer2.*.downsample", [(2, "layer2.0.downsample")]),
        ("layer?", [(1, "layer1"), (2, "layer2"), (3, "layer3"), (4, "layer4")]),
        ("layer[34]", [(3, "layer3"), (4, "layer4")]),
        ("-1,layer4.1,conv1,3", [(0, "conv1"), (3, "layer3"), (4, "layer4.1"), (5, "pooled")]),
        (["layer1.1", "layer1.1", "layer1.?"], [(1, "layer1.0"), (1, "layer1.1")]),
        ("layer1.0.relu@0,layer1.0.relu", [(1, "layer1.0.relu@0"), (1, "layer1.0.relu")]),
    ],
)
def test_submodules_stand_with_the_stages_in_the_order_of_computation(
    spec: Any, expected: list[tuple[int, str]], resnet: Backbone
) -> None:
    assert [(layer.number, layer.name) for layer in resnet.select_layers(spec)] == expected


def test_submodules_are_what_a_feature_extractor_gives(resnet: Backbone) -> None:
    spec = "conv1,bn1,maxpool,layer1.0.relu@0,layer1.0.relu,layer2.0.downsample.0,layer3,avgpool"
    nodes = {"layer1.0.relu": "layer1.0.relu@0", "layer1.0.relu_1": "layer1.0.relu"}
    layers = resnet.select_layers(spec)
    names = [layer.name for layer in layers]
    oracle = create_feature_extractor(
        resnet.network, nodes | {name: name for name in names if "relu" not in name}, suppress_diff_warning=True
    )
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        with Tap(resnet.network, layers, lambda layer, output: output.clone()) as tap:
            found = tap(x)
        overwritten = ("bn1",)  # the extractor gives what the ReLU after it made of it
        for name, expected in oracle.eval()(x).items():
            assert torch.equal(found[name].relu() if name in overwritten else found[name], expected), name
    assert found["bn1"].min() < 0
    assert {layer.layout for layer in layers} == {"NCHW"}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("layer1.0.conv9", r"did you mean 'layer1.0.conv2'\? Valid: layer1.0.conv1, layer1.0.bn1, layer1.0.relu, "),
        ("layer1.7", r"Valid: layer1.0, layer1.1$"),
        ("fc.weight", r"Valid: fc$"),
        ("layer9.*", r"Valid: 0 stem, 1 layer1"),
        ("encoder.0", r"Valid: 0 stem, 1 layer1"),
        ("@1", r"Valid: 0 stem, 1 layer1"),
        ("conv1#", r"Valid: 0 stem, 1 layer1"),
    ],
)
def test_a_submodule_that_there_is_not_lists_its_neighbours(spec: str, message: str, resnet: Backbone) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown layer of resnet18 '.*'.*{message}|{message}"):
        resnet.select_layers(spec)


def test_a_pooled_layer_contains_no_other() -> None:
    squeezenet = load_backbone("squeezenet1_1", "random", preprocessing={"size": 64})
    assert [(layer.number, layer.name) for layer in squeezenet.select_layers("features.5,features.4.expand1x1")] == [
        (2, "features.4.expand1x1"),
        (2, "features.5"),
    ]


class Zoo(nn.Module):
    """Modules that put out everything but one tensor with images first."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.first, self.turn, self.both = Turned(), Turned(), Forked()
        self.windows, self.three, self.number, self.last = Windows(), Three(), Number(), nn.Linear(8, 2)
        self.unused = nn.Linear(8, 8)
        self.shared = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> Any:
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        tokens = self.turn(self.first(tokens))
        for _ in range(3):
            tokens = self.shared(tokens)
        first, _ = self.both(tokens)
        self.number(self.three(self.windows(first)))
        return {"tokens": tokens, "logits": self.last(first.mean(1)), "none": None}


class Turned(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(0, 1)


class Forked(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return x, {"doubled": 2 * x, "mean": x.mean(1)}


class Windows(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(4 * len(x), 4, 8)


class Three(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(-1, 2, 2, 2, 2, 8)


class Number(nn.Module):
    def forward(self, x: torch.Tensor) -> int:
        return len(x)


@pytest.fixture(scope="module")
def zoo() -> Backbone:
    return as_backbone(Zoo(), preprocessing={"size": 16}, layers=["patch", "shared"])


def test_the_batch_axis_is_found_wherever_it_is(zoo: Backbone) -> None:
    first, turned = zoo.select_layers("first,turn")
    assert (first.layout, turned.layout) == ("LND", "NLD")
    assert first.batch_axis == 1
    x = torch.rand(16, 3, 16, 16)  # as many images as tokens
    with torch.inference_mode(), Tap(zoo.network, [first, turned], lambda layer, output: output.clone()) as tap:
        found = tap(x)
        expected = zoo.network.patch(x).flatten(2).transpose(1, 2)
    assert torch.equal(found["first"], expected.transpose(0, 1))
    assert torch.equal(found["turn"], expected)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("windows", r"layer 'windows' must put out 2, 3 or 4 axes of which the first counts the 3 items, got shape"),
        (
            "three",
            r"'three' must put out 2, 3 or 4 axes .*got shape \(\d+, 2, 2, 2, 2, 8\); choose another",
        ),
        ("number", "layer 'number' must put out a tensor, got none; choose another layer"),
        ("unused", "layer 'unused' must be called by the forward pass, got no call"),
        ("shared@3", "layer 'shared@3' must be a call from 0 to 2, got 3"),
        ("both#2", "item '2' must be in what the layer puts out, a tuple of 2"),
        ("#heads", "item 'heads' must be in what the layer puts out, a dict of tokens, logits, none"),
        ("unuse?,numbe?", "must put out tensors, got none; choose others"),
    ],
)
def test_what_cannot_be_read_is_named(spec: str, message: str, zoo: Backbone) -> None:
    with pytest.raises(InputError, match=message):
        zoo.select_layers(spec)


def test_a_glob_leaves_out_what_is_never_called_or_no_tensor(zoo: Backbone) -> None:
    assert [layer.name for layer in zoo.select_layers("[sun]*")] == ["shared"]


def test_calls_and_items_are_part_of_the_name(zoo: Backbone) -> None:
    spec = "shared@0,shared@1,shared,both,both#1,both#1.doubled,both#1.mean,#logits"
    layers = zoo.select_layers(spec)
    assert [(layer.name, layer.call, layer.layout) for layer in layers] == [
        ("shared@0", 0, "NLD"),
        ("shared@1", 1, "NLD"),
        ("shared", 2, "NLD"),
        ("both", 0, "NLD"),
        ("both#1", 0, "NLD"),
        ("both#1.doubled", 0, "NLD"),
        ("both#1.mean", 0, "ND"),
        ("#logits", 0, "ND"),
    ]
    with torch.inference_mode(), Tap(zoo.network, layers, lambda layer, output: output.clone()) as tap:
        x = torch.rand(5, 3, 16, 16)
        found = tap(x)
        tokens = zoo.network.patch(x).flatten(2).transpose(1, 2)
        for name in ("shared@0", "shared@1", "shared"):
            tokens = zoo.network.shared(tokens)
            assert torch.equal(found[name], tokens)
        assert torch.equal(found["both"], tokens)
        assert torch.equal(found["both#1"], 2 * tokens)
        assert torch.equal(found["both#1.mean"], tokens.mean(1))
        assert torch.equal(found["#logits"], zoo.network(x)["logits"])


def test_the_layout_of_a_map_is_that_of_its_family() -> None:
    swin = load_backbone("swin_t", "random", preprocessing={"size": 64})
    layers = {layer.name: layer for layer in swin.select_layers("features.0.0,features.1.0,features.1.0.attn,permute")}
    assert {name: layer.layout for name, layer in layers.items()} == {
        "features.0.0": "NCHW",
        "features.1.0": "NHWC",
        "features.1.0.attn": "NHWC",
        "permute": "NCHW",
    }


def test_a_class_token_is_known_by_the_square_of_patches() -> None:
    vit = load_backbone("vit_b_32", "random", preprocessing={"size": 64})
    tokens = {layer.name: layer.class_token for layer in vit.select_layers("encoder.dropout,encoder.ln,conv_proj")}
    assert tokens == {"conv_proj": False, "encoder.dropout": True, "encoder.ln": True}


def test_a_submodule_that_the_weights_do_not_reach_is_refused(resnet_state: Any, tmp_path: Path) -> None:
    kept = {key: value for key, value in resnet_state.items() if not key.startswith(("layer3.2", "linear"))}
    save_file(kept, tmp_path / "cut.safetensors")
    cut = load_backbone("cifar_resnet20", tmp_path / "cut.safetensors")
    assert [layer.name for layer in cut.select_layers("layer3.0,layer2.*")][-1] == "layer3.0"
    for spec in ("layer3.2", "layer3.2.conv1", "layer3.*", "linear"):
        with pytest.raises(WeightsError, match="of cifar_resnet20 has no weights: cut.safetensors lacks"):
            cut.select_layers(spec)


def test_layers_of_ones_own_may_be_calls_and_items() -> None:
    made = as_backbone(Zoo(), preprocessing={"size": 16}, layers="first,shared@1,both#1.mean")
    assert [(layer.number, layer.name, layer.layout) for layer in made.layers] == [
        (0, "first", "LND"),
        (1, "shared@1", "NLD"),
        (2, "both#1.mean", "ND"),
    ]
    assert layer_shapes(made) == [(16, 8), (16, 8), (8,)]
