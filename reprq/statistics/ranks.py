"""Midranks, as of `scipy.stats.rankdata`, without that package, which takes as long to load as a table of a study."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def midranks(values: ArrayLike) -> Floats:
    """Return the rank of each entry in its column, from 1; ties share the mean of their ranks, a nan has none (nan).

    Args:
        values: (n,) or (n, k).

    Example:
        >>> midranks([3.0, 1.0, 3.0, np.nan])
        array([2.5, 1. , 2.5, nan])
    """
    values = np.asarray(values, dtype=np.float64)
    order = np.argsort(values, axis=0, kind="stable")  # a nan comes last
    ascending = np.take_along_axis(values, order, axis=0)
    places = np.broadcast_to(np.arange(len(values)).reshape(-1, *[1] * (values.ndim - 1)), values.shape)
    differs = ascending[1:] != ascending[:-1]
    edge = np.ones((1, *values.shape[1:]), dtype=bool)
    first = np.maximum.accumulate(np.where(np.concatenate([edge, differs]), places, 0), axis=0)
    last = np.where(np.concatenate([differs, edge]), places, len(values))
    last = np.minimum.accumulate(last[::-1], axis=0)[::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, np.where(np.isnan(ascending), np.nan, (first + last) / 2 + 1), axis=0)
    return ranks
