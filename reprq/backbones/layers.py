"""Layers of a backbone, and how a person names them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reprq.errors import UnknownNameError


@dataclass(frozen=True)
class Layer:
    """One place in a network where embeddings are read.

    Attributes:
        number: Its place in the order of depth, from 0.
        name: What the network's paper calls the stage ("layer3"), "stem" or "pooled".
        module: Dotted path of the module that is read.
        where: Whether its "output" or its (first) "input" is read.
        layout: "NCHW" and "NHWC" are maps, "NLD" tokens, "ND" vectors.
        class_token: Whether the first token is a class token.
    """

    number: int
    name: str
    module: str
    where: Literal["output", "input"] = "output"
    layout: Literal["NCHW", "NHWC", "NLD", "ND"] = "NCHW"
    class_token: bool = False


def select(layers: Sequence[Layer], spec: str | int | Sequence[str | int], owner: str) -> list[Layer]:
    """Return the layers that `spec` asks for, each once, in the order of depth.

    Args:
        layers: What there is, in the order of depth.
        spec: A number (3, "3", or -1 for the last), a name ("layer3"), a range ("1-4"), "all", several with commas
            between ("1,3,layer4"), or a sequence of these.
        owner: Whose layers they are, for the error.

    Raises:
        UnknownNameError: A layer that there is not; lists those that there are.
    """
    parts = [spec] if isinstance(spec, (str, int)) else list(spec)
    tokens = [token.strip() for part in parts for token in str(part).split(",")]
    chosen: set[int] = set()
    for token in tokens:
        found = matching(layers, token)
        if not found:
            raise UnknownNameError(f"layer of {owner}", token, (f"{layer.number} {layer.name}" for layer in layers))
        chosen |= found
    return [layer for layer in layers if layer.number in chosen]


def matching(layers: Sequence[Layer], token: str) -> set[int]:
    """Return the numbers of the layers that one number, name, range or "all" means; none where it means nothing."""
    numbers = [layer.number for layer in layers]
    if token == "all":
        return set(numbers)
    if re.fullmatch(r"-\d+", token):
        return set(numbers[int(token) :][:1]) if -int(token) <= len(numbers) else set()
    if span := re.fullmatch(r"(\d+)-(\d+)", token):
        wanted = set(range(int(span[1]), int(span[2]) + 1))
        return wanted if wanted <= set(numbers) else set()
    return {layer.number for layer in layers if token in (layer.name, str(layer.number))}
