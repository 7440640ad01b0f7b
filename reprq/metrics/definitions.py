"""The definitions of the metrics of one matrix, each with its stable identifier and its range."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import inf, isfinite
from typing import Any, Literal

import numpy as np

from reprq.errors import InputError, UnknownNameError
from reprq.metrics.compactness import Reference, cosine_compactness_of
from reprq.metrics.discriminant import coherence
from reprq.metrics.neighbours import fit_twonn, mean_knn_distance
from reprq.metrics.powerlaw import FIT_RANGE, AlphaFit, fit_alpha
from reprq.metrics.registry import METRICS
from reprq.metrics.sensitivity import (
    alpha_gradient,
    aucev_gradient,
    condition_number_gradient,
    effective_rank_gradient,
    isoscore_gradient,
    leading_ratio_gradient,
    participation_ratio_gradient,
    rankme_gradient,
)
from reprq.metrics.spectral import (
    Spectrum,
    Values,
    aucev_of,
    condition_number_of,
    effective_rank_of,
    isoscore_of,
    leading_ratio_of,
    participation_ratio_of,
    rankme_of,
    spectrum_of,
    trace_of,
)
from reprq.metrics.sphere import self_cluster, uniformity
from reprq.numerics.moments import Moments
from reprq.numerics.spectra import Again, Reduction, Spectra, resolved_spectra, spectra
from reprq.numerics.tensors import Rows, host
from reprq.numerics.totals import Totals
from reprq.registry import Entry

Bounds = tuple[float, float]
Kind = Literal["one-pass", "rows", "all"]
_INPUTS = {"one-pass": ("moments",), "rows": ("rows",), "all": ("moments", "rows")}


class Facts:
    """What the one pass found, with the spectra computed when the first metric asks for them.

    Args:
        moments: Of the rows.
        rows: The rows themselves, where a metric needs them.
        again: What gives the rows once more, for eigenvalues that the one pass cannot tell from rounding error.
    """

    def __init__(self, moments: Moments, rows: Rows | None = None, again: Again | None = None) -> None:
        self.moments, self.rows, self.again = moments, rows, again
        self._singular: Spectra | None = None

    @cached_property
    def spectra(self) -> Spectra:
        """Both spectra."""
        return spectra(self.moments) if self.moments.rows is not None else self.reduction.spectra

    @cached_property
    def reduction(self) -> Reduction:
        """What the spectra, and the eigenvectors, of more rows than columns follow from."""
        return Reduction(self.moments)

    def resolved(self, count: int) -> Spectra:
        """Both spectra, their first `count` values more than rounding error where the rows can be seen once more."""
        if self._singular is not None:
            return self._singular
        found = resolved_spectra(self.moments, self.spectra, self.again, count)
        if found is not self.spectra:
            self._singular = found
        return found


@dataclass(frozen=True)
class Computed:
    """A value with what there is to say of it.

    Attributes:
        value: The number.
        notes: Why it may not be trusted.
        extra: Numbers that belong to it.
    """

    value: float
    notes: tuple[str, ...] = ()
    extra: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Definition:
    """One way to compute one metric.

    Attributes:
        name: The metric.
        identifier: The metric with everything that its value depends on; it stands in every result row.
        compute: From the facts to the value.
        bounds: From (n, d) to the least and the greatest value possible.
        default: Whether `name` alone means this definition.
        centering: "centred", "uncentred", or "" where the metric is no formula of a spectrum.
        of_rows: Whether it compares rows with each other, so that one pass is not enough.
        smooth: Whether leaving rows out moves the value by little, as the jackknife needs; a maximum over rows jumps.
        of_totals: The formula, where it needs no second moment but the diagonal.
        gradient: Where it is a formula of a spectrum, from the facts to its derivatives by the squared singular values;
            None where those had to be computed from the rows themselves.
    """

    name: str
    identifier: str
    compute: Callable[[Facts], Computed]
    bounds: Callable[[int, int], Bounds]
    default: bool
    centering: str
    of_rows: bool = False
    smooth: bool = True
    of_totals: Callable[[Totals], float] | None = None
    gradient: Callable[[Facts], Spectrum | None] | None = None


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
    return Definition(entry.name, identifier, compute, _between(*bounds), True, "", of_rows=entry.inputs == "rows")


def select(metrics: Sequence[str] | None) -> dict[str, Definition]:
    """Return the definitions of some metrics under the names they were asked for.

    Args:
        metrics: Names or identifiers; None for every metric that follows from one pass.

    Raises:
        UnknownNameError: a name is neither.
    """
    every = _of_kind("all")
    known = {definition.name: definition for definition in every if definition.default}
    known |= {definition.identifier: definition for definition in every}
    for name in metrics or ():
        if name not in known:
            raise UnknownNameError("metric", name, names("all") if "[" not in name else identifiers("all"))
    return {name: known[name] for name in (names() if metrics is None else metrics)}


def rank_bounds(n: int, d: int) -> Bounds:
    """Return the least and the greatest rank of an (n, d) matrix."""
    return 1.0, float(min(n, d))


def _aucev_bounds(n: int, d: int) -> Bounds:
    return (min(n, d) + 1) / (2 * min(n, d)), 1.0


def _between(low: float, high: float) -> Callable[[int, int], Bounds]:
    return lambda n, d: (low, high)


KINDS: tuple[tuple[Values, str], ...] = (
    ("singular", "uncentred"),
    ("singular", "centred"),
    ("eigen", "uncentred"),
    ("eigen", "centred"),
)


def _spectral(
    name: str,
    formula: Callable[[Spectrum, int], float],
    kinds: Sequence[tuple[Values, str]],
    bounds: Callable[[int, int], Bounds] = rank_bounds,
    option: str = "",
    smallest: bool = False,
    *,
    gradient: Callable[[Spectrum], Spectrum],
) -> list[Definition]:
    """Return a formula of a spectrum and d, with its derivatives, on some kinds of spectrum; the first is the default.

    With `smallest`, the smallest values decide it.
    """

    def both(facts: Facts) -> Spectra:
        d = facts.moments.d
        return facts.resolved(d) if smallest and facts.moments.n >= d else facts.spectra

    def compute(values: Values, centering: str, facts: Facts) -> Computed:
        return Computed(formula(spectrum_of(both(facts), values, centering == "centred"), facts.moments.d))

    def slopes(values: Values, centering: str, facts: Facts) -> Spectrum | None:
        if both(facts) is not facts.spectra:
            return None
        spectrum = spectrum_of(facts.spectra, values, centering == "centred")
        found = gradient(spectrum)
        if values == "singular":
            found = np.divide(found, 2 * spectrum, out=np.zeros_like(found), where=spectrum > 0)
        return found

    return [
        Definition(
            name,
            f"{name}[{values},{centering}{option}]",
            partial(compute, values, centering),
            bounds,
            (values, centering) == kinds[0],
            centering,
            gradient=partial(slopes, values, centering),
        )
        for values, centering in kinds
    ]


def _first(values: Values, centering: str) -> list[tuple[Values, str]]:
    """Return all kinds of spectrum, this one first."""
    return sorted(KINDS, key=lambda kind: kind != (values, centering))


def _of_spectrum(formula: Callable[[Spectrum], float]) -> Callable[[Spectrum, int], float]:
    return lambda spectrum, d: formula(spectrum)


def _trace(centered: bool) -> Definition:
    def compute(facts: Facts) -> Computed:
        return Computed(trace_of(facts.moments, centered))

    identifier = "trace[centred,n-1]" if centered else "trace[uncentred,n]"
    of_totals = partial(trace_of, centered=centered)
    return Definition("trace", identifier, compute, _between(0.0, inf), centered, "", of_totals=of_totals)


def _alpha(fit_range: tuple[int, int], weighted: bool) -> Definition:
    def fitted(facts: Facts) -> AlphaFit:
        return fit_alpha(facts.resolved(2 * fit_range[1]).centered, fit_range, weighted)

    def gradient(facts: Facts) -> Spectrum | None:
        if facts.resolved(2 * fit_range[1]) is not facts.spectra:
            return None
        return alpha_gradient(facts.spectra.centered, fitted(facts), weighted)

    def compute(facts: Facts) -> Computed:
        fit = fitted(facts)
        notes = []
        if fit.ranks < 10:
            notes.append(f"only {fit.ranks} ranks fitted ({fit.first} to {fit.last})")
        elif fit.last < fit_range[1]:
            notes.append(f"fitted over ranks {fit.first} to {fit.last}, all above rounding error")
        if fit.r2 < 0.9:
            notes.append(f"a power law fits badly: R2 = {fit.r2:.2f}")
        if fit.alpha_high - fit.alpha_low > 0.2 * fit.alpha:
            notes.append(f"{fit.alpha_low:.2f} to {fit.alpha_high:.2f} over other ranges of ranks")
        extra = {"r2": fit.r2, "first_rank": fit.first, "last_rank": fit.last}
        extra |= {"alpha_low": fit.alpha_low, "alpha_high": fit.alpha_high}
        return Computed(fit.alpha, tuple(notes), extra)

    weights = "weighted" if weighted else "unweighted"
    identifier = f"alpha_req[eigen,centred,ranks={fit_range[0]}-{fit_range[1]},{weights}]"
    default = fit_range == FIT_RANGE and weighted
    return Definition("alpha_req", identifier, compute, _between(0.0, inf), default, "centred", gradient=gradient)


def _cosine(to: Reference) -> Definition:
    def compute(facts: Facts) -> Computed:
        return Computed(cosine_compactness_of(facts.moments, to))

    identifier = f"cosine_compactness[{to}]"
    bounds, of_totals = _between(-1.0, 1.0), partial(cosine_compactness_of, to=to)
    return Definition("cosine_compactness", identifier, compute, bounds, to == "pairs", "", of_totals=of_totals)


def _of_rows(
    name: str,
    option: str,
    formula: Callable[[Any], float],
    bounds: Callable[[int, int], Bounds],
    default: bool = True,
    smooth: bool = True,
) -> Definition:
    def compute(facts: Facts) -> Computed:
        return Computed(formula(facts.rows))

    return Definition(name, f"{name}[{option}]", compute, bounds, default, "", of_rows=True, smooth=smooth)


def _twonn(discard: float, default: bool) -> Definition:
    def compute(facts: Facts) -> Computed:
        fit = fit_twonn(facts.rows, discard)
        notes: tuple[str, ...] = ()
        if fit.near_copies > max(discard, 0.02):
            notes = (f"{fit.near_copies:.0%} of the rows nearly repeat another, which then decides the value",)
        return Computed(fit.dimension, notes, {"near_copies": fit.near_copies})

    identifier = f"twonn[euclidean,discard={discard}]"
    return Definition("twonn", identifier, compute, _between(0.0, inf), default, "", of_rows=True)


DEFINITIONS: tuple[Definition, ...] = (
    _alpha(FIT_RANGE, True),
    _alpha(FIT_RANGE, False),
    *_spectral(
        "rankme",
        _of_spectrum(partial(rankme_of, eps=1e-7)),
        _first("singular", "uncentred"),
        option=",eps=1e-7",
        gradient=partial(rankme_gradient, eps=1e-7),
    ),
    *_spectral("aucev", _of_spectrum(aucev_of), _first("singular", "centred"), _aucev_bounds, gradient=aucev_gradient),
    _cosine("pairs"),
    _cosine("mean"),
    *_spectral(
        "participation_ratio",
        _of_spectrum(participation_ratio_of),
        _first("eigen", "centred"),
        gradient=participation_ratio_gradient,
    ),
    *_spectral(
        "effective_rank",
        _of_spectrum(effective_rank_of),
        _first("eigen", "centred"),
        gradient=effective_rank_gradient,
    ),
    *_spectral(
        "stable_rank",
        _of_spectrum(leading_ratio_of),
        [("eigen", "uncentred"), ("eigen", "centred")],
        gradient=leading_ratio_gradient,
    ),
    *_spectral(
        "nesum",
        _of_spectrum(leading_ratio_of),
        [("eigen", "centred"), ("eigen", "uncentred")],
        gradient=leading_ratio_gradient,
    ),
    *_spectral(
        "condition_number",
        condition_number_of,
        _first("eigen", "centred"),
        _between(1.0, inf),
        smallest=True,
        gradient=condition_number_gradient,
    ),
    *_spectral("isoscore", isoscore_of, [("eigen", "centred")], _between(0.0, 1.0), gradient=isoscore_gradient),
    _trace(True),
    _trace(False),
    _of_rows("uniformity", "unit,t=2", uniformity, _between(-8.0, 0.0)),
    _twonn(0.1, default=True),
    _twonn(0, default=False),
    _of_rows("mean_knn_distance", "euclidean,k=5", mean_knn_distance, _between(0.0, inf)),
    _of_rows("mean_knn_distance", "euclidean,k=1", partial(mean_knn_distance, k=1), _between(0.0, inf), default=False),
    _of_rows("self_cluster", "unit,uncentred", self_cluster, lambda n, d: (-1.0 / (d - 1), 1.0)),
    _of_rows("coherence", "uncentred,n/rank", coherence, lambda n, d: (1.0, float(n)), smooth=False),
)
