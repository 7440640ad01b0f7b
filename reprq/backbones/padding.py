"""Convolutions that see no edge where an image ends."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn


@contextmanager
def mirrored(network: nn.Module) -> Iterator[None]:
    """Have the convolutions of a network mirror their inputs at the borders, in place of zeros, while this lasts.

    Zeros beyond the border are an edge that no photo has, and the deeper a layer, the farther it shows. A map of fewer
    positions than a convolution pads is repeated at its border instead. Convolutions of a class of their own that pad
    for themselves, as timm's "same" padding of TensorFlow does, keep it.

    Example:
        >>> import torch
        >>> network = nn.Conv2d(1, 1, 3, padding=1, bias=False)
        >>> x = torch.ones(1, 1, 4, 4)
        >>> with torch.no_grad(), mirrored(network):
        ...     y = network(x)
        >>> bool((y == y[0, 0, 1, 1]).all()), network.padding_mode
        (True, 'zeros')
    """
    padded = [each for each in network.modules() if isinstance(each, nn.Conv2d) and each.padding_mode == "zeros"]
    with ExitStack() as stack:
        for module in padded:
            stack.callback(setattr, module, "padding_mode", "zeros")
            stack.enter_context(_removed(module.register_forward_pre_hook(_choose)))
        yield


@contextmanager
def _removed(handle: Any) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()


def _choose(module: nn.Conv2d, inputs: tuple[Tensor, ...]) -> None:
    """Set how a convolution pads, by the size of what it is given."""
    left, right, top, bottom = module._reversed_padding_repeated_twice
    height, width = inputs[0].shape[-2:]
    if not any((left, right, top, bottom)):
        module.padding_mode = "zeros"
    else:
        module.padding_mode = "reflect" if max(left, right) < width and max(top, bottom) < height else "replicate"
