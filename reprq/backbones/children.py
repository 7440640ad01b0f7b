"""The layers of a network of an unknown family: its children, and the input of its last linear layer."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from torch import nn

from reprq.backbones.layers import Layer
from reprq.backbones.probing import probe
from reprq.backbones.submodules import in_order


def child_layers(network: nn.Module, image_shape: tuple[int, int, int]) -> list[Layer]:
    """Return the children of a network that put out tensors, and "pooled" after them.

    Instead of a child that is never called (a list of modules), or an only child (a wrapper), its own children count.
    "pooled" is the input of a last linear layer; a network without one has none.
    """
    candidates = [Layer(-1, name, name) for name, _ in network.named_modules() if name]
    calls = probe(network, candidates, image_shape)
    called = {layer.name for layer in candidates if calls[layer]}
    children = [Layer(0, name, name, layout="auto", call=-1) for name in _outer(network, called)]
    pooled = _pooled(network, image_shape)
    found = in_order(network, [*children, *pooled], image_shape, optional=[layer.name for layer in children])
    return numbered(sorted(found, key=lambda layer: layer.name == "pooled"))


def numbered(layers: Sequence[Layer]) -> list[Layer]:
    """Return layers numbered from 0 in their order."""
    return [replace(layer, number=number) for number, layer in enumerate(layers)]


def _outer(network: nn.Module, called: set[str], path: str = "") -> Iterator[str]:
    """Yield the children of a network; instead of a child that is never called, or an only child, its children."""
    module = network.get_submodule(path)
    children = [f"{path}.{name}" if path else name for name, _ in module.named_children()]
    for child in children:
        inner = any(network.get_submodule(child).children())
        if (child not in called or len(children) == 1) and inner:
            yield from _outer(network, called, child)
        elif child in called:
            yield child


def _pooled(network: nn.Module, image_shape: tuple[int, int, int]) -> list[Layer]:
    """Return the input of the last linear layer, if it takes vectors and is the last module with weights to run.

    A linear layer inside a block of convolutions (squeeze and excitation) is none: it must put out as many numbers as
    the network, or be a child of the network itself.
    """
    weighted = [
        Layer(-1, name, name, call=-1)
        for name, module in network.named_modules()
        if name and next(module.parameters(recurse=False), None) is not None
    ]
    whole = Layer(-1, "", "")
    calls = probe(network, [*weighted, whole], image_shape)
    last = max((layer for layer in weighted if calls[layer]), key=lambda layer: calls[layer][-1].turn, default=None)
    if last is None or not isinstance(network.get_submodule(last.module), nn.Linear):
        return []
    out = calls[last][-1].shape
    if out is None or len(out) != 2 or (out != calls[whole][-1].shape and "." in last.module):
        return []
    return [Layer(0, "pooled", last.module, where="input", layout="auto", call=-1)]
