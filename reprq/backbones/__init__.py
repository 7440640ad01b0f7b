"""Backbones by name: a network, the preprocessing its weights expect, and its layers in order."""

from reprq.backbones.architectures import build_network, default_preprocessing
from reprq.backbones.backbone import Backbone, layer_shapes
from reprq.backbones.cifar_resnet import CifarResNet
from reprq.backbones.from_python import as_backbone
from reprq.backbones.layers import Layer
from reprq.backbones.lenet import LeNet
from reprq.backbones.preprocessing import Preprocessing
from reprq.backbones.registry import BackboneInfo, available, load_backbone
from reprq.backbones.taps import Tap

__all__ = [
    "Backbone",
    "BackboneInfo",
    "CifarResNet",
    "Layer",
    "LeNet",
    "Preprocessing",
    "Tap",
    "as_backbone",
    "available",
    "build_network",
    "default_preprocessing",
    "layer_shapes",
    "load_backbone",
]
