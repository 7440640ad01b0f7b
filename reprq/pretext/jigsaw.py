"""Tell in which order the tiles of an image stand (Noroozi & Favaro 2016)."""

from functools import lru_cache
from itertools import permutations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from reprq.data import Dataset
from reprq.pretext.classification import Classification
from reprq.pretext.image_task import ImageTask
from reprq.pretext.task import Shapes
from reprq.training import Inputs

ORDERS = 100
_SMALL_SIDE, _HIDDEN, _LEAST_DEVIATION = 96, 256, 1e-3


@lru_cache
def far_orders(tiles: int, count: int = ORDERS, seed: int = 0) -> NDArray[np.int64]:
    """Return (count, tiles) permutations that are far from each other, fewer where there are fewer.

    The first is drawn; each further one has, of those left, the largest sum of Hamming distances to all chosen before
    (algorithm 1 of the paper); of equals the first in the order of the alphabet.

    Args:
        tiles: How many things are put in order, at most 9: all orders are listed.
        count: How many permutations.
        seed: Of the first.

    Example:
        >>> far_orders(4, 3).tolist()
        [[3, 1, 0, 2], [0, 2, 1, 3], [1, 3, 2, 0]]
    """
    every = np.array(list(permutations(range(tiles))), dtype=np.int8)
    chosen = [int(np.random.default_rng(seed).integers(len(every)))]
    distance = np.zeros(len(every), dtype=np.int64)
    while len(chosen) < min(count, len(every)):
        distance += (every != every[chosen[-1]]).sum(axis=1)
        distance[chosen[-1]] = np.iinfo(np.int64).min // 2  # taken
        chosen.append(int(distance.argmax()))
    found = every[chosen].astype(np.int64)
    found.setflags(write=False)
    return found


class Jigsaw(Classification, ImageTask):
    """Cross entropy, in nats, over a fixed set of far orders of the tiles: 100 of 3 x 3, all 24 of 2 x 2.

    Images of a side below 96 pixels are cut 2 x 2, larger ones 3 x 3 as in the paper. A tile is three quarters of its
    cell wide and lies anywhere in it, so that edges do not go on from tile to tile, and each is normalized by its own
    mean and deviation in each channel. The network embeds every tile by itself, at the tile's size where it runs on
    that, else scaled bilinearly to the side that the network takes; the embeddings, side by side, go through one
    hidden layer of 256 units. Deviations: 100 orders (the paper: 1,000) and no spatial jitter of color channels.
    """

    def __init__(self, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.grid = 2 if self.preprocessing.size < _SMALL_SIDE else 3
        self.orders = torch.from_numpy(far_orders(self.grid**2).copy())
        cell = max(1, self.preprocessing.size // self.grid)
        self.side = max(1, 3 * cell // 4)
        self._seen = self.preprocessing.size

    def head(self, data: Dataset) -> nn.Module:
        """Return one hidden layer over the embeddings of an image's tiles."""
        tiles = self.grid**2
        return nn.Sequential(
            Together(tiles),
            nn.Linear(tiles * self.shapes.width, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, len(self.orders)),
        )

    def prepare(self, trunk: nn.Module, inputs: Inputs | Tensor) -> None:
        """Find out whether the network runs on images as small as a tile."""
        trunk.eval()
        with torch.no_grad():
            try:
                found: Any = trunk(torch.zeros(1, self.preprocessing.in_channels, self.side, self.side))
            except (RuntimeError, ValueError, AssertionError):
                return
        if found.shape == (1, self.shapes.width):
            self._seen = self.side

    def views(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (n * tiles, C, side, side) tiles, image by image in a drawn order, and the n numbers of orders."""
        n, tiles = len(images), self.grid**2
        numbers = torch.randint(len(self.orders), (n,), device=images.device)
        order = self.orders.to(images.device)[numbers]
        cut = _cut(images, self.grid, self.side)
        shuffled = cut.gather(1, order[:, :, None, None, None].expand_as(cut)).flatten(0, 1)
        shuffled = _normalized(shuffled)
        if self._seen != self.side:
            size = (self._seen, self._seen)
            shuffled = functional.interpolate(shuffled, size=size, mode="bilinear", align_corners=False)
        assert len(shuffled) == n * tiles
        return shuffled, numbers


class Together(nn.Module):
    """From the (n * tiles, width) embeddings of tiles to (n, tiles * width), those of an image side by side."""

    def __init__(self, tiles: int) -> None:
        super().__init__()
        self.tiles = tiles

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the rows, joined."""
        return embeddings.reshape(-1, self.tiles * embeddings.shape[1])


def _cut(images: Tensor, grid: int, side: int) -> Tensor:
    """Return the (n, tiles, C, side, side) tiles, row by row, each at a random place of its cell."""
    n, device = len(images), images.device
    cell = images.shape[-1] // grid
    corner = torch.arange(grid, device=device) * cell
    shift = torch.randint(cell - side + 1, (2, n, grid, grid), device=device)
    pixel = torch.arange(side, device=device)
    rows = (corner[:, None] + shift[0]).flatten(1)[:, :, None] + pixel
    columns = (corner + shift[1]).flatten(1)[:, :, None] + pixel
    image = torch.arange(n, device=device)[:, None, None, None]
    found: Tensor = images.permute(0, 2, 3, 1)[image, rows[:, :, :, None], columns[:, :, None, :]]
    return found.permute(0, 1, 4, 2, 3)


def _normalized(tiles: Tensor) -> Tensor:
    """Return each tile less its mean, by its deviation, channel by channel; one of a single color becomes 0."""
    deviation, mean = torch.std_mean(tiles, dim=(2, 3), correction=0, keepdim=True)
    return (tiles - mean) / deviation.clamp(min=_LEAST_DEVIATION)
