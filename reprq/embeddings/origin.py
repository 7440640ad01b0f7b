"""Of which network and layer rows are, so that rows of another are not taken for them."""

from collections.abc import Mapping
from typing import Any

from reprq.errors import InputError

_WORDS = ("backbone", "weights_digest", "layer", "pooling")


def origin_of(x: Any) -> dict[str, Any]:
    """Return what rows say of the network and layer that they are from; arrays and files of numbers say nothing.

    Args:
        x: `Embeddings`, or an array.
    """
    said: Mapping[str, Any] = getattr(x, "provenance", {})
    if not isinstance(said, Mapping) or said.get("backbone") == "file":
        return {}
    return {word: said[word] for word in _WORDS if word in said}


def check_origin(made: Mapping[str, Any], x: Any, owner: str, name: str = "X") -> None:
    """Raise an InputError where rows say that they are from elsewhere than those of a fitting.

    Args:
        made: The origin of the fitting.
        x: `Embeddings`, or an array.
        owner: What was fitted, for the message.
        name: What the rows are called there.
    """
    said = origin_of(x)
    for word, value in made.items():
        if (own := said.get(word, value)) != value:
            raise InputError(
                f"{name} must be of the {word.replace('_', ' ')} that the {owner} was fitted on, {value}, got {own};"
                " give embeddings of the same layer of the same network"
            )
