"""How a result was made: the versions of what computed it, and digests of what it was computed from."""

import hashlib
import json
import platform
import secrets
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from reprq import __version__

_encoded = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode  # made once: faster
_PLACE = secrets.token_hex()  # of what varies; no value holds it
_PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "faiss-cpu")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that numbers depend on.

    Example:
        >>> sorted(versions())[:3]
        ['faiss-cpu', 'numpy', 'python']
    """
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    """Read once: every package's metadata is a file to parse, and a process keeps the packages that it began with."""
    found = {"python": platform.python_version(), "reprq": __version__}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON-serialisable value, the same for the same content in any key order.

    Example:
        >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
        True
    """
    return hashlib.sha256(_encoded(value).encode(errors="surrogatepass")).hexdigest()


def digests(value: Mapping[str, Any], key: str, variants: Iterable[Any]) -> list[str]:
    """Return the `digest` of a mapping under each of several values of one more key; the rest is written once.

    Example:
        >>> digests({"a": 1}, "b", [2, "c"]) == [digest({"a": 1, "b": 2}), digest({"a": 1, "b": "c"})]
        True
    """
    before, after = _encoded({**value, key: _PLACE}).split(f'"{_PLACE}"')
    texts = (before + _encoded(variant) + after for variant in variants)
    return [hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest() for text in texts]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of the bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
