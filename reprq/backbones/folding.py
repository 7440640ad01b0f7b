"""Batch normalization folded into the convolutions before it: the same function, rounded otherwise, in less time."""

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import nn
from torch.fx import symbolic_trace
from torch.nn.utils.fusion import fuse_conv_bn_eval

from reprq.backbones.backbone import Backbone
from reprq.backbones.layers.selection import Layer
from reprq.errors import InputError, one_line

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMALIZATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def folded(backbone: Backbone, layers: Sequence[Layer]) -> Backbone:
    """Return a backbone whose batch normalizations are part of the convolutions before them.

    A pair is folded where nothing else takes the output of the convolution, both are called once, and no layer that is
    read lies between them. The weights are multiplied in float32, so that outputs differ by rounding: by some 1e-6 of
    a layer's largest value.

    Args:
        backbone: Its network is copied and left as it is.
        layers: Those that are to be read.

    Raises:
        InputError: the network cannot be traced (its path depends on its input), or no pair can be folded.
    """
    network = copy.deepcopy(backbone.network)
    pairs = list(_pairs(network, layers, backbone.name))
    if not pairs:
        raise InputError(
            f"backbone {backbone.name} must have a batch normalization that follows a convolution to fold, got none;"
            " leave fold_batchnorm out"
        )
    for convolution, normalization in pairs:
        fused = fuse_conv_bn_eval(network.get_submodule(convolution), network.get_submodule(normalization))  # type: ignore[type-var, arg-type]
        network.set_submodule(convolution, fused)
        network.set_submodule(normalization, nn.Identity())
    return replace(backbone, network=network)


def _pairs(network: nn.Module, layers: Sequence[Layer], name: str) -> Iterator[tuple[str, str]]:
    """Yield the names of the convolutions that can be folded, each with that of its normalization."""
    try:
        nodes = list(symbolic_trace(network).graph.nodes)
    except Exception as error:  # a network is other people's code
        reason = one_line(error, 200, kind=True)
        raise InputError(
            f"backbone {name} must be traced by torch.fx for fold_batchnorm, got {reason}; leave it out"
        ) from error
    calls = Counter(node.target for node in nodes if node.op == "call_module")
    for node in nodes:
        before = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(before, torch.fx.Node) or before.op != "call_module" or len(before.users) != 1:
            continue
        pair = str(before.target), str(node.target)
        if max(calls[name] for name in pair) > 1 or _read_between(layers, *pair):
            continue
        convolution, normalization = map(network.get_submodule, pair)
        if type(convolution) in _CONVOLUTIONS and _is_fixed(normalization):
            yield pair


def _is_fixed(module: nn.Module) -> bool:
    """Whether a module is a batch normalization by stored statistics."""
    return type(module) in _NORMALIZATIONS and not module.training and module.running_mean is not None


def _read_between(layers: Sequence[Layer], convolution: str, normalization: str) -> bool:
    """Whether a layer that is read may be what the convolution hands on.

    It is the output of a module that ends between the two, or the input of one that begins there.
    """
    ends = any(_inside(convolution, layer) and not _inside(normalization, layer) for layer in layers if _is_out(layer))
    return ends or any(
        _inside(normalization, layer) and not _inside(convolution, layer) for layer in layers if not _is_out(layer)
    )


def _is_out(layer: Layer) -> bool:
    return layer.where == "output"


def _inside(module: str, layer: Layer) -> bool:
    return layer.module in ("", module) or module.startswith(f"{layer.module}.")
