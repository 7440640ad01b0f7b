from typing import Any

import pytest
import torch
from torch import nn

from reprq.backbones import Backbone, available, build_network, default_preprocessing, layer_shapes, load_backbone
from reprq.backbones.stages import head_of, layers_of

# One small member of each family: input size, and the shape of every layer.
SMALL: dict[str, tuple[int, list[tuple[int, ...]]]] = {
    "resnet18": (64, [(64, 16, 16), (64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2), (512,)]),
    "alexnet": (64, [(64, 7, 7), (192, 3, 3), (384, 3, 3), (256, 3, 3), (256, 1, 1), (4096,), (4096,)]),
    "squeezenet1_1": (
        64,
        [
            (64, 15, 15),
            (128, 15, 15),
            (128, 15, 15),
            (256, 7, 7),
            (256, 7, 7),
            (384, 3, 3),
            (384, 3, 3),
            (512, 3, 3),
            (512, 3, 3),
            (512, 3, 3),
        ],
    ),
    "densenet121": (64, [(64, 16, 16), (256, 16, 16), (512, 8, 8), (1024, 4, 4), (1024, 2, 2), (1024,)]),
    "mobilenet_v2": (
        32,
        [
            (32, 16, 16),
            (16, 16, 16),
            (24, 8, 8),
            (32, 4, 4),
            (64, 2, 2),
            (96, 2, 2),
            (160, 1, 1),
            (320, 1, 1),
            (1280, 1, 1),
            (1280,),
        ],
    ),
    "mobilenet_v3_small": (
        32,
        [(16, 16, 16), (16, 8, 8), (24, 4, 4), (40, 2, 2), (48, 2, 2), (96, 1, 1), (576, 1, 1), (1024,)],
    ),
    "mnasnet0_5": (
        32,
        [(8, 16, 16), (16, 8, 8), (24, 4, 4), (40, 2, 2), (48, 2, 2), (96, 1, 1), (160, 1, 1), (1280, 1, 1), (1280,)],
    ),
    "efficientnet_b0": (
        32,
        [
            (32, 16, 16),
            (16, 16, 16),
            (24, 8, 8),
            (40, 4, 4),
            (80, 2, 2),
            (112, 2, 2),
            (192, 1, 1),
            (320, 1, 1),
            (1280, 1, 1),
            (1280,),
        ],
    ),
    "efficientnet_v2_s": (
        32,
        [
            (24, 16, 16),
            (24, 16, 16),
            (48, 8, 8),
            (64, 4, 4),
            (128, 2, 2),
            (160, 2, 2),
            (256, 1, 1),
            (1280, 1, 1),
            (1280,),
        ],
    ),
    "googlenet": (64, [(64, 16, 16), (192, 8, 8), (480, 8, 8), (832, 4, 4), (1024, 2, 2), (1024,)]),
    "inception_v3": (80, [(64, 18, 18), (192, 7, 7), (288, 7, 7), (768, 3, 3), (2048, 1, 1), (2048,)]),
    "convnext_tiny": (64, [(96, 16, 16), (96, 16, 16), (192, 8, 8), (384, 4, 4), (768, 2, 2), (768,)]),
    "swin_t": (64, [(16, 16, 96), (16, 16, 96), (8, 8, 192), (4, 4, 384), (2, 2, 768), (768,)]),
    "swin_v2_t": (64, [(16, 16, 96), (16, 16, 96), (8, 8, 192), (4, 4, 384), (2, 2, 768), (768,)]),
    "maxvit_t": (224, [(64, 112, 112), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7), (512,)]),
    "regnet_x_400mf": (64, [(32, 32, 32), (32, 16, 16), (64, 8, 8), (160, 4, 4), (400, 2, 2), (400,)]),
    "shufflenet_v2_x0_5": (64, [(24, 16, 16), (48, 8, 8), (96, 4, 4), (192, 2, 2), (1024, 2, 2), (1024,)]),
    "vgg11": (
        64,
        [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2), (4096,), (4096,)],
    ),
    "vit_b_32": (64, [(768, 2, 2), *[(5, 768)] * 12, (768,)]),
    "lenet": (32, [(32, 16, 16), (64, 8, 8), (128, 4, 4), (128,)]),
    "cifar_resnet20": (32, [(16, 32, 32), (16, 32, 32), (32, 16, 16), (64, 8, 8), (64,)]),
}


