"""Coefficients within strata, such as data sets, and their mean.

Each stratum is made ready by itself: which points are used, in which units, with which curves removed. All of them
share the resamples and sign flips of clusters. One data set is one stratum.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.statistics import forms
from reprq.statistics.coefficients import COEFFICIENTS, Coefficient, Floats, Ints, within
from reprq.statistics.distance import distance_draws
from reprq.statistics.flips import FLIPPED, Flipped, flip_draws, flipped_pearson, flipped_within, unit_of
from reprq.statistics.given import curves, partial, residuals
from reprq.statistics.points import Points, Sample, points_of, undefined, unit_scale, without_constants

DISTANCE = "distance"
LEVELS = ("pooled", "between", "within")
_NONE: Mapping[int, Floats] = {}


@dataclass(frozen=True, eq=False)
class Stratum:
    """The points of one stratum that are correlated.

    Attributes:
        points: In units that neither cancel nor overflow; what is given is curves.
        method: How they are correlated.
        level: At which level.
    """

    points: Points
    method: str
    level: str

    def of_counts(self, counts: Floats) -> Floats:
        """Return the coefficient of resamples of groups, (B, G) -> (B,); nan where none of the groups was drawn."""
        points, of = self.points, self._coefficient
        drawn = counts.any(axis=1)
        if drawn.all():
            return of(points.x, points.y, points.codes, counts)
        found = np.full(len(counts), np.nan)
        if drawn.any():
            found[drawn] = of(points.x, points.y, points.codes, counts[drawn])
        return found

    @cached_property
    def coefficient(self) -> float:
        """The coefficient of the points themselves; nan where they have none."""
        return float(self.of_counts(np.ones((1, len(self.points.clusters))))[0])

    def flipped(self, signs: Floats) -> Floats:
        """Return a statistic with groups of x, and of y, changing sign, (2, B); only the order of sizes matters."""
        return flip_draws(*self._flips, signs)

    @property
    def unit(self) -> float:
        """What that statistic is divided by to be a coefficient."""
        x, y, codes, _ = self._flips
        return unit_of(x, y, codes, self.method if self.points.given is None else "pearson", self.level == "within")

    def distances(self, signs: Floats, seed: int) -> Floats:
        """Return the distance correlation with groups of x and of y changing sign independently, (B,)."""
        points = self.points
        left = residuals(points.x, points.y, points.given, points.codes, "spearman", self.level == "within")
        return distance_draws(left[:, 0], left[:, 1], points.codes, signs, np.random.default_rng(seed))

    @property
    def _coefficient(self) -> Coefficient:
        inside = self.level == "within"
        if self.points.given is not None:
            return partial(self.points.given, self.method, inside)
        return within(self.method) if inside else COEFFICIENTS[self.method]

    @property
    def _flips(self) -> tuple[Floats, Floats, Ints, Flipped]:
        """The columns that change sign by group, the groups, and what is then compared."""
        points, inside = self.points, self.level == "within"
        if points.given is None:
            statistic = flipped_within(self.method) if inside else FLIPPED[self.method]
            return points.x, points.y, points.codes, statistic
        left = residuals(points.x, points.y, points.given, points.codes, self.method, inside)
        return left[:, 0], left[:, 1], points.codes, flipped_within("pearson") if inside else flipped_pearson


@dataclass(frozen=True, eq=False)
class Strata:
    """All strata that have a coefficient.

    Attributes:
        parts: By name; empty where no stratum has one.
        clusters: (C,) the clusters in them, places among the names of all.
        names: (C,) what those are called.
        n: The points that are used.
        notes: What was left out or removed, and why.
    """

    parts: Mapping[str, Stratum]
    clusters: Ints
    names: NDArray[np.str_]
    n: int
    notes: tuple[str, ...]

    @classmethod
    def of(cls, sample: Sample, method: str, level: str) -> "Strata":
        """Make each stratum ready for a method at a level."""
        made = {name: _prepared(points, method, level, sample.given) for name, points in sample.strata.items()}
        parts = {name: part for name, (part, known, _) in made.items() if known}
        used = [part.points for part in parts.values()] or [part.points for part, _, _ in made.values()]
        clusters = np.unique(np.concatenate([points.clusters for points in used])) if used else np.zeros(0, int)
        names = used[0].names[clusters] if used else np.zeros(0, str)
        notes = _joined({name: said for name, (_, _, said) in made.items()}, parts)
        return cls(parts, clusters, names, sum(len(points.codes) for points in used), notes)

    @property
    def coefficient(self) -> float:
        """The mean of the coefficients of the points themselves."""
        return float(np.mean([[part.coefficient] for part in self.parts.values()], axis=0)[0])

    def of_counts(self, counts: Floats, known: Mapping[int, Floats] = _NONE) -> Floats:
        """Return the mean coefficient of resamples of clusters, (B, C) -> (B,); nan where a stratum has none.

        What is known of some parts, by their `id`, is not computed again.
        """
        parts = self.parts.values()
        draws = [known[id(p)] if id(p) in known else p.of_counts(self._own(p, counts)) for p in parts]
        found: Floats = np.mean(draws, axis=0)
        return found

    def flipped(self, signs: Floats, known: Mapping[int, Floats] = _NONE) -> Floats:
        """Return the statistic with clusters of x, and of y, changing sign, (2, B); of several the mean coefficient.

        What is known of some parts, by their `id`, is not computed again.
        """
        parts = self.parts.values()
        draws = [known[id(p)] if id(p) in known else p.flipped(self._own(p, signs)) for p in parts]
        if len(draws) == 1:
            return draws[0]
        units = [part.unit for part in self.parts.values()]
        found: Floats = np.mean([each / unit for each, unit in zip(draws, units, strict=True)], axis=0)
        return found

    def distances(self, signs: Floats, seed: int) -> Floats:
        """Return the mean distance correlation likewise, (B,)."""
        draws = [part.distances(self._own(part, signs), seed) for part in self.parts.values()]
        found: Floats = np.mean(draws, axis=0)
        return found

    def _own(self, part: Stratum, of_clusters: Floats) -> Floats:
        """What holds for each group of a part, (B, G), of what holds for clusters, (B, C)."""
        return of_clusters[:, np.searchsorted(self.clusters, part.points.clusters)]


def resampled(many: Sequence[Strata], counts: Floats) -> list[Floats]:
    """Return `Strata.of_counts` of several of the same clusters: parts with the same points are computed at once."""
    found: dict[int, Floats] = {}
    for alike in _alike(many):
        own = many[0]._own(alike[0], counts)
        drawn = own.any(axis=1)
        values = np.full((len(own), len(alike)), np.nan)
        values[drawn] = forms.resampled(*_columns(alike), alike[0].points.codes, own[drawn], alike[0].method)
        found |= zip(map(id, alike), values.T, strict=True)
    return [strata.of_counts(counts, found) for strata in many]


def flipped(many: Sequence[Strata], signs: Floats) -> list[Floats]:
    """Return `Strata.flipped` of several of the same clusters likewise."""
    found: dict[int, Floats] = {}
    for alike in _alike(many):
        own, (x, y) = many[0]._own(alike[0], signs), _columns(alike)
        of = [forms.flipped(*each, alike[0].points.codes, own, alike[0].method) for each in ((x, y), (y, x))]
        found |= zip(map(id, alike), np.nan_to_num(of).transpose(2, 0, 1), strict=True)
    return [strata.flipped(signs, found) for strata in many]


def _alike(many: Sequence[Strata]) -> list[list[Stratum]]:
    """The parts of which several have the same points, and whose coefficients can be computed together."""
    found: dict[tuple[int, str], list[Stratum]] = {}
    for part in (part for strata in many for part in strata.parts.values()):
        if part.points.given is None and part.level != "within" and forms.suited(part.points.codes, part.method):
            found.setdefault((id(part.points.codes), part.method), []).append(part)
    return [parts for parts in found.values() if len(parts) > 1]


def _columns(parts: Sequence[Stratum]) -> tuple[Floats, Floats]:
    return np.stack([part.points.x for part in parts], 1), np.stack([part.points.y for part in parts], 1)


def _prepared(
    known: Points, method: str, level: str, columns: Sequence[Any] | None
) -> tuple[Stratum, bool, tuple[str, ...]]:
    """The part of a stratum, whether it has a coefficient, and what to say of it; why not comes first.

    Kendall's tau takes what the curves leave over in place of x and y, and then nothing is given any more.
    """
    points, notes = without_constants(points_of(level, known), level, columns)
    if reason := undefined(points.x, points.y):
        return Stratum(points, method, level), False, (reason, *notes)
    inside, given = level == "within", points.given is not None
    if method == "pearson":
        points = points._replace(x=unit_scale(points.x), y=unit_scale(points.y))
    if points.given is not None:
        terms, removed = curves(points.given, points.codes, "spearman" if method == DISTANCE else method, inside)
        points, notes = points._replace(given=terms), (*notes, removed)
        if method == "kendall":
            left = residuals(points.x, points.y, terms, points.codes, method, inside)
            x, y = np.round(left / (np.abs(left).max(0) + (left == 0).all(0)), 9).T  # ties are ties after rounding
            points = points._replace(x=x, y=y, given=None)
    part = Stratum(points, method, level)
    varied = not given and not inside  # columns that are not constant have a coefficient
    if method == DISTANCE or varied or np.isfinite(part.coefficient):
        return part, True, notes
    why = f"constant x or y {'given the other columns' if given else 'inside every group'}: no coefficient"
    return part, False, (why, *notes)


def _joined(notes: Mapping[str, tuple[str, ...]], parts: Mapping[str, Stratum]) -> tuple[str, ...]:
    """Each note once, with the strata that it is about where it is not about all."""
    about: dict[str, list[str]] = {}
    for name, said in notes.items():
        for note in said if name in parts or not parts else said[:1]:
            about.setdefault(note, []).append(name)
    lost = [name for name in notes if name not in parts] if parts else []
    left_out = (f"left out: {', '.join(lost)}",) if lost else ()
    said_of = (note if len(names) == len(notes) else f"in {', '.join(names)}: {note}" for note, names in about.items())
    return (*left_out, *said_of)
