"""Seeded splits for data that comes without one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_TEST_FRACTION = 0.3
BENIGN_SHARE = 0.7  # of benign rows, of a file in which the anomalous rows are known


def stratified_rows(labels: NDArray[np.int64], split: str, seed: int) -> NDArray[np.int64]:
    """Return the rows of one side of a split that puts a share of every class into "test", in ascending order.

    Each class gives round(_TEST_FRACTION * count) rows to the test side, at least one and never all of them.

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
        test[rows[: min(max(1, round(_TEST_FRACTION * len(rows))), len(rows) - 1)]] = True
    return np.flatnonzero(test if split == "test" else ~test)


def benign_to_fit(rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw the 70 % of benign rows that a detector is fitted on, in the order drawn; the others are scored.

    Example:
        >>> len(benign_to_fit(np.arange(10), np.random.default_rng(0)))
        7
    """
    return rng.permutation(rows)[: int(BENIGN_SHARE * len(rows))]


def split_info(seed: int, test_fraction: float = _TEST_FRACTION) -> dict[str, Any]:
    """Return what a data set records about such a split."""
    return {"kind": "stratified", "seed": seed, "test_fraction": test_fraction}
