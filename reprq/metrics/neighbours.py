"""Measures from nearest neighbors: intrinsic dimension and local spread."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.numerics.pairs import Matrix, centred_rows
from reprq.numerics.rows import distinct_rows
from reprq.numerics.tensor_neighbours import exact_neighbours
from reprq.numerics.tensors import Rows, as_resident, double

FAR = 100.0  # a second neighbor so many times as far as the first makes the first a near copy


class TwoNN(NamedTuple):
    """What `twonn` fits.

    Attributes:
        dimension: The intrinsic dimension.
        near_copies: The share of rows whose ratio is above `FAR`: at most 0.01 on a manifold of one dimension, less on
            others, more only where rows nearly repeat.
    """

    dimension: float
    near_copies: float


def twonn(x: Any, discard: float = 0.1) -> float:
    """Return the TwoNN intrinsic dimension, from the ratio of the distances to the two nearest neighbors.

    With mu_i = r_2 / r_1 sorted and F = i / n, the slope through the origin of -log(1 - F) on log mu, the largest
    `discard` of the ratios left out. Of rows that are equal one is kept.

    Args:
        x: (n, d) array or tensor, or an object whose `array` is one; at least 3 distinct rows.
        discard: The share of the largest ratios to leave out, in [0, 1).

    Returns:
        Above 0; near the dimension of the manifold the rows lie on, for a dense sample (it falls short above ten or
        so). Inf does not occur.

    Raises:
        InputError: x is not a finite matrix, has fewer than 3 distinct rows, `discard` leaves fewer than 2 ratios, or
            all rows have their two nearest neighbors equally far.

    References:
        Facco et al., "Estimating the intrinsic dimension of datasets by a minimal neighborhood information",
        Scientific Reports 2017, steps 1 to 5.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).uniform(size=(2000, 2))
        >>> bool(abs(twonn(np.concatenate([rows, rows**2], axis=1)) - 2) < 0.1)
        True
    """
    return fit_twonn(x, discard).dimension


def fit_twonn(x: Any, discard: float = 0.1) -> TwoNN:
    """Return what `twonn` returns, with the share of rows that nearly repeat another."""
    if not 0 <= discard < 1:
        raise InputError(f"discard must be a share in [0, 1), got {discard}; the paper uses 0.1")
    rows = distinct_rows(double(as_resident(x, min_rows=3)))
    if len(rows) < 3:
        raise InputError(f"x must have at least 3 distinct rows, got {len(rows)}; give more embeddings")
    distances, _ = nearest(centred_rows(rows, "x"), 2)
    distances = distances[distances[:, 0] > 0]  # rows that differ by less than float64 can tell apart
    n = len(distances)
    kept = min(int(n * (1 - discard)), n - 1)  # F = 1 has no logarithm
    if kept < 2:
        raise InputError(f"discard must leave at least 2 ratios, got {kept} of {n}; give a smaller share")
    ratios = np.sort(distances[:, 1] / distances[:, 0])
    logs = np.log(ratios[:kept])
    heights = -np.log1p(-np.arange(1, kept + 1) / n)
    if not logs.any():
        raise InputError("x must have two nearest neighbors at different distances, got equal ones (a lattice?)")
    return TwoNN(float(logs @ heights / (logs @ logs)), float(np.mean(ratios > FAR)))


def mean_knn_distance(x: Any, k: int = 5) -> float:
    """Return the mean Euclidean distance from a row to its k nearest other rows.

    Args:
        x: (n, d) array or tensor, or an object whose `array` is one.
        k: Neighbors, from 1 to n - 1.

    Returns:
        At least 0, in units of x; lower is denser.

    Raises:
        InputError: x is not a finite matrix of at least two rows that differ, or k is not in 1 to n - 1.

    Example:
        >>> mean_knn_distance([[0.0], [1.0], [3.0]], k=1)
        1.3333333333333333
    """
    array = double(as_resident(x, min_rows=2))
    if not (array != array[0]).any():
        return 0.0
    return float(nearest(array, k)[0].mean())


def nearest(rows: Rows, k: int) -> tuple[Matrix, NDArray[np.int64]]:
    """Return the distances to and the numbers of each row's k nearest other rows.

    Equal distances rank by row number; see `reprq.numerics.nearest`.

    Args:
        rows: (n, d) float64, also a tensor on a GPU.
        k: From 1 to n - 1.

    Returns:
        (n, k) float64 Euclidean distances, ascending, and (n, k) row numbers. A row is never its own neighbor, but a
        row equal to it is, at distance 0.

    Raises:
        InputError: k is not in 1 to n - 1.
    """
    n = len(rows)
    if not 1 <= k <= n - 1:
        raise InputError(f"k must be from 1 to n - 1 = {n - 1}, got {k}")
    squares, numbers = exact_neighbours(rows).search(rows, k, np.arange(n))
    return np.sqrt(squares), numbers
