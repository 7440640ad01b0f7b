"""Rebuild the image from its embedding, as it is or from a noisy copy."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from reprq.data import Dataset
from reprq.pretext.image_task import ImageTask

SIGMA = 1.0
_START, _CHANNELS, _LEAST_CHANNELS = 4, 128, 16


def decoder(width: int, size: int, channels: int) -> nn.Sequential:
    """Return a decoder: 4 x 4 maps from a linear layer, convolved and doubled up to the size.

    Args:
        width: Of the embedding.
        size: The side of the output.
        channels: Of the output.

    Shape:
        (n, width) to (n, channels, size, size).

    Example:
        >>> decoder(8, 20, 3)(torch.zeros(2, 8)).shape
        torch.Size([2, 3, 20, 20])
    """
    layers: list[nn.Module] = [nn.Linear(width, _CHANNELS * _START**2), nn.Unflatten(1, (_CHANNELS, _START, _START))]
    wide = _CHANNELS
    for _ in range(max(0, math.ceil(math.log2(size / _START)))):
        fewer = max(wide // 2, _LEAST_CHANNELS)
        layers += [
            nn.Conv2d(wide, fewer, 3, padding=1),
            nn.BatchNorm2d(fewer),
            nn.LeakyReLU(),
            nn.Upsample(scale_factor=2),
        ]
        wide = fewer
    return nn.Sequential(*layers, nn.Upsample(size=(size, size)), nn.Conv2d(wide, channels, 3, padding=1))


class Autoencoding(ImageTask):
    """Mean squared error over all values of the normalized input; the embedding is the bottleneck."""

    def head(self, data: Dataset) -> nn.Module:
        """Return a decoder to the size and channels of the input."""
        return decoder(self.shapes.width, self.preprocessing.size, self.preprocessing.in_channels)

    def views(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images twice."""
        return images, images

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean of (output - target)^2 over all values."""
        return functional.mse_loss(outputs, targets)


class Denoising(Autoencoding):
    """The same from an input to which Gaussian noise of sigma = 1 is added (Vincent et al. 2008).

    Sigma is in units of the network's normalized input; the paper corrupts by masking.
    """

    def views(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images with noise, and without."""
        return images + SIGMA * torch.randn_like(images), images
