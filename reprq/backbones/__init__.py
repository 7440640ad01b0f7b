"""Backbones by name: a network, the preprocessing its weights expect, and its layers in order.

They import torch, and are imported on first use; the names of their sources cost nothing.
"""

from typing import TYPE_CHECKING

from reprq.backbones.entries import BACKBONES
from reprq.lazy import from_modules

if TYPE_CHECKING:
    from reprq.backbones.backbone import Backbone, layer_shapes
    from reprq.backbones.layers.selection import Layer
    from reprq.backbones.layers.taps import Tap
    from reprq.backbones.networks.cifar_resnet import CifarResNet
    from reprq.backbones.networks.lenet import LeNet
    from reprq.backbones.networks.resnet26 import ResNet26
    from reprq.backbones.registry import BackboneInfo, available, load_backbone, names
    from reprq.backbones.sources.architectures import build_network, default_preprocessing
    from reprq.backbones.sources.python import as_backbone
    from reprq.data.audio.transforms import Spectrogram, Waveform
    from reprq.data.image.preprocessing import Preprocessing
    from reprq.data.text.tokenization import Tokenization

_MODULES = {
    "Backbone": "reprq.backbones.backbone",
    "layer_shapes": "reprq.backbones.backbone",
    "Layer": "reprq.backbones.layers.selection",
    "Tap": "reprq.backbones.layers.taps",
    "CifarResNet": "reprq.backbones.networks.cifar_resnet",
    "LeNet": "reprq.backbones.networks.lenet",
    "ResNet26": "reprq.backbones.networks.resnet26",
    "BackboneInfo": "reprq.backbones.registry",
    "available": "reprq.backbones.registry",
    "load_backbone": "reprq.backbones.registry",
    "names": "reprq.backbones.registry",
    "build_network": "reprq.backbones.sources.architectures",
    "default_preprocessing": "reprq.backbones.sources.architectures",
    "as_backbone": "reprq.backbones.sources.python",
    "Preprocessing": "reprq.data.image.preprocessing",
    "Spectrogram": "reprq.data.audio.transforms",
    "Waveform": "reprq.data.audio.transforms",
    "Tokenization": "reprq.data.text.tokenization",
}

__all__ = [
    "BACKBONES",
    "Backbone",
    "BackboneInfo",
    "CifarResNet",
    "Layer",
    "LeNet",
    "Preprocessing",
    "ResNet26",
    "Spectrogram",
    "Tap",
    "Tokenization",
    "Waveform",
    "as_backbone",
    "available",
    "build_network",
    "default_preprocessing",
    "layer_shapes",
    "load_backbone",
    "names",
]

__getattr__ = from_modules(__name__, _MODULES)
