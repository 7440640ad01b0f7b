"""Relevance from the maps of a layer back to the pixels, by layer-wise relevance propagation (zennit)."""

import copy
from dataclasses import replace
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from reprq.backbones import Backbone
from reprq.backbones.folding import folded
from reprq.errors import InputError
from reprq.optional import require

_EPSILON = 1e-9  # added to denominators; activations of untrained networks are as small as 1e-5


def canonical(backbone: Backbone, layers: Any) -> Backbone:
    """Return a copy that relevance goes through: normalizations folded, nothing in place, sums as modules.

    Residual blocks of torchvision's ResNets and MobileNets are known; other networks must be plain stacks of layers,
    or each branch of a sum would be given all of its relevance.
    """
    network = copy.deepcopy(backbone.network).eval()
    backbone = replace(backbone, network=network)
    if any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        backbone = folded(backbone, layers)
    for module in backbone.network.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # type: ignore[assignment]
        kind = type(module).__name__
        if kind in _FORWARDS:
            module.total = require("zennit.layer", "explain", "relevance", package="zennit").Sum()
            module.forward = MethodType(_FORWARDS[kind], module)
    return backbone


def rule(backbone: Backbone) -> Any:
    """Return zennit's composite: z+ for convolutions, epsilon for dense layers; biases take no relevance.

    Raises:
        InputError: zennit is missing, or the network has sums that are not known.
    """
    composites = require("zennit.composites", "explain", "relevance", package="zennit")
    traced = torch.fx.symbolic_trace(backbone.network).graph.nodes
    if any("add" in str(node.target) for node in traced if node.op in ("call_function", "call_method")):
        raise InputError(
            f"relevance goes through the sums of torchvision's ResNets and MobileNets, got {backbone.name};"
            " choose another method, such as integrated_gradients"
        )
    return composites.EpsilonPlus(_EPSILON, _EPSILON, zero_params=["bias"])


def over_positions(rows: Tensor, maps: Tensor) -> Tensor:
    """Share the relevance of pooled channels among positions, as large as their values: (n, c, h, w), sums kept.

    Of a layer with negative values too sizes are taken, where shares of the signed sum would have no bound. A channel
    that is zero everywhere shares evenly.

    Example:
        >>> over_positions(torch.tensor([[6.0]]), torch.tensor([[[[1.0, 2.0]]]]))
        tensor([[[[2., 4.]]]])
    """
    sizes = maps.abs()
    total = sizes.sum((2, 3), keepdim=True)
    even = torch.full_like(sizes, 1.0 / (maps.shape[2] * maps.shape[3]))
    return rows[:, :, None, None] * torch.where(total > 0, sizes / torch.where(total > 0, total, 1.0), even)


def _inverted_residual(self: Any, x: Tensor) -> Tensor:
    out: Tensor = self.total(torch.stack([x, self.conv(x)], -1)) if self.use_res_connect else self.conv(x)
    return out


def _basic_block(self: Any, x: Tensor) -> Tensor:
    out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
    same = x if self.downsample is None else self.downsample(x)
    found: Tensor = self.relu(self.total(torch.stack([same, out], -1)))
    return found


def _bottleneck(self: Any, x: Tensor) -> Tensor:
    out = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))
    same = x if self.downsample is None else self.downsample(x)
    found: Tensor = self.relu(self.total(torch.stack([same, self.bn3(self.conv3(out))], -1)))
    return found


_FORWARDS = {"InvertedResidual": _inverted_residual, "BasicBlock": _basic_block, "Bottleneck": _bottleneck}
