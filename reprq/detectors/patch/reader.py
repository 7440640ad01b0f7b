"""From a batch of images to patches: one row a position of the feature maps of some layers, averaged over neighbors."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from math import isqrt, prod

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from reprq.backbones import Backbone, Layer, Tap
from reprq.backbones.batch import mapped
from reprq.backbones.padding import mirrored
from reprq.data import Batch
from reprq.embeddings.pooling import LayerOutput
from reprq.errors import InputError, listed

Rows = NDArray[np.float32]


class PatchReader:
    """Patches as PatchCore has them (Roth et al. 2022, equations 1 to 3).

    The map of every layer is averaged over `average` x `average` positions around each, of which those beyond the
    border do not count, so that a border looks like no anomaly. All maps are brought to one grid, a smaller one
    bilinearly and a larger one by averages (adaptive), and stand side by side in the order of depth. Tokens of a
    transformer are such a map without its class token and registers.

    Args:
        backbone: The network; in evaluation mode, and moved to `device`.
        layers: As in `Backbone.select_layers`.
        average: Side of the neighborhood, an odd number; 1 takes positions as they are.
        normalize: Whether every patch is brought to length 1.
        grid: Side of the common grid; None for that of the layer with the most positions.
        mirror: Whether convolutions mirror at borders, where their zeros would be an edge.
        device: A torch device.

    Attributes:
        grid: (h, w).
        widths: Channels of each layer.

    Raises:
        InputError: A layer has no positions, or its tokens are no square.
    """

    def __init__(
        self,
        backbone: Backbone,
        layers: Sequence[str | int] | str | int,
        *,
        average: int = 3,
        normalize: bool = False,
        grid: int | None = None,
        mirror: bool = False,
        device: str = "cpu",
    ) -> None:
        self.backbone, self.layers = backbone, backbone.select_layers(layers)
        self.average, self.normalize = average, normalize
        self._padding = mirrored if mirror else nullcontext
        if flat := [layer.name for layer in self.layers if layer.layout == "ND" or layer.varying]:
            others = [layer.name for layer in backbone.layers if layer.layout != "ND"]
            raise InputError(
                f"layer {flat[0]} of {backbone.name} has no positions to read patches at; name others, such as"
                f" {listed(others, 6)}"
            )
        self.device = torch.device(device)
        backbone.network.eval().to(self.device)
        with torch.no_grad():
            maps = self._maps(backbone.preprocessing.blank(1))
        largest = max((found.shape[-2:] for found in maps), key=prod)
        self.grid = (largest[0], largest[1]) if grid is None else (grid, grid)
        self.widths = tuple(found.shape[1] for found in maps)

    def __call__(self, x: Batch) -> Tensor:
        """Return the patches of a batch, (n, h w, d) float32; the rows of an image line by line."""
        found = torch.cat([_on_grid(each, self.grid) for each in self._maps(x)], dim=1)
        found = F.normalize(found) if self.normalize else found
        return found.flatten(2).transpose(1, 2)

    def _maps(self, x: Batch) -> list[Tensor]:
        network = self.backbone.network
        with self._padding(network), Tap(network, self.layers, self._averaged) as tap:
            return list(tap(mapped(x, lambda tensor: tensor.to(self.device))).values())

    def _averaged(self, layer: Layer, output: Tensor) -> Tensor:
        maps = as_maps(layer, output).to(torch.float32, copy=True)
        return F.avg_pool2d(maps, self.average, 1, self.average // 2, count_include_pad=False)


def as_maps(layer: Layer, output: Tensor) -> Tensor:
    """Return what a layer puts out as (n, c, h, w) maps.

    Raises:
        InputError: Its tokens are no square.
    """
    if layer.layout == "NCHW":
        return output
    if layer.layout == "NHWC":
        return output.movedim(-1, 1)
    values = output.transpose(0, 1) if layer.layout == "LND" else output
    rows = LayerOutput(values, "NLD", int(layer.class_token) + layer.registers).positions
    side = isqrt(rows.shape[1])
    if side**2 != rows.shape[1]:
        raise InputError(f"layer {layer.name} must have a square of tokens, got {rows.shape[1]}; choose another layer")
    return rows.transpose(1, 2).reshape(len(rows), -1, side, side)


def _on_grid(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    height, width = maps.shape[-2:]
    if height >= grid[0] and width >= grid[1]:
        return F.adaptive_avg_pool2d(maps, grid)
    return F.interpolate(maps, grid, mode="bilinear", align_corners=False)


def spread(
    values: NDArray[np.float64], grid: tuple[int, int], shape: tuple[int, int], sigma: float = 0.0
) -> NDArray[np.float64]:
    """Return (n, positions) values of a grid as (n, H, W) maps: bilinear, then a Gaussian; the border goes on as it is.

    Example:
        >>> spread(np.array([[1.0, 3.0]]), (1, 2), (1, 4))
        array([[[1. , 1.5, 2.5, 3. ]]])
    """
    on_grid = torch.from_numpy(values).reshape(len(values), 1, *grid)
    whole = F.interpolate(on_grid, shape, mode="bilinear", align_corners=False)[:, 0].numpy()
    return np.asarray(gaussian_filter(whole, (0, sigma, sigma), mode="nearest") if sigma else whole)


@dataclass(frozen=True)
class Patches:
    """The patches of some images, which are read again at every pass.

    Attributes:
        images: How many.
        positions: Patches of an image.
        width: Of a patch.
        read: Returns (b, positions, width) blocks of images, in order.
    """

    images: int
    positions: int
    width: int
    read: Callable[[], Iterator[Rows]]

    @property
    def gigabytes(self) -> float:
        """What all of them take in float32, in GiB."""
        return self.images * self.positions * self.width * 4 / 2**30
