"""The geometric transformations of images that a network can be asked to tell apart (Golan & El-Yaniv 2018)."""

from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Transformation(NamedTuple):
    """A mirror image, then a move by a quarter of the side, then quarter turns.

    Attributes:
        flip: 1 mirrors left and right, 0 does not.
        across: 0 stays, 1 moves to the left, 2 to the right.
        down: 0 stays, 1 moves up, 2 down.
        turns: Quarter turns against the clock, 0 to 3.
    """

    flip: int
    across: int
    down: int
    turns: int


ALL = tuple(Transformation(*each) for each in product(range(2), range(3), range(3), range(4)))
UNMIRRORED = tuple(each for each in ALL if not each.flip)
_MOVES = (0, -1, 1)


def pixel_sources(transformations: tuple[Transformation, ...], side: int) -> Tensor:
    """Return (T, side * side): from which pixel each pixel of a transformed square image comes.

    What moves in over an edge is the image mirrored at that edge.

    Example:
        >>> turned, moved = Transformation(0, 0, 0, 1), Transformation(0, 1, 0, 0)
        >>> pixel_sources((turned, moved), 4).reshape(2, 4, 4)[:, 0]
        tensor([[ 3,  7, 11, 15],
                [ 1,  2,  3,  2]])
    """
    pixels, by = np.arange(side * side).reshape(side, side), max(1, side // 4)
    found = []
    for each in transformations:
        wide = np.pad(pixels[:, ::-1] if each.flip else pixels, by, mode="reflect")
        top, left = by - by * _MOVES[each.down], by - by * _MOVES[each.across]
        found.append(np.rot90(wide[top : top + side, left : left + side], each.turns).ravel())
    return torch.from_numpy(np.stack(found))


def transformed(x: Tensor, sources: Tensor) -> Tensor:
    """Return images of the same shape, (n, C, side, side), by (n, side * side) or one row of sources."""
    of_all = sources.expand(len(x), -1)[:, None].expand(-1, x.shape[1], -1)
    found = x.flatten(2).gather(2, of_all).reshape(x.shape)
    return found.contiguous(memory_format=torch.channels_last)
