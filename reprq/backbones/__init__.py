"""Backbones by name: a network, the preprocessing its weights expect, and its layers in order.

They import torch, and are imported on first use; the names of their sources cost nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from reprq.backbones.entries import BACKBONES, source_names

if TYPE_CHECKING:
    from reprq.backbones.backbone import Backbone, layer_shapes
    from reprq.backbones.layers.selection import Layer
    from reprq.backbones.layers.taps import Tap
    from reprq.backbones.networks.cifar_resnet import CifarResNet
    from reprq.backbones.networks.lenet import LeNet
    from reprq.backbones.registry import BackboneInfo, available, load_backbone
    from reprq.backbones.sources.architectures import build_network, default_preprocessing
    from reprq.backbones.sources.python import as_backbone
    from reprq.data.image.preprocessing import Preprocessing
    from reprq.data.text.tokenization import Tokenization

_HOMES = {
    "Backbone": "backbones.backbone",
    "layer_shapes": "backbones.backbone",
    "Layer": "backbones.layers.selection",
    "Tap": "backbones.layers.taps",
    "CifarResNet": "backbones.networks.cifar_resnet",
    "LeNet": "backbones.networks.lenet",
    "BackboneInfo": "backbones.registry",
    "available": "backbones.registry",
    "load_backbone": "backbones.registry",
    "build_network": "backbones.sources.architectures",
    "default_preprocessing": "backbones.sources.architectures",
    "as_backbone": "backbones.sources.python",
    "Preprocessing": "data.image.preprocessing",
    "Tokenization": "data.text.tokenization",
}

__all__ = [
    "BACKBONES",
    "Backbone",
    "BackboneInfo",
    "CifarResNet",
    "Layer",
    "LeNet",
    "Preprocessing",
    "Tap",
    "Tokenization",
    "as_backbone",
    "available",
    "build_network",
    "default_preprocessing",
    "layer_shapes",
    "load_backbone",
    "source_names",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"reprq.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'reprq.backbones' has no attribute {name!r}")
