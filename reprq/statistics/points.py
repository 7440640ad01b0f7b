"""The points of a correlation, sorted by group: which are used at a level, and why they may have no coefficient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprq.conversion import to_numpy
from reprq.errors import InputError
from reprq.statistics.coefficients import ROUNDING, Floats, Ints, group_sums
from reprq.validation import as_matrix, as_scores, check_finite


class Points(NamedTuple):
    """Columns whose rows are sorted by group.

    Attributes:
        x: (n,).
        y: (n,).
        codes: (n,) the group of each row, from 0.
        given: (n, k) what is held fixed, if anything.
        clusters: (G,) the cluster of each group, a place in `names`.
        names: The names of the clusters, sorted.
    """

    x: Floats
    y: Floats
    codes: Ints
    given: Floats | None
    clusters: Ints
    names: NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Sample:
    """Two columns whose rows come in groups, in one stratum or several.

    Attributes:
        strata: The points of each stratum by its name, "" where there is but one; none where there are no rows. The
            clusters of all are places in the same names.
        given: The names of the columns that are held fixed, where they have names.
    """

    strata: Mapping[str, Points]
    given: Sequence[Any] | None = None

    @classmethod
    def of(
        cls,
        x: ArrayLike,
        y: ArrayLike,
        groups: Sequence[Any] | NDArray[Any] | None = None,
        *,
        given: ArrayLike | None = None,
        clusters: Sequence[Any] | NDArray[Any] | None = None,
        strata: Sequence[Any] | NDArray[Any] | None = None,
    ) -> "Sample":
        """Check the columns and sort them by group; see `reprq.statistics.correlation` for what they are.

        Raises:
            InputError: columns of another length, a nan or inf, or a group in two clusters.
        """
        first, second = to_numpy(x, "x"), to_numpy(y, "y")
        if first.size == 0 and second.size == 0:
            return cls({})
        whole, order = _sorted(as_scores(first, "x"), as_scores(second, "y"), groups, given, clusters)
        columns = getattr(given, "columns", None)
        if strata is None:
            return cls({"": whole}, columns)
        names, of_rows = _codes(strata, len(order), "strata", "stratum")
        return cls({str(name): _rows(whole, of_rows[order] == k) for k, name in enumerate(names)}, columns)

    @classmethod
    def of_columns(
        cls,
        x: Floats,
        y: Floats,
        groups: Sequence[Any] | NDArray[Any],
        *,
        given: ArrayLike | None = None,
        clusters: Sequence[Any] | NDArray[Any] | None = None,
        strata: Sequence[Any] | NDArray[Any] | None = None,
    ) -> "list[Sample]":
        """Return `of` each pair of columns of two (n, t) arrays, whose groups and strata are looked up once.

        Raises:
            InputError: As `of`.
        """
        if not x.size:
            return [cls({}) for _ in x.T]
        check_finite(x, "x")
        check_finite(y, "y")
        whole, order = _sorted(x[:, 0], y[:, 0], groups, given, clusters)
        parts = {"": (whole, order)}
        if strata is not None:
            names, of_rows = _codes(strata, len(order), "strata", "stratum")
            kept = {str(name): of_rows[order] == k for k, name in enumerate(names)}
            parts = {name: (_rows(whole, rows), order[rows]) for name, rows in kept.items()}
        columns = getattr(given, "columns", None)
        return [
            cls({name: part._replace(x=own[at], y=other[at]) for name, (part, at) in parts.items()}, columns)
            for own, other in zip(x.T, y.T, strict=True)
        ]


def _sorted(
    x: Floats,
    y: Floats,
    groups: Sequence[Any] | NDArray[Any] | None,
    given: ArrayLike | None,
    clusters: Sequence[Any] | NDArray[Any] | None,
) -> tuple[Points, Ints]:
    """The points sorted by group, and that order; clusters are the groups by default, and each row a group."""
    if len(x) != len(y):
        raise InputError(f"x and y must have the same length, got {len(x)} and {len(y)}")
    known = None
    if given is not None:
        columns = to_numpy(given, "given")
        known = as_matrix(columns[:, None] if columns.ndim == 1 else columns, "given").astype(np.float64)
        if len(known) != len(x):
            raise InputError(f"given must have one row a point, {len(x)} rows, got {len(known)}")
    names, codes = np.arange(len(x)).astype(str), np.arange(len(x))
    if groups is not None:
        names, codes = _codes(groups, len(x), "groups", "group")
    order = np.argsort(codes, kind="stable")
    of_groups = np.arange(len(names))
    if clusters is not None:
        names, of_rows = _codes(clusters, len(x), "clusters", "cluster")
        of_groups = _clusters_of(of_rows, codes)
    return Points(x[order], y[order], codes[order], known if known is None else known[order], of_groups, names), order


def _rows(points: Points, kept: NDArray[np.bool_]) -> Points:
    """Some of the rows, the groups that they are of numbered anew."""
    present, codes = np.unique(points.codes[kept], return_inverse=True)
    given = None if points.given is None else points.given[kept]
    return Points(points.x[kept], points.y[kept], codes, given, points.clusters[present], points.names)


def _codes(names: Sequence[Any] | NDArray[Any], n: int, what: str, one: str) -> tuple[NDArray[np.str_], Ints]:
    """The distinct names of n rows, sorted, and the place of each row's among them."""
    given = to_numpy(names, what)
    if given.shape != (n,):
        raise InputError(f"{what} must have shape ({n},), one {one} a row, got {given.shape}")
    distinct, codes = np.unique(given.astype(str), return_inverse=True)
    return distinct, codes.astype(np.int64)


