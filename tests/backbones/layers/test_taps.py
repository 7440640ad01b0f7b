from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from reprq.backbones import Layer, Tap
from reprq.backbones.layers.taps import find_tensor
from reprq.errors import InputError


class Chain(nn.Module):
    """Two convolutions with one ReLU, in place, between and after them; then a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 2)
        self.ran: list[str] = []
        for name, module in self.named_children():
            module.register_forward_hook(lambda *_, name=name: self.ran.append(name))

    def forward(self, x: torch.Tensor) -> Any:
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        return self.head(x.mean((2, 3)))


X = torch.randn(5, 3, 6, 6, generator=torch.Generator().manual_seed(0))


def _keep(layer: Layer, output: torch.Tensor) -> torch.Tensor:
    return output.clone()


def test_every_layer_is_what_its_module_put_out_before_it_was_overwritten() -> None:
    network = Chain().eval()
    layers = [Layer(0, "conv1", "conv1"), Layer(1, "conv2", "conv2"), Layer(2, "in", "head", "input", "ND")]
    with torch.no_grad(), Tap(network, layers, _keep) as tap:
        found = tap(X)
        first = network.conv1(X)
        second = network.conv2(first.relu())
    assert list(found) == ["conv1", "conv2", "in"]
    assert torch.equal(found["conv1"], first)
    assert found["conv1"].min() < 0
    assert torch.equal(found["conv2"], second)
    assert torch.equal(found["in"], second.relu().mean((2, 3)))


@pytest.mark.parametrize(
    ("call", "ran"), [(0, ["conv1", "relu"]), (1, ["conv1", "relu", "conv2", "relu"])], ids=["first", "second"]
)
def test_a_pass_ends_after_the_wanted_call_of_the_last_layer(call: int, ran: list[str]) -> None:
    network = Chain().eval()
    layers = [Layer(0, "relu", "relu", call=call), Layer(0, "conv1", "conv1")]
    with torch.no_grad(), Tap(network, layers, _keep) as tap:
        for _ in range(2):
            network.ran.clear()
            found = tap(X)
            assert network.ran == ran
        convolved = [network.conv1(X)]
        convolved.append(network.conv2(convolved[0].relu()))
    assert torch.equal(found["relu"], convolved[call].relu())


def test_hooks_go_again_and_gradients_are_the_callers() -> None:
    network = Chain()
    with Tap(network, [Layer(0, "conv1", "conv1")], _keep) as tap:
        tap(X)["conv1"].sum().backward()
    assert network.conv1.weight.grad is not None
    network(X)
    assert len(network.conv1._forward_hooks) == 1  # the one of this file


class Catching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> Any:
        try:
            x = self.first(x)
        except Exception as error:
            raise AssertionError from error
        return self.second(x)


def test_no_network_catches_the_end_of_the_pass() -> None:
    with Tap(Catching(), [Layer(0, "first", "first", layout="ND")], _keep) as tap:
        assert tap(torch.zeros(3, 2))["first"].shape == (3, 2)


class Fork(nn.Module):
    """Puts out what it is told to."""

    def __init__(self, make: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.part, self.make = nn.Identity(), make

    def forward(self, x: torch.Tensor) -> Any:
        return self.make(self.part(x))


@pytest.mark.parametrize(
    ("shape", "layout"),
    [((4, 7, 8), "NLD"), ((7, 4, 8), "LND"), ((7, 5, 8), "NLD"), ((10, 3, 2, 2), "NCHW"), ((5, 8), "NCHW")],
)
def test_a_batch_axis_of_another_length_is_refused(shape: tuple[int, ...], layout: Any) -> None:
    network = Fork(lambda x: torch.zeros(shape))
    with (
        Tap(network, [Layer(0, "part", "", layout=layout)], _keep) as tap,
        pytest.raises(InputError, match=rf"layer 'part' must put out the axes {layout} with N = 5 items, got shape \("),
    ):
        tap(X)


def test_a_layer_that_is_not_called_is_named() -> None:
    with (
        Tap(Chain(), [Layer(0, "relu", "relu", call=2)], _keep) as tap,
        pytest.raises(InputError, match="'relu' is read at call 2 of module 'relu', which was called 2 times"),
    ):
        tap(X)


ONE, TWO, THREE = (torch.full((1,), float(n)) for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("value", "item", "expected"),
    [
        (ONE, "", ONE),
        ((ONE, TWO), "", ONE),
        ((None, [3, TWO], ONE), "", TWO),
        ({"a": ONE, "last_hidden_state": TWO}, "", TWO),
        ({"a": None, "b": ONE}, "", ONE),
        ((ONE, TWO), "1", TWO),
        ((ONE, TWO), "-1", TWO),
        ({"a": ONE, "b": (TWO, THREE)}, "b", TWO),
        ({"a": ONE, "b": (TWO, THREE)}, "b.1", THREE),
        ((3, "x", None), "", None),
        ({}, "", None),
    ],
)
def test_of_tuples_and_dicts_one_tensor_is_read(value: Any, item: str, expected: Any) -> None:
    assert find_tensor(value, item) is expected


@pytest.mark.parametrize(
    ("value", "item", "got"),
    [
        ((ONE, TWO), "2", "a tuple of 2"),
        ((ONE, TWO), "a", "a tuple of 2"),
        ({"a": ONE, "b": TWO}, "c", "a dict of a, b"),
        (3, "0", "a int"),
    ],
)
def test_an_item_that_there_is_not_says_what_there_is(value: Any, item: str, got: str) -> None:
    with pytest.raises(InputError, match=f"item '{item}' must be in what the layer puts out, {got}"):
        find_tensor(value, item)
