"""Reading layers while a network runs: hooks that take what a module puts out before anything can overwrite it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Generic, Self, TypeVar

import torch
from torch import nn

from reprq.backbones.batch import count, put_out
from reprq.backbones.layers.selection import Layer
from reprq.data import Batch
from reprq.errors import InputError

T = TypeVar("T")


class _PassDone(BaseException):
    """Ends the forward pass after the last layer wanted; no `except Exception` of a network may catch it."""


class Tap(Generic[T]):
    """Reads layers during forward passes, each of which ends as soon as the last of them was read.

    A context manager, since its hooks must go again. Gradients, autocast and devices are the caller's to choose.

    Args:
        network: The network.
        layers: Layers as `Backbone.select_layers` returns them, of different names.
        take: Called with a layer and its tensor inside the hook: what it returns is not changed by an in-place
            operation that follows, unless it is the tensor itself or a view of it.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True))
        >>> with Tap(network, [Layer(0, "conv", "0")], lambda layer, output: output.amax((2, 3))) as tap:
        ...     tap(torch.zeros(2, 3, 5, 5))["conv"].shape
        torch.Size([2, 8])
    """

    def __init__(self, network: nn.Module, layers: Sequence[Layer], take: Callable[[Layer, torch.Tensor], T]) -> None:
        self.network, self.layers, self.take = network, tuple(layers), take
        self._calls: Counter[str] = Counter()
        self._taken: dict[str, T] = {}
        self._rows = 0
        self._hooks = ExitStack()

    def __enter__(self) -> Self:
        self._hooks.enter_context(hooked(self.network, self.layers, self._on_call))
        return self

    def __exit__(self, *error: object) -> None:
        self._hooks.close()

    def __call__(self, inputs: Batch) -> dict[str, T]:
        """Run the network on a batch and return what `take` made of every layer, by name, in the order of the layers.

        Raises:
            InputError: A layer that was not called, or whose batch axis has not the size of the batch.
        """
        self._calls.clear()
        self._taken, self._rows = {}, count(inputs)
        with suppress(_PassDone):
            put_out(self.network, inputs)
        for layer in self.layers:
            if layer.name not in self._taken:
                calls = self._calls[layer.name]
                raise InputError(
                    f"layer {layer.name!r} is read at call {layer.call} of module {layer.module!r}, which was called"
                    f" {calls} times in this pass; its calls must not depend on what it is given"
                )
        return {layer.name: self._taken[layer.name] for layer in self.layers}

    @property
    def reached(self) -> str | None:
        """The layer that was read last in the last pass; None where the pass ended before any."""
        return next(reversed(self._taken), None)

    def _on_call(self, layer: Layer, value: Any) -> None:
        self._calls[layer.name] += 1
        if self._calls[layer.name] != layer.call + 1:
            return
        tensor = find_tensor(value, layer.item)
        if tensor is None:
            raise InputError(f"layer {layer.name!r} puts out no tensor but {_described(value)}; choose another layer")
        _check_batch_axis(layer, tensor, self._rows)
        self._taken[layer.name] = self.take(layer, tensor)
        if len(self._taken) == len(self.layers):
            raise _PassDone


@contextmanager
def hooked(network: nn.Module, layers: Sequence[Layer], note: Callable[[Layer, Any], None]) -> Iterator[None]:
    """Call `note` with a layer and the value it puts out or takes in, at every call of its module."""
    handles = []
    try:
        for layer in layers:
            module = network.get_submodule(layer.module)
            if layer.where == "input":
                hook = _input_hook(layer, note)  # prepended: other hooks may change what the module is given
                handles.append(module.register_forward_pre_hook(hook, prepend=True, with_kwargs=True))
            else:
                handles.append(module.register_forward_hook(_output_hook(layer, note)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _input_hook(layer: Layer, note: Callable[[Layer, Any], None]) -> Callable[..., None]:
    return lambda module, inputs, named: note(layer, (*inputs, *named.values()))


def _output_hook(layer: Layer, note: Callable[[Layer, Any], None]) -> Callable[..., None]:
    return lambda module, inputs, output: note(layer, output)


def find_tensor(value: Any, item: str = "") -> torch.Tensor | None:
    """Return the tensor that a layer is read from, None where there is none.

    Args:
        value: A tensor, or tuples, lists and mappings of tensors.
        item: The way to it, as "1" or "hidden_states.3"; empty takes "last_hidden_state" of a mapping that has it,
            else the first tensor in order.

    Raises:
        InputError: The value has no such item.

    Example:
        >>> find_tensor((None, {"a": torch.ones(2)}))
        tensor([1., 1.])
    """
    for key in item.split(".") if item else ():
        try:
            value = value[int(key) if isinstance(value, (tuple, list)) else key]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise InputError(f"item {item!r} must be in what the layer puts out, {_described(value)}") from error
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, Mapping):
        value = [value["last_hidden_state"]] if "last_hidden_state" in value else list(value.values())
    if isinstance(value, (tuple, list)):
        return next((found for part in value if (found := find_tensor(part)) is not None), None)
    return None


def _check_batch_axis(layer: Layer, tensor: torch.Tensor, rows: int) -> None:
    """Raise an `InputError` unless the tensor has the axes of its layer, the batch axis as long as the batch."""
    shape = tuple(tensor.shape)
    if len(shape) != len(layer.layout) or shape[layer.batch_axis] != rows:
        raise InputError(
            f"layer {layer.name!r} must put out the axes {layer.layout} with N = {rows} items, got shape {shape};"
            f" choose another layer"
        )


def _described(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} of {', '.join(map(str, value)) or 'nothing'}"
    return f"a {type(value).__name__}" + (f" of {len(value)}" if isinstance(value, (tuple, list)) else "")
