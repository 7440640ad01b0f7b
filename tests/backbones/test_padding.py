"""Convolutions that mirror at borders see no edge there."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from reprq.backbones.padding import mirrored


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 3, 5, padding=2), nn.ReLU(), nn.Conv2d(3, 2, 3, stride=2, padding="valid"))
    return nn.Sequential(*layers, nn.Conv2d(2, 2, 3, padding="same"), nn.Conv2d(2, 2, 1)).eval()


def test_it_is_padding_by_hand() -> None:
    made, x = network(), torch.randn(2, 1, 9, 12)
    with torch.no_grad(), mirrored(made):
        found = made(x)
    first, _, second, third, last = made
    y = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), first.weight, first.bias).relu()
    y = F.conv2d(y, second.weight, second.bias, stride=2)
    y = F.conv2d(F.pad(y, (1, 1, 1, 1), mode="reflect"), third.weight, third.bias)
    with torch.no_grad():
        torch.testing.assert_close(found, F.conv2d(y, last.weight, last.bias))


def test_the_network_is_as_before_afterwards_also_where_it_fails() -> None:
    made, x = network(), torch.randn(2, 1, 9, 12)
    with torch.no_grad():
        before = made(x)
        with mirrored(made):
            changed = made(x)
        assert not torch.equal(before, changed)
        with pytest.raises(RuntimeError), mirrored(made):
            made(torch.randn(2, 7, 9, 12))
        assert torch.equal(made(x), before)
    assert not any(module._forward_pre_hooks for module in made.modules())


def test_maps_smaller_than_the_padding_are_repeated() -> None:
    made = nn.Conv2d(1, 1, 5, padding=2, bias=False)
    x = torch.full((1, 1, 1, 2), 3.0)
    with torch.no_grad(), mirrored(made):
        torch.testing.assert_close(made(x), (3.0 * made.weight.sum()).expand(1, 1, 1, 2))


def test_convolutions_that_mirror_already_stay() -> None:
    made = nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular")
    with mirrored(made):
        assert made.padding_mode == "circular"
    assert made.padding_mode == "circular"
