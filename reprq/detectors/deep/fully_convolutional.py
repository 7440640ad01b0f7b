"""The fully convolutional networks of FCDD, their receptive fields, and maps of outputs in the size of the input."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, pad

from reprq.errors import InputError

POOL = "pool"
_EPS = 1e-4


@dataclass(frozen=True)
class ConvolutionStack:
    """The layers of a network from pixels to one number a position (Liznerski et al. 2021; Ruff 2021, B.2).

    Attributes:
        layers: (filters, kernel) of a convolution, or "pool", 2 x 2. Each convolution keeps the size.
        normalized: How many convolutions are followed by batch normalization and a ReLU: all, or all but the last.
        leakiness: The slope of the ReLU below 0.
        size: Side of its images in the paper, in pixels.
        channels: Of its images.
        sigma: Of the Gaussian by which outputs are spread over their receptive fields, in pixels.
    """

    layers: tuple[tuple[int, int] | str, ...]
    normalized: Literal["all", "all but last"]
    leakiness: float
    size: int
    channels: Literal["gray", "rgb"]
    sigma: float


_CIFAR10 = ((128, 3), POOL, (256, 3), (256, 3), POOL, (128, 3))
_VGG11 = ((64, 3), POOL, (128, 3), POOL, (256, 3), (256, 3), POOL, (512, 3), (512, 3))
STACKS = {
    "fashion_mnist": ConvolutionStack(((128, 5), POOL, (128, 5), POOL), "all but last", 0.01, 28, "gray", 1.2),
    "cifar10": ConvolutionStack(
        ((128, 3), POOL, (256, 3), (256, 3), POOL, (128, 3)), "all but last", 0.01, 32, "rgb", 1.2
    ),
    "imagenet": ConvolutionStack(_VGG11, "all", 0.0, 224, "rgb", 12.0),
}


def with_field(stack: ConvolutionStack, field: int) -> ConvolutionStack:
    """Return layers whose outputs see so many pixels, by the kernel of the first convolution, which stays odd.

    Raises:
        InputError: No kernel does.

    Example:
        >>> with_field(STACKS["cifar10"], 28).layers[0], with_field(STACKS["cifar10"], 22) == STACKS["cifar10"]
        ((128, 9), True)
    """
    own, stride = 1, 1
    for each in stack.layers:
        own += (1 if isinstance(each, str) else each[1] - 1) * stride
        stride *= 2 if isinstance(each, str) else 1
    first, *others = stack.layers
    assert not isinstance(first, str)
    kernel = first[1] + field - own
    if kernel < 1 or kernel % 2 == 0:
        least = own - first[1] + 1
        raise InputError(f"field must be {least}, {least + 2}, {least + 4}, ... pixels for this network, got {field}")
    return replace(stack, layers=((first[0], kernel), *others))


def fully_convolutional(
    stack: ConvolutionStack, inputs: int, padding: Literal["zeros", "reflect"] = "zeros"
) -> nn.Sequential:
    """Return the network from (n, inputs, h, w) images to its last feature maps, with biases and random weights.

    Args:
        stack: Its layers.
        inputs: Channels of the images.
        padding: What convolutions see beyond the borders.
    """
    layers: list[nn.Module] = []
    sizes = [each for each in stack.layers if not isinstance(each, str)]
    left = len(sizes) if stack.normalized == "all" else len(sizes) - 1
    for each in stack.layers:
        if isinstance(each, str):
            layers.append(nn.MaxPool2d(2))
            continue
        filters, kernel = each
        layers.append(nn.Conv2d(inputs, filters, kernel, padding=kernel // 2, padding_mode=padding))
        if left > 0:
            layers += [nn.BatchNorm2d(filters, _EPS), nn.LeakyReLU(stack.leakiness)]
        inputs, left = filters, left - 1
    return nn.Sequential(*layers)


def widths(stack: ConvolutionStack) -> int:
    """Return how many feature maps a network ends in."""
    return [each[0] for each in stack.layers if not isinstance(each, str)][-1]


@dataclass(frozen=True)
class ReceptiveField:
    """Which pixels an output sees: output i those from i * stride - padding on, `size` of them, along either axis."""

    size: int
    stride: int
    padding: int


def receptive_field(layers: Iterable[nn.Module]) -> ReceptiveField:
    """Return the receptive field of an output of convolutions and poolings in a row; other layers see one position.

    Example:
        >>> receptive_field(fully_convolutional(STACKS["cifar10"], 3))
        ReceptiveField(size=22, stride=4, padding=9)
    """
    size, stride, padding = 1, 1, 0
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            kernel, step, border = (_side(value) for value in (layer.kernel_size, layer.stride, layer.padding))
            size, padding, stride = size + (kernel - 1) * stride, padding + border * stride, stride * step
    return ReceptiveField(size, stride, padding)


def gaussian(size: int, sigma: float) -> Tensor:
    """Return (size, size) weights of a Gaussian around the center, which sum to 1."""
    place = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    along = torch.exp(-place.square() / (2 * sigma**2))
    weights = torch.outer(along, along)
    return weights / weights.sum()


def upsampled(maps: Tensor, field: ReceptiveField, sigma: float, shape: tuple[int, int]) -> Tensor:
    """Spread every output over its receptive field by a Gaussian, and add up (Ruff 2021, Algorithm 1).

    It is one transposed convolution: its kernel is the Gaussian over the receptive field, its stride that of the
    outputs.

    Args:
        maps: (n, 1, h, w) outputs.
        field: Their receptive field.
        sigma: Of the Gaussian, in pixels.
        shape: (H, W) of the input.

    Returns:
        (n, 1, H, W); where an output's field lies within the image, its part of the sum is its value.
    """
    weights = gaussian(field.size, sigma).to(maps)[None, None]
    spread = conv_transpose2d(maps, weights, stride=field.stride)
    lacking = [max(0, field.padding + side - have) for side, have in zip(shape, spread.shape[-2:], strict=True)]
    spread = pad(spread, [0, lacking[1], 0, lacking[0]])
    start = field.padding
    return spread[..., start : start + shape[0], start : start + shape[1]]


def least_size(stack: ConvolutionStack) -> int:
    """Return the side of the smallest image that gives 2 x 2 outputs."""
    return 2 * math.prod(2 for each in stack.layers if isinstance(each, str))


def _side(value: object) -> int:
    first = value[0] if isinstance(value, tuple) else value
    assert isinstance(first, int)
    return first
