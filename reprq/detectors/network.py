"""The network that a detector reads and does not train: an object or a name, and not in the detector's file."""

from pathlib import Path
from typing import Any

from reprq.backbones import Backbone, load_backbone
from reprq.errors import InputError


def check_network(given: Any, argument: str) -> None:
    """Raise an InputError unless a parameter is a `Backbone`, a name or None; `argument` is what it is called."""
    if given is not None and not isinstance(given, (Backbone, str)):
        raise InputError(f"{argument} must be a Backbone or its name, got {type(given).__name__}")


def opened(given: Backbone | str | None, argument: str, owner: object) -> Backbone:
    """Return the network of a detector, loaded where it was given by name.

    Raises:
        InputError: It is None.
    """
    if given is None:
        kind = type(owner).__name__
        raise InputError(f"{argument} must be a Backbone or its name, got None; give {kind}({argument}=...)")
    return given if isinstance(given, Backbone) else load_backbone(given)


def check_same(network: Backbone, digest: str, argument: str, path: Path | str) -> None:
    """Raise an InputError unless a network has the weights of the one that the detector in a file was fitted with."""
    if network.weights_digest != digest:
        raise InputError(f"{argument} must be the one that {path} was fitted with, got other weights; give that one")
