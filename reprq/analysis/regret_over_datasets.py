"""What choosing by each rule loses, over data sets: whole networks with their layers, or the layer of a given one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reprq.analysis.regret import over_classes, scored
from reprq.analysis.rivals import LAST
from reprq.analysis.rules import Floats, StudyArrays
from reprq.errors import InputError
from reprq.statistics.flips import ratios_of, share_as_extreme, sign_flips
from reprq.statistics.multiplicity import holm, westfall_young
from reprq.validation import check_columns

LAYER, BOTH = "layer of a network", "network and layer"
LEVELS = (LAYER, BOTH)
_FLIPS = 2**15


def regrets_by_dataset(studies: Sequence[StudyArrays], said: Sequence[Mapping[str, Floats]]) -> pd.DataFrame:
    """Return what each rule loses on each data set, one row a level, data set and rule: dataset, level, rule, regret.

    The best in hindsight is chosen on one half of the test rows and judged, as the rule's choice is, on the other
    (`reprq.analysis.hindsight`). At the level "layer of a network" both are sought among the layers of one network, and
    networks count alike; at "network and layer" among all.

    Args:
        studies: The study on each data set, for one detector.
        said: What each rule says of every point, higher is better: (P, T), or (F, R, P, T) where it says it anew in
            each of the F folds of the study and R draws.
    """
    rows = []
    for study, rules in zip(studies, said, strict=True):
        networks = by_network(study)
        for rule, values in rules.items():
            if networks:
                lost = [lost_by(part, values[..., own, :]).mean() for own, part in networks]
                rows.append({"dataset": study.dataset, "level": LAYER, "rule": rule, "regret": float(np.mean(lost))})
            lost_of_all = float(lost_by(study, values).mean())
            rows.append({"dataset": study.dataset, "level": BOTH, "rule": rule, "regret": lost_of_all})
    return pd.DataFrame(rows, columns=["dataset", "level", "rule", "regret"])


def by_network(study: StudyArrays) -> list[tuple[NDArray[np.int64], StudyArrays]]:
    """Return the points of each network that has several layers, and the study on these alone."""
    found = []
    for name in dict.fromkeys(study.backbones.tolist()):
        own = np.flatnonzero(study.backbones == name)
        if len(own) > 1:
            points = study.points.iloc[own].reset_index(drop=True)
            part = replace(study, points=points, clusters=study.clusters[own], ranks=study.ranks[own])
            found.append((own, replace(part, scores=study.scores[own], folds=study.folds[:, :, own])))
    return found


def lost_by(study: StudyArrays, said: Floats) -> Floats:
    """Return what a rule loses in each task, (T,), against the best in hindsight, both on rows that chose neither."""
    top = said == said.max(-2, keepdims=True)
    shares = top / top.sum(-2, keepdims=True)
    if shares.ndim == 4:
        shares = shares.mean(1)
    folds = np.broadcast_to(shares, (len(study.folds), *study.scores.shape))
    got = [scored(own, judge) for own, (_, judge) in zip(folds, study.folds, strict=True)]
    found: Floats = study.best_in_hindsight - np.mean(got, axis=0)
    return found


def regret_summary(table: pd.DataFrame, against: str = LAST) -> pd.DataFrame:
    """Return the mean regret of each rule over data sets, and how it differs from that of another rule.

    Intervals are Student's over data sets, which count alike, and speak of data sets like these. p-values flip the
    signs of the differences of whole data sets (all ways up to 16 data sets), adjusted for all rules of a level: by
    Holm, and by Westfall and Young's maxT, which counts rules that choose alike once.

    Args:
        table: As of `regrets_by_dataset`, one row a level, data set and rule; several of them, as of several
            detectors, are averaged within the data set. A rule that lacks a data set is judged on those it has.
        against: The rule that is compared with.

    Returns:
        One row a level and rule, the least regret first: regret, low, high, gain (regret of `against` less this, on the
        same data sets), gain_low, gain_high, p_value, p_holm, p_max_t, n_datasets.

    Raises:
        InputError: a column is missing, or no row is of the rule `against`.

    Example:
        >>> rows = [{"dataset": d, "level": "all", "rule": r, "regret": 0.1 * (r == "last layer") + 0.01 * i}
        ...     for i, d in enumerate("abcd") for r in ("last layer", "rankme")]
        >>> regret_summary(pd.DataFrame(rows))[["rule", "regret", "gain", "p_value"]].round(3).values.tolist()
        [['rankme', 0.015, 0.1, 0.125], ['last layer', 0.115, 0.0, nan]]
    """
    check_columns(table, ("dataset", "level", "rule", "regret"), "table")
    found = []
    for level, rows in table.groupby("level", sort=False):
        means = rows.groupby(["dataset", "rule"], sort=False)["regret"].mean().unstack()
        if against not in means:
            raise InputError(f"table must have the rule {against!r} to compare with, got {', '.join(map(str, means))}")
        found.append(_summary(means, against).assign(level=level))
    summary = pd.concat(found, ignore_index=True)
    return summary[["level", *(name for name in summary if name != "level")]]


def _summary(means: pd.DataFrame, against: str) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    flipped: list[Floats | None] = []
    for rule in means:
        own = means[rule].dropna()
        gain = (means[against] - means[rule]).dropna()
        low, high = over_classes(own.to_numpy(), own.index.to_numpy())
        row: dict[str, object] = {"rule": rule, "regret": own.mean(), "low": low, "high": high, "gain": gain.mean()}
        row["gain_low"], row["gain_high"] = over_classes(gain.to_numpy(), gain.index.to_numpy())
        differs = rule != against and bool((gain != 0).any())
        ratios = _flipped(means.index.isin(gain.index), gain.to_numpy()) if differs else None
        flipped.append(ratios)
        rows.append(row | {"p_value": None if ratios is None else share_as_extreme(ratios), "n_datasets": len(own)})
    table = pd.DataFrame(rows).astype({"p_value": float})
    p_values = [None if pd.isna(p) else float(p) for p in table["p_value"]]
    table["p_holm"], table["p_max_t"] = holm(p_values), westfall_young(flipped)
    return table.astype({"p_holm": float, "p_max_t": float}).sort_values("regret", kind="stable", ignore_index=True)


def _flipped(known: NDArray[np.bool_], gain: Floats) -> Floats:
    """The sizes of the mean gain under the flips that all rules share, over its own."""
    signs = sign_flips(len(known), _FLIPS, np.random.default_rng(0))[:, known]
    return ratios_of((signs @ gain)[None])
