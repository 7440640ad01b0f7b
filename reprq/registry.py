"""One registry for whatever has a name: metrics, detectors, sources of backbones, data sets, protocols and the rest.

An `Entry` says what a thing is and where it is, and costs no import until it is used. Other packages join by an entry
point whose value is such an `Entry`, or by `register`::

    [project.entry-points."reprq.detectors"]
    my_detector = "my_package.entries:MY_DETECTOR"
"""

import importlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reprq.errors import InputError, ReprqError, UnknownNameError, first_line
from reprq.optional import brings, missing

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Entry", "Registry"]

_LOG = logging.getLogger("reprq")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is known of a thing before it is imported.

    Attributes:
        name: What people call it by; "prefix:WORD" stands for every name that starts with "prefix:".
        target: Where it is, "module:attribute", imported on first use; or the object itself.
        inputs: What it takes, with commas between. Of a detector "rows", "samples" or "maps"; of a metric "moments",
            "rows", "pair", "network" or "classes" (rows of every class); of a pooling "maps" or "tokens"; of a data set
            its modality, of a source of backbones and of a pretext task those that it takes.
        needs: What it must be given besides. Of a detector, some of "backbone", "layer", "labelled" and "auxiliary"; of
            a pooling, of its layers, "class token" and "fixed length".
        extra: The optional extra of reprq that installs what it imports, or "package[extra]" of another package.
        label: What it is called beside an axis; the name by default.
        about: What it is or computes, in one line without a full stop.
        reads: How to read its value: its direction, or the value that is good.
        citation: Whose it is.
        facts: What its kind knows besides: of a detector its `kind` ("classification", "probabilistic",
            "reconstruction" or "distance") and the `features` that it learns on ("raw", "kernel" or "neural"); of a
            source of backbones the `names` to list, or `listed` False and an `example`; of a data set its `classes`,
            `train` and `test` sizes; of a protocol the `layout` of its folder; of a paper its `presets`, each with what
            it does, and the `data` that it reads; of a metric of one matrix the `options` that its identifier names,
            and its `bounds`; of one of a pair whether it is `symmetric`; of a pooling what else it is called (`also`),
            and the pattern of what follows its colon (`form`).
    """

    name: str
    target: Any
    inputs: str = ""
    needs: frozenset[str] = frozenset()
    extra: str = ""
    label: str = ""
    about: str = ""
    reads: str = ""
    citation: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """The start of the names that a name with a colon stands for; "" for a plain name."""
        head, colon, _ = self.name.partition(":")
        return head + colon if colon else ""

    def takes(self, kind: str) -> bool:
        """Whether `inputs` names this kind of input.

        Example:
            >>> Entry(name="hf:NAME", target=None, inputs="image, text").takes("text")
            True
        """
        return kind in self.inputs.split(", ")

    def load(self) -> Any:
        """Return the object, imported if need be.

        Raises:
            InputError: It cannot be imported; says which extra to install where that brings what is missing.
        """
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except ImportError as error:
            if isinstance(error, ModuleNotFoundError) and error.name and brings(self.extra, error.name):
                raise InputError(missing(self.name, error.name, self.extra)) from error
            raise InputError(f"{self.name} cannot be imported from {self.target}: {first_line(error)}") from error
        except AttributeError as error:
            raise InputError(f"{self.name} must be at {self.target}, and {module} has no {attribute}") from error

    def call(self, *arguments: Any, **named: Any) -> Any:
        """Call the object, which is other people's code.

        Raises:
            InputError: It raises something else than a `ReprqError`; says what.
        """
        target = self.load()
        with told(self.name):
            return target(*arguments, **named)


@contextmanager
def told(name: str) -> Iterator[None]:
    """Tell whatever other people's code raises in one sentence.

    Args:
        name: Whose code it is.

    Raises:
        InputError: It raises something else than a `ReprqError`; says what.

    Example:
        >>> with told("mine"):
        ...     {}["nothing"]
        Traceback (most recent call last):
        reprq.errors.InputError: mine fails with KeyError: 'nothing'
    """
    try:
        yield
    except ReprqError:
        raise
    except Exception as error:
        raise InputError(f"{name} fails with {type(error).__name__}: {first_line(error)}") from error


class Registry:
    """Entries by name: the built-in ones, those registered, and those that other packages bring.

    Entry points are read on the first look-up of a name that is not built in, and a package that brings one is imported
    when its name is first used. What a package brings and cannot be used is said once, in one line of the log
    "reprq"; everything else goes on. A built-in name cannot be replaced.

    Args:
        kind: What its entries are, in the singular ("detector"), for messages.
        entries: The built-in ones, in the order in which they are listed.
        group: The group of entry points by which packages join; None for a closed registry.

    Example:
        >>> colors = Registry("color", [Entry(name="red", target="colorsys:rgb_to_hls", about="the first")])
        >>> colors.names(), colors.find("red").about
        (('red',), 'the first')
    """

    def __init__(self, kind: str, entries: Iterable[Entry], group: str | None = None) -> None:
        self.kind, self.group = kind, group
        self._entries = {entry.name: entry for entry in entries}
        self._built_in = frozenset(self._entries)
        self._points: dict[str, EntryPoint] | None = None
        self._said: set[str] = set()

    def names(self) -> tuple[str, ...]:
        """Return every name, the built-in ones first."""
        return (*self._entries, *(name for name in self._brought() if name not in self._entries))

    def __iter__(self) -> Iterator[Entry]:
        """Go over every entry that can be used, the built-in ones first."""
        for name in self.names():
            entry = self._entry(name)
            if entry is not None:
                yield entry

    def __contains__(self, name: str) -> bool:
        return self._name_of(name) is not None

    def built_in(self) -> tuple[Entry, ...]:
        """Return reprq's own entries, whatever is installed or registered besides."""
        return tuple(entry for entry in self._entries.values() if entry.name in self._built_in)

    def registered(self) -> tuple[Entry, ...]:
        """Return the entries that `register` added in this process."""
        others = {*self._built_in, *(self._points or ())}
        return tuple(entry for entry in self._entries.values() if entry.name not in others)

    def is_built_in(self, name: str) -> bool:
        """Whether an entry of this name is reprq's own."""
        return name in self._built_in

    def find(self, name: str) -> Entry:
        """Return the entry of a name, or that of its prefix.

        Raises:
            UnknownNameError: There is none.
            InputError: The package that brings it cannot be used; says which and why.
        """
        known = self._name_of(name)
        if known is None:
            raise UnknownNameError(self.kind, name, self.names())
        return self._entries[known] if known in self._entries else self._read(known)

    def register(self, entry: Entry) -> Entry:
        """Add an entry, for this process.

        Raises:
            InputError: The name is taken, or the name or the target cannot be one.
        """
        entry = self._checked(entry, f"the {self.kind} to register")
        if entry.name in self.names():
            raise InputError(f"{self.kind} {entry.name!r} is taken; register it under another name")
        self._entries[entry.name] = entry
        return entry

    def remove(self, name: str) -> None:
        """Take back an entry that `register` added.

        Raises:
            InputError: Nobody registered the name.
        """
        if name in self._built_in or name not in self._entries:
            raise InputError(f"{self.kind} {name!r} was not registered, and cannot be removed")
        del self._entries[name]

    def _name_of(self, name: str) -> str | None:
        """The name of the entry that answers to a name; those of packages come last, so that they are read late."""
        head, colon, rest = name.partition(":")
        if not colon:
            return name if name in self._entries or name in self._brought() else None
        return (_first(self._entries, head + colon) or _first(self._brought(), head + colon)) if rest else None

    def _brought(self) -> "dict[str, EntryPoint]":
        """The entry points of other packages, by name; not one of them is imported here."""
        if self._points is None:
            from importlib.metadata import entry_points  # slow to import, and few ask for it

            self._points = {}
            for point in entry_points(group=self.group) if self.group else ():
                if point.name in self._built_in or point.name in self._points:
                    taken = "is built in" if point.name in self._built_in else "is brought by another package too"
                    self._warn(f"{_package(point)} brings a {self.kind} {point.name!r}, which {taken}; it is left out")
                else:
                    self._points[point.name] = point
        return self._points

    def _entry(self, name: str) -> Entry | None:
        try:
            return self._entries[name] if name in self._entries else self._read(name)
        except InputError as error:
            self._warn(str(error))
            return None

    def _read(self, name: str) -> Entry:
        point = self._brought()[name]
        where = f"the {self.kind} {name!r} of {_package(point)}"
        try:
            brought = point.load()
        except Exception as error:
            raise InputError(f"{where} cannot be loaded: {type(error).__name__}: {first_line(error)}") from error
        entry = self._checked(brought, where)
        if entry.name != name:
            raise InputError(f"{where} must have the name of its entry point, got {entry.name!r}; mend the package")
        self._entries[name] = entry
        return entry

    def _checked(self, entry: Any, where: str) -> Entry:
        if not isinstance(entry, Entry):
            raise InputError(f"{where} must be a reprq.registry.Entry, got {type(entry).__name__}")
        if not entry.name or entry.name != entry.name.strip():
            raise InputError(f"{where} must have a name, got {entry.name!r}")
        return entry

    def _warn(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            _LOG.warning("%s", sentence)


def _package(point: "EntryPoint") -> str:
    return f"the package {point.dist.name} {point.dist.version}" if point.dist else f"the entry point {point.value}"


def _first(names: Iterable[str], start: str) -> str | None:
    return next((name for name in names if name.startswith(start)), None)


def markdown(entries: Iterable[Entry], columns: dict[str, Callable[[Entry], str]]) -> str:
    """Return a Markdown table of entries, one row each.

    Args:
        entries: The rows.
        columns: Head of each column, and what stands in it.

    Example:
        >>> print(markdown([Entry(name="knn", target="m:K", about="a|b")], {"name": lambda e: f"`{e.name}`"}))
        | name |
        | --- |
        | `knn` |
    """
    rows = [list(columns), ["---"] * len(columns)]
    rows += [[cell(entry).replace("|", "\\|") for cell in columns.values()] for entry in entries]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
