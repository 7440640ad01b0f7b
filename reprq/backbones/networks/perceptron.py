"""A multilayer perceptron for rows of tables."""

from itertools import pairwise

import torch
from torch import nn


class Perceptron(nn.Module):
    """Linear layers with ReLUs and a linear head, the encoder of Bahri et al. 2022: four layers of 256 units.

    Weights are PyTorch's default, uniform in +-1 / sqrt(fan in).

    Args:
        in_features: The numbers of a row.
        num_classes: Outputs of the head.
        depth: Hidden layers.
        width: Units of each.

    Shape:
        (n, in_features) to (n, num_classes).
    """

    DEPTH, WIDTH = 4, 256

    def __init__(self, in_features: int, num_classes: int = 2, depth: int = DEPTH, width: int = WIDTH) -> None:
        super().__init__()
        sizes = [in_features, *[width] * depth]
        self.blocks = nn.Sequential(*(nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(sizes)))
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the (n, num_classes) logits of (n, in_features) rows."""
        logits: torch.Tensor = self.fc(self.blocks(x))
        return logits
