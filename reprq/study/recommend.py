"""Which backbone and layer to use, by quality on benign data, and what that choice costs in detection."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reprq.errors import InputError, UnknownNameError
from reprq.evaluation.correlation import expanded_percentiles
from reprq.study.correlate import chosen_detectors
from reprq.study.results import POINT, StudyResults
from reprq.study.rules import COMBINATION, Layout, check_layout, elsewhere, layout, picks, predictions, scaled_ranks

Floats = NDArray[np.float64]
FEW_TARGETS = 3


@dataclass(frozen=True, eq=False)
class Recommendation:
    """Layers in the order in which to try them, and how far to trust that order.

    Attributes:
        ranking: One row a detector, rule, backbone and layer: rank (1 is recommended), rule_score (mean over tasks of
            what the rule says, higher is better) and, where anomalies are known, the mean score and its own rank.
        regret: One row a detector and rule: what its choices score, and what that loses and gains; empty where no
            anomalies are known.
        choices: One row a detector, rule and task: the layer chosen and the best one; empty likewise. Where layers tie,
            `n_chosen` and `n_best` say how many, the first by name is named, and the scores are means over them.
        trust: One row a detector and metric: the correlation on which a ranking without anomalies rests; empty for a
            study's own.
        notes: What a reader must know.
    """

    ranking: pd.DataFrame
    regret: pd.DataFrame = field(default_factory=pd.DataFrame)
    choices: pd.DataFrame = field(default_factory=pd.DataFrame)
    trust: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()


def recommend(
    results: StudyResults | Path | str,
    detector: str | Sequence[str] | None = None,
    score: str = "auroc",
    *,
    exclude: str | Sequence[str] = (),
    n_resamples: int = 2000,
    seed: int = 0,
) -> Recommendation:
    """Rank the layers of a study by quality on benign data, and say what choosing by that rank costs.

    In every task each rule names one (backbone, layer): the one with the most of a metric (or the least, as the metric
    goes with the score elsewhere), or the one that a ridge regression on the ranks of all metrics puts first. What a
    rule says of a layer in a task is fitted on the other backbones and on the tasks of other classes; no label of the
    backbone or of the class enters.

    The regret is the score of the best layer in hindsight less that of the layer chosen, the mean over tasks. Beside
    the rules stand "last layer", the mean over the last layers of all backbones, "random", the mean over all layers,
    and "best elsewhere", the layer with the best mean score on the tasks of other classes, which takes labelled
    anomalies and the same backbone. Layers that tie for a choice share it. Intervals are 95 %, expanded percentiles of
    a bootstrap over the classes that tasks are about; the images and the networks are held fixed.

    Args:
        results: A study, or the folder of one.
        detector: Which detectors, by the name or definition in the table; all by default.
        score: The column of the detectors' table.
        exclude: Labels of backbones to leave out, with wildcards: "cifar_*".
        n_resamples: Bootstrap samples.
        seed: Seeds them.

    Returns:
        A `Recommendation`.

    Raises:
        UnknownNameError: a detector or score that the study does not have, or a pattern that matches no backbone.
        ReprqError: fewer than two backbones, or tasks of fewer than two classes.
    """
    if not isinstance(results, StudyResults):
        results = StudyResults.load(results)
    if n_resamples < 100:
        raise InputError(f"n_resamples must be at least 100, got {n_resamples}; 2000 is usual")
    results = without(results, [exclude] if isinstance(exclude, str) else exclude)
    if score not in results.detectors.select_dtypes("float"):
        raise UnknownNameError("score of the study", score, results.detectors.select_dtypes("float").columns)
    tables: dict[str, list[pd.DataFrame]] = {"ranking": [], "regret": [], "choices": []}
    notes: dict[str, None] = {}
    for definition in chosen_detectors(results, detector):
        study = layout(results, definition, score)
        check_layout(study)
        said = predictions(study)
        tables["ranking"].append(_ranking(study, said, score).assign(detector=definition))
        tables["choices"].append(_choices(study, said, score).assign(detector=definition))
        tables["regret"].append(_regret(study, said, score, n_resamples, seed).assign(detector=definition))
        notes |= dict.fromkeys(_notes(results, study))
    joined = {name: _first_column(pd.concat(found, ignore_index=True), "detector") for name, found in tables.items()}
    return Recommendation(**joined, notes=tuple(notes))


def without(results: StudyResults, patterns: Sequence[str]) -> StudyResults:
    """Return a study without the backbones whose labels match a pattern.

    Raises:
        UnknownNameError: a pattern matches none.
    """
    labels = results.metrics["backbone"].drop_duplicates().tolist()
    gone: set[str] = set()
    for pattern in patterns:
        found = fnmatch.filter(labels, pattern)
        if not found:
            raise UnknownNameError("backbone of the study", pattern, labels)
        gone |= set(found)
    metrics, judged = (table[~table["backbone"].isin(gone)] for table in (results.metrics, results.detectors))
    return StudyResults(metrics, judged, results.study, results.path)


def _ranking(study: Layout, said: dict[str, Floats], score: str) -> pd.DataFrame:
    """Every rule's order of the points over all tasks, the combination's first."""
    mean = study.scores.mean(1)
    actual = pd.Series(mean).rank(ascending=False, method="min").astype(int)
    tables = []
    for rule in (COMBINATION, *study.metrics):
        over_tasks = scaled_ranks(said[rule]).mean(1).round(9)
        rank = pd.Series(over_tasks).rank(ascending=False, method="min").astype(int)
        columns = {"rule": rule, "rule_score": over_tasks, "rank": rank, score: mean, f"{score}_rank": actual}
        table = study.points[POINT].assign(**columns)
        tables.append(table.sort_values(["rank", *POINT]))
    return _first_column(pd.concat(tables, ignore_index=True), "rule")


def _choices(study: Layout, said: dict[str, Floats], score: str) -> pd.DataFrame:
    """What each rule chose in each task, and what the best choice was."""
    best, most = picks(study.scores), study.scores.max(0)
    tables = []
    for rule in (COMBINATION, *study.metrics):
        chosen = picks(said[rule])
        taken = _scored(chosen, study.scores)
        names = {
            f"{which}{name}": study.points[name].to_numpy()[_first_by_name(study, shares)]
            for which, shares in (("", chosen), ("best_", best))
            for name in ("backbone", "layer")
        }
        ties = {"n_chosen": (chosen > 0).sum(0), "n_best": (best > 0).sum(0)}
        values = {score: taken, f"best_{score}": most, "regret": most - taken}
        tables.append(pd.DataFrame({"rule": rule, "task": study.tasks, **names, **values, **ties}))
    return pd.concat(tables, ignore_index=True)


def _regret(study: Layout, said: dict[str, Floats], score: str, n_resamples: int, seed: int) -> pd.DataFrame:
    """What every rule's choices score, lose against hindsight, and gain on the last layer and on chance."""
    chosen = {rule: picks(said[rule]) for rule in (COMBINATION, *study.metrics)}
    chosen["best elsewhere"] = picks(elsewhere(study))
    last, chance = study.scores[study.last].mean(0), study.scores.mean(0)
    achieved = {rule: _scored(shares, study.scores) for rule, shares in chosen.items()}
    achieved |= {"last layer": last, "random": chance}
    interval = _Bootstrap(study.targets, n_resamples, seed)
    rows = []
    for rule, got in achieved.items():
        row: dict[str, object] = {"rule": rule, score: got.mean()}
        for name, values in (
            ("regret", study.scores.max(0) - got),
            ("over_last", got - last),
            ("over_random", got - chance),
        ):
            row |= {name: values.mean(), **dict(zip((f"{name}_low", f"{name}_high"), interval(values), strict=True))}
        rows.append({**row, **_favourite(study, chosen.get(rule)), "n_tasks": len(study.tasks)})
    return pd.DataFrame(rows)


