"""The small LeNet of the one-class literature."""

import torch
from torch import nn


class LeNet(nn.Module):
    """Three convolutions and one dense layer for 32 x 32 images, after Ruff et al. 2018, appendix B.

    Each of the three modules is a 5 x 5 convolution (32, 64 and 128 filters), batch normalization, a leaky ReLU and a
    2 x 2 max-pooling; the dense layer gives the embedding. Unlike the paper's and the thesis' (Ruff 2021, section 2.2),
    which serve Deep SVDD, it has biases, affine batch normalization with eps = 1e-5 (theirs: not affine, 1e-4), a
    leakiness of 0.01, as their released code has (the thesis says 0.1), a linear head, and PyTorch's default
    initialization, uniform in +-1 / sqrt(fan in), not Glorot's.

    Args:
        num_classes: Outputs of the head.
        in_channels: 1 or 3.

    Shape:
        (n, in_channels, 32, 32) to (n, num_classes).
    """

    SIZE = 32
    EMBEDDING = 128

    def __init__(self, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()
        self.conv1 = _module(in_channels, 32)
        self.conv2 = _module(32, 64)
        self.conv3 = _module(64, 128)
        self.embedding = nn.Linear(128 * 4 * 4, self.EMBEDDING)
        self.fc = nn.Linear(self.EMBEDDING, num_classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the (n, 128) embeddings of (n, in_channels, 32, 32) images."""
        x = self.conv3(self.conv2(self.conv1(x)))
        embedding: torch.Tensor = self.embedding(x.flatten(1))
        return embedding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the (n, num_classes) logits of (n, in_channels, 32, 32) images."""
        logits: torch.Tensor = self.fc(self.features(x))
        return logits


def _module(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 5, padding=2),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(inplace=True),
        nn.MaxPool2d(2),
    )
