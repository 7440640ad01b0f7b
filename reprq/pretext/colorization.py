"""Guess the colors of an image from its lightness (Zhang, Isola & Efros 2016)."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reprq.data import Dataset
from reprq.errors import DataError, InputError
from reprq.pretext.autoencoder import decoder
from reprq.pretext.image_task import ImageTask
from reprq.pretext.lab import as_light, lab
from reprq.pretext.task import Shapes
from reprq.training import Inputs

GRID, NEIGHBOURS, SIGMA, UNIFORM = 10.0, 5, 5.0, 0.5
_SIDE, _CUBE, _BATCH = 16, 65, 256


def is_colored(data: Dataset) -> bool:
    """Return whether red, green and blue differ in any pixel of any image; it reads up to the first that is colored."""
    return any(np.ptp(np.asarray(data.item(row).convert("RGB")), axis=2).any() for row in range(len(data)))


class Colorization(ImageTask):
    """Cross entropy, in nats, over bins of a* and b*, of which rare ones weigh more (equations 2 to 4).

    The input is the gray image of the same L* as the colored one. An a*b* plane of step 10 has the Q = 261 bins that
    are nearest to some color of sRGB (the paper's list has 313). A color is spread over its 5 nearest bins by a
    Gaussian of sigma 5. A position weighs w of its nearest bin: w = ((1 - l) p + l / Q)^-1 with l = 1/2, scaled to a
    mean of 1 under p, the colors of the training images smoothed by a Gaussian of sigma 5. Deviations: the colors are
    guessed from the pooled embedding by the decoder of the autoencoder, for means over at most 16 x 16 places of the
    image, where the paper's network is fully convolutional; the loss is a mean over images and places, not a sum.

    Raises:
        InputError: the network takes gray images.
    """

    def __init__(self, shapes: Shapes) -> None:
        super().__init__(shapes)
        if self.preprocessing.channels == "gray":
            raise InputError(
                "colorization must have a network of colored images, got preprocessing channels 'gray'; choose 'rgb'"
            )
        self.side = min(_SIDE, self.preprocessing.size)
        self.weights = torch.ones(len(color_bins()))

    def head(self, data: Dataset) -> nn.Module:
        """Return a decoder with a channel for each bin."""
        if not is_colored(data):
            raise DataError(f"colorization needs colored images, those of {data.name} are gray; choose another task")
        return decoder(self.shapes.width, self.side, len(self.weights))

    def prepare(self, trunk: nn.Module, inputs: Inputs | Tensor) -> None:
        """Count the colors of the training images, for the weights."""
        counts = torch.zeros(len(self.weights), dtype=torch.float64)
        for rows in torch.split(torch.arange(len(inputs)), _BATCH):
            nearest = nearest_bins(self._colors(inputs[rows]), 1)[0]
            counts += torch.bincount(nearest.flatten(), minlength=len(counts))
        self.weights = rebalanced(counts)

    def views(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gray images, and the (n, 2, side, side) a* and b* of the colored ones."""
        with torch.autocast(images.device.type, enabled=False):
            pixels = self.preprocessing.to_pixels(images)
            return self.preprocessing.normalize(as_light(pixels).expand_as(pixels)), self._colors(images)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over images and places of -w(q*) sum_q z_q log softmax(outputs)_q."""
        bins, shares = nearest_bins(targets, NEIGHBOURS)
        logs = functional.log_softmax(outputs.float(), dim=1).permute(0, 2, 3, 1)
        cross = -(shares * logs.gather(-1, bins)).sum(dim=-1)
        weights: Tensor = self.weights.to(outputs.device)[bins[..., 0]]
        return (weights * cross).mean()

    def _colors(self, images: Tensor) -> Tensor:
        colors = lab(self.preprocessing.to_pixels(images))[:, 1:]
        return functional.adaptive_avg_pool2d(colors, self.side)


@lru_cache
def color_bins() -> Tensor:
    """Return the (261, 2) a* and b* of the bins: multiples of 10 that are nearest to some color of sRGB.

    Example:
        >>> color_bins().shape, color_bins().amin(dim=0).tolist(), color_bins().amax(dim=0).tolist()
        (torch.Size([261, 2]), [-90.0, -110.0], [100.0, 90.0])
    """
    levels = torch.linspace(0, 1, _CUBE)
    cube = torch.cartesian_prod(levels, levels, levels)
    steps = (lab(cube.T[None, :, :, None])[0, 1:, :, 0].T / GRID).round()
    return torch.from_numpy(np.unique(steps.numpy(), axis=0)) * GRID


def nearest_bins(colors: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the nearest bins of colors, nearest first, and how a color is shared among them.

    Args:
        colors: (n, 2, h, w) a* and b*.
        count: How many bins.

    Returns:
        (n, h, w, count) their rows in `color_bins`, and shares that go with exp(-distance^2 / (2 * 5^2)) and sum to 1.
    """
    first, second = color_bins().to(colors).unbind(1)
    squares = (colors[:, 0, ..., None] - first) ** 2 + (colors[:, 1, ..., None] - second) ** 2
    found = squares.topk(count, dim=-1, largest=False, sorted=True)
    return found.indices, functional.softmax(-found.values / (2 * SIGMA**2), dim=-1)


def rebalanced(counts: Tensor) -> Tensor:
    """Return the (Q,) weights of bins that were seen so many times: their mean under the smoothed shares is 1.

    Args:
        counts: (Q,) float64.
    """
    bins = color_bins().double()
    kernel = torch.exp(-((bins[:, None] - bins) ** 2).sum(dim=-1) / (2 * SIGMA**2))
    smoothed = kernel @ counts
    shares = smoothed / smoothed.sum()
    weights = 1 / ((1 - UNIFORM) * shares + UNIFORM / len(bins))
    return (weights / (shares * weights).sum()).float()
