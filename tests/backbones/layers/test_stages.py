from typing import Any

import pytest
import torch
from torch import nn

from reprq.backbones import Backbone, available, build_network, default_preprocessing, layer_shapes, load_backbone
from reprq.backbones.layers.stages import head_of, layers_of

# One small member of each family: input size, and the shape of every layer.
SMALL = {
    "resnet18": (64, "64x16x16 64x16x16 128x8x8 256x4x4 512x2x2 512"),
    "alexnet": (64, "64x7x7 192x3x3 384x3x3 256x3x3 256x1x1 4096 4096"),
    "squeezenet1_1": (64, "64x15x15 128x15x15 128x15x15 256x7x7 256x7x7 384x3x3 384x3x3 512x3x3 512x3x3 512x3x3"),
    "densenet121": (64, "64x16x16 256x16x16 512x8x8 1024x4x4 1024x2x2 1024"),
    "mobilenet_v2": (32, "32x16x16 16x16x16 24x8x8 32x4x4 64x2x2 96x2x2 160x1x1 320x1x1 1280x1x1 1280"),
    "mobilenet_v3_small": (32, "16x16x16 16x8x8 24x4x4 40x2x2 48x2x2 96x1x1 576x1x1 1024"),
    "mnasnet0_5": (32, "8x16x16 16x8x8 24x4x4 40x2x2 48x2x2 96x1x1 160x1x1 1280x1x1 1280"),
    "efficientnet_b0": (32, "32x16x16 16x16x16 24x8x8 40x4x4 80x2x2 112x2x2 192x1x1 320x1x1 1280x1x1 1280"),
    "efficientnet_v2_s": (64, "24x32x32 24x32x32 48x16x16 64x8x8 128x4x4 160x4x4 256x2x2 1280x2x2 1280"),
    "googlenet": (64, "64x16x16 192x8x8 480x8x8 832x4x4 1024x2x2 1024"),
    "inception_v3": (80, "64x18x18 192x7x7 288x7x7 768x3x3 2048x1x1 2048"),
    "convnext_tiny": (64, "96x16x16 96x16x16 192x8x8 384x4x4 768x2x2 768"),
    "swin_t": (64, "16x16x96 16x16x96 8x8x192 4x4x384 2x2x768 768"),
    "swin_v2_t": (64, "16x16x96 16x16x96 8x8x192 4x4x384 2x2x768 768"),
    "maxvit_t": (224, "64x112x112 64x56x56 128x28x28 256x14x14 512x7x7 512"),
    "regnet_x_400mf": (64, "32x32x32 32x16x16 64x8x8 160x4x4 400x2x2 400"),
    "shufflenet_v2_x0_5": (64, "24x16x16 48x8x8 96x4x4 192x2x2 1024x2x2 1024"),
    "vgg11": (64, "64x32x32 128x16x16 256x8x8 512x4x4 512x2x2 4096 4096"),
    "vit_b_32": (64, "768x2x2" + 12 * " 5x768" + " 768"),
    "lenet": (32, "32x16x16 64x8x8 128x4x4 128"),
    "lenet5": (28, "6x14x14 16x5x5 144x1x1 84"),
    "cifar_resnet20": (32, "16x32x32 16x32x32 32x16x16 64x8x8 64"),
    "resnet26": (32, "64x32x32 64x32x32 128x16x16 256x8x8 256x8x8 256"),
}


@pytest.fixture
def no_initialisation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that nobody touches costs nothing: the largest networks are built in a moment."""
    for name in dir(nn.init):
        if name.endswith("_") and not name.startswith("_"):
            monkeypatch.setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)


@pytest.mark.usefixtures("no_initialisation")
def test_every_layer_of_every_network_exists_once_and_in_order() -> None:
    for info in (*available(source="reprq"), *available(source="torchvision")):
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
    size, words = SMALL[name]
    shapes = [tuple(int(side) for side in word.split("x")) for word in words.split()]
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
    for info in (*available(source="reprq"), *available(source="torchvision")):
        preprocessing = default_preprocessing(info.name)
        assert preprocessing.size <= preprocessing.resize
        assert (info.default_weights is None) == (info.source == "reprq")
