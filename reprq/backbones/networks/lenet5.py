"""LeNet-5 of LeCun et al. 1998 for gray images of digits, with the widths of Robledo Díaz 2023."""

import torch
from torch import nn


class LeNet5(nn.Module):
    """Three convolutions and two dense layers for 28 x 28 images.

    5 x 5 convolutions with 6, 16 and 144 filters (the original has 120; the report's 144 make a 12 x 12 image), the
    first with a padding of 2, a tanh after each and after the dense layer F6 of 84, and 2 x 2 average pooling after the
    first two. All maps of a layer are convolved and the pooling has no weights, unlike the original; the head is
    linear.

    Args:
        num_classes: Outputs of the head.
        in_channels: 1 or 3.

    Shape:
        (n, in_channels, 28, 28) to (n, num_classes).

    Example:
        >>> LeNet5(in_channels=1).conv3(torch.zeros(2, 16, 5, 5)).shape
        torch.Size([2, 144, 1, 1])
    """

    SIZE = 28

    def __init__(self, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(in_channels, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2))
        self.conv2 = nn.Sequential(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2))
        self.conv3 = nn.Sequential(nn.Conv2d(16, 144, 5), nn.Tanh())
        self.f6 = nn.Sequential(nn.Linear(144, 84), nn.Tanh())
        self.fc = nn.Linear(84, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the (n, num_classes) logits of (n, in_channels, 28, 28) images."""
        x = self.conv3(self.conv2(self.conv1(x)))
        logits: torch.Tensor = self.fc(self.f6(x.flatten(1)))
        return logits
