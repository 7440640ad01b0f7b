"""Networks by name, built but not yet loaded: torchvision's classification models, and those of our own."""

import re
from typing import Any

from torch import nn
from torchvision import models

from reprq.backbones.entries import BACKBONES
from reprq.backbones.networks.cifar_resnet import CifarResNet
from reprq.backbones.networks.lenet import LeNet
from reprq.backbones.networks.lenet5 import LeNet5
from reprq.backbones.networks.one_channel import with_one_channel
from reprq.backbones.networks.resnet26 import ResNet26
from reprq.data.image.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from reprq.errors import InputError, UnknownNameError
from reprq.seeding import seeded

_SIZED: dict[str, type[LeNet | LeNet5]] = {"lenet": LeNet, "lenet5": LeNet5}  # of images of one size
OWN = ("lenet", *(f"cifar_resnet{depth}" for depth in (20, 32, 44, 56, 110)), "resnet26", "lenet5")
_STATISTICS = {
    "lenet": ((0.5,) * 3, (0.5,) * 3),
    "lenet5": ((0.5,) * 3, (0.5,) * 3),
    "resnet26": (ResNet26.MEAN, ResNet26.STD),
}
_INCEPTION = ("googlenet", "inception_v3")
_FORMS = ("timm:NAME", "hf:NAME_OR_PATH", "package.module:callable", "teacher:PATH")
_TRANSFORMERS = ("vit_", "swin_", "maxvit_")  # what torchvision gives as their least size is the size of training


def torchvision_names() -> list[str]:
    """Return the names of torchvision's classification models."""
    names: list[str] = models.list_models(module=models)
    return names


def default_weights(name: str) -> Any:
    """Return the entry that torchvision calls DEFAULT among the weights of one of its models."""
    return models.get_model_weights(name).DEFAULT


def check_name(name: str) -> None:
    """Raise an `UnknownNameError` unless there is an architecture of this name; a bare prefix is an `InputError`."""
    valid = [*OWN, *torchvision_names()]
    if name not in valid:
        for form in (each.name for each in BACKBONES.built_in() if each.prefix):
            if name.removesuffix(":").lower() == form.partition(":")[0]:
                such = ", such as pca:150" if form == "pca:K" else ""
                raise InputError(f"backbone {name!r} must be named with what follows it, as {form}{such}")
        raise UnknownNameError("backbone", name, valid, _FORMS)


def default_preprocessing(name: str) -> Preprocessing:
    """Return what the default weights of an architecture expect.

    GoogLeNet and Inception v3 were trained on values from -1 to 1, which torchvision hides inside their forward pass
    (`transform_input`); here the preprocessing says so, and the networks are built without it.

    Raises:
        UnknownNameError: No such architecture.

    Example:
        >>> default_preprocessing("resnet50").resize, default_preprocessing("cifar_resnet20").size
        (232, 32)
    """
    check_name(name)
    if name in OWN:
        mean, std = _STATISTICS.get(name, (IMAGENET_MEAN, IMAGENET_STD))
        side = _SIZED[name].SIZE if name in _SIZED else 32
        return Preprocessing(size=side, resize=side, mean=mean, std=std)
    preset = default_weights(name).transforms()
    plain = name in _INCEPTION
    return Preprocessing(
        size=preset.crop_size[0],
        resize=preset.resize_size[0],
        mean=(0.5,) * 3 if plain else tuple(preset.mean),
        std=(0.5,) * 3 if plain else tuple(preset.std),
        interpolation=preset.interpolation.value,
    )


def build_network(
    name: str, *, num_classes: int | None = None, in_channels: int = 3, size: int | None = None, seed: int = 0
) -> nn.Module:
    """Return a network in training mode with its architecture's own random initialization.

    The global random state of torch is left as it was.

    Args:
        name: "lenet", "lenet5", "cifar_resnet20" and the like, "resnet26", or a torchvision classification model.
        num_classes: Outputs of the head; None takes the architecture's own (10, or ImageNet's 1000).
        in_channels: 1 or 3; torchvision's models take 3, and with 1 the weights of the first convolution are summed
            over the three, so that they answer to gray as they would to that gray in every channel.
        size: Side of the input, for the transformers that are built for one; None takes that of the default weights.
        seed: Seed of the initialization.

    Raises:
        UnknownNameError: No such architecture.
        InputError: A size or number of channels that the architecture cannot take.

    Example:
        >>> sum(p.numel() for p in build_network("cifar_resnet20").parameters())
        269722
    """
    check_name(name)
    classes = {} if num_classes is None else {"num_classes": num_classes}
    with seeded(seed):
        if name in _SIZED:
            kind = _SIZED[name]
            if size not in (None, kind.SIZE):
                raise InputError(f"{name} takes images of size {kind.SIZE}, got {size}; give that or another backbone")
            return kind(in_channels=in_channels, **classes)
        if name == "resnet26":
            return ResNet26(in_channels=in_channels, **classes)
        if name in OWN:
            return CifarResNet(depth=int(name.removeprefix("cifar_resnet")), in_channels=in_channels, **classes)
        network = _build_torchvision(name, classes, size)
        return network if in_channels == 3 else with_one_channel(network)


def _build_torchvision(name: str, options: dict[str, Any], size: int | None) -> nn.Module:
    size = size or default_preprocessing(name).size
    least = 1 if name.startswith(_TRANSFORMERS) else default_weights(name).meta["min_size"][0]
    if size < least:
        raise InputError(f"{name} takes images of size {least} or more, got {size}; give a larger size")
    if name in _INCEPTION:
        options = options | {"aux_logits": False, "transform_input": False, "init_weights": True}
    elif name.startswith("vit_"):
        options = options | {"image_size": size}
    elif name.startswith("maxvit"):
        options = options | {"input_size": (size, size)}
    if (patch := re.fullmatch(r"vit_\w+_(\d+)", name)) and size % int(patch[1]):
        raise InputError(f"{name} cuts images into patches of {patch[1]} pixels, got size {size}; give a multiple")
    try:
        network: nn.Module = models.get_model(name, weights=None, **options)
    except ValueError as error:  # MaxViT: a size its windows do not fit into
        raise InputError(f"{name} cannot take images of size {size}; give a multiple of 224") from error
    return network
