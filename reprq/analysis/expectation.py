"""What a rule may be expected to lose on a new data set, and how often data sets that were left out lost so much."""

from typing import Any

import numpy as np
import pandas as pd

from reprq.analysis.regret import FEW_TARGETS, over_classes
from reprq.analysis.rules import Floats
from reprq.validation import check_columns

NINE_OF_TEN = (9, 10)
AS_RECOMMEND, OTHER_KINDS = "as recommend", "other modalities"


def data_sets_like(rows: pd.DataFrame, modality: str) -> pd.DataFrame:
    """Return the rows of data sets of a modality, or where there are fewer than three, all.

    Args:
        rows: With the columns dataset and modality.
        modality: Of the data that something is said of.
    """
    own = rows[rows["modality"] == modality]
    return own if own["dataset"].nunique() >= FEW_TARGETS else rows


def most_lost(values: Floats) -> tuple[float, float]:
    """Return what a new data set loses at most, and with which chance.

    Of n + 1 data sets that might have come in any order, the last loses no more than the k-th least of the others with
    a chance of k in n + 1 or more, whatever the distribution (Vovk, Gammerman and Shafer 2005, *Algorithmic Learning in
    a Random World*, chapter 2, with the regret itself as the score). k is the least that makes nine of ten, or n where
    fewer than nine data sets make less.

    Args:
        values: (n,) what a rule lost on each data set, at least one.

    Returns:
        The k-th least, and k / (n + 1).

    Example:
        >>> most_lost(np.array([0.3, 0.1, 0.2]))
        (0.3, 0.75)
        >>> most_lost(np.arange(19.0))
        (17.0, 0.9)
    """
    several, (share, whole) = len(values) + 1, NINE_OF_TEN
    k = min(-(-share * several // whole), several - 1)
    return float(np.sort(values)[k - 1]), k / several


def calibration(regrets: pd.DataFrame) -> pd.DataFrame:
    """Return how often what would have been said without a data set holds on it.

    Each data set is left out in turn under each detector, and the rest says the interval of the mean and what a new one
    loses at most (`most_lost`): once as `recommend_for` says it (`data_sets_like`), and once from the data sets of
    other modalities alone, where there are three or more, which are no draw from the same. The first holds nearly by
    construction, short of the claim by the few data sets; the second need not. Rules were fitted for the others with
    the data set among theirs, so that these are not wholly blind to it.

    Args:
        regrets: As of `Elsewhere`: level, rule, dataset, modality, detector, regret.

    Returns:
        One row a level, rule and learned_from ("as recommend", "other modalities"): `most_covers`, the share of data
        sets and detectors that lost at most so much, beside the mean share that is claimed, `most_claims`;
        `mean_covers`, the share whose regret lies in the 95 % interval of the mean, which does not claim that; and n.

    Raises:
        InputError: a column is missing.
    """
    names = ("level", "rule", "dataset", "modality", "detector", "regret")
    check_columns(regrets, names, "regrets")
    found = []
    for (level, rule, _), rows in regrets.groupby(["level", "rule", "detector"], sort=False):
        for left_out in rows.to_dict("records"):
            rest = rows[rows["dataset"] != left_out["dataset"]]
            ways = {
                AS_RECOMMEND: data_sets_like(rest, left_out["modality"]),
                OTHER_KINDS: rest[rest["modality"] != left_out["modality"]],
            }
            for way, learned in ways.items():
                if len(learned) >= FEW_TARGETS:
                    found.append({"level": level, "rule": rule, "learned_from": way, **_held(left_out, learned)})
    table = pd.DataFrame(found)
    by = table.groupby(["level", "rule", "learned_from"], sort=False)
    return by.mean().assign(n=by.size()).reset_index()


def _held(left_out: dict[Any, Any], learned: pd.DataFrame) -> dict[str, float]:
    values, lost = learned["regret"].to_numpy(dtype=np.float64), left_out["regret"]
    most, chance = most_lost(values)
    low, high = over_classes(values, learned["dataset"].to_numpy().astype(str))
    assert low is not None
    assert high is not None
    return {"most_covers": lost <= most, "most_claims": chance, "mean_covers": low <= lost <= high}
