"""What choosing a layer by each rule scores, loses against hindsight and gains on dull choices, and how surely."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from reprq.analysis.chance import two_sided
from reprq.analysis.datasets import ALL
from reprq.analysis.rules import Floats, StudyArrays, elsewhere, picks
from reprq.evaluation import holm
from reprq.study.results import POINT

FEW_CLUSTERS = 6  # below, there are too few ways to move values for 95 %
FEW_TARGETS = 3
ELSEWHERE, LAST, RANDOM = "best elsewhere", "last layer", "random"
Ends = tuple[float | None, float | None]
Layer = tuple[str, str, int]  # backbone, layer, layer_number


@dataclass(frozen=True, eq=False)
class Gains:
    """What one rule chooses, on one data set or over several.

    Attributes:
        score: The mean score of the choices; None over several data sets, whose scores do not compare.
        values: (T,) of each task, or of each data set, by name: regret, regret_same_rows, over_last, over_random.
        targets: (T,) the class of each task, or the data set.
        layers: (L,) the share of the choice that falls on each layer, in the order of their names.
        n_tasks: How many tasks.
    """

    score: float | None
    values: dict[str, Floats]
    targets: NDArray[np.str_]
    layers: Floats
    n_tasks: int


def regret_table(
    studies: Sequence[StudyArrays], said: Sequence[dict[str, Floats]], moved: dict[str, Floats], score: str
) -> pd.DataFrame:
    """Return one row a rule, of all data sets together where there are several and of each; see `recommend`.

    Args:
        studies: The study on each data set.
        said: What each rule says of every point in every task, by data set.
        moved: What choices by moved values score, (B, D) by rule: see `reprq.analysis.chance`.
        score: What the column of mean scores is called.
    """
    dull = elsewhere(studies)
    rules = [{**values, ELSEWHERE: dull[d]} if dull else dict(values) for d, values in enumerate(said)]
    shares = [
        {rule: picks(each[rule]) for rule in (*studies[0].rules, *([ELSEWHERE] if dull else []))} for each in rules
    ]
    for study, each in zip(studies, shares, strict=True):
        each |= {LAST: _uniform(study.last), RANDOM: _uniform(np.ones(len(study.points), dtype=bool))}
    found = [{rule: _gains(study, each, rule) for rule in each} for study, each in zip(studies, shares, strict=True)]
    tables = []
    if len(studies) > 1:
        places = _named(studies)[1]
        together = {rule: _together(studies, places, [each[rule] for each in found]) for rule in found[0]}
        means = {rule: draws.mean(1) for rule, draws in moved.items()}
        got = {rule: float(np.mean([each[rule].score for each in found])) for rule in moved}
        tables.append(_table(ALL, studies, together, means, got, score))
    for d, (study, gains) in enumerate(zip(studies, found, strict=True)):
        own = {rule: draws[:, d] for rule, draws in moved.items()}
        got = {rule: float(gains[rule].score or 0.0) for rule in moved}
        tables.append(_table(study.dataset, [study], gains, own, got, score))
    table = pd.concat([part.astype({name: float for name in part if part[name].isna().all()}) for part in tables])
    return table.reset_index(drop=True)


def _gains(study: StudyArrays, shares: dict[str, Floats], rule: str) -> Gains:
    got = scored(shares[rule], study.scores)
    values = {
        "regret": regrets(study, shares[rule]),
        "regret_same_rows": study.scores.max(0) - got,
        "over_last": got - scored(shares[LAST], study.scores),
        "over_random": got - scored(shares[RANDOM], study.scores),
    }
    often = (shares[rule] * np.ones((1, len(study.tasks)))).mean(1).round(9)
    return Gains(got.mean(), values, study.targets, often[study.by_name], len(study.tasks))


def _named(studies: Sequence[StudyArrays]) -> tuple[list[Layer], list[NDArray[np.int64]]]:
    """The layers of all data sets in the order of their names, and where those of each are among them."""
    own = [list(study.points[POINT].iloc[study.by_name].itertuples(index=False, name=None)) for study in studies]
    names = sorted({layer for layers in own for layer in layers})
    places = {layer: k for k, layer in enumerate(names)}
    return names, [np.array([places[layer] for layer in layers]) for layers in own]


def _together(studies: Sequence[StudyArrays], places: Sequence[NDArray[np.int64]], found: Sequence[Gains]) -> Gains:
    """The means within each data set, of which each counts as one."""
    values = {name: np.array([each.values[name].mean() for each in found]) for name in found[0].values}
    layers = np.zeros((len(found), 1 + max(place.max() for place in places)))
    for shares, place, each in zip(layers, places, found, strict=True):
        shares[place] = each.layers
    names = np.array([study.dataset for study in studies])
    return Gains(None, values, names, layers.mean(0).round(9), sum(each.n_tasks for each in found))


def _table(
    dataset: str,
    studies: Sequence[StudyArrays],
    found: dict[str, Gains],
    moved: dict[str, Floats],
    got: dict[str, float],
    score: str,
) -> pd.DataFrame:
    """The rows of all rules on one data set, or over several, with p-values corrected for the rules."""
    rows, layers = [], _named(studies)[0]
    for rule, each in found.items():
        lost = each.values["regret"]
        row: dict[str, object] = {"dataset": dataset, "rule": rule, score: each.score, "regret": lost.mean()}
        row |= _ends("regret", over_classes(lost, each.targets))
        row["regret_same_rows"] = each.values["regret_same_rows"].mean()
        for name in ("over_last", "over_random"):
            gain = each.values[name]
            ends = over_networks(studies, gain, each.targets, moved.get(rule), rule, name)
            row |= {name: gain.mean(), **_ends(name, ends)}
            row |= _ends(f"{name}_classes", over_classes(gain, each.targets))
        row["p_value"] = two_sided(got[rule], moved[rule]) if rule in moved else None
        favourite = _favourite(each, [] if rule in (LAST, RANDOM) else layers)
        rows.append({**row, "p_holm": None, **favourite, "n_tasks": each.n_tasks})
    table = pd.DataFrame(rows)
    table["p_holm"] = holm([None if pd.isna(p) else float(p) for p in table["p_value"]])
    return table.astype({"p_value": float, "p_holm": float, score: float})


def scored(shares: Floats, scores: Floats) -> Floats:
    """Return what a choice scores in each task, (T,): the mean over the points that share it, (P, T)."""
    found: Floats = (shares * scores).sum(0)
    return found


def best_in_hindsight(study: StudyArrays) -> Floats:
    """Return what the best layer in hindsight scores in each task, (T,), on rows that did not choose it."""
    found: Floats = np.mean([scored(picks(choose), judge) for choose, judge in study.folds], axis=0)
    return found


def regrets(study: StudyArrays, shares: Floats) -> Floats:
    """Return what a choice loses in each task, (T,), against the best in hindsight, both scored on the same rows."""
    lost: Floats = best_in_hindsight(study) - np.mean([scored(shares, judge) for _, judge in study.folds], axis=0)
    return lost


def over_classes(values: Floats, targets: NDArray[np.str_]) -> Ends:
    """Return the 95 % interval of a mean over tasks, Student's over the means of the classes they are about.

    The networks are held fixed.

    Args:
        values: (T,) one a task.
        targets: (T,) the class of each.
    """
    codes = np.unique(targets, return_inverse=True)[1]
    sizes = np.bincount(codes)
    n = len(sizes)
    if n < FEW_TARGETS:
        return None, None
    mean = values.mean()
    parts = (np.bincount(codes, values) - mean * sizes) / sizes.mean()
    half = stdtrit(n - 1, 0.975) * np.sqrt((parts @ parts) / (n * (n - 1)))
    return float(mean - half), float(mean + half)


def over_networks(
    studies: Sequence[StudyArrays],
    gain: Floats,
    targets: NDArray[np.str_],
    moved: Floats | None,
    rule: str,
    dull: str,
) -> Ends:
    """Return the 95 % interval of a mean gain for other networks and classes, or data sets, like these.

    A rule that names one network has drawn one. How far such a draw may lie from its mean is what values moved between
    networks show, so the permutation test is inverted: the gain less what the moved values exceed their mean by, times
    t sqrt(G / (G - 1)) / z for G clusters, since few networks vary less among themselves than those they stand for. To
    either side the spreads over classes and, for a gain over last layers, of these over networks, are added as squares.

    Args:
        studies: The data set, or several.
        gain: (T,) over a dull choice.
        targets: (T,) the class of each task, or the data set.
        moved: (B,) the score of choices by moved values, None for a dull rule.
        rule: Which rule or dull choice.
        dull: Over which, "over_last" or "over_random".
    """
    of_classes = over_classes(gain, targets)[1]
    n = len(np.unique(np.concatenate([study.clusters for study in studies])))
    if n < FEW_CLUSTERS or of_classes is None or (moved is None and rule not in (LAST, RANDOM)):
        return None, None
    mean = float(gain.mean())
    spread = (of_classes - mean) ** 2
    if (rule == LAST) != (dull == "over_last"):
        spread += _last_over_networks(studies) ** 2
    chance = np.zeros(1) if moved is None else moved - moved.mean()
    few = stdtrit(n - 1, 0.975) / ndtri(0.975) * np.sqrt(n / (n - 1))
    below, above = few * np.quantile(chance, [0.975, 0.025])
    return mean - float(np.sqrt(below**2 + spread)), mean + float(np.sqrt(above**2 + spread))


def _last_over_networks(studies: Sequence[StudyArrays]) -> float:
    """Half of the interval of last layers over random ones, Student's over the clusters' parts of that difference."""
    clusters = np.unique(np.concatenate([study.clusters for study in studies]))
    of_clusters = np.zeros(len(clusters))
    for study in studies:
        means, codes = study.scores.mean(1), np.searchsorted(clusters, study.clusters)
        parts = (means - means[study.last].mean()) * study.last / study.last.sum() - (means - means.mean()) / len(means)
        of_clusters += np.bincount(codes, parts, minlength=len(clusters)) / len(studies)
    n = len(of_clusters)
    return float(stdtrit(n - 1, 0.975) * np.sqrt(n / (n - 1) * (of_clusters @ of_clusters)))


def _uniform(among: NDArray[np.bool_]) -> Floats:
    found: Floats = (among / among.sum())[:, None]
    return found


def _ends(name: str, ends: Ends) -> dict[str, float | None]:
    return {f"{name}_low": ends[0], f"{name}_high": ends[1]}


def first_by_name(study: StudyArrays, shares: Floats) -> NDArray[np.int64]:
    """Return the first by name of the points that share the choice in each task: (T,)."""
    found: NDArray[np.int64] = study.by_name[(shares[study.by_name] > 0).argmax(0)]
    return found


def _favourite(found: Gains, layers: Sequence[Layer]) -> dict[str, object]:
    """The layer that a rule chose most often, the first by name if several did, and in which share of the tasks."""
    if not layers:
        return {"favourite": "", "favourite_share": None}
    most = int(found.layers.argmax())
    backbone, layer, _ = layers[most]
    return {"favourite": f"{backbone}, {layer}", "favourite_share": float(found.layers[most])}
