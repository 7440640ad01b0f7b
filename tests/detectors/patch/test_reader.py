import numpy as np
import pytest
import torch
from torch import nn

from reprq.backbones import Layer, load_backbone
from reprq.backbones.sources.python import as_backbone
from reprq.detectors.patch.reader import PatchReader, as_maps
from reprq.errors import InputError


class _Two(nn.Module):
    """A map of the pixels themselves, and one of their averages over 2 x 2."""

    def __init__(self):
        super().__init__()
        self.fine, self.coarse = nn.Identity(), nn.AvgPool2d(2)

    def forward(self, x):
        return self.coarse(self.fine(x))


@pytest.fixture
def two():
    return as_backbone(_Two(), preprocessing={"size": 8, "mean": 0.0, "std": 1.0}, layers=["fine", "coarse"])


def neighborhood(x, i, j, reach):
    return x[max(i - reach, 0) : i + reach + 1, max(j - reach, 0) : j + reach + 1].mean()


def test_patches_are_averages_over_neighbors_without_what_is_beyond_the_border(two):
    x = torch.rand(2, 3, 8, 8)
    reader = PatchReader(two, "fine", average=3)
    found = reader(x).numpy()
    assert (reader.grid, reader.widths, found.shape) == ((8, 8), (3,), (2, 64, 3))
    for i, j, channel in ((0, 0, 0), (0, 5, 1), (7, 7, 2), (3, 4, 0)):
        assert found[1, 8 * i + j, channel] == pytest.approx(neighborhood(x[1, channel].numpy(), i, j, 1))
    np.testing.assert_array_equal(PatchReader(two, "fine", average=1)(x)[0, :, 2], x[0, 2].flatten())
    unit = PatchReader(two, "fine", normalize=True)(x).numpy()
    np.testing.assert_allclose(unit, found / np.linalg.norm(found, axis=2, keepdims=True), rtol=1e-5)


def test_layers_stand_side_by_side_on_the_larger_grid(two):
    x = torch.rand(1, 3, 8, 8)
    reader = PatchReader(two, ["coarse", "fine"], average=1)
    found = reader(x)
    assert (reader.grid, reader.widths, found.shape) == ((8, 8), (3, 3), (1, 64, 6))
    coarse = nn.functional.avg_pool2d(x, 2)
    # pixel 2 lies a quarter of a coarse pixel before the middle of coarse pixel 1
    between = 0.25 * coarse[0, 0, 1, 0] + 0.75 * coarse[0, 0, 1, 1]
    along = 0.25 * coarse[0, 0, 0, 0] + 0.75 * coarse[0, 0, 0, 1]
    assert found[0, 2 * 8 + 2, 3].item() == pytest.approx((0.75 * between + 0.25 * along).item(), rel=1e-5)


def test_a_smaller_grid_is_made_of_averages(two):
    x = torch.rand(1, 3, 8, 8)
    found = PatchReader(two, ["fine", "coarse"], average=1, grid=4)(x)
    coarse = nn.functional.avg_pool2d(x, 2).flatten(2).transpose(1, 2)
    np.testing.assert_allclose(found, torch.cat([coarse, coarse], dim=2), rtol=1e-5)


def test_tokens_are_maps_without_class_token_and_registers():
    tokens = torch.arange(2 * 11 * 3.0).reshape(2, 11, 3)
    layer = Layer(0, "blocks", "blocks", layout="NLD", class_token=True, registers=1)
    maps = as_maps(layer, tokens)
    assert maps.shape == (2, 3, 3, 3)
    assert maps[1, 2, 1, 0] == tokens[1, 2 + 3, 2]
    first = Layer(0, "blocks", "blocks", layout="LND", class_token=True, registers=1)
    assert torch.equal(as_maps(first, tokens.transpose(0, 1)), maps)
    last = Layer(0, "blocks", "blocks", layout="NHWC")
    assert torch.equal(as_maps(last, maps.movedim(1, -1)), maps)
    with pytest.raises(InputError, match="layer blocks must have a square of tokens, got 10"):
        as_maps(Layer(0, "blocks", "blocks", layout="NLD", class_token=True), tokens)


def test_a_layer_without_positions_is_refused():
    with pytest.raises(InputError, match="layer pooled of lenet has no positions .* such as conv1, conv2, conv3"):
        PatchReader(load_backbone("lenet", "random"), -1)


class _Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.token, self.block = nn.Conv2d(3, 6, 4, 4), nn.Parameter(torch.zeros(1, 1, 6)), nn.Linear(6, 6)

    def forward(self, x):
        patches = self.embed(x).flatten(2).transpose(1, 2)
        return self.block(torch.cat([self.token.expand(len(x), -1, -1), patches], dim=1))


def test_a_transformer_has_patches_too():
    tokens = as_backbone(_Tokens(), preprocessing={"size": 16}, layers=["embed", "block"])
    reader = PatchReader(tokens, "all")
    assert (reader.grid, reader.widths) == ((4, 4), (6, 6))
    assert reader(tokens.preprocessing.noise(2, 0)).shape == (2, 16, 12)
