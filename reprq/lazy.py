"""Public names of a package that are imported when they are first used, so that importing the package costs little."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def from_modules(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package whose names live in modules that are imported on first use.

    Args:
        package: The package, its `__name__`.
        modules: The full name of the module that each name is in.

    Example:
        >>> find = from_modules("shapes", {"pi": "math"})
        >>> find("pi")
        3.141592653589793
        >>> find("tau")
        Traceback (most recent call last):
        AttributeError: module 'shapes' has no attribute 'tau'
    """

    def find(name: str) -> Any:
        if name in modules:
            return getattr(importlib.import_module(modules[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find
