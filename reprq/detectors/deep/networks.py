"""The networks of deep detectors: those of Ruff (2021) with their mirrors, or any architecture of a backbone."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from reprq.backbones.sources.architectures import OWN, build_network, default_preprocessing, torchvision_names
from reprq.detectors.deep.backbone_encoder import BackboneEncoder, has_source, random_backbone, size_of
from reprq.errors import InputError, UnknownNameError

LEAKINESS = 0.01
_BACKBONE_WIDTH = 128
_KERNEL, _PADDING, _EPS = 5, 2, 1e-4
_FLAT = 1e-6  # mean of |x - mean|, x in [0, 1]; one of 3 x 32 x 32 values that is off by a step of 8 bits makes 2.6e-6


@dataclass(frozen=True)
class Architecture:
    """The sizes of a network.

    Attributes:
        filters: Of its convolutions; none for rows of numbers.
        widths: Of its dense layers; the last is the embedding.
        size: Side of its images, in pixels; 0 for rows.
        channels: Of its images.
        backbone: The name of an architecture such as resnet18, which takes the place of the layers above; its last
            layer is as wide as the embedding.
    """

    filters: tuple[int, ...]
    widths: tuple[int, ...]
    size: int = 0
    channels: Literal["gray", "rgb"] = "gray"
    backbone: str = ""


ARCHITECTURES = {
    "mnist": Architecture((8, 4), (32,), 28),
    "fashion_mnist": Architecture((16, 32), (64, 32), 28),
    "cifar10": Architecture((32, 64, 128), (128,), 32, "rgb"),
    "exposure": Architecture((32, 64, 128), (512, 256), 32, "rgb"),
    "mlp": Architecture((), (32, 16, 8)),
}


def architecture_named(name: str, dim: int | None = None) -> Architecture:
    """Return an architecture: one of `ARCHITECTURES`, or that of a backbone.

    "mlp:128-64-32" has its own widths, and "cifar10:64" its own size: images of 64 x 64, of which every pooling halves
    the side, so that it must be a multiple of 2 to the number of convolutions.

    Those of backbones are torchvision's, LeNet and the CIFAR ResNets, "timm:NAME", "hf:NAME_OR_PATH" and those of
    other sources; "resnet18:64" takes images of 64 x 64, "resnet18" of the size of its preprocessing. Their embedding
    is 128 wide.

    Args:
        name: Its name.
        dim: The width of the embedding, if not the architecture's own.

    Raises:
        UnknownNameError: No such architecture.
        InputError: Widths or a size that are no whole numbers of at least 1; a source that is not installed.

    Example:
        >>> architecture_named("mlp:128-64-32", dim=4).widths
        (128, 64, 4)
    """
    head, colon, rest = name.partition(":")
    if head in _backbones():
        if colon and not (rest.isdecimal() and int(rest)):
            raise InputError(f"network {head} must have a size such as {head}:64, got {name!r}")
        size = int(rest) if colon else default_preprocessing(head).size
        return Architecture((), (dim or _BACKBONE_WIDTH,), size, "rgb", head)
    if has_source(name):
        source, _, last = name.rpartition(":")
        sized = has_source(source) and last.isdecimal() and int(last)
        backbone, size = (source, int(last)) if sized else (name, size_of(name))
        return Architecture((), (dim or _BACKBONE_WIDTH,), size, "rgb", backbone)
    if head not in ARCHITECTURES:
        raise UnknownNameError("network", name, ARCHITECTURES, ("mlp:WIDTHS", "the architecture of a backbone"))
    found = ARCHITECTURES[head]
    if colon and found.size:
        found = replace(found, size=_side_named(head, rest, 2 ** len(found.filters)))
    elif colon:
        widths = rest.split("-")
        if not all(width.isdecimal() and int(width) for width in widths):
            raise InputError(f"network must have widths such as mlp:128-64-32, got {name!r}")
        found = replace(found, widths=tuple(map(int, widths)))
    return found if dim is None else replace(found, widths=(*found.widths[:-1], dim))


def encoder(of: Architecture, inputs: int, *, leakiness: float = LEAKINESS, bias: bool = False) -> nn.Module:
    """Return the network from (n, C, size, size) images or (n, d) rows to (n, widths[-1]) embeddings.

    Every hidden layer is a convolution (5 x 5, padding 2) or a dense layer, batch normalization (not affine, eps 1e-4),
    a leaky ReLU, and after a convolution a 2 x 2 max-pooling. The last dense layer is linear. Weights are Glorot's. A
    backbone has layers and first weights of its own, and biases only where they are asked for.

    Args:
        of: The sizes.
        inputs: C or d.
        leakiness: The slope of the leaky ReLU below 0. The released code has 0.01, the thesis says 0.1.
        bias: Whether layers have biases, by which a one-class network can be constant (Ruff 2021, Proposition 2).
    """
    if of.backbone:
        seed, dim = int(torch.randint(2**31, ())), of.widths[-1]
        if has_source(of.backbone):
            network: nn.Module = BackboneEncoder(random_backbone(of.backbone, of.size, seed), dim)
        else:
            network = build_network(of.backbone, num_classes=dim, in_channels=inputs, size=of.size, seed=seed)
        return network if bias else _without_biases(network)
    layers: list[nn.Module] = []
    for filters in of.filters:
        layers += [nn.Conv2d(inputs, filters, _KERNEL, padding=_PADDING, bias=bias), nn.BatchNorm2d(filters, _EPS)]
        layers += [nn.LeakyReLU(leakiness), nn.MaxPool2d(2)]
        inputs = filters
    if of.filters:
        layers.append(nn.Flatten())
        inputs *= _side(of) ** 2
    for width in of.widths[:-1]:
        layers += [nn.Linear(inputs, width, bias=bias), nn.BatchNorm1d(width, _EPS), nn.LeakyReLU(leakiness)]
        inputs = width
    layers.append(nn.Linear(inputs, of.widths[-1], bias=bias))
    return _started(nn.Sequential(*_plain_norms(layers, bias)))


def decoder(of: Architecture, outputs: int, *, leakiness: float = LEAKINESS, bias: bool = False) -> nn.Sequential:
    """Return the mirrored network, from embeddings back to inputs: pooling becomes doubling by the nearest pixel.

    Images end in a sigmoid, in [0, 1], rows in a linear layer.

    Raises:
        InputError: The network is that of a backbone, which is not mirrored.
    """
    if of.backbone:
        raise InputError(
            f"network {of.backbone} has no decoder; name one of {', '.join(ARCHITECTURES)} to rebuild inputs"
        )
    widths = [*reversed(of.widths)]
    if of.filters:
        widths.append(of.filters[-1] * _side(of) ** 2)
    else:
        widths.append(outputs)
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise(widths)):
        layers.append(nn.Linear(before, after, bias=bias))
        if of.filters or i < len(widths) - 2:
            layers += [nn.BatchNorm1d(after, _EPS), nn.LeakyReLU(leakiness)]
    if of.filters:
        layers.append(nn.Unflatten(1, (of.filters[-1], _side(of), _side(of))))
        filters = [*reversed(of.filters), outputs]
        for i, (before, after) in enumerate(pairwise(filters)):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(before, after, _KERNEL, padding=_PADDING, bias=bias)]
            if i < len(of.filters) - 1:
                layers += [nn.BatchNorm2d(after, _EPS), nn.LeakyReLU(leakiness)]
        layers.append(nn.Sigmoid())
    return _started(nn.Sequential(*_plain_norms(layers, bias)))


class Scaling(nn.Module):
    """From pixels in [0, 1] or raw rows to what a network is given, by constants of the benign training samples.

    "min-max" is (x - min) / (max - min), of all pixels of all samples or of each column. "contrast" is that of samples
    each of which first became (x - mean) / mean|x - mean| over all its values: global contrast normalization with the
    L1 norm, which leaves an image its color. "z-score" is (x - mean) / std of each column, of rows alone. What does not
    vary is not divided.

    Args:
        name: "min-max", "contrast" or "z-score".
        columns: How many columns rows have; None for images.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, name: str, columns: int | None = None) -> None:
        super().__init__()
        self.name = name
        shape = () if columns is None else (columns,)
        self.register_buffer("shift", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    @torch.no_grad()
    def learn(self, samples: list[Tensor]) -> None:
        """Set the constants by benign samples, given in batches; where it scales columns, images are rows of values.

        Raises:
            InputError: What they are divided by is too large for float32.
        """
        batches = [self._own(batch.flatten(1) if self.shift.ndim else batch).double() for batch in samples]
        if self.name == "z-score":
            rows = torch.cat(batches)
            shift, scale = rows.mean(0), rows.std(0, correction=0)
        elif self.shift.ndim:
            low = torch.stack([batch.amin(0) for batch in batches]).amin(0)
            shift, scale = low, torch.stack([batch.amax(0) for batch in batches]).amax(0) - low
        else:
            shift = torch.stack([batch.min() for batch in batches]).min()
            scale = torch.stack([batch.max() for batch in batches]).max() - shift
        self.shift.copy_(shift)
        self.scale.copy_(torch.where(scale > 0, scale, 1.0))
        if not bool(self.scale.isfinite().all()):
            raise InputError(f"X has values too far apart for float32 ({float(scale.max()):.3g}); rescale it")

    def forward(self, x: Tensor) -> Tensor:
        """Return samples of the same shape."""
        return (self._own(x) - self.shift) / self.scale

    def _own(self, x: Tensor) -> Tensor:
        """What a sample does by itself."""
        if self.name != "contrast":
            return x
        centered = x - x.mean((1, 2, 3), keepdim=True)
        spread = centered.abs().mean((1, 2, 3), keepdim=True)
        return centered / torch.where(spread > _FLAT, spread, 1.0)


def _side_named(network: str, side: str, unit: int) -> int:
    """The side of images that the name of a convolutional network asks for."""
    if not (side.isdecimal() and int(side) and int(side) % unit == 0):
        example = f"{network}:{8 * unit}"
        raise InputError(
            f"network {network} must have a side in multiples of {unit}, such as {example}, got {network}:{side}"
        )
    return int(side)


def _backbones() -> tuple[str, ...]:
    return (*OWN, *torchvision_names())


def _without_biases(network: nn.Module) -> nn.Module:
    """The network with no bias in any layer, and its normalizations not affine."""
    for module in network.modules():
        if getattr(module, "affine", False):
            module.affine = False  # type: ignore[assignment]
            module.register_parameter("weight", None)
        if isinstance(getattr(module, "bias", None), nn.Parameter):
            module.register_parameter("bias", None)
    return network


def _side(of: Architecture) -> int:
    """The side of the last feature maps."""
    side: int = of.size // 2 ** len(of.filters)
    return side


def _plain_norms(layers: list[nn.Module], affine: bool) -> list[nn.Module]:
    """The layers with their batch normalizations affine or not: an affine one has a bias."""
    return [
        type(layer)(layer.num_features, layer.eps, affine=affine)
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
        else layer
        for layer in layers
    ]


def _started(network: nn.Sequential) -> nn.Sequential:
    """The network with Glorot's weights and biases of 0."""
    for layer in network:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network
