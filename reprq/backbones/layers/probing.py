"""What only a forward pass can tell of a layer: how often its module is called, and the axes of what it puts out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from math import isqrt
from typing import Any

import torch
from torch import nn

from reprq.backbones.batch import mapped, put_out
from reprq.backbones.layers.selection import Layer, Layout
from reprq.backbones.layers.taps import find_tensor, hooked
from reprq.data import Batch, Transform
from reprq.data.modality import modality_named
from reprq.errors import InputError, ReprqError, one_line

_BATCH = 3  # items of a probe: neither one nor a likely number of channels or tokens
_MOST_PREFIX_TOKENS = 32
_CLASS_TOKENS = ("cls_token", "class_token", "class_embedding", "cls_tokens")
_OTHER_TOKENS = ("dist_token", "distillation_token", "reg_token", "register_tokens", "reg_tokens")


@dataclass(frozen=True)
class Call:
    """One call of a layer's module: its turn among all calls, and the shape that was read (None for no tensor)."""

    turn: int
    shape: tuple[int, ...] | None


def probe(
    network: nn.Module, layers: Sequence[Layer], transform: Transform, batch: int = _BATCH
) -> dict[Layer, list[Call]]:
    """Run the network once over blank items and return the calls of every layer.

    Args:
        network: In evaluation mode.
        layers: Layers, whose layout need not be known.
        transform: From an item to the network's input.
        batch: How many items.

    Raises:
        InputError: The network cannot run on such items.
    """
    calls: dict[Layer, list[Call]] = {layer: [] for layer in layers}
    turns = count()

    def note(layer: Layer, value: Any) -> None:
        tensor = find_tensor(value, layer.item)
        calls[layer].append(Call(next(turns), None if tensor is None else tuple(tensor.shape)))

    inputs = transform.blank(batch)
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    try:
        with hooked(network, layers, note), torch.inference_mode():
            put_out(network, mapped(inputs, lambda tensor: tensor.to(device)))
    except ReprqError:
        raise
    except Exception as error:  # a network is other people's code
        reason = one_line(error, 200, kind=True)
        what, hint = _described(inputs, transform)
        raise InputError(f"the network must run on {what}, got {reason}; {hint}") from error
    return calls


def _described(inputs: Batch, transform: Transform) -> tuple[str, str]:
    """What the network was given, and what to do where it cannot take it."""
    noun = modality_named(transform.modality).item
    if isinstance(inputs, Mapping):
        return f"{noun}s given as {', '.join(inputs)}", "let it take arguments of these names"
    return f"{noun}s of shape {tuple(inputs.shape[1:])}", "give the size and channels it takes"


def settle(
    network: nn.Module, layer: Layer, calls: Sequence[Call], transform: Transform, *, channels_last: bool = False
) -> tuple[int, Layer]:
    """Return a layer's turn, and the layer with the call that is read and the layout of the calls that a probe saw.

    A call of -1 means the last. Four axes are a map: with H = W, the odd one out is C; where all three are equal,
    `channels_last` decides. Three axes are tokens. Before the patches are as many tokens as the network states or
    learns (class, distillation and register tokens), or one class token, where that leaves a perfect square or the
    network dropped some of the patches; else a perfect square of tokens is patches alone.

    Args:
        network: The network.
        layer: Its layer; its layout is found only if it is "auto".
        calls: What `probe` saw of the layer.
        transform: From an item to the network's input.
        channels_last: Whether the maps of this family are (N, H, W, C).

    Raises:
        InputError: The module is not called, or not so often, or it puts out no tensor, or no axis that is N.
    """
    if not calls:
        raise InputError(f"layer {layer.name!r} must be called by the forward pass, got no call; choose a part of it")
    if layer.call >= len(calls):
        raise InputError(f"layer {layer.name!r} must be a call from 0 to {len(calls) - 1}, got {layer.call}")
    call = calls[layer.call]
    settled = replace(layer, call=layer.call % len(calls))
    if layer.layout != "auto":
        return call.turn, settled
    layout = _layout(layer.name, call.shape, channels_last)
    if layout not in ("NLD", "LND") or call.shape is None:
        return call.turn, replace(settled, layout=layout)
    if transform.class_token is not None:
        return call.turn, replace(settled, layout=layout, class_token=transform.class_token, varying=True)
    size = _side(transform.blank(1))
    leading, class_token = _leading_tokens(network, call.shape[layout.index("L")], size)
    return call.turn, replace(
        settled, layout=layout, class_token=class_token and leading > 0, registers=max(0, leading - class_token)
    )


def _side(inputs: Batch) -> int:
    """The side of the images of a batch."""
    assert isinstance(inputs, torch.Tensor)
    return inputs.shape[-1]


def _layout(name: str, shape: tuple[int, ...] | None, channels_last: bool) -> Layout:
    if shape is None:
        raise InputError(f"layer {name!r} must put out a tensor, got none; choose another layer")
    if len(shape) == 3 and shape[0] != _BATCH and shape[1] == _BATCH:
        return "LND"
    if shape[:1] != (_BATCH,) or not 2 <= len(shape) <= 4:
        raise InputError(
            f"layer {name!r} must put out 2, 3 or 4 axes of which the first counts the {_BATCH} items, got shape"
            f" {shape}; choose another layer"
        )
    if len(shape) == 2:
        return "ND"
    if len(shape) == 3:
        return "NLD"
    _, first, second, third = shape
    if first == second == third:
        return "NHWC" if channels_last else "NCHW"
    return "NHWC" if first == second else "NCHW"


def _leading_tokens(network: nn.Module, tokens: int, size: int) -> tuple[int, bool]:
    """Return how many tokens come before the patches, and whether the first of them is a class token.

    Of fewer tokens than there are patches (a masked or pruning network) the network's own stay, and some patches went.
    """
    for module in network.modules():
        stated = getattr(module, "num_prefix_tokens", None)  # timm
        if isinstance(stated, int):
            class_token = getattr(module, "cls_token", None) is not None
            return _fitting(tokens, (stated, 0), otherwise=stated), class_token
        patch = getattr(getattr(module, "config", None), "patch_size", None)  # Hugging Face
        if isinstance(patch, (list, tuple)) and len(set(patch)) == 1:
            patch = patch[0]
        if isinstance(patch, int) and 0 < patch <= size:
            own, class_token = _own_tokens(network)
            rest = tokens - (size // patch) ** 2
            if rest < 0:
                return _fewer(tokens, own), class_token
            return rest if rest <= _MOST_PREFIX_TOKENS else 0, True
    own, class_token = _own_tokens(network)
    return _fitting(tokens, (own, 0, 1), otherwise=own), class_token or own == 0


def _own_tokens(network: nn.Module) -> tuple[int, bool]:
    """How many tokens a network learns by the names that such parameters have, and whether one is a class token."""
    found = {
        name.rpartition(".")[2]: parameter.shape[-2]
        for name, parameter in network.named_parameters()
        if name.rpartition(".")[2] in (*_CLASS_TOKENS, *_OTHER_TOKENS) and parameter.ndim in (2, 3)
    }
    return sum(found.values()), any(name in found for name in _CLASS_TOKENS)


def _fewer(tokens: int, own: int) -> int:
    return own if tokens > own else 0


def _fitting(tokens: int, known: Sequence[int], otherwise: int) -> int:
    """Return the first of the known counts that leaves a square of patches, else the other, if that leaves any."""
    square = (n for n in known if tokens > n and isqrt(tokens - n) ** 2 == tokens - n)
    return next(square, _fewer(tokens, otherwise))