def _clusters_of(clusters: Ints, codes: Ints) -> Ints:
    """Return the cluster of each group, (G,)."""
    pairs = np.unique(np.column_stack([codes, clusters]), axis=0)
    if len(pairs) > len(np.unique(codes)):
        raise InputError("clusters must hold whole groups, got a group in two of them; give each group one cluster")
    return pairs[:, 1]


def points_of(level: str, points: Points) -> Points:
    """Return all points, the mean of each group, or the points of groups that have several."""
    if level == "pooled":
        return points
    sizes = np.bincount(points.codes)
    if level == "within":
        kept = sizes[points.codes] > 1
        codes = np.unique(points.codes[kept], return_inverse=True)[1]
        given = None if points.given is None else points.given[kept]
        return Points(points.x[kept], points.y[kept], codes, given, points.clusters[sizes > 1], points.names)
    columns = [points.x, points.y, *([] if points.given is None else points.given.T)]
    means = group_sums(np.column_stack(columns), points.codes) / sizes[:, None]
    given = None if points.given is None else means[:, 2:]
    return Points(means[:, 0], means[:, 1], np.arange(len(sizes)), given, points.clusters, points.names)


def without_constants(points: Points, level: str, names: Sequence[Any] | None) -> tuple[Points, tuple[str, ...]]:
    """Return the points without given columns that do not vary, and a note on each of those, by its name or number."""
    if points.given is None or not len(points.codes):
        return points, ()
    codes = points.codes if level == "within" else np.zeros_like(points.codes)
    constant = [all(_constant(column[codes == code]) for code in np.unique(codes)) for column in points.given.T]
    notes = tuple(
        f"given column {k if names is None else names[int(k)]} is constant and was left out"
        for k in np.flatnonzero(constant)
    )
    kept = points.given[:, ~np.array(constant)]
    return points._replace(given=kept if kept.size else None), notes


def undefined(x: Floats, y: Floats) -> str:
    """Return why no coefficient can be computed, or an empty string."""
    if len(x) < 3:
        return f"no coefficient from fewer than 3 points, got {len(x)}"
    flat = [name for name, values in (("x", x), ("y", y)) if _constant(values)]
    return f"constant {' and '.join(flat)}: no coefficient" if flat else ""


def _constant(values: Floats) -> bool:
    return bool(values.max() / 2 - values.min() / 2 <= ROUNDING * np.abs(values).max())


def unit_scale(values: Floats) -> Floats:
    """Center and scale, so that the sums of squares below neither cancel, overflow nor vanish."""
    values = values / (np.abs(values).max() or 1.0)
    values = values - values.mean()
    scaled: Floats = values / (np.abs(values).max() or 1.0)
    return scaled
