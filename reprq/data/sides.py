"""Which rows of a table are on which side of its split: as a column says, or as it is split here."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.data.folders.split_names import role_of
from reprq.data.stratified import split_info, stratified_rows
from reprq.errors import DataError, listed

SPLIT_NAMES = ("split", "set", "fold")


def says_sides(values: Sequence[str]) -> bool:
    """Whether the cells of a column say sides of a split, and not folds or sets of something else.

    Example:
        >>> says_sides(["train", "Test"]), says_sides(["1", "2"])
        (True, False)
    """
    return {role_of(value) for value in values} <= {"train", "test", "val"}


def side_of(
    values: Sequence[str] | None,
    labels: NDArray[np.int64],
    split: str,
    seed: int,
    *,
    where: str,
    whole: bool = False,
) -> tuple[NDArray[np.int64], dict[str, Any]]:
    """Return the rows of one side, and how the split was made; "val" is scored where there is no "test".

    Args:
        values: What the column of the split says of every row; None where there is none, and rows are split by a seed,
            stratified by class.
        labels: (n,) the class of every row.
        split: "train" or "test".
        seed: Seed of a split made here.
        where: The table, for errors.
        whole: Whether to take all rows where the table has no split.

    Raises:
        DataError: No row is on that side.
    """
    if values is None:
        if whole:
            return np.arange(len(labels)), {"kind": "whole"}
        return stratified_rows(labels, split, seed), split_info(seed)
    roles = np.array([role_of(value) or "" for value in values])
    if "test" not in roles:
        roles[roles == "val"] = "test"
    rows = np.flatnonzero(roles == split)
    if not len(rows):
        some = listed([repr(value) for value in dict.fromkeys(values)])
        raise DataError(f"{where} has a column of splits and no row of {split!r}; it has {some}")
    return rows, {"kind": "official"}
