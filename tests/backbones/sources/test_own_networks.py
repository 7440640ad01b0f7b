import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from reprq.backbones import Backbone, Preprocessing, Tap, as_backbone, layer_shapes, load_backbone
from reprq.errors import InputError, UnknownNameError, WeightsError

SMALL = {"size": 16}


class Convolutional(nn.Module):
    """A list of blocks, a module that is never called, a classifier, and a softmax after it."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(True)) for _ in range(2))
        self.unused = nn.Linear(3, 3)
        self.drop = nn.Dropout(0.9)
        self.fc = nn.Linear(4, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.fc(self.drop(x.mean((2, 3)))).softmax(1)


class Gate(nn.Module):
    """Squeeze and excitation: its linear layer takes vectors and is no classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 1), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return x * self.linear(x.mean((2, 3))).sigmoid()[..., None, None]


class Wrapper(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> Any:
        return self.model(x)


def _layers(module: nn.Module, size: int = 16) -> list[tuple[int, str, str]]:
    backbone = as_backbone(module, preprocessing={"size": size})
    return [(layer.number, layer.name, layer.layout) for layer in backbone.layers]


def test_the_children_that_put_out_tensors_are_the_layers() -> None:
    expected = [
        (0, "stem", "NCHW"),
        (1, "blocks.0", "NCHW"),
        (2, "blocks.1", "NCHW"),
        (3, "drop", "ND"),
        (4, "fc", "ND"),
        (5, "pooled", "ND"),
    ]
    assert _layers(Convolutional()) == expected
    wrapped = [(n, name if name == "pooled" else f"model.{name}", layout) for n, name, layout in expected]
    assert _layers(Wrapper(Convolutional()))[:5] == wrapped[:5]


def test_only_a_classifier_has_a_pooled_layer() -> None:
    gated = nn.Sequential(Gate(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert [name for _, name, _ in _layers(gated)] == ["0", "1", "2"]
    assert [name for _, name, _ in _layers(nn.Sequential(gated, nn.Linear(4, 2)))] == ["0", "1", "pooled"]
    tokens = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.Flatten(2), nn.Linear(16, 5))
    assert [layout for _, _, layout in _layers(tokens)] == ["NCHW", "NLD", "NLD"]


def test_networks_of_known_families_have_their_stages() -> None:
    names = [name for _, name, _ in _layers(models.resnet18(num_classes=3), 32)]
    assert names == ["stem", "layer1", "layer2", "layer3", "layer4", "pooled"]
    timm = pytest.importorskip("timm", reason="timm is an optional extra")
    names = [name for _, name, _ in _layers(timm.create_model("convnext_atto"), 32)]
    assert names == ["stem", "stages.0", "stages.1", "stages.2", "stages.3", "pooled"]


def test_a_network_is_copied_so_that_its_training_goes_on() -> None:
    network = Convolutional().half().train()
    backbone = as_backbone(network, preprocessing=SMALL, name="mine")
    assert network.training
    assert not backbone.network.training
    assert next(backbone.network.parameters()).dtype == torch.float32
    assert (backbone.name, backbone.weights, backbone.in_channels) == ("mine", "own", 3)
    with torch.no_grad():
        network.stem.weight.zero_()
    assert backbone.network.get_parameter("stem.weight").abs().max() > 0


class Locked(nn.Conv2d):
    def __deepcopy__(self, memo: Any) -> Any:
        raise RuntimeError("locked\nfor good")


def test_a_network_that_cannot_be_copied_is_named() -> None:
    with pytest.raises(InputError, match=r"that copy.deepcopy can copy, got RuntimeError: locked for good$"):
        as_backbone(nn.Sequential(Locked(3, 4, 3)), preprocessing=SMALL)


def test_a_classifier_of_hugging_face_has_its_encoders_layers() -> None:
    transformers: Any = pytest.importorskip("transformers", reason="transformers is an optional extra")
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    network = transformers.ViTForImageClassification(transformers.ViTConfig(**sizes, image_size=16, patch_size=4))
    backbone = as_backbone(network, preprocessing=SMALL)
    assert [layer.name for layer in backbone.layers] == ["stem", "vit.layers.0", "vit.layers.1", "pooled"]
    assert [layer.class_token for layer in backbone.layers] == [True, True, True, False]
    assert backbone.layers[-1].module == "classifier"


def test_a_compiled_network_is_read_as_it_was() -> None:
    assert _layers(torch.compile(Convolutional()))[-1] == (5, "pooled", "ND")


def test_the_digest_covers_weights_and_printed_structure() -> None:
    torch.manual_seed(0)
    one = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    same = nn.Sequential(one[0], nn.ReLU())
    other = nn.Sequential(one[0], nn.GELU())
    digests = [as_backbone(each, preprocessing=SMALL).weights_digest for each in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]


def test_layers_may_be_named() -> None:
    preprocessing = Preprocessing(size=16, resize=16)
    backbone = as_backbone(Convolutional(), preprocessing=preprocessing, layers=["blocks.*.0", "fc"])
    assert [(layer.number, layer.name) for layer in backbone.layers] == [
        (0, "blocks.0.0"),
        (1, "blocks.1.0"),
        (2, "fc"),
    ]
    assert layer_shapes(backbone) == [(4, 16, 16), (4, 16, 16), (4,)]
    assert backbone.preprocessing is preprocessing
    with pytest.raises(UnknownNameError, match="unknown layer of Convolutional 'block'"):
        as_backbone(Convolutional(), preprocessing=SMALL, layers=["block"])


def test_numbers_go_before_names_that_are_numbers() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(784, 2))
    backbone = as_backbone(network, preprocessing=SMALL, layers=["1", "3"])
    assert [(layer.number, layer.name) for layer in backbone.layers] == [(0, "1"), (1, "3")]
    assert [layer.name for layer in backbone.select_layers("1")] == ["3"]


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU()).to("meta"), "Sequential must have weights, got some on the meta"),
        (3, "module must be a torch.nn.Module, got a int"),
        (nn.Conv2d(1, 2, 3), r"the network must run on images of shape \(3, 16, 16\), got RuntimeError: "),
        (nn.Conv2d(3, 2, 3), "Conv2d must have submodules that put out tensors, got none; give layers"),
    ],
)
def test_what_is_no_network_for_images_is_named(module: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        as_backbone(module, preprocessing=SMALL)
    assert "\n" not in str(caught.value)


MODULE = """
import torch
from torch import nn
from reprq.backbones import as_backbone

def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))

def backbone():
    return as_backbone(make(), preprocessing={"size": 20}, name="ready")

def number():
    return 3

def fails():
    raise KeyError("no such\\nfile")

constant = 5
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a package of networks in it."""
    (tmp_path / "minenets").mkdir()
    (tmp_path / "minenets" / "small.py").write_text(MODULE)
    (tmp_path / "minenets" / "broken.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    yield tmp_path
    assert sys.path == path
    for name in [name for name in sys.modules if name.startswith("minenets")]:
        del sys.modules[name]


@pytest.mark.usefixtures("folder")
def test_a_callable_of_the_current_folder_makes_a_network() -> None:
    one, two, other = (load_backbone("minenets.small:make", preprocessing=SMALL, seed=seed) for seed in (0, 0, 1))
    assert one.weights_digest == two.weights_digest != other.weights_digest
    assert one.weights == "as minenets.small:make makes them (seed=0)"
    assert [layer.name for layer in one.layers] == ["0", "1", "2", "3", "4", "pooled"]
    x = torch.rand(2, 3, 16, 16)
    with torch.inference_mode(), Tap(one.network, one.select_layers("0"), lambda layer, output: output.clone()) as tap:
        assert torch.equal(tap(x)["0"], one.network[0](x))


@pytest.mark.usefixtures("folder")
def test_a_callable_may_make_a_backbone() -> None:
    made = load_backbone("minenets.small:backbone")
    assert isinstance(made, Backbone)
    assert (made.name, made.preprocessing.size) == ("ready", 20)
    assert load_backbone("minenets.small:backbone", preprocessing={"size": 24}).preprocessing.size == 24
    with pytest.raises(InputError, match="gives a Backbone with its own weights, got 'w.pt'; leave them out"):
        load_backbone("minenets.small:backbone", "w.pt")


def test_a_callables_network_takes_a_weights_file(folder: Path) -> None:
    made = load_backbone("minenets.small:make", preprocessing=SMALL, seed=5)
    head = {"4.weight": torch.ones(9, 4), "4.bias": torch.ones(9)}
    save_file({f"module.{k}": v for k, v in (made.network.state_dict() | head).items()}, folder / "w.safetensors")
    loaded = load_backbone("minenets.small:make", folder / "w.safetensors", preprocessing=SMALL)
    assert torch.equal(loaded.network.get_parameter("0.weight"), made.network.get_parameter("0.weight"))
    assert loaded.network.get_parameter("4.weight").shape == (9, 4)
    assert loaded.weights == "file:w.safetensors"
    save_file({"0.weight": torch.ones(1, 3, 3, 3)}, folder / "w.safetensors")
    with pytest.raises(WeightsError, match=r"are not of minenets.small:make: 0 of 4 keys match \(0.weight is"):
        load_backbone("minenets.small:make", folder / "w.safetensors", preprocessing=SMALL)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minenets.small:none", "must name a callable of minenets.small, got no such name"),
        ("minenets.small:constant", "must name a callable of minenets.small, got a int"),
        ("minenets.small:number", "must give a torch.nn.Module or a reprq Backbone, got a int"),
        ("minenets.small:fails", r"must make a network when called without arguments, got KeyError: 'no such.*file'"),
        ("minenets.broken:make", "minenets.broken must import, got ZeroDivisionError: division by zero"),
        ("minenets.absent:make", "must be in a module of the current folder or the environment, got No module named"),
        ("minenets.small:make", "states no preprocessing; give a size \\(--size\\), and its mean and std"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_callable_that_makes_no_network_is_named(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_backbone(name)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_no_callable_is_looked_up() -> None:
    with pytest.raises(UnknownNameError, match="package.module:callable, teacher:PATH"):
        load_backbone("my nets:make")
