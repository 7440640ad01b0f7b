"""Choices that come from a registry, read when they are needed, so that the start of no command imports more."""

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

import click


class _Listed(Sequence[str]):
    """The names that a function lists, asked for anew each time."""

    def __init__(self, target: str) -> None:
        self._target = target

    def _read(self) -> tuple[str, ...]:
        module, _, attribute = self._target.partition(":")
        return tuple(getattr(importlib.import_module(module), attribute)())

    def __getitem__(self, index: Any) -> Any:
        return self._read()[index]

    def __len__(self) -> int:
        return len(self._read())

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())


class Names(click.Choice):  # type: ignore[type-arg,unused-ignore]
    """A choice among the names that a function lists.

    Args:
        target: The function, "module:attribute".
    """

    def __init__(self, target: str) -> None:
        super().__init__(())
        self.choices: Any = _Listed(target)
