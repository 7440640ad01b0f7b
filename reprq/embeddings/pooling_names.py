"""The names of the poolings, and which layers each can pool; what it computes is in `reprq.embeddings.pooling`."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reprq.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from reprq.backbones import Layer

POOLINGS = ("avg", "max", "gem", "cls", "cls+avg", "flatten", "grid:RxC")
_SAME = {"mean": "avg"}  # what else a pooling is called


def check_pooling(pooling: str, layers: Sequence["Layer"] = ()) -> None:
    """Raise unless there is a pooling of this name and every layer can be pooled so.

    Raises:
        UnknownNameError: A pooling that does not exist.
        InputError: "cls" where a layer has no class token, or "grid" of tokens; names the layers.
    """
    if not is_pooling(pooling):
        raise UnknownNameError("pooling", pooling, POOLINGS)
    positioned = [layer for layer in layers if layer.layout != "ND"]
    if "cls" in pooling and (without := [layer.name for layer in positioned if not layer.class_token]):
        raise InputError(no_class_token(pooling, ", ".join(without)))
    if pooling.startswith("grid:") and (tokens := [layer.name for layer in positioned if "L" in layer.layout]):
        raise InputError(f"pooling {pooling!r} needs layers that put out maps, got {', '.join(tokens)}; use 'avg'")
    if pooling == "flatten" and (varying := [layer.name for layer in positioned if layer.varying]):
        raise InputError(varying_tokens(pooling, ", ".join(varying)))


def poolings_named(pooling: str | Sequence[str]) -> tuple[str, ...]:
    """Return poolings that are given by name, with commas between or in a sequence, each once.

    Raises:
        UnknownNameError: A pooling that does not exist.
        InputError: None is named.

    Example:
        >>> poolings_named("avg,max"), poolings_named(["gem", "gem"]), poolings_named("mean")
        (('avg', 'max'), ('gem',), ('avg',))
    """
    parts = [pooling] if isinstance(pooling, str) else pooling
    names = tuple(dict.fromkeys(standard_name(name.strip()) for part in parts for name in part.split(",")))
    if not names:
        raise InputError(f"pooling must name at least one of {', '.join(POOLINGS)}, got none")
    for name in names:
        check_pooling(name)
    return names


def is_pooling(name: str) -> bool:
    """Whether there is a pooling of this name."""
    return standard_name(name) in POOLINGS[:-1] or re.fullmatch(r"grid:[1-9]\d*x[1-9]\d*", name) is not None


def standard_name(pooling: str) -> str:
    """Return the one name of a pooling that has several: "avg" for "mean"."""
    return _SAME.get(pooling, pooling)


def varying_tokens(pooling: str, got: str) -> str:
    """Say that layers have as many tokens as the sample has."""
    return f"pooling {pooling!r} needs layers of a fixed number of tokens, got {got}; use 'avg'"


def no_class_token(pooling: str, got: str) -> str:
    """Say that layers have no class token."""
    return f"pooling {pooling!r} needs layers with a class token, got {got}; use 'avg'"
