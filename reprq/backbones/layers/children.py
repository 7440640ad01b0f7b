"""The layers of a network of an unknown family: its children, and the input of its last linear layer."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import nn

from reprq.backbones.batch import mapped, put_out
from reprq.backbones.layers.probing import probe
from reprq.backbones.layers.selection import Layer
from reprq.backbones.layers.submodules import in_order
from reprq.backbones.layers.taps import find_tensor
from reprq.data import Batch, Transform


def child_layers(network: nn.Module, transform: Transform) -> list[Layer]:
    """Return the children of a network that put out tensors, and "pooled" after them.

    Instead of a child that is never called (a list of modules), or an only child (a wrapper), its own children count.
    "pooled" is the input of a last linear layer; a network without one has none.
    """
    candidates = [Layer(-1, name, name) for name, _ in network.named_modules() if name]
    calls = probe(network, candidates, transform)
    called = {layer.name for layer in candidates if calls[layer]}
    children = [Layer(0, name, name, layout="auto", call=-1) for name in _outer(network, called)]
    pooled = head_input(network, transform)
    found = in_order(network, [*children, *pooled], transform, optional=[layer.name for layer in children])
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


def head_input(network: nn.Module, transform: Transform) -> list[Layer]:
    """Return the input of the last linear layer, if it takes vectors and all that the network puts out comes from it.

    The linear layer of a gate (squeeze and excitation) in a last block is none: images go round it.
    """
    weighted = [
        Layer(-1, name, name)
        for name, module in network.named_modules()
        if name and next(module.parameters(recurse=False), None) is not None
    ]
    calls = probe(network, weighted, transform)
    last = max((layer for layer in weighted if calls[layer]), key=lambda layer: calls[layer][-1].turn, default=None)
    if last is None or len(calls[last][-1].shape or ()) != 2:
        return []
    linear = network.get_submodule(last.module)
    if not isinstance(linear, nn.Linear) or not _all_comes_from(network, linear, transform):
        return []
    return [Layer(0, "pooled", last.module, where="input", layout="auto", call=-1)]


def _all_comes_from(network: nn.Module, linear: nn.Linear, transform: Transform) -> bool:
    """Whether two items look the same to a network whose linear layer puts out nothing but zeros."""
    handle = linear.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
    try:
        with torch.inference_mode():
            found = find_tensor(put_out(network, _unlike(transform, linear.weight.device)))
    finally:
        handle.remove()
    return found is not None and torch.equal(found[0], found[1])


def _unlike(transform: Transform, device: torch.device) -> Batch:
    """Two items that are unlike: a black and a white image; of other modalities two of noise."""
    blank = transform.blank(2)
    if isinstance(blank, torch.Tensor):
        blank[1] += 1
        return blank.to(device)
    return mapped(transform.noise(2, 0), lambda tensor: tensor.to(device))
