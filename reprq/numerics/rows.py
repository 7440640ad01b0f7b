"""Rows of a matrix: their means, the different ones, and scoring them in blocks of one size."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.numerics import tensors
from reprq.numerics.tensors import Rows, is_tensor

Matrix = NDArray[np.floating]
Scores = NDArray[np.float64]

_BLOCK = 512


def column_means(rows: Rows) -> Scores:
    """(d,) float64 means of the columns; of a constant column exactly that constant, which a sum does not promise."""
    if is_tensor(rows):
        return tensors.column_means(rows)
    means: Scores = rows.mean(axis=0, dtype=np.float64)
    first = rows[0].astype(np.float64)
    off = np.abs(means - first)  # of a constant column no more than rounding, unless the sum overflows
    near = np.flatnonzero((off <= len(rows) * 2.0**-52 * np.abs(first)) | ~np.isfinite(off))
    constant = near[(rows[:, near] == rows[0, near]).all(axis=0)]
    means[constant] = first[constant]
    return means


def distinct_rows(rows: Rows) -> Rows:
    """The different rows, each once, in ascending order."""
    if is_tensor(rows):
        return tensors.distinct(rows)[0]
    return np.unique(rows + 0.0, axis=0)  # + 0.0: no -0.0


def unit_rows(rows: Rows, name: str, hint: str) -> Rows:
    """Divide each row by its Euclidean length, in float64; no length overflows or vanishes.

    Args:
        rows: (n, d) array, or tensor on a GPU, where the result then is.
        name: What the caller calls them.
        hint: What to do about a zero row.

    Raises:
        InputError: a row is zero and has no direction.

    Example:
        >>> unit_rows(np.array([[3.0, 4.0]]), "x", "remove it")
        array([[0.6, 0.8]])
    """
    xp = tensors.namespace(rows)
    largest = tensors.double(xp.amax(xp.abs(rows), 1, keepdims=True))
    if len(zero := np.flatnonzero(tensors.host(largest == 0))):
        raise InputError(
            f"{name} must have no zero row, whose direction is undefined, got {len(zero)}, the first in row {zero[0]}"
            " (counted from 0);"
            f" {hint}"
        )
    scaled = rows / largest
    return scaled / xp.sqrt(xp.einsum("ij,ij->i", scaled, scaled))[:, None]


def score_in_blocks(rows: Rows, score: Callable[[Rows], Rows], centre: Scores | float = 0.0) -> Scores:
    """Score rows in blocks of one size, the last one filled up, so that no score depends on its batch.

    BLAS sums in another order for another shape.

    Args:
        rows: (m, d) array, or tensor on a GPU.
        score: From an (s, d) float64 block of rows less `centre` to its (s,) scores, each row by itself; of a tensor
            the block is one, and so are the scores.
        centre: (d,) or a number.

    Returns:
        (m,) scores.
    """
    if is_tensor(rows):
        return tensors.score_in_blocks(rows, score, centre)
    scores = np.empty(len(rows))
    block = np.zeros((_BLOCK, rows.shape[1]))
    for start in range(0, len(rows), _BLOCK):
        part = rows[start : start + _BLOCK]
        np.subtract(part, centre, out=block[: len(part)])
        scores[start : start + len(part)] = score(block)[: len(part)]
    return scores
