"""The registry of metrics that follow from one pass: each definition with its stable identifier and its range."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import inf

from reprq.errors import UnknownNameError
from reprq.metrics.compactness import Reference, cosine_compactness_of
from reprq.metrics.moments import Moments
from reprq.metrics.powerlaw import FIT_RANGE, fit_alpha
from reprq.metrics.spectra import Spectra, spectra
from reprq.metrics.spectral import Spectrum, Values, aucev_of, participation_ratio_of, rankme_of, spectrum_of


class Facts:
    """What the one pass found, with the spectra computed when the first metric asks for them."""

    def __init__(self, moments: Moments) -> None:
        self.moments = moments

    @cached_property
    def spectra(self) -> Spectra:
        """Both spectra."""
        return spectra(self.moments)


@dataclass(frozen=True)
class Outcome:
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
        centring: "centred", "uncentred", or "" where the metric is no formula of a spectrum.
    """

    name: str
    identifier: str
    compute: Callable[[Facts], Outcome]
    bounds: Callable[[int, int], tuple[float, float]]
    default: bool
    centring: str


def names() -> list[str]:
    """Return the names of the metrics that `measure` gives.

    Example:
        >>> names()
        ['alpha_req', 'rankme', 'aucev', 'cosine_compactness', 'participation_ratio']
    """
    return [definition.name for definition in DEFINITIONS if definition.default]


def identifiers() -> list[str]:
    """Return the identifiers of all definitions, the default of each metric first.

    Example:
        >>> identifiers()[0]
        'alpha_req[eigen,centred,ranks=11-100,weighted]'
    """
    return [definition.identifier for definition in DEFINITIONS]


def select(metrics: Sequence[str] | None) -> dict[str, Definition]:
    """Return the definitions of some metrics under the names they were asked for.

    Args:
        metrics: Names or identifiers; None for every metric.

    Raises:
        UnknownNameError: a name is neither.
    """
    known = {definition.name: definition for definition in DEFINITIONS if definition.default}
    known |= {definition.identifier: definition for definition in DEFINITIONS}
    for name in metrics or ():
        if name not in known:
            raise UnknownNameError("metric", name, names() if "[" not in name else identifiers())
    return {name: known[name] for name in (names() if metrics is None else metrics)}


def _rank_bounds(n: int, d: int) -> tuple[float, float]:
    return 1.0, float(min(n, d))


def _aucev_bounds(n: int, d: int) -> tuple[float, float]:
    return (min(n, d) + 1) / (2 * min(n, d)), 1.0


def _spectral(
    name: str,
    formula: Callable[[Spectrum], float],
    default: tuple[Values, str],
    bounds: Callable[[int, int], tuple[float, float]],
    option: str = "",
) -> list[Definition]:
    """Return a formula of a spectrum on singular values and eigenvalues, centred and not, the default first."""

    def compute(values: Values, centring: str, facts: Facts) -> Outcome:
        return Outcome(formula(spectrum_of(facts.spectra, values, centring == "centred")))

    kinds: list[tuple[Values, str]] = [
        ("singular", "uncentred"),
        ("singular", "centred"),
        ("eigen", "uncentred"),
        ("eigen", "centred"),
    ]
    return [
        Definition(
            name,
            f"{name}[{values},{centring}{option}]",
            partial(compute, values, centring),
            bounds,
            (values, centring) == default,
            centring,
        )
        for values, centring in sorted(kinds, key=lambda kind: kind != default)
    ]


def _alpha(fit_range: tuple[int, int], weighted: bool) -> Definition:
    def compute(facts: Facts) -> Outcome:
        fit = fit_alpha(facts.spectra.centred, fit_range, weighted)
        notes = []
        if fit.ranks < 10:
            notes.append(f"only {fit.ranks} ranks fitted ({fit.first} to {fit.last})")
        elif fit.last < fit_range[1]:
            notes.append(f"fitted over ranks {fit.first} to {fit.last}, the rank of x")
        if fit.r2 < 0.9:
            notes.append(f"a power law fits badly: R2 = {fit.r2:.2f}")
        extra = {"r2": fit.r2, "first_rank": fit.first, "last_rank": fit.last}
        extra |= {"alpha_low": fit.alpha_low, "alpha_high": fit.alpha_high}
        return Outcome(fit.alpha, tuple(notes), extra)

    weights = "weighted" if weighted else "unweighted"
    identifier = f"alpha_req[eigen,centred,ranks={fit_range[0]}-{fit_range[1]},{weights}]"
    default = fit_range == FIT_RANGE and weighted
    return Definition("alpha_req", identifier, compute, lambda n, d: (0.0, inf), default, "centred")


def _cosine(to: Reference) -> Definition:
    def compute(facts: Facts) -> Outcome:
        return Outcome(cosine_compactness_of(facts.moments, to))

    identifier = f"cosine_compactness[{to}]"
    return Definition("cosine_compactness", identifier, compute, lambda n, d: (-1.0, 1.0), to == "pairs", "")


DEFINITIONS: tuple[Definition, ...] = (
    _alpha(FIT_RANGE, True),
    _alpha(FIT_RANGE, False),
    *_spectral("rankme", partial(rankme_of, eps=1e-7), ("singular", "uncentred"), _rank_bounds, ",eps=1e-7"),
    *_spectral("aucev", aucev_of, ("singular", "centred"), _aucev_bounds),
    _cosine("pairs"),
    _cosine("mean"),
    *_spectral("participation_ratio", participation_ratio_of, ("eigen", "centred"), _rank_bounds),
)
