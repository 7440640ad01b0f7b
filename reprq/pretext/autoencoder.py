"""Rebuild the image from its embedding."""

import math

from torch import Tensor, nn
from torch.nn import functional

from reprq.data import ImageDataset
from reprq.pretext.task import Shapes

_START, _CHANNELS, _LEAST_CHANNELS = 4, 128, 16


class Autoencoder:
    """Mean squared error over all values of the normalised input; the embedding is the bottleneck."""

    def head(self, shapes: Shapes, data: ImageDataset) -> nn.Module:
        """Return a decoder: 4 x 4 maps from a linear layer, convolved and doubled up to the size."""
        layers: list[nn.Module] = [
            nn.Linear(shapes.width, _CHANNELS * _START**2),
            nn.Unflatten(1, (_CHANNELS, _START, _START)),
        ]
        channels = _CHANNELS
        for _ in range(max(0, math.ceil(math.log2(shapes.size / _START)))):
            fewer = max(channels // 2, _LEAST_CHANNELS)
            layers += [
                nn.Conv2d(channels, fewer, 3, padding=1),
                nn.BatchNorm2d(fewer),
                nn.LeakyReLU(),
                nn.Upsample(scale_factor=2),
            ]
            channels = fewer
        return nn.Sequential(
            *layers, nn.Upsample(size=(shapes.size, shapes.size)), nn.Conv2d(channels, shapes.channels, 3, padding=1)
        )

    def views(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images twice."""
        return images, images

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean of (output - target)^2 over all values."""
        return functional.mse_loss(outputs, targets)

    def accuracy(self, outputs: Tensor, targets: Tensor) -> None:
        """Return None: there is no right or wrong."""
