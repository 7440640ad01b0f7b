"""What choosing a layer by each rule scores, loses against hindsight and gains on dull choices, and how surely."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from reprq.analysis.chance import chance_scores, two_sided
from reprq.analysis.rules import Floats, StudyArrays, elsewhere, picks
from reprq.evaluation import holm
from reprq.study.results import POINT

FEW_CLUSTERS = 6  # below, there are too few ways to move values for 95 %
FEW_TARGETS = 3
DRAWS = 499  # the most of moved values: in each the rules are fitted anew
ELSEWHERE, LAST, RANDOM = "best elsewhere", "last layer", "random"
Ends = tuple[float | None, float | None]


def regret_table(study: StudyArrays, said: dict[str, Floats], score: str, n_resamples: int, seed: int) -> pd.DataFrame:
    """Return one row a rule; see `reprq.analysis.recommend`."""
    rules = {rule: said[rule] for rule in study.rules} | {ELSEWHERE: elsewhere(study)}
    every = np.ones(len(study.points), dtype=bool)
    shares = {rule: picks(values) for rule, values in rules.items()}
    shares |= {LAST: _uniform(study.last), RANDOM: _uniform(every)}
    dull = {"over_last": scored(shares[LAST], study.scores), "over_random": scored(shares[RANDOM], study.scores)}
    moved = chance_scores(study, min(n_resamples, DRAWS), seed)
    rows = []
    for rule, chosen in shares.items():
        got, lost = scored(chosen, study.scores), regrets(study, chosen)
        row: dict[str, object] = {"rule": rule, score: got.mean(), "regret": lost.mean()}
        row |= _ends("regret", over_classes(lost, study.targets))
        row["regret_same_rows"] = (study.scores.max(0) - got).mean()
        for name, values in dull.items():
            gain = got - values
            row |= {name: gain.mean(), **_ends(name, over_networks(study, gain, moved.get(rule), rule, name))}
            row |= _ends(f"{name}_classes", over_classes(gain, study.targets))
        row["p_value"] = two_sided(float(got.mean()), moved[rule]) if rule in moved else None
        rows.append({**row, "p_holm": None, **_favourite(study, chosen, rule in rules), "n_tasks": len(study.tasks)})
    table = pd.DataFrame(rows)
    table["p_holm"] = holm([None if pd.isna(p) else float(p) for p in table["p_value"]])
    return table.astype({"p_value": float, "p_holm": float})


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
    half = stats.t.ppf(0.975, n - 1) * np.sqrt((parts @ parts) / (n * (n - 1)))
    return float(mean - half), float(mean + half)


def over_networks(study: StudyArrays, gain: Floats, moved: Floats | None, rule: str, dull: str) -> Ends:
    """Return the 95 % interval of a mean gain for other networks and classes like these.

    A rule that names one network has drawn one. How far such a draw may lie from its mean is what values moved between
    networks show, so the permutation test is inverted: the gain less what the moved values exceed their mean by, times
    t sqrt(G / (G - 1)) / z for G clusters, since few networks vary less among themselves than those they stand for. To
    either side the spreads over classes and, for a gain over last layers, of these over networks, are added as squares.

    Args:
        study: The study.
        gain: (T,) over a dull choice.
        moved: (B,) the mean score of the rule's choices with its values moved; None for what is no rule.
        rule: Which rule or dull choice.
        dull: Over which, "over_last" or "over_random".
    """
    of_classes = over_classes(gain, study.targets)[1]
    n = len(set(study.clusters))
    if n < FEW_CLUSTERS or of_classes is None or (moved is None and rule not in (LAST, RANDOM)):
        return None, None
    mean = float(gain.mean())
    spread = (of_classes - mean) ** 2
    if (rule == LAST) != (dull == "over_last"):
        spread += _last_over_networks(study) ** 2
    chance = np.zeros(1) if moved is None else moved - moved.mean()
    few = stats.t.ppf(0.975, n - 1) / stats.norm.ppf(0.975) * np.sqrt(n / (n - 1))
    below, above = few * np.quantile(chance, [0.975, 0.025])
    return mean - float(np.sqrt(below**2 + spread)), mean + float(np.sqrt(above**2 + spread))


def _last_over_networks(study: StudyArrays) -> float:
    """Half of the interval of last layers over random ones, Student's over the clusters' parts of that difference."""
    means, codes = study.scores.mean(1), np.unique(study.clusters, return_inverse=True)[1]
    parts = (means - means[study.last].mean()) * study.last / study.last.sum() - (means - means.mean()) / len(means)
    of_clusters = np.bincount(codes, parts)
    n = len(of_clusters)
    return float(stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1) * (of_clusters @ of_clusters)))


def _uniform(among: NDArray[np.bool_]) -> Floats:
    found: Floats = (among / among.sum())[:, None]
    return found


def _ends(name: str, ends: Ends) -> dict[str, float | None]:
    return {f"{name}_low": ends[0], f"{name}_high": ends[1]}


def first_by_name(study: StudyArrays, shares: Floats) -> NDArray[np.int64]:
    """Return the first by name of the points that share the choice in each task: (T,)."""
    order = study.points.sort_values(POINT).index.to_numpy()
    found: NDArray[np.int64] = order[(shares[order] > 0).argmax(0)]
    return found


def _favourite(study: StudyArrays, shares: Floats, chooses: bool) -> dict[str, object]:
    """The layer that a rule chose most often, the first by name if several did, and in which share of the tasks."""
    if not chooses:
        return {"favourite": "", "favourite_share": None}
    often = shares.mean(1, keepdims=True).round(9)
    (point,) = first_by_name(study, picks(often))
    backbone, layer = (study.points[name].iloc[point] for name in ("backbone", "layer"))
    return {"favourite": f"{backbone}, {layer}", "favourite_share": float(often[point, 0])}
