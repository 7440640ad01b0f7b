"""The values of metrics with a group of rows left out: to first order from one decomposition, or computed anew."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.metrics.facts import Definition, Facts
from reprq.metrics.jackknife import group_of_rows, leave_one_out
from reprq.numerics import packed
from reprq.numerics.eigenvectors import Eigenvectors
from reprq.numerics.moments import Moments, blocks_of
from reprq.numerics.spectra import Again, again
from reprq.numerics.totals import totals_less_each

ROWS_A_COLUMN = 3  # from so many on eigenvalues move to first order; with fewer, leaving rows out bends them

Floats = NDArray[np.float64]


def replicates(
    chosen: Mapping[str, Definition], groups: Sequence[Moments], whole: Facts, x: Any
) -> dict[str, list[float | None]]:
    """Return the values of metrics with each group left out, None where one does not exist.

    From three rows a column on, formulas of a spectrum follow to first order: leaving out the rows of group b changes
    eigenvalue j of the second moment by -v_j' S_b v_j, and the metric f by -sum_j f_j v_j' S_b v_j = -<G, S_b>, where
    G = V diag(f_j) V' with the derivatives f_j. That is one decomposition for all groups. Eigenvalues repel each other
    to second order, which moves all replicates alike, as n / d does, and so hardly their spread. With fewer rows, and
    where eigenvalues had to be computed from the rows themselves, all is computed anew without the group.

    Args:
        chosen: Metrics that have a value of all the rows.
        groups: The statistics of each group.
        whole: What is known of all the rows.
        x: What gives the rows.
    """
    found: dict[str, list[float | None]] = {}
    gradients: dict[str, Floats] = {}
    anew: dict[str, Definition] = {}
    linear = is_linear(whole.moments.n, whole.moments.d)
    for key, definition in chosen.items():
        gradient = definition.gradient(whole) if definition.gradient is not None and linear else None
        if definition.of_totals is not None:
            found[key] = [_value(definition.of_totals, totals) for totals in totals_less_each(groups)]
        elif gradient is not None:
            gradients[key] = gradient
        else:
            anew[key] = definition
    centerings = sorted({chosen[key].centering for key in gradients})
    bases = whole.reduction.eigenvectors([each == "centred" for each in centerings]) if gradients else []
    for centering, vectors in zip(centerings, bases, strict=True):
        some = {key: gradient for key, gradient in gradients.items() if chosen[key].centering == centering}
        values = _to_first_order(list(some.values()), vectors, whole, groups, centering == "centred")
        found |= dict(zip(some, values, strict=True))
    return found | _computed_anew(anew, groups, whole.rows, x)


def is_linear(n: int, d: int) -> bool:
    """Return whether n rows are enough for d columns' replicates to first order."""
    return n >= ROWS_A_COLUMN * d


def _to_first_order(
    gradients: Sequence[Floats], vectors: Eigenvectors, whole: Facts, groups: Sequence[Moments], centered: bool
) -> list[list[float | None]]:
    """Return what leaving each group out changes, for each metric; what is common to all groups is of no matter."""
    means = np.stack([group.mean - whole.moments.mean * centered for group in groups], axis=1)
    between = np.square(vectors.along(means)) * [group.n for group in groups]
    scale = len(groups) / (len(groups) - 1)  # what is left is that much less than all
    found: list[Floats] = []
    for number, slopes in enumerate(gradients):
        for before, same in zip(gradients[:number], found, strict=True):
            ratio = float(slopes @ before) / (float(before @ before) or 1.0)
            if np.allclose(slopes, ratio * before, rtol=1e-12, atol=0.0):  # one metric in another unit
                found.append(ratio * same)
                break
        else:
            affine = _affine(slopes, whole.spectra.centered) if centered else None
            inner = (
                affine[0] * _with_each(whole.moments.scatter_packed, groups) + affine[1] * _traces(groups)
                if affine is not None
                else _inner_products(vectors, slopes, groups)
            )
            found.append(-scale * (inner + slopes @ between))
    return [[float(value) for value in values] for values in found]


def _affine(slopes: Floats, spectrum: Floats) -> tuple[float, float] | None:
    """Return b and a where slope j is b lambda_j + a: then V diag(slopes) V' is b S + a I, and needs no product."""
    b = float(slopes[0] - slopes[-1]) / (float(spectrum[0] - spectrum[-1]) or 1.0)
    a = float(slopes[0]) - b * float(spectrum[0])
    if not np.allclose(slopes, a + b * spectrum, rtol=0.0, atol=1e-12 * float(np.abs(slopes).max())):
        return None
    return b, a


def _inner_products(vectors: Eigenvectors, slopes: Floats, groups: Sequence[Moments]) -> Floats:
    """Return <V diag(slopes) V', S_b> for the second moment S_b of each group."""
    common = float(np.median(slopes))
    rest = slopes - common
    return _with_each(packed.pack(vectors.weighted(rest)), groups) + common * _traces(groups)


def _with_each(matrix: Floats, groups: Sequence[Moments]) -> Floats:
    """Return the inner products of a packed matrix with the second moment of each group."""
    return np.array([packed.inner_product(matrix, group.scatter_packed, group.d) for group in groups])


def _traces(groups: Sequence[Moments]) -> Floats:
    return np.array([group.scatter_diagonal.sum() for group in groups])


def _computed_anew(
    chosen: Mapping[str, Definition], groups: Sequence[Moments], rows: NDArray[Any] | None, x: Any
) -> dict[str, list[float | None]]:
    found: dict[str, list[float | None]] = {key: [] for key in chosen}
    if not chosen:
        return found
    group = group_of_rows(sum(one.n for one in groups))
    for left_out, kept in enumerate(leave_one_out(groups)):
        facts = Facts(kept, None if rows is None else rows[group != left_out], _less(x, group, left_out))
        for key, definition in chosen.items():
            found[key].append(_value(lambda facts, definition=definition: definition.compute(facts).value, facts))
    return found


def _value(formula: Any, given: Any) -> float | None:
    try:
        return float(formula(given))
    except InputError:
        return None


def _less(x: Any, group: NDArray[np.int64], left_out: int) -> Again | None:
    """Return what gives the rows less a group once more, or None where they pass by once."""
    if again(x) is None:
        return None

    def kept() -> Iterator[NDArray[Any]]:
        start = 0
        for block in blocks_of(x):
            yield block[group[start : start + len(block)] != left_out]
            start += len(block)

    return kept
