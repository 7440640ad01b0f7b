"""Which layers each family of networks has, after the stages of its paper.

A stage is read where its last module ends, except for "pooled", which is the input of the last linear layer: the vector
that the network itself classifies. SqueezeNet has no linear layer; its pooled layer is the output of `features`.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from torch import nn

from reprq.backbones.layers.selection import Layer

Stages = Iterator[tuple[str, str]]


def head_of(network: nn.Module) -> str:
    """Return the dotted path of the module that turns the pooled embedding into logits."""
    if type(network).__name__ == "SqueezeNet":
        return "classifier.1"
    linear: list[str] = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    return linear[-1]


def is_known(network: nn.Module) -> bool:
    """Whether a network is of a family whose stages are known: of torchvision, or our own."""
    package = type(network).__module__
    return type(network).__name__ in _FAMILIES and package.startswith(("torchvision.models.", "reprq."))


def layers_of(network: nn.Module) -> tuple[Layer, ...]:
    """Return the layers of a network of a known family, in the order of depth."""
    family = type(network).__name__
    stages = [*_FAMILIES[family](network), ("pooled", head_of(network))]
    return tuple(_layer(number, name, module, family) for number, (name, module) in enumerate(stages))


def _layer(number: int, name: str, module: str, family: str) -> Layer:
    if name == "pooled":
        if family == "SqueezeNet":
            return Layer(number, name, "features")
        return Layer(number, name, module, where="input", layout="ND")
    if family == "SwinTransformer":
        return Layer(number, name, module, layout="NHWC")
    if name.startswith(("fc", "embedding")) or family == "Perceptron":
        return Layer(number, name, module, layout="ND")
    if family == "VisionTransformer" and name != "stem":
        return Layer(number, name, module, layout="NLD", class_token=True)
    return Layer(number, name, module)


def _named(**stages: str) -> Callable[[Any], Stages]:
    return lambda network: iter(stages.items())


def _children_of_type(sequence: nn.Sequential, *types: str) -> list[str]:
    return [name for name, module in sequence.named_children() if type(module).__name__ in types]


def _vgg(network: Any) -> Stages:
    for stage, pool in enumerate(_children_of_type(network.features, "MaxPool2d"), start=1):
        yield f"stage{stage}", f"features.{pool}"
    yield "fc6", "classifier.1"


def _squeezenet(network: Any) -> Stages:
    yield "stem", "features.2"
    for number, fire in enumerate(_children_of_type(network.features, "Fire"), start=2):
        yield f"fire{number}", f"features.{fire}"


def _mobilenet(network: Any) -> Stages:
    """Consecutive blocks of one width are one row of the papers' tables; they end where the width changes."""
    yield "stem", "features.0"
    blocks = list(enumerate(network.features))[1:]
    ends = [i for (i, block), (_, after) in pairwise(blocks) if block.out_channels != after.out_channels]
    for stage, end in enumerate(dict.fromkeys([*ends, blocks[-2][0]]), start=1):
        yield f"stage{stage}", f"features.{end}"
    yield "head", f"features.{blocks[-1][0]}"


def _efficientnet(network: Any) -> Stages:
    last = len(network.features) - 1
    yield "stem", "features.0"
    for stage in range(1, last):
        yield f"stage{stage}", f"features.{stage}"
    yield "head", f"features.{last}"


def _mnasnet(network: Any) -> Stages:
    yield "stem", "layers.7"
    for stage in range(1, 7):
        yield f"stage{stage}", f"layers.{stage + 7}"
    yield "head", "layers.16"


def _perceptron(network: Any) -> Stages:
    """The last block's output is "pooled"."""
    for block in range(len(network.blocks) - 1):
        yield f"block{block + 1}", f"blocks.{block}"


def _vit(network: Any) -> Stages:
    yield "stem", "conv_proj"
    for block in range(len(network.encoder.layers)):
        yield f"block{block + 1}", f"encoder.layers.encoder_layer_{block}"


_LAYERS = {f"layer{i}": f"layer{i}" for i in range(1, 5)}
_FOUR_OF_FEATURES = {f"stage{i}": f"features.{2 * i - 1}" for i in range(1, 5)}

_FAMILIES: dict[str, Callable[[Any], Stages]] = {
    "ResNet": _named(stem="maxpool", **_LAYERS),
    "CifarResNet": _named(stem="relu", layer1="layer1", layer2="layer2", layer3="layer3"),
    "ResNet26": _named(stem="pre_relu", layer1="layer1", layer2="layer2", layer3="layer3", end="end_bn_relu"),
    "Perceptron": _perceptron,
    "LeNet": _named(conv1="conv1", conv2="conv2", conv3="conv3"),
    "LeNet5": _named(conv1="conv1", conv2="conv2", conv3="conv3"),
    "AlexNet": _named(
        conv1="features.2",
        conv2="features.5",
        conv3="features.7",
        conv4="features.9",
        conv5="features.12",
        fc6="classifier.2",
    ),
    "VGG": _vgg,
    "SqueezeNet": _squeezenet,
    "DenseNet": _named(stem="features.pool0", **{f"denseblock{i}": f"features.denseblock{i}" for i in range(1, 5)}),
    "GoogLeNet": _named(
        stem="maxpool1", conv2="maxpool2", inception3="inception3b", inception4="inception4e", inception5="inception5b"
    ),
    "Inception3": _named(stem="maxpool1", conv4="maxpool2", mixed5="Mixed_5d", mixed6="Mixed_6e", mixed7="Mixed_7c"),
    "MobileNetV2": _mobilenet,
    "MobileNetV3": _mobilenet,
    "MNASNet": _mnasnet,
    "EfficientNet": _efficientnet,
    "ConvNeXt": _named(stem="features.0", **_FOUR_OF_FEATURES),
    "SwinTransformer": _named(stem="features.0", **_FOUR_OF_FEATURES),
    "MaxVit": _named(stem="stem", **{f"stage{i}": f"blocks.{i - 1}" for i in range(1, 5)}),
    "RegNet": _named(stem="stem", **{f"stage{i}": f"trunk_output.block{i}" for i in range(1, 5)}),
    "ShuffleNetV2": _named(stem="maxpool", stage2="stage2", stage3="stage3", stage4="stage4", head="conv5"),
    "VisionTransformer": _vit,
}
