"""The residual network for 32 x 32 images of Deecke et al. 2021."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812


class ResNet26(nn.Module):
    """A 3 x 3 convolution, then three stages of four basic blocks with 64, 128 and 256 channels: 26 layers with a head.

    The paper names it and does not draw it; this is what its released code has, with the names of its weights. The
    first block of stages two and three halves the side; its shortcut averages 2 x 2 pixels and puts channels of zeros
    after those that it has. Batch normalization and a ReLU come once more before the average over positions.
    Convolutions start at N(0, 2 / (k^2 C_out)). It differs in width, shortcut and last layers from `CifarResNet`.

    Args:
        num_classes: Outputs of the head.
        in_channels: 1 or 3.

    Shape:
        (n, in_channels, H, W) to (n, num_classes); H and W are multiples of 4.

    Example:
        >>> sum(p.numel() for p in ResNet26(num_classes=1).parameters())
        5834305
    """

    MEAN = (0.491373, 0.482353, 0.446667)  # of CIFAR-10, as released
    STD = (0.247059, 0.243529, 0.261569)

    def __init__(self, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()
        self.pre_conv = nn.Conv2d(in_channels, 64, 3, padding=1, bias=False)
        self.pre_bn = nn.BatchNorm2d(64)
        self.pre_relu = nn.ReLU()
        self.layer1 = _stage(64, 64)
        self.layer2 = _stage(64, 128)
        self.layer3 = _stage(128, 256)
        self.end_bn_relu = nn.Sequential(nn.BatchNorm2d(256), nn.ReLU())
        self.linears = nn.Linear(256, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the (n, num_classes) logits of (n, in_channels, H, W) images."""
        x = self.pre_relu(self.pre_bn(self.pre_conv(x)))
        x = self.end_bn_relu(self.layer3(self.layer2(self.layer1(x))))
        logits: torch.Tensor = self.linears(x.mean((2, 3)))
        return logits


class _BasicBlock(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.widens = out_channels > in_channels
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, 2 if self.widens else 1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.widens:
            half = F.avg_pool2d(x, 2)
            x = torch.cat([half, torch.zeros_like(half)], 1)
        return F.relu(y + x)


def _stage(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        _BasicBlock(in_channels, out_channels), *(_BasicBlock(out_channels, out_channels) for _ in range(3))
    )