def _scored(shares: Floats, scores: Floats) -> Floats:
    """What a choice scores in each task, (T,): the mean over the points that share it."""
    found: Floats = (shares * scores).sum(0)
    return found


def _first_by_name(study: Layout, shares: Floats) -> NDArray[np.int64]:
    """Of the points that share the choice in each task, the first by name: (T,)."""
    order = study.points.sort_values(POINT).index.to_numpy()
    found: NDArray[np.int64] = order[(shares[order] > 0).argmax(0)]
    return found


def _favourite(study: Layout, shares: Floats | None) -> dict[str, object]:
    """The layer that a rule chose most often, the first by name if several did, and in which share of the tasks."""
    if shares is None:
        return {"favourite": "", "favourite_share": None}
    often = shares.mean(1, keepdims=True).round(9)
    (point,) = _first_by_name(study, picks(often))
    backbone, layer = (study.points[name].iloc[point] for name in ("backbone", "layer"))
    return {"favourite": f"{backbone}, {layer}", "favourite_share": float(often[point, 0])}


class _Bootstrap:
    """95 % intervals of a mean over tasks, by drawing the classes that they are about."""

    def __init__(self, targets: NDArray[np.str_], n_resamples: int, seed: int) -> None:
        _, self._codes = np.unique(targets, return_inverse=True)
        self._sizes = np.bincount(self._codes)
        n = len(self._sizes)
        self._counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_resamples)

    def __call__(self, values: Floats) -> tuple[float | None, float | None]:
        n = len(self._sizes)
        if n < FEW_TARGETS:
            return None, None
        sums = np.bincount(self._codes, values)
        return expanded_percentiles(self._counts @ sums / (self._counts @ self._sizes), n, 0.95)


def _notes(results: StudyResults, study: Layout) -> list[str]:
    backbones, targets = len(set(study.backbones)), len(set(study.targets))
    seeds = results.metrics["seed"].nunique() if "seed" in results.metrics else 1
    data = results.study.get("config", {}).get("data", {}).get("name", "one data set")
    notes = [
        f"one study on {data}: {len(study.points)} layers of {backbones} backbones, {len(study.tasks)} tasks about"
        f" {targets} classes, {seeds} seed{'s' * (seeds > 1)}; intervals say nothing of other images or networks"
    ]
    notes += study.notes
    if targets < FEW_TARGETS:
        notes.append(f"no interval from tasks about fewer than {FEW_TARGETS} classes")
    return notes


def _first_column(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table[[name, *(column for column in table if column != name)]]
