"""Several sets that are learned from together: the smaller ones resampled to the largest, and all in every batch."""

import math

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def balanced(rows: Rows, sets: Rows, labels: Rows, rng: np.random.Generator) -> Rows:
    """Return rows in which every set has as many of each label as the largest set has of that label.

    A smaller one is repeated whole as often as that goes, and the rest is drawn from it without replacement, so that no
    row comes more than once oftener than another of its set and label. A set without a label stays without.

    Args:
        rows: (m,) of the n items.
        sets: (n,) which set each item is of.
        labels: (n,) its label.
        rng: Draws what is repeated.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> balanced(np.arange(5), np.array([0, 0, 0, 0, 1]), np.zeros(5, dtype=int), rng).tolist()
        [0, 1, 2, 3, 4, 4, 4, 4]
    """
    found = []
    for label in np.unique(labels[rows]):
        of_label = rows[labels[rows] == label]
        parts = [of_label[sets[of_label] == each] for each in np.unique(sets[of_label])]
        most = max(map(len, parts))
        for part in parts:
            times = math.ceil(most / len(part))
            found.append(np.concatenate([np.tile(part, times - 1), rng.permutation(part)])[:most])
    return np.sort(np.concatenate(found))


def mixed(rows: Rows, sets: Rows, rng: np.random.Generator) -> Rows:
    """Return rows in a random order in which each set is spread evenly, so that any stretch of them holds its share.

    Args:
        rows: (m,) of the n items.
        sets: (n,) which set each item is of.
        rng: Draws the order within each set.

    Example:
        >>> sets = np.repeat([0, 1], [6, 3])
        >>> sets[mixed(np.arange(9), sets, np.random.default_rng(0))].tolist()
        [0, 1, 0, 0, 1, 0, 0, 1, 0]
    """
    parts = [rng.permutation(rows[sets[rows] == each]) for each in np.unique(sets[rows])]
    places = np.concatenate([(np.arange(len(part)) + 0.5) / len(part) for part in parts])
    return np.concatenate(parts)[np.argsort(places, kind="stable")]
