"""Tell by how much an image was turned (RotNet; Gidaris, Singh & Komodakis 2018)."""

import torch
from torch import Tensor, nn

from reprq.data import Dataset
from reprq.pretext.classification import Classification

TURNS = 4


class Rotation(Classification):
    """Cross entropy, in nats, over the four multiples of 90 degrees (equations 2 and 3).

    As in the paper, a batch holds all four copies of each of its images.
    """

    def head(self, data: Dataset) -> nn.Module:
        """Return a linear layer with four outputs."""
        return nn.Linear(self.shapes.width, TURNS)

    def views(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return each image turned by 0, 90, 180 and 270 degrees, and the number of quarter turns."""
        turned = torch.cat([torch.rot90(images, turn, dims=(2, 3)) for turn in range(TURNS)])
        return turned, torch.arange(TURNS, device=images.device).repeat_interleave(len(images))
