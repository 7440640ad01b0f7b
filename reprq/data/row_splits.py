"""The split of rows whose labels are known and that come without one: those of a file of embeddings."""

import numpy as np
from numpy.typing import NDArray

from reprq.data.splits import Split
from reprq.data.stratified import benign_to_fit
from reprq.errors import InputError

Rows = NDArray[np.int64]


def row_split(
    truth: Rows,
    *,
    groups: Rows | None = None,
    pollution: float = 0.0,
    labelled: float = 0,
    known: Rows | None = None,
    seed: int = 0,
    name: str = "the rows",
) -> Split:
    """Let 70 % of the benign rows train, and score all others; rows of one group are on one side.

    Args:
        truth: (n,) 1 is anomalous.
        groups: (n,) what each row is a part of, as a patient or a recording; None where each stands for itself. 70 % of
            the groups without an anomalous row train, and every row is scored by itself. Other rows of a group that
            pollutes or is known are left out.
        pollution: Share p in [0, 1) of the training rows that are anomalies: round(p / (1 - p) n) for n benign ones.
        labelled: How many anomalies are known, or as a share g in (0, 1) round(g / (1 - g) m) of m training rows. None
            of them pollutes.
        known: The anomalous rows of which these are drawn; all by default.
        seed: Of all draws. More pollution is a superset of less.
        name: What the rows are called.

    Raises:
        InputError: No group is all benign, fewer anomalous rows than are to be known, or none is left to score.

    Example:
        >>> split = row_split(np.repeat([0, 1], [10, 6]), labelled=2)
        >>> len(split.train), len(split.labelled), split.labels.tolist()
        (7, 2, [0, 0, 0, 1, 1, 1, 1])
    """
    objects = np.arange(len(truth)) if groups is None else groups
    rng = np.random.default_rng(seed)
    anomalous = np.unique(objects[truth == 1])
    benign = np.setdiff1d(np.unique(objects), anomalous)
    if groups is not None and len(benign) < 2:
        raise InputError(f"{name} must have at least 2 groups without an anomalous row, got {len(benign)}")
    fitted = np.flatnonzero(np.isin(objects, benign_to_fit(benign, rng)))
    rank = np.argsort(np.searchsorted(anomalous, rng.permutation(anomalous)))  # of every group, in the order drawn
    rows = np.flatnonzero(truth == 1)
    order = rows[np.argsort(rank[np.searchsorted(anomalous, objects[rows])], kind="stable")]
    count = round(pollution / (1.0 - pollution) * len(fitted))
    wanted = round(labelled / (1.0 - labelled) * (len(fitted) + count)) if labelled < 1 else int(labelled)
    train = np.sort(np.concatenate([fitted, order[:count]]))
    others = order[count:] if known is None else order[count:][np.isin(order[count:], known)]
    if known is not None and wanted > len(others):
        raise InputError(
            f"{name} has {len(others)} anomalies of the classes to label, and {wanted} would be known; lower --labelled"
        )
    labelled_rows = np.sort(others[:wanted])
    test = np.flatnonzero(~np.isin(objects, objects[np.concatenate([train, labelled_rows])]))
    if count + wanted and not truth[test].any() and (len(order) or wanted):
        what, lower = f"{count} of them would pollute", "lower --pollution"
        if wanted:
            what, lower = f"{what} and {wanted} be known", "lower --pollution or --labelled"
        raise InputError(f"{name} has {len(order)} anomalies, {what}; {lower}")
    return Split(name, train, test, truth[test], labelled_rows)
