"""The poolings by name, and which layers each can pool; what they compute is in `reprq.embeddings.pooling`."""

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from reprq.errors import InputError, UnknownNameError
from reprq.registry import Entry, Registry

if TYPE_CHECKING:
    from reprq.backbones import Layer

_HERE = "reprq.embeddings.pooling"
_TOKEN = frozenset({"class token"})
_LEARNED = "term weights"
POOLINGS = Registry(
    "pooling",
    (
        Entry(
            name="avg",
            target=f"{_HERE}:average",
            inputs="maps, tokens",
            about="the average over the pixels of a map, the patches of an image or the tokens of a text",
            facts={"also": ("mean",)},
        ),
        Entry(
            name="max",
            target=f"{_HERE}:largest",
            inputs="maps, tokens",
            about="the largest value of each channel over the same",
        ),
        Entry(
            name="gem",
            target=f"{_HERE}:generalized_mean",
            inputs="maps, tokens",
            about="the generalized mean with p = 3, which leans to the large values",
            citation="Radenovic et al. 2018",
        ),
        Entry(
            name="cls",
            target=f"{_HERE}:class_token",
            inputs="tokens",
            needs=_TOKEN,
            about="the class token, which is the first; in the stem it is the same for every sample",
        ),
        Entry(
            name="cls+avg",
            target=f"{_HERE}:class_token_and_average",
            inputs="tokens",
            needs=_TOKEN,
            about="the class token, and after it the average",
        ),
        Entry(
            name="tfidf",
            target=f"{_HERE}:weighted_by_terms",
            inputs="tokens",
            needs=frozenset({_LEARNED}),
            about="the average over the tokens of a text, each weighed by how few of the benign training texts have it",
            citation="Ruff et al. 2019",
        ),
        Entry(
            name="flatten",
            target=f"{_HERE}:flat",
            inputs="maps, tokens",
            needs=frozenset({"fixed length"}),
            about="everything, in its order; not of texts, whose tokens vary in number",
        ),
        Entry(
            name="grid:RxC",
            target=f"{_HERE}:grid",
            inputs="maps",
            about="the average over each of R x C cells of a map",
            facts={"form": r"[1-9]\d*x[1-9]\d*"},
        ),
    ),
    group="reprq.poolings",
)
"""Poolings of a layer's output. A target takes a `LayerOutput`, and of "grid:2x2" also the "2x2"; it gives (n, d)."""

_WANTED = {
    "class token": "layers with a class token",
    "fixed length": "layers of a fixed number of tokens",
    "maps": "layers that put out maps",
    _LEARNED: "layers of the tokens of texts",
    "tokens": "layers that put out tokens",
}


def find_pooling(name: str) -> tuple[Entry, tuple[str, ...]]:
    """Return the entry of a pooling, and what follows its colon.

    Raises:
        UnknownNameError: A pooling that does not exist.

    Example:
        >>> entry, words = find_pooling("grid:2x1")
        >>> entry.name, words
        ('grid:RxC', ('2x1',))
    """
    name = standard_name(name)
    word = name.partition(":")[2]
    entry = POOLINGS.find(name) if name in POOLINGS else None
    if entry is None or (entry.prefix and not re.fullmatch(entry.facts.get("form", ".+"), word)):
        raise UnknownNameError("pooling", name, POOLINGS.names())
    return entry, (word,) if entry.prefix else ()


def check_pooling(pooling: str, layers: Sequence["Layer"] = ()) -> None:
    """Raise unless there is a pooling of this name and every layer can be pooled so.

    Raises:
        UnknownNameError: A pooling that does not exist.
        InputError: "cls" where a layer has no class token, or "grid" of tokens; names the layers.
    """
    entry, _ = find_pooling(pooling)
    lacking: dict[str, list[str]] = {}
    for layer in layers:
        if layer.layout != "ND" and (lacks := unmet(entry, layer.layout, layer.class_token, layer.varying)):
            lacking.setdefault(lacks, []).append(layer.name)
    for lacks, names in lacking.items():
        raise InputError(refusal(pooling, lacks, ", ".join(names)))


def vectors_note(pooling: str, layers: Sequence["Layer"]) -> str:
    """Say that a pooling changes no layer, since all put out vectors; "" where it changes some, or is the default.

    Example:
        >>> from reprq.backbones import Layer
        >>> vectors_note("grid:2x2", [Layer(5, "pooled", "fc", layout="ND")])
        "pooling 'grid:2x2' changes nothing: pooled is of vectors already"
    """
    if standard_name(pooling) == "avg" or any(layer.layout != "ND" for layer in layers):
        return ""
    names = ", ".join(layer.name for layer in layers)
    verb = "is" if len(layers) == 1 else "are"
    return f"pooling {pooling!r} changes nothing: {names} {verb} of vectors already"


def unmet(entry: Entry, layout: str, class_token: bool, varying: bool) -> str:
    """Return what a pooling asks of a layer and this one does not have; "" where it has all."""
    if "class token" in entry.needs and not class_token:
        return "class token"
    if "fixed length" in entry.needs and varying:
        return "fixed length"
    if _LEARNED in entry.needs and not varying:
        return _LEARNED
    kind = "tokens" if "L" in layout else "maps"
    return "" if not entry.inputs or entry.takes(kind) else entry.inputs


def refusal(pooling: str, lacks: str, got: str) -> str:
    """Say what layers a pooling needs, where `unmet` says what they lack."""
    return f"pooling {pooling!r} needs {_WANTED[lacks]}, got {got}; use 'avg'"


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
        raise InputError(f"pooling must name at least one of {', '.join(POOLINGS.names())}, got none")
    for name in names:
        check_pooling(name)
    return names


def learns(poolings: Sequence[str]) -> bool:
    """Whether one of some poolings takes what is learned from benign samples.

    Example:
        >>> learns(["avg", "max"]), learns(["avg", "tfidf"])
        (False, True)
    """
    return any(_LEARNED in find_pooling(name)[0].needs for name in poolings)


def is_pooling(name: str) -> bool:
    """Whether there is a pooling of this name."""
    try:
        find_pooling(name)
    except UnknownNameError:
        return False
    return True


def standard_name(pooling: str) -> str:
    """Return the one name of a pooling that has several.

    Example:
        >>> standard_name("mean")
        'avg'
    """
    return _other_names().get(pooling, pooling)


@cache
def _other_names() -> dict[str, str]:
    """Of reprq's own poolings; asked of every layer in every batch."""
    return {name: entry.name for entry in POOLINGS.built_in() for name in entry.facts.get("also", ())}
