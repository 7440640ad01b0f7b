"""The residual networks for 32 x 32 images of He et al. 2016, section 4.2."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812


class CifarResNet(nn.Module):
    """A 3 x 3 convolution, then three stages of n basic blocks with 16, 32 and 64 channels: 6n + 2 layers.

    The first block of stages two and three halves the side; its shortcut has no parameters (option A of the paper): it
    takes every second pixel and pads the channels with zeros, as many before as after.

    Args:
        depth: 20, 32, 44, 56 or 110 (6n + 2).
        num_classes: Outputs of the head.
        in_channels: 1 or 3.

    Shape:
        (n, in_channels, 32, 32) to (n, num_classes).
    """

    def __init__(self, depth: int = 20, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()
        blocks = (depth - 2) // 6
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = _stage(16, 16, blocks, stride=1)
        self.layer2 = _stage(16, 32, blocks, stride=2)
        self.layer3 = _stage(32, 64, blocks, stride=2)
        self.linear = nn.Linear(64, num_classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the (n, num_classes) logits of (n, in_channels, 32, 32) images."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: torch.Tensor = self.linear(x.mean((2, 3)))
        return logits


class _Block(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.stride = stride
        self.padding = (out_channels - in_channels) // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        shortcut = F.pad(x[..., :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(y + shortcut)


def _stage(in_channels: int, out_channels: int, blocks: int, stride: int) -> nn.Sequential:
    first = _Block(in_channels, out_channels, stride)
    return nn.Sequential(first, *(_Block(out_channels, out_channels, 1) for _ in range(blocks - 1)))
