"""Which metrics of one matrix there are, by name and by identifier: those of the table, and those that others bring."""

from collections.abc import Sequence
from math import inf, isfinite
from typing import Literal

from reprq.errors import InputError, UnknownNameError
from reprq.metrics.definitions import DEFINITIONS, between
from reprq.metrics.facts import Computed, Definition, Facts
from reprq.metrics.registry import METRICS
from reprq.numerics.tensors import host
from reprq.registry import Entry

Kind = Literal["one-pass", "rows", "all"]
_INPUTS = {"one-pass": ("moments",), "rows": ("rows",), "all": ("moments", "rows")}


def names(kind: Kind = "one-pass") -> tuple[str, ...]:
    """Return the names of the metrics that `measure` knows.

    Args:
        kind: "one-pass" for those that follow from one pass over the rows, which `measure` gives by default; "rows" for
            those that compare rows with each other, hold the whole matrix and take O(n^2 d) (`coherence` O(n d^2)):
            `measure` gives them when they are named; "all" for both.

    Example:
        >>> names()[:5]
        ('alpha_req', 'rankme', 'aucev', 'cosine_compactness', 'participation_ratio')
        >>> names("rows")[:3]
        ('uniformity', 'twonn', 'mean_knn_distance')
    """
    if kind not in _INPUTS:
        raise UnknownNameError("kind of metrics", kind, _INPUTS)
    return tuple(entry.name for entry in METRICS if entry.inputs in _INPUTS[kind])


def identifiers(kind: Kind = "one-pass") -> tuple[str, ...]:
    """Return the identifiers of the definitions, the default of each metric first.

    Args:
        kind: Of which metrics, as in `names`.

    Example:
        >>> identifiers()[0]
        'alpha_req[eigen,centred,ranks=11-100,weighted]'
        >>> identifiers("rows")[1]
        'twonn[euclidean,discard=0.1]'
    """
    return tuple(definition.identifier for definition in _of_kind(kind))


def _of_kind(kind: Kind) -> list[Definition]:
    known = {definition.name for definition in DEFINITIONS}
    others = [_brought(METRICS.find(name)) for name in names(kind) if name not in known]
    return [
        definition for definition in (*DEFINITIONS, *others) if kind == "all" or definition.of_rows == (kind == "rows")
    ]


def _brought(entry: Entry) -> Definition:
    """The definition that follows from an entry: a function of the rows, or of their moments, to a number."""

    def compute(facts: Facts) -> Computed:
        given = entry.call(host(facts.rows) if entry.inputs == "rows" else facts.moments)
        try:
            value = float(given)
        except (TypeError, ValueError):
            raise InputError(f"{entry.name} must give a number, got {type(given).__name__}") from None
        if not isfinite(value):
            raise InputError(f"{entry.name} gives {value}")
        return Computed(value)

    options, bounds = entry.facts.get("options", ""), entry.facts.get("bounds", (-inf, inf))
    identifier = f"{entry.name}[{options}]" if options else entry.name
    return Definition(entry.name, identifier, compute, between(*bounds), True, "", of_rows=entry.inputs == "rows")


def select(metrics: Sequence[str] | None) -> dict[str, Definition]:
    """Return the definitions of some metrics under the names they were asked for.

    Args:
        metrics: Names or identifiers; None for every metric that follows from one pass.

    Raises:
        UnknownNameError: a name is neither.
        InputError: one that compares two matrices, as cka does.
    """
    every = _of_kind("all")
    known = {definition.name: definition for definition in every if definition.default}
    known |= {definition.identifier: definition for definition in every}
    for name in metrics or ():
        if any(entry.name == name and entry.takes("pair") for entry in METRICS.built_in()):
            raise InputError(
                f"metrics measure one layer each, and {name} compares two; use reprq.metrics.{name}, or"
                f" --similarity {name}"
            )
        if name not in known:
            raise UnknownNameError("metric", name, names("all") if "[" not in name else identifiers("all"))
    return {name: known[name] for name in (names() if metrics is None else metrics)}
