"""What was registered in this process, for the processes that compute its cells: they import it by its name.

A worker process starts anew (it is spawned, not forked), so it knows what is built in and what packages bring, and
nothing that this process has registered.
"""

import importlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reprq.errors import InputError
from reprq.registry import Entry, Registry

_REGISTRIES = (
    "reprq.metrics.registry:METRICS",
    "reprq.detectors.entries:DETECTORS",
    "reprq.backbones.entries:BACKBONES",
    "reprq.data.registry:DATASETS",
    "reprq.embeddings.registry:POOLINGS",
)

Registered = Mapping[str, tuple[Entry, ...]]
"""Entries by the place of their registry, each with its target by name."""


def registered(*, elsewhere: bool = False) -> Registered:
    """Return what another process can import of what was registered in this one.

    Args:
        elsewhere: Whether that process was started by others, and does not have this one's main module.
    """
    return {
        place: tuple(named for entry in _registry(place).registered() if (named := _by_name(entry, elsewhere)))
        for place in _REGISTRIES
    }


def adopt(entries: Registered) -> None:
    """Register in this process what another one has; what is known already, as its main module registers it, stays."""
    for place, of_registry in entries.items():
        registry = _registry(place)
        for entry in of_registry:
            if entry.name not in registry.names():
                registry.register(entry)


def check_registered(study: Any, *, elsewhere: bool = False) -> None:
    """Raise unless the workers of a study can import all that it names and this process has registered.

    Args:
        study: The record of its configuration.
        elsewhere: As for `registered`.

    Raises:
        InputError: A function or class that is defined inside another, or where nobody can import it from.
    """
    named = set(_words(study))
    for place in _REGISTRIES:
        registry = _registry(place)
        for entry in registry.registered():
            used = any(word == entry.name or (entry.prefix and word.startswith(entry.prefix)) for word in named)
            if used and _by_name(entry, elsewhere) is None:
                raise InputError(
                    f"{registry.kind} {entry.name!r} is registered in this process alone, where no worker can import"
                    " it; register it with a target 'module:attribute', or use one worker"
                )


def _registry(place: str) -> Registry:
    module, _, attribute = place.partition(":")
    registry: Registry = getattr(importlib.import_module(module), attribute)
    return registry


def _by_name(entry: Entry, elsewhere: bool) -> Entry | None:
    """The entry with its target as "module:attribute"; None where no such name leads to it from another process."""
    if isinstance(entry.target, str):
        return entry
    module, attribute = (getattr(entry.target, name, "") for name in ("__module__", "__qualname__"))
    held = sys.modules.get(module)
    if getattr(held, attribute, None) is not entry.target:
        return None
    if module == "__main__" and (elsewhere or not hasattr(held, "__file__")):
        return None
    return replace(entry, target=f"{module}:{attribute}")


def _words(record: Any) -> Iterator[str]:
    """Every text in a record, and each part of one that names several with commas."""
    if isinstance(record, str):
        yield from (part.strip() for part in record.split(","))
    elif isinstance(record, Mapping):
        for value in record.values():
            yield from _words(value)
    elif isinstance(record, list | tuple):
        for value in record:
            yield from _words(value)
