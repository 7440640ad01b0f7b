"""Jigsaw: the orders against a literal greedy rule, tiles pixel by pixel, and networks that take tiles or not."""

import itertools
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

from reprq import pretext
from reprq.backbones import Preprocessing
from reprq.data import load_dataset
from reprq.pretext.jigsaw import Jigsaw, _cut, far_orders
from reprq.pretext.task import Shapes


def made(size=32, width=8, **changes):
    return Jigsaw(Shapes(width, Preprocessing().replace(size=size, mean=0.0, std=1.0, **changes)))


def greedy(tiles, count, first):
    """Algorithm 1 of the paper, all distances anew at every step."""
    left = list(itertools.permutations(range(tiles)))
    chosen = [first]
    left.remove(first)
    while left and len(chosen) < count:
        sums = [sum(a != b for other in chosen for a, b in zip(each, other, strict=True)) for each in left]
        chosen.append(left.pop(sums.index(max(sums))))
    return chosen


@pytest.mark.parametrize(("tiles", "count"), [(3, 6), (4, 30), (5, 20)])
@pytest.mark.parametrize("seed", [0, 3])
def test_the_orders_are_those_of_the_greedy_rule(tiles, count, seed):
    found = [tuple(order) for order in far_orders(tiles, count, seed).tolist()]
    assert found == greedy(tiles, count, found[0])
    assert len(set(found)) == len(found)


def test_nine_tiles_have_orders_that_are_far_apart():
    found = far_orders(9, 100)
    assert found.shape == (100, 9)
    assert (np.sort(found, axis=1) == np.arange(9)).all()
    apart = (found[:, None] != found).sum(axis=2)[np.triu_indices(100, 1)]
    assert apart[:8].min() == 9  # the first is far from the eight after it in every place
    assert apart.mean() > 8.0  # what random orders have
    assert far_orders(9, 1, 1)[0].tolist() != found[0].tolist()


@pytest.mark.parametrize("size", [9, 32, 96])
def test_each_tile_is_cut_from_its_cell_in_its_order_and_normalized(size):
    task = made(size)
    grid, tiles, side = task.grid, task.grid**2, task.side
    assert grid == (3 if size >= 96 else 2)
    cell = size // grid
    task._seen = side  # as of a network that runs on tiles of their own size
    torch.manual_seed(0)
    images = torch.rand(2, 3, size, size)
    views, numbers = task.views(images, torch.zeros(2))
    assert views.shape == (2 * tiles, 3, side, side)
    for i, number in enumerate(numbers.tolist()):
        for place, tile in enumerate(task.orders[number].tolist()):
            top, left = (cell * part for part in divmod(tile, grid))
            found = views[i * tiles + place].numpy()
            candidates = [
                images[i, :, top + y : top + y + side, left + x : left + x + side].numpy()
                for y in range(cell - side + 1)
                for x in range(cell - side + 1)
            ]
            normal = [(c - c.mean(axis=(1, 2), keepdims=True)) / c.std(axis=(1, 2), keepdims=True) for c in candidates]
            assert min(np.abs(n - found).max() for n in normal) < 1e-4


def test_tiles_of_one_color_become_nought():
    views, _ = made().views(torch.full((2, 3, 32, 32), 0.3), torch.zeros(2))
    assert float(views.abs().max()) < 1e-3


def test_gaps_stand_between_tiles_and_their_places_vary():
    row = torch.arange(32.0).expand(1, 3, 32, 32).contiguous()
    assert made().side == 12  # of a cell of 16
    torch.manual_seed(1)
    starts = {int(_cut(row, 2, 12)[0, 0, 0, 0, 0]) for _ in range(60)}
    assert starts == set(range(5))


class _Strict(nn.Module):
    """A network that runs on one size alone."""

    def forward(self, x):
        if x.shape[-1] != 32:
            raise RuntimeError("32 pixels")
        return x.mean(dim=(2, 3)) @ torch.ones(3, 8)


class _Lenient(nn.Module):
    """A network that runs on any size."""

    def forward(self, x):
        return x.mean(dim=(2, 3)) @ torch.ones(3, 8)


@pytest.mark.parametrize(("trunk", "side"), [(_Strict(), 32), (_Lenient(), 12)])
def test_the_network_sees_tiles_at_their_size_if_it_can(trunk, side):
    task = made()
    task.prepare(trunk, torch.zeros(4, 3, 32, 32))
    views, numbers = task.views(torch.rand(5, 3, 32, 32), torch.zeros(5))
    assert views.shape == (20, 3, side, side)
    outputs = task.head(load_dataset("digits"))(trunk(views))
    assert outputs.shape == (5, 24)
    assert 0 <= task.accuracy(outputs, numbers) <= 1


def test_the_embeddings_of_an_image_stand_together():
    joined = made().head(load_dataset("digits"))[0](torch.arange(16.0).view(8, 2))
    assert joined.tolist() == [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11, 12, 13, 14, 15]]


@pytest.mark.parametrize("architecture", ["lenet", "cifar_resnet20"])
def test_the_loss_falls(tmp_path, architecture):
    given = {"epochs": 4, "batch_size": 16, "progress": False, "architecture": architecture}
    path = pretext.train_teacher("jigsaw", load_dataset("digits").sample(60), out=tmp_path / "t", **given)
    with safe_open(path, "pt") as file:
        rows = json.loads(file.metadata()["reprq"])["history"]
    assert rows[-1]["loss"] < 0.9 * rows[0]["loss"]
