"""Hubs: rows that are among the nearest neighbors of very many others."""

from typing import Any

import numpy as np

from reprq.errors import InputError
from reprq.metrics.neighbours import nearest
from reprq.numerics.pairs import centred_rows
from reprq.numerics.tensors import as_resident, double


def hubness(x: Any, k: int = 10) -> float:
    """Return the skewness of the k-occurrence: of how many rows each row is among the k nearest neighbors.

    E (N_k - k)^3 / sd(N_k)^3 over the rows, N_k(i) the number of other rows that have row i among their k nearest
    (Euclidean), and sd the standard deviation that divides by n.

    It grows with the intrinsic dimension, with n, and with rows at very different distances from the mean, which a
    detector may want: high hubness is a property of the space and not in itself bad detection. Below some 50 rows it is
    mostly noise. Equal distances rank by row number, so that rows which repeat others make it depend on their order.

    Args:
        x: (n, d) array or tensor, or an object whose `array` is one.
        k: Neighbors, from 1 to n - 1; the paper takes 10.

    Returns:
        At most (n - 2) / sqrt(n - 1); 0 where no row is favored, positive with hubs; the lower end of what occurs is
        about -1. No unit.

    Raises:
        InputError: x is not a finite matrix of at least two rows, its rows are all equal, or k is not in 1 to n - 1.

    References:
        Radovanovic, Nanopoulos & Ivanovic, "Hubs in space: popular nearest neighbors in high-dimensional data", JMLR
        2010, equation 1.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> bool(hubness(rng.standard_normal((500, 3))) < 0.5 < 2 < hubness(rng.standard_normal((500, 300))))
        True
    """
    rows = double(as_resident(x, min_rows=2))
    if k >= len(rows):
        raise InputError(f"x must have more than k = {k} rows, got {len(rows)}; give more embeddings")
    numbers = nearest(centred_rows(rows, "x"), k)[1]
    occurrence = np.bincount(numbers.ravel(), minlength=len(rows)) - k
    spread = float(np.sqrt(np.mean(np.square(occurrence))))
    return float(np.mean(occurrence**3)) / spread**3 if spread > 0 else 0.0
