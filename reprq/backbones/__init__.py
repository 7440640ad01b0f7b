"""Backbones by name: a network, the preprocessing its weights expect, and its layers in order."""

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

__all__ = [
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
]
