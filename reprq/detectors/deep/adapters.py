"""Residual adapters: a frozen network, with a small convolution beside each that looks at more than one pixel."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from reprq.errors import InputError

_NORMALIZATIONS = (_BatchNorm, nn.GroupNorm, nn.LayerNorm)


class AdaptedConvolution(nn.Module):
    """y = W0 * x + V x: a frozen convolution, and one of 1 x 1 with its stride and groups that learns.

    W0 is no parameter and stands in no file: it is that of the network that was adapted. V starts at N(0, 2 / C_out).
    Beside a depthwise convolution V is depthwise too, one number a channel, as the residual of its channel: a full V
    would have C / 9 times the weights of what it adapts.

    Args:
        convolution: It is frozen in place.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        freeze(convolution)
        self.convolution = convolution
        sizes = (convolution.in_channels, convolution.out_channels, 1)
        self.adapter = nn.Conv2d(*sizes, groups=convolution.groups, bias=False)
        nn.init.normal_(self.adapter.weight, std=(2.0 / convolution.out_channels) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, C_out, H, W) maps of (n, C_in, H', W') maps."""
        # The stride is taken by hand: torch's gradient of a strided 1 x 1 convolution of few channels, channels last,
        # writes beyond its memory (torch 2.14 on CPU, 3 to 8 channels of 112 to 224 pixels).
        rows, columns = self.convolution.stride
        outputs: Tensor = self.convolution(x) + self.adapter(x[..., ::rows, ::columns])
        return outputs


def adapt(network: nn.Module) -> list[str]:
    """Freeze a network in place but for its normalizations, and put V beside its convolutions wider than 1 x 1.

    Returns:
        The names of the convolutions that were adapted.

    Raises:
        InputError: It has none.
    """
    modules = list(network.named_modules())
    wide = [name for name, each in modules if isinstance(each, nn.Conv2d) and max(each.kernel_size) > 1]
    if not wide:
        raise InputError("adapters stand beside convolutions wider than 1 x 1, and the backbone has none; name another")
    for _, module in modules:
        if not isinstance(module, _NORMALIZATIONS):
            freeze(module)
    for name in wide:
        network.set_submodule(name, AdaptedConvolution(network.get_submodule(name)))  # type: ignore[arg-type]
    return wide


def freeze(module: nn.Module) -> None:
    """Make the own weights of a module, not those of its parts, constants that stand in no state."""
    for name, weight in list(module.named_parameters(recurse=False)):
        delattr(module, name)
        module.register_buffer(name, weight.detach(), persistent=False)


def normalizations(network: nn.Module) -> list[Any]:
    """Return the batch normalizations that have statistics of their own."""
    kinds = (module for module in network.modules() if isinstance(module, _BatchNorm))
    return [module for module in kinds if module.running_mean is not None and module.running_var is not None]


def folded_normalizations(network: nn.Module) -> list[nn.Module]:
    """Return the batch normalizations that learned weights were made without, or had folded into convolutions.

    Their statistics are those of no data, mean 0 and variance 1 up to half precision, while their weights have learned:
    statistics of batches would make another network of it.
    """
    found: list[nn.Module] = []
    for module in normalizations(network):
        untouched = not bool(module.running_mean.any()) and bool((module.running_var - 1).abs().max() < 1e-3)
        if untouched and module.affine and bool(torch.as_tensor(module.bias).any()):
            found.append(module)
    return found
