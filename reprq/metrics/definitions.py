"""The definitions of the metrics of one matrix, each with its stable identifier and its range."""

from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from typing import Any

import numpy as np

from reprq.metrics.compactness import Reference, cosine_compactness_of
from reprq.metrics.discriminant import coherence
from reprq.metrics.facts import Bounds, Computed, Definition, Facts
from reprq.metrics.neighbours import fit_twonn, mean_knn_distance
from reprq.metrics.powerlaw import FIT_RANGE, AlphaFit, fit_alpha
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
from reprq.numerics.spectra import Spectra


def rank_bounds(n: int, d: int) -> Bounds:
    """Return the least and the greatest rank of an (n, d) matrix."""
    return 1.0, float(min(n, d))


def _aucev_bounds(n: int, d: int) -> Bounds:
    return (min(n, d) + 1) / (2 * min(n, d)), 1.0


def between(low: float, high: float) -> Callable[[int, int], Bounds]:
    """Return bounds that do not depend on n and d."""
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
    return Definition("trace", identifier, compute, between(0.0, inf), centered, "", of_totals=of_totals)


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
    return Definition("alpha_req", identifier, compute, between(0.0, inf), default, "centred", gradient=gradient)


def _cosine(to: Reference) -> Definition:
    def compute(facts: Facts) -> Computed:
        return Computed(cosine_compactness_of(facts.moments, to))

    identifier = f"cosine_compactness[{to}]"
    bounds, of_totals = between(-1.0, 1.0), partial(cosine_compactness_of, to=to)
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
    return Definition("twonn", identifier, compute, between(0.0, inf), default, "", of_rows=True)


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
        between(1.0, inf),
        smallest=True,
        gradient=condition_number_gradient,
    ),
    *_spectral("isoscore", isoscore_of, [("eigen", "centred")], between(0.0, 1.0), gradient=isoscore_gradient),
    _trace(True),
    _trace(False),
    _of_rows("uniformity", "unit,t=2", uniformity, between(-8.0, 0.0)),
    _twonn(0.1, default=True),
    _twonn(0, default=False),
    _of_rows("mean_knn_distance", "euclidean,k=5", mean_knn_distance, between(0.0, inf)),
    _of_rows("mean_knn_distance", "euclidean,k=1", partial(mean_knn_distance, k=1), between(0.0, inf), default=False),
    _of_rows("self_cluster", "unit,uncentred", self_cluster, lambda n, d: (-1.0 / (d - 1), 1.0)),
    _of_rows("coherence", "uncentred,n/rank", coherence, lambda n, d: (1.0, float(n)), smooth=False),
)
