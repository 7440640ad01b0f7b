"""A seeded, stratified split for data that comes without one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

TEST_FRACTION = 0.3


def stratified_rows(labels: NDArray[np.int64], split: str, seed: int) -> NDArray[np.int64]:
    """Return the rows of one side of a split that puts a share of every class into "test", in ascending order.

    Each class gives round(TEST_FRACTION * count) rows to the test side, at least one and never all of them.

    Args:
        labels: (n,) class indices; every class needs two rows or more.
        split: "train" or "test".
        seed: Seed of the draw.

    Example:
        >>> labels = np.repeat([0, 1], [10, 4])
        >>> len(stratified_rows(labels, "train", seed=0)), len(stratified_rows(labels, "test", seed=0))
        (10, 4)
    """
    rng = np.random.default_rng(seed)
    test = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        test[rows[: min(max(1, round(TEST_FRACTION * len(rows))), len(rows) - 1)]] = True
    return np.flatnonzero(test if split == "test" else ~test)


def split_info(seed: int) -> dict[str, Any]:
    """Return what a data set records about such a split."""
    return {"kind": "stratified", "seed": seed, "test_fraction": TEST_FRACTION}
