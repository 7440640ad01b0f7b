"""Intrinsic dimension by maximum likelihood, from how fast the distances to a row's neighbors grow."""

from typing import Any

import numpy as np

from reprq.errors import InputError
from reprq.metrics.neighbours import nearest
from reprq.numerics.pairs import centred_rows
from reprq.numerics.rows import distinct_rows
from reprq.numerics.tensors import as_resident, double


def local_dimension(x: Any, k: int = 10) -> float:
    """Return the maximum-likelihood intrinsic dimension of the rows, from the distances to their k nearest neighbors.

    1 / m = (1 / n) sum_i (1 / (k - 1)) sum_{j < k} log(T_k(i) / T_j(i)), T_j(i) the Euclidean distance from row i to
    its j-th nearest other row: Levina & Bickel's estimate in a row is 1 over the inner mean, and the rows are averaged
    as inverses, as the likelihood of all of them has it. Of rows that are equal one is kept.

    It fails where rows are few for their dimension: above about ten it falls short, the more the fewer rows there are,
    and at the borders of a sample as well. Noise in every direction raises it for small k, curvature for large k.
    Values compare only at one n and one k.

    Args:
        x: (n, d) array or tensor, or an object whose `array` is one; at least k + 1 distinct rows.
        k: Neighbors, from 2 to n - 1 of the distinct rows.

    Returns:
        Above 0, no unit; lower means that benign rows fill fewer directions locally.

    Raises:
        InputError: x is not a finite matrix, has k distinct rows or fewer, k is below 2, or every row has its
            neighbors equally far.

    References:
        Levina & Bickel, "Maximum likelihood estimation of intrinsic dimension", NeurIPS 2004, equation 8; MacKay &
        Ghahramani, "Comments on 'Maximum likelihood estimation of intrinsic dimension'", 2005, for the mean of
        inverses. Deviation: one k, where equation 10 averages over several.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).uniform(size=(2000, 2))
        >>> bool(abs(local_dimension(np.concatenate([rows, rows**2], axis=1)) - 2) < 0.1)
        True
    """
    if k < 2:
        raise InputError(f"k must be at least 2, got {k}; 10 is usual")
    rows = distinct_rows(double(as_resident(x, min_rows=2)))
    if len(rows) <= k:
        raise InputError(f"x must have more than k = {k} distinct rows, got {len(rows)}; give more embeddings")
    distances, _ = nearest(centred_rows(rows, "x"), k)
    distances = distances[distances[:, 0] > 0]  # rows that differ by less than float64 can tell apart
    if not len(distances):
        raise InputError("x must have rows that float64 tells apart, got none; rescale it")
    inverse = float(np.log(distances[:, -1:] / distances[:, :-1]).mean())
    if inverse <= 0:
        raise InputError(f"x must have {k} nearest neighbors at different distances, got equal ones (a lattice?)")
    return 1 / inverse
