"""Relevance through transformers: gradient x input where attention, spreads and gates are held constant.

Ali et al. (2022), "XAI for Transformers: Better Explanations through Conservative Propagation".
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_LEAST = 1e-12  # a gate at 0 passes nothing on


def is_transformer(network: nn.Module) -> bool:
    """Whether a network has normalizations of layers, and attention that torch's own module does not hide."""
    parts = list(network.modules())
    hidden = any(isinstance(part, nn.MultiheadAttention) for part in parts)
    return not hidden and any(isinstance(part, nn.LayerNorm) for part in parts)


class HeldConstant(TorchFunctionMode):
    """While this is on, softmax, the spreads of normalizations and what activations pass on have no derivative.

    The network is then linear where it is looked at, so that inputs times derivatives add up to outputs, but for what
    biases, positions and class tokens add.

    Example:
        >>> x = torch.tensor([[1.0, 3.0]], requires_grad=True)
        >>> with HeldConstant():
        ...     y = nn.LayerNorm(2)(x)
        >>> (torch.autograd.grad(y[0, 1], x)[0] * x).sum().round(decimals=4) == y[0, 1].round(decimals=4)
        tensor(True)
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Call a function, or what stands for it here."""
        rule = _RULES.get(func)
        return func(*args, **(kwargs or {})) if rule is None else rule(func, *args, **(kwargs or {}))


def _constant(func: Callable[..., Tensor], *given: Any, **how: Any) -> Tensor:
    return func(*given, **how).detach()


def _gate(func: Callable[..., Tensor], x: Tensor, *given: Any, **how: Any) -> Tensor:
    share = func(x, *given, **how) / torch.where(x.abs() < _LEAST, _LEAST, x)
    return x * share.detach()


def _attend(func: Callable[..., Tensor], query: Tensor, key: Tensor, *given: Any, **how: Any) -> Tensor:
    return func(query.detach(), key.detach(), *given, **how)


def _normalize(
    func: Callable[..., Tensor],
    x: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> Tensor:
    axes = tuple(range(-len(shape), 0))
    spread = x.var(axes, correction=0, keepdim=True).add(eps).sqrt().detach()
    scaled = (x - x.mean(axes, keepdim=True)) / spread
    scaled = scaled if weight is None else scaled * weight
    return scaled if bias is None else scaled + bias


_RULES: dict[Any, Callable[..., Tensor]] = {
    **dict.fromkeys((functional.softmax, torch.softmax, Tensor.softmax, torch.rsqrt, Tensor.rsqrt), _constant),
    **dict.fromkeys((functional.gelu, functional.silu, torch.tanh, Tensor.tanh, torch.sigmoid), _gate),
    **dict.fromkeys((functional.layer_norm, torch.layer_norm), _normalize),
    functional.scaled_dot_product_attention: _attend,
}


def seed_of(relevance: Tensor, output: Tensor) -> Tensor:
    """Return the derivative that gives an output this relevance: their quotient."""
    return relevance / torch.where(output.abs() < _LEAST, _LEAST, output)