@pytest.fixture
def no_initialisation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that nobody touches costs nothing: the largest networks are built in a moment."""
    for name in dir(nn.init):
        if name.endswith("_") and not name.startswith("_"):
            monkeypatch.setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)


@pytest.mark.usefixtures("no_initialisation")
def test_every_layer_of_every_network_exists_once_and_in_order() -> None:
    for info in available():
        network = build_network(info.name)
        layers = layers_of(network)
        modules = [name for name, _ in network.named_modules()]
        depths = [modules.index(layer.module) for layer in layers if layer.module != "features"]
        assert depths == sorted(set(depths)), info.name
        assert [layer.number for layer in layers] == list(range(len(layers)))
        assert len({layer.name for layer in layers}) == len(layers) >= 4, info.name
        assert layers[-1].name == "pooled"
        assert network.get_parameter(f"{head_of(network)}.weight").shape[0] in (10, 1000), info.name
        assert sum(p.numel() for p in network.parameters()) == _parameters(info.name, info.parameters), info.name


def _parameters(name: str, stated: int | None) -> int | None:
    """What torchvision states counts the auxiliary classifiers of Inception v3, which are never built here."""
    return 23834568 if name == "inception_v3" else stated


def _forward(backbone: Backbone) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], torch.Tensor]:
    """Return what hooks see while the network runs, the same copied at once, and the logits."""
    seen: dict[str, torch.Tensor] = {}
    copied: dict[str, torch.Tensor] = {}
    for layer in backbone.layers:

        def note(_: nn.Module, inputs: Any, output: Any, layer: Any = layer) -> None:
            value = output if layer.where == "output" else inputs[0]
            seen[layer.name], copied[layer.name] = value, value.clone()

        backbone.network.get_submodule(layer.module).register_forward_hook(note)
    size = backbone.preprocessing.size
    with torch.inference_mode():
        x = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
        return seen, copied, backbone.network(x)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.usefixtures("no_initialisation")
def test_layers_have_their_shapes_and_no_later_module_overwrites_them(name: str) -> None:
    size, shapes = SMALL[name]
    backbone = load_backbone(name, "random", preprocessing={"size": size})
    assert layer_shapes(backbone) == shapes
    for parameter in backbone.network.parameters():
        parameter.data.fill_(0.01)
    seen, copied, logits = _forward(backbone)
    assert list(seen) == [layer.name for layer in backbone.layers]
    for layer in backbone.layers:
        assert torch.equal(seen[layer.name], copied[layer.name]), layer.name
        assert seen[layer.name].ndim == len(layer.layout), layer.name
    head = backbone.network.get_submodule(head_of(backbone.network))
    if name != "squeezenet1_1":
        with torch.inference_mode():
            assert torch.equal(head(seen["pooled"]), logits)


def test_only_the_vision_transformers_have_a_class_token() -> None:
    tokens = {name: [layer.class_token for layer in layers_of(build_network(name))] for name in ("vit_b_32", "swin_t")}
    assert tokens == {"vit_b_32": [False, *[True] * 12, False], "swin_t": [False] * 6}


def test_the_shapes_need_no_gradient_and_leave_no_hook() -> None:
    backbone = load_backbone("lenet", "random", preprocessing={"channels": "gray"})
    assert layer_shapes(backbone)[0] == (32, 16, 16)
    assert not any(module._forward_hooks for module in backbone.network.modules())


def test_the_defaults_of_every_network_are_known() -> None:
    for info in available():
        preprocessing = default_preprocessing(info.name)
        assert preprocessing.size <= preprocessing.resize
        assert (info.default_weights is None) == (info.source == "reprq")
