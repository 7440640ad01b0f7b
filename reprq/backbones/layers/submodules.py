"""Layers that are no stage: any submodule of a network by its dotted name, or many by a glob."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from torch import nn

from reprq.backbones.layers.probing import probe, settle
from reprq.backbones.layers.selection import Layer, is_glob, path_matches
from reprq.data import Transform
from reprq.errors import InputError, UnknownNameError

_TOKEN = re.compile(r"(?P<path>[^@#]*)(@(?P<call>\d+))?(#(?P<item>[^#]+))?")


def submodules_named(network: nn.Module, token: str, owner: str) -> list[Layer]:
    """Return a layer, not yet settled, for every submodule that a token names; none where it is no dotted name.

    Args:
        network: The network.
        token: "layer1.0.conv2", a glob ("blocks.*"), either with "@CALL" (from 0; the last by default) and "#ITEM"
            after it. "#ITEM" alone is of what the network itself puts out.
        owner: Whose layers they are, for the error.

    Raises:
        UnknownNameError: A dotted name of which only the beginning exists; lists what there is.
    """
    names = [name for name, _ in network.named_modules(remove_duplicate=False)]
    if token in names:  # whatever signs it is made of
        return [Layer(-1, token, token, layout="auto", call=-1)]
    found = _TOKEN.fullmatch(token)
    if found is None or not (found["path"] or found["item"]):
        return []
    path, call, item = found["path"], int(found["call"] or -1), found["item"] or ""
    paths = [name for name in names if path_matches(name, path) and (name or not is_glob(path))]
    if not paths and "." in path and not is_glob(path):
        _refuse(names, path, owner)
    suffix = token[len(path) :]
    return [Layer(-1, f"{name}{suffix}", name, layout="auto", item=item, call=call) for name in paths]


def _refuse(names: Sequence[str], path: str, owner: str) -> None:
    parts = path.split(".")
    known = max((".".join(parts[:n]) for n in range(len(parts)) if ".".join(parts[:n]) in names), key=len, default="")
    if known:
        inside = [name for name in names if name.startswith(f"{known}.") and name.count(".") == known.count(".") + 1]
        raise UnknownNameError(f"layer of {owner}", path, inside or [known])


def in_order(
    network: nn.Module,
    layers: Sequence[Layer],
    transform: Transform,
    *,
    stages: Sequence[Layer] = (),
    optional: Collection[str] = (),
) -> list[Layer]:
    """Return layers with what a forward pass tells of them (number, call, layout), in the order of computation.

    A layer of number -1 gets the number of the stage that contains it, else of the last stage computed before it, else
    0.

    Args:
        network: The network.
        layers: Some stages and others.
        transform: From an item to the network's input.
        stages: All stages of the network.
        optional: Names of layers that are left out if their module is not called or puts out no tensor; of layers that
            have a number, also if they cannot be read for another reason.

    Raises:
        InputError: A layer that cannot be read.
    """
    calls = probe(network, [*layers, *(stage for stage in stages if stage not in layers)], transform)
    channels_last = any(stage.layout == "NHWC" for stage in stages)
    ends = {stage: calls[stage][-1].turn for stage in stages if calls[stage]}
    found = []
    for layer in layers:
        if layer.name in optional and all(call.shape is None for call in calls[layer]):
            continue
        try:
            turn, settled = settle(network, layer, calls[layer], transform, channels_last=channels_last)
        except InputError:
            if layer.name in optional and layer.number >= 0:
                continue
            raise
        number = layer.number if layer.number >= 0 else _number(layer, turn, ends)
        found.append((turn, replace(settled, number=number)))
    return [layer for _, layer in sorted(found, key=lambda pair: pair[0])]


def _number(layer: Layer, turn: int, ends: Mapping[Layer, int]) -> int:
    for stage in ends:
        if stage.name != "pooled" and layer.module.startswith(f"{stage.module}."):
            return stage.number
    return max((stage.number for stage, end in ends.items() if end < turn), default=0)
