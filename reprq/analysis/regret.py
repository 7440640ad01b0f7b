"""What choosing a layer by each rule scores, loses against hindsight and gains on dull choices, and how surely."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from reprq.analysis.chance import two_sided
from reprq.analysis.datasets import ALL
from reprq.analysis.rules import Floats, Layer, StudyArrays, elsewhere, picks
from reprq.evaluation import holm

FEW_CLUSTERS = 6  # below, there are too few ways to move values for 95 %
FEW_TARGETS = 3
ELSEWHERE, LAST, RANDOM = "best elsewhere", "last layer", "random"
Ends = tuple[float | None, float | None]
Columns = dict[str, Any]  # of a table, one entry a rule


@dataclass(frozen=True, eq=False)
class Gains:
    """What R rules and dull choices choose, on one data set or over several.

    Attributes:
        rules: (R,) their names.
        score: (R,) the mean score of the choices; nan over several data sets, whose scores do not compare.
        values: (R, T) of each task, or of each data set, by name: regret, regret_same_rows, over_last, over_random.
        targets: (T,) the class of each task, or the data set.
        often: (R, L) the share of the choice that falls on each layer, in the order of their names.
        layers: (L,) these.
        n_tasks: How many tasks.
    """

    rules: tuple[str, ...]
    score: Floats
    values: dict[str, Floats]
    targets: NDArray[np.str_]
    often: Floats
    layers: Sequence[Layer]
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
    others: Sequence[Floats | None] = dull or [None] * len(studies)
    found = [_gains(*each) for each in zip(studies, said, others, strict=True)]
    draws = np.stack([moved[rule] for rule in studies[0].rules])  # (rules, B, D)
    tables = []
    if len(studies) > 1:
        got = np.mean([each.score for each in found], axis=0)
        tables.append(_table(ALL, studies, _together(studies, found), draws.mean(2), got, score))
    for d, (study, gains) in enumerate(zip(studies, found, strict=True)):
        tables.append(_table(study.dataset, [study], gains, draws[:, :, d], gains.score, score))
    return pd.DataFrame({name: np.concatenate([table[name] for table in tables]) for name in tables[0]})


def _gains(study: StudyArrays, said: dict[str, Floats], dull: Floats | None) -> Gains:
    values = [*(said[rule] for rule in study.rules), *([] if dull is None else [dull])]
    chosen = picks(np.stack(values))  # (rules, P, T)
    uniform = [_uniform(among) for among in (study.last, np.ones(len(study.points), dtype=bool))]

    def of_all(get: Callable[[Floats], Floats]) -> Floats:
        return np.concatenate([get(chosen), *(get(shares)[None] for shares in uniform)])

    got = of_all(lambda shares: scored(shares, study.scores))
    gained = {
        "regret": of_all(lambda shares: regrets(study, shares)),
        "regret_same_rows": study.scores.max(0) - got,
        "over_last": got - got[-2],
        "over_random": got - got[-1],
    }
    rules = (*study.rules, *([] if dull is None else [ELSEWHERE]), LAST, RANDOM)
    often = of_all(lambda shares: shares.mean(-1)).round(9)[:, study.by_name]
    return Gains(rules, got.mean(1), gained, study.targets, often, study.layers, len(study.tasks))


def _together(studies: Sequence[StudyArrays], found: Sequence[Gains]) -> Gains:
    """The means within each data set, of which each counts as one."""
    values = {name: np.stack([each.values[name].mean(1) for each in found], axis=1) for name in found[0].values}
    layers = sorted({layer for each in found for layer in each.layers})
    places = {layer: k for k, layer in enumerate(layers)}
    often = np.zeros((len(found), len(found[0].rules), len(layers)))
    for shares, each in zip(often, found, strict=True):
        shares[:, [places[layer] for layer in each.layers]] = each.often
    names = np.array([study.dataset for study in studies])
    nothing, n_tasks = np.full(len(found[0].rules), np.nan), sum(each.n_tasks for each in found)
    return Gains(found[0].rules, nothing, values, names, often.mean(0).round(9), layers, n_tasks)


def _table(
    dataset: str, studies: Sequence[StudyArrays], found: Gains, moved: Floats, got: Floats, score: str
) -> Columns:
    """The rows of all rules on one data set, or over several, with p-values corrected for the rules."""
    rules, lost = len(found.rules), found.values["regret"]
    columns: Columns = {"dataset": [dataset] * rules, "rule": found.rules, score: found.score, "regret": lost.mean(1)}
    columns |= _ends("regret", _over_classes(lost, found.targets))
    columns["regret_same_rows"] = found.values["regret_same_rows"].mean(1)
    for name in ("over_last", "over_random"):
        gain = found.values[name]
        ends = over_networks(studies, gain, found.targets, moved, found.rules, name)
        columns |= {name: gain.mean(1), **_ends(name, ends)}
        columns |= _ends(f"{name}_classes", _over_classes(gain, found.targets))
    p_values = [two_sided(value, draws) for value, draws in zip(got, moved, strict=False)]
    tested: list[float | None] = [*p_values, *[None] * (rules - len(p_values))]
    columns |= {"p_value": np.array(tested, dtype=float), "p_holm": np.array(holm(tested), dtype=float)}
    return {**columns, **_favourites(found), "n_tasks": [found.n_tasks] * rules}


def scored(shares: Floats, scores: Floats) -> Floats:
    """Return what a choice scores in each task, (..., T): the mean over the points that share it, (..., P, T)."""
    found: Floats = (shares * scores).sum(-2)
    return found


def regrets(study: StudyArrays, shares: Floats) -> Floats:
    """Return what choices, (..., P, T), lose in each task against the best in hindsight, both on the same rows."""
    lost: Floats = study.best_in_hindsight - np.mean([scored(shares, judge) for _, judge in study.folds], axis=0)
    return lost


def over_classes(values: Floats, targets: NDArray[np.str_]) -> Ends:
    """Return the 95 % interval of a mean over tasks, Student's over the means of the classes they are about.

    The networks are held fixed.

    Args:
        values: (T,) one a task.
        targets: (T,) the class of each.
    """
    low, high = _over_classes(values[None], targets)[:, 0].tolist()
    return (None, None) if np.isnan(low) else (low, high)


def _over_classes(values: Floats, targets: NDArray[np.str_]) -> Floats:
    """The ends of `over_classes` of each row, (R, T) to (2, R); nan where there are none."""
    codes = np.unique(targets, return_inverse=True)[1]
    sizes = np.bincount(codes)
    n = len(sizes)
    if n < FEW_TARGETS:
        return np.full((2, len(values)), np.nan)
    mean = values.mean(1)
    sums = np.stack([np.bincount(codes, own) for own in values])
    parts = (sums - mean[:, None] * sizes) / sizes.mean()
    half = stdtrit(n - 1, 0.975) * np.sqrt((parts[:, None] @ parts[..., None]).ravel() / (n * (n - 1)))
    return np.stack([mean - half, mean + half])


def over_networks(
    studies: Sequence[StudyArrays],
    gain: Floats,
    targets: NDArray[np.str_],
    moved: Floats,
    rules: Sequence[str],
    dull: str,
) -> Floats:
    """Return the 95 % intervals of mean gains for other networks and classes, or data sets, like these.

    A rule that names one network has drawn one. How far such a draw may lie from its mean is what values moved between
    networks show, so the permutation test is inverted: the gain less what the moved values exceed their mean by, times
    t sqrt(G / (G - 1)) / z for G clusters, since few networks vary less among themselves than those they stand for. To
    either side the spreads over classes and, for a gain over last layers, of these over networks, are added as squares.

    Args:
        studies: The data set, or several.
        gain: (R, T) of each rule over a dull choice.
        targets: (T,) the class of each task, or the data set.
        moved: (M, B) the scores of choices by moved values, of the first M rules.
        rules: (R,) their names; dull ones have no moved values.
        dull: Over which choice, "over_last" or "over_random".

    Returns:
        (2, R) the lower and the upper ends; nan where there are none.
    """
    ends = _over_classes(gain, targets)
    n = len(np.unique(np.concatenate([study.clusters for study in studies])))
    if n < FEW_CLUSTERS or np.isnan(ends).all():
        return np.full(ends.shape, np.nan)
    mean, spread = gain.mean(1), np.zeros(len(gain))
    spread += (ends[1] - mean) ** 2
    of_last = [(rule == LAST) != (dull == "over_last") for rule in rules]
    spread[of_last] += _last_over_networks(studies) ** 2
    few = stdtrit(n - 1, 0.975) / ndtri(0.975) * np.sqrt(n / (n - 1))
    chance = np.zeros((2, len(gain)))
    chance[:, : len(moved)] = few * np.quantile(moved - moved.mean(1, keepdims=True), [0.975, 0.025], axis=1)
    below, above = np.sqrt(chance**2 + spread)
    tested = [k < len(moved) or rule in (LAST, RANDOM) for k, rule in enumerate(rules)]
    return np.where(tested, [mean - below, mean + above], np.nan)


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


def _ends(name: str, ends: Floats) -> Columns:
    return {f"{name}_low": ends[0], f"{name}_high": ends[1]}


def first_by_name(study: StudyArrays, shares: Floats) -> NDArray[np.int64]:
    """Return the first by name of the points that share the choice, (..., P, T), in each task: (..., T)."""
    found: NDArray[np.int64] = study.by_name[(shares[..., study.by_name, :] > 0).argmax(-2)]
    return found


def _favourites(found: Gains) -> Columns:
    """The layer that each rule chose most often, the first by name if several did, and in which share of the tasks."""
    most = found.often.argmax(1)
    named = [rule not in (LAST, RANDOM) for rule in found.rules]
    names = [f"{found.layers[k][0]}, {found.layers[k][1]}" if own else "" for k, own in zip(most, named, strict=True)]
    return {"favourite": names, "favourite_share": np.where(named, found.often.max(1), np.nan)}
