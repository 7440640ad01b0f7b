"""How tightly the directions of embeddings lie together, from the sum of their unit vectors alone."""

from typing import Any, Literal

import numpy as np

from reprq.errors import InputError
from reprq.numerics.moments import Moments
from reprq.numerics.totals import Totals

Reference = Literal["pairs", "mean"]


def cosine_compactness(x: Any, to: Reference = "pairs") -> float:
    """Return the mean cosine between embeddings, in O(n d).

    Over all distinct pairs it is (|sum_i u_i|^2 - n) / (n (n - 1)) with u_i = x_i / |x_i|; to the mean embedding m it
    is (sum_i u_i) . m / (n |m|). A row of zeros has cosine 0 with everything.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n at least 2.
        to: "pairs" for the mean over pairs of rows, "mean" for the mean cosine to the mean embedding.

    Returns:
        At most 1 (one direction), higher is tighter; "pairs" is at least -1 / (n - 1), "mean" at least -1.

    Raises:
        InputError: x is not a finite (n, d) matrix of at least two rows, or all zero; with "mean", its mean is zero.

    Example:
        >>> cosine_compactness([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]).__round__(4)
        0.3333
    """
    return cosine_compactness_of(Moments.of(x, min_rows=2), to)


def cosine_compactness_of(moments: Moments | Totals, to: Reference) -> float:
    """Return the mean cosine of the rows that `moments` has seen; see `cosine_compactness`."""
    n, directed = moments.n, moments.n - moments.zero_rows
    if not directed:
        raise InputError("x must have rows that are not zero, got all rows zero: they have no direction")
    if to == "pairs":
        cosine = (float(moments.unit_sum @ moments.unit_sum) - directed) / (n * (n - 1))
        return float(np.clip(cosine, -1.0 / (n - 1), 1.0))
    if to != "mean":
        raise InputError(f"to must be 'pairs' or 'mean', got {to!r}")
    length = float(np.linalg.norm(moments.mean))
    if length == 0:
        raise InputError("x must have a mean that is not zero, got a zero mean: it has no direction to compare with")
    return float(np.clip(moments.unit_sum @ moments.mean / (n * length), -1.0, 1.0))
