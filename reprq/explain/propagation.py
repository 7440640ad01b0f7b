"""Relevance from the maps of a layer back to the pixels, by layer-wise relevance propagation (zennit)."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from reprq.backbones import Backbone, Layer
from reprq.backbones.folding import folded
from reprq.embeddings.pooling import pool_layer
from reprq.errors import InputError
from reprq.optional import require

_EPSILON = 1e-9  # added to denominators; activations of untrained networks are as small as 1e-5
_LEAST = 1e-30  # so that what is zero everywhere has shares


def canonical(backbone: Backbone, layers: Sequence[Layer]) -> Backbone:
    """Return a copy that relevance goes through: normalizations folded, nothing in place, sums as modules.

    Residual blocks of torchvision's ResNets and MobileNetV2 are known; other networks must be plain stacks of layers,
    or each branch of a sum would be given all of its relevance.
    """
    backbone = replace(backbone, network=copy.deepcopy(backbone.network).eval())
    if any(isinstance(module, nn.BatchNorm2d) for module in backbone.network.modules()):
        backbone = folded(backbone, layers)
    for module in backbone.network.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # type: ignore[assignment]
        forward = _FORWARDS.get(f"{type(module).__module__}.{type(module).__name__}")
        if forward is not None:
            module.total = _sums().Sum()
            module.forward = MethodType(forward, module)
    return backbone


def canonical_stack(stack: nn.Sequential) -> nn.Sequential:
    """Return a copy of a plain stack of layers whose normalizations are part of the layers before them."""
    layers: list[nn.Module] = []
    for layer in copy.deepcopy(stack).eval():
        if layers and isinstance(layers[-1], nn.Conv2d) and isinstance(layer, nn.BatchNorm2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
        elif layers and isinstance(layers[-1], nn.Linear) and isinstance(layer, nn.BatchNorm1d):
            layers[-1] = fuse_linear_bn_eval(layers[-1], _affine(layer))
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


def _affine(layer: nn.BatchNorm1d) -> nn.BatchNorm1d:
    """The same normalization with weights and biases, which torch's fusion asks for."""
    if not layer.affine:
        layer.weight = nn.Parameter(torch.ones(layer.num_features))
        layer.bias = nn.Parameter(torch.zeros(layer.num_features))
    return layer


def rule(network: nn.Module, name: str) -> Any:
    """Return zennit's composite, z+ for convolutions and dense layers; biases take no relevance.

    A dense layer's epsilon rule has no bound here: an output near 0 can be far from the center, and relevant.

    Raises:
        InputError: zennit is missing, or the network has sums or attention that are not known.
    """
    composites, rules, types = (
        require(f"zennit.{part}", "explain", "relevance", package="zennit") for part in ("composites", "rules", "types")
    )
    if not _is_known(network):
        raise InputError(
            "relevance goes through plain stacks of layers, the sums of torchvision's ResNets and MobileNetV2, and"
            f" transformers of timm and Hugging Face, and has no rule for other sums or attention, got {name}; choose"
            " another method, such as gradient_x_input or integrated_gradients"
        )
    positive = rules.ZPlus(_EPSILON, zero_params=["bias"])
    known = [(types.Activation, rules.Pass()), (types.AvgPool, rules.Norm(_EPSILON)), (types.Linear, positive)]
    known += [(types.Convolution, positive), (_sums().Sum, rules.Norm(_EPSILON))]
    return composites.LayerMapComposite(known)


def _is_known(network: nn.Module) -> bool:
    """Whether a network has no sums but those that are modules; one whose way depends on its inputs cannot be asked."""
    try:
        traced = torch.fx.symbolic_trace(network).graph.nodes
    except Exception:  # whatever the network's own code raises on symbols
        return False
    targets = [node.target for node in traced if node.op in ("call_function", "call_method")]
    called = [str(getattr(target, "__name__", target)) for target in targets]  # a function's repr has its address
    return not any(word in each for each in called for word in ("add", "attention"))


def shared(
    rows: Tensor, layer: Layer, output: Tensor, pooling: str, mask: Tensor | None = None, weights: Tensor | None = None
) -> Tensor:
    """Share the relevance of pooled values among what was pooled, by what each position adds: sums are kept.

    With averages it is shared as sizes are; of a layer with negative values, too, where shares of the signed sum would
    have no bound. With "max" and "gem" negative values add nothing. What is zero everywhere shares evenly.

    Args:
        rows: (n, d), what each pooled value is given.
        layer: The layer.
        output: What it puts out.
        pooling: How.
        mask: (n, L), 1 for the tokens of texts that count.
        weights: (n, L), what pooling weighs them by.

    Returns:
        In the shape of `output`.

    Example:
        >>> layer = Layer(0, "maps", "", layout="NCHW")
        >>> shared(torch.tensor([[6.0]]), layer, torch.tensor([[[[1.0, 2.0]]]]), "avg")
        tensor([[[[2., 4.]]]])
        >>> shared(torch.tensor([[6.0]]), layer, torch.tensor([[[[1.0, 2.0]]]]), "max")
        tensor([[[[0., 6.]]]])
    """
    sizes = output.clamp(min=0) if pooling in ("max", "gem") else output.abs()
    sizes = (sizes + _LEAST).requires_grad_()
    with torch.enable_grad():
        pooled = pool_layer(layer, sizes, pooling, mask, weights)
        (shares,) = torch.autograd.grad(pooled, sizes, rows / pooled.detach())  # of degree 1: Euler's theorem
    return shares * sizes.detach()


def _sums() -> Any:
    return require("zennit.layer", "explain", "relevance", package="zennit")


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


_FORWARDS = {
    "torchvision.models.mobilenetv2.InvertedResidual": _inverted_residual,
    "torchvision.models.resnet.BasicBlock": _basic_block,
    "torchvision.models.resnet.Bottleneck": _bottleneck,
}
