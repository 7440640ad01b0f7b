"""Networks of color images that take gray ones: the first convolution summed over its channels."""

import torch
from torch import nn


def stem_of(network: nn.Module) -> str:
    """Return the key of the weight of the first convolution; "" where there is none.

    Example:
        >>> stem_of(nn.Sequential(nn.ReLU(), nn.Conv2d(3, 8, 3)))
        '1.weight'
    """
    convolutions = (name for name, module in network.named_modules() if isinstance(module, nn.Conv2d))
    first = next(convolutions, None)
    return "" if first is None else f"{first}.weight"


@torch.no_grad()
def with_one_channel(network: nn.Module) -> nn.Module:
    """Put a first convolution in its place that takes one channel, its weights the sum over the three of the old one.

    It answers to gray as the old one to that gray in every channel, of inputs that are normalized alike.

    Args:
        network: Changed in place, and returned. Its first convolution takes three channels, in one group.

    Example:
        >>> old = nn.Sequential(nn.Conv2d(3, 4, 3))
        >>> gray = torch.rand(1, 1, 5, 5)
        >>> expected = old(gray.expand(1, 3, 5, 5))
        >>> torch.allclose(with_one_channel(old)(gray), expected, atol=1e-6)
        True
    """
    path = stem_of(network).rpartition(".")[0]
    old: nn.Conv2d = network.get_submodule(path)  # type: ignore[assignment]
    sides: dict[str, object] = {"stride": old.stride, "padding": old.padding, "dilation": old.dilation}
    new = nn.Conv2d(1, old.out_channels, old.kernel_size, bias=old.bias is not None, **sides)  # type: ignore[arg-type]
    new.weight.copy_(old.weight.sum(1, keepdim=True))
    if old.bias is not None and new.bias is not None:
        new.bias.copy_(old.bias)
    network.set_submodule(path, new)
    return network
