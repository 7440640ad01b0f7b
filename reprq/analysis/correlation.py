"""Does quality, measured on benign data alone, predict detection? The correlation table of a study."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from reprq.analysis.complete import Complete, by_cell, complete_scores, tasks_in
from reprq.analysis.depth import relative_depth
from reprq.analysis.spread import SPREAD_COLUMNS, task_points, task_spread
from reprq.errors import UnknownNameError
from reprq.evaluation import Correlation, holm
from reprq.statistics.coefficients import Floats
from reprq.statistics.correlation import infer
from reprq.statistics.flips import CommonFlips, common_flips
from reprq.statistics.multiplicity import westfall_young
from reprq.statistics.points import Sample
from reprq.statistics.strata import DISTANCE, LEVELS
from reprq.study.results import CLUSTERS, POINT, StudyResults

METHODS = ("spearman", "pearson", "kendall")
COVARIATES = ("width", "depth")
COLUMNS = [
    "tasks",
    "level",
    "given",
    "cluster",
    "detector",
    "metric",
    "method",
    "coefficient",
    "low",
    "high",
    "p_value",
    "p_holm",
    "p_family",
]
COLUMNS += [*SPREAD_COLUMNS, "n", "n_backbones", "n_architectures", "notes"]


def correlate(
    results: StudyResults | Path | str,
    metric: str | Sequence[str] | None = None,
    score: str = "auroc",
    detector: str | Sequence[str] | None = None,
    method: str | Sequence[str] = METHODS,
    tasks: str | Sequence[str] = "all",
    *,
    level: str | Sequence[str] = "pooled",
    given: str | Sequence[str] = (),
    cluster: str = "backbone",
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Correlate each metric with each detector's AUROC over the (backbone, layer) points of a study.

    A point is the mean of the metric and the mean of the score over the tasks and seeds, the same ones for every point:
    one that lacks a cell is left out, and the notes say so (`reprq.analysis.complete`). The interval comes from a
    bootstrap that resamples whole backbones, because the layers of one network are not independent; the p-value from
    a sign-flip test; `p_holm` corrects it for all metrics that the study measured (Holm 1979), whichever are shown,
    within one detector, method, level and group of tasks; `p_family` corrects it for all metrics and all detectors,
    levels and groups of tasks that were asked for, within one method, from the same sign flips in every test (Westfall
    & Young 1993). See `reprq.statistics.correlation`.

    Args:
        results: A study, or the folder of one.
        metric: Which metrics; all that the study measured by default.
        score: The column of the detectors' table; "auroc".
        detector: Which detectors, by the name or definition in the table; all by default.
        method: "spearman", "pearson", "kendall", "distance" (any shape, as a best value in the middle), or several.
        tasks: Over which tasks to average: "all", "unimodal", "multimodal", a task's name, "each" (every task by
            itself), or several of these.
        level: "pooled" over all points; "between" backbones, of which each is the mean of its layers; "within"
            backbones, over the layers of each; or several.
        given: What to hold fixed: "width" (columns of the layer), "depth" (number of the layer over the largest
            of its backbone in the study, from 0 to 1), or both; removed as smooth curves, of which the notes tell.
        cluster: What is independent, so that interval and p-value move it as a whole: "backbone", or "architecture"
            with all its networks. Where the architecture carries the effect, the former rejects too often.
        n_resamples: Bootstrap samples and permutations.
        seed: Seeds both.

    Returns:
        One row a group of tasks x level x detector x method x metric: coefficient, low, high, p_value, p_holm,
        p_family, task_median, task_min, task_max (of the coefficients of single tasks, where there are several),
        new_task_low, new_task_high (between what that of a new task is expected, 95 %), n (points), n_backbones,
        n_architectures, notes. Correlations are between -1 and 1. Where backbones count as independent and some are of
        one architecture, the notes say how many those are.

    Raises:
        UnknownNameError: a metric, score, detector, method, level, cluster, task or column that does not exist.
        ReprqError: the folder is not a finished study.
    """
    if not isinstance(results, StudyResults):
        results = StudyResults.load(results)
    measured = results.metrics["metric"].unique().tolist()
    chosen = _among("metric of the study", metric, measured)
    judged = chosen_detectors(results, detector)
    methods = _among("correlation method", method, [*METHODS, DISTANCE])
    groups = _task_groups(results, tasks)
    levels = _among("level of correlation", level, list(LEVELS))
    fixed = _among("column to hold fixed", given, list(COVARIATES))
    _among("cluster", cluster, list(CLUSTERS))
    independent = "network" if cluster == "architecture" and "network" in results.metrics else "backbone"
    flips = common_flips(results.metrics[independent], n_resamples, seed)
    rows: list[dict[str, object]] = []
    ratios: list[Floats | None] = []
    values = {name: by_cell(results.metrics[results.metrics["metric"] == name], "value") for name in measured}
    for group, definition in itertools.product(groups, judged):
        scores = _scores(results, definition, score, group)
        tables = {name: _points(results, name, scores, values[name]) for name in measured}
        single = {name: task_points(values[name], scores, over) for name, over in tables.items() if name in chosen}
        for at, how in itertools.product(levels, methods):
            asked = {"tasks": group, "level": at, "given": ",".join(fixed), "cluster": cluster}
            asked |= {"detector": definition, "method": how}
            tests = [_correlation(over, fixed, how, at, cluster, n_resamples, seed, flips) for over in tables.values()]
            adjusted = holm([found.p_value for found, _ in tests])
            for (name, over), (found, own), p_holm in zip(tables.items(), tests, adjusted, strict=True):
                said = [*scores.notes, *_lacking(name, len(scores.values) - len(over))]
                rows.append({**asked, "metric": name, **_found(found, p_holm, over, cluster, said)})
                rows[-1] |= task_spread(single[name], how, at, fixed) if name in chosen and how != DISTANCE else {}
                ratios.append(own)
    for how in methods:
        family = [k for k, row in enumerate(rows) if row["method"] == how]
        for k, p_family in zip(family, westfall_young([ratios[k] for k in family]), strict=True):
            rows[k]["p_family"] = p_family
    return pd.DataFrame([row for row in rows if row["metric"] in chosen], columns=COLUMNS)


def points(results: StudyResults, metric: str, score: str, detector: str, tasks: str = "all") -> pd.DataFrame:
    """Return the (backbone, layer) points of one metric against one detector's score.

    Args:
        results: A study.
        metric: A metric of the study.
        score: A column of the detectors' table, "auroc".
        detector: A detector's definition in the table.
        tasks: "all", "unimodal", "multimodal" or a task's name.

    Returns:
        One row a point: backbone, layer, layer_number, x (mean of the metric over tasks and seeds), y (mean score),
        network (the architecture), weights, width (columns), depth (number of the layer over the largest of
        its backbone, at most 1; see `reprq.analysis.depth`).
        A point whose metric or score is missing for some task or seed is left out (`reprq.analysis.complete`).

    Raises:
        UnknownNameError: a score or task that the study does not have.
    """
    values = by_cell(results.metrics[results.metrics["metric"] == metric], "value")
    return _points(results, metric, _scores(results, detector, score, tasks), values)


def _scores(results: StudyResults, detector: str, score: str, tasks: str) -> Complete:
    if score not in results.detectors.columns or not pd.api.types.is_float_dtype(results.detectors[score]):
        floats = results.detectors.select_dtypes("float").columns
        raise UnknownNameError("score of the study", score, floats)
    return complete_scores(results, detector, score, tasks)


def _points(results: StudyResults, metric: str, scores: Complete, values: pd.DataFrame) -> pd.DataFrame:
    """The points that have a metric, of these values by cell, in every cell of the scores."""
    measured = results.metrics[results.metrics["metric"] == metric]
    x = scores.same_cells(values).mean(axis=1, skipna=False).rename("x")
    y = scores.values.mean(axis=1).rename("y")
    known = measured.assign(
        network=measured.get("network", measured["backbone"]),
        weights=measured.get("weights", ""),
        width=measured.get("d", np.nan),
    )  # tables of before these columns have none
    layers = known.groupby(POINT, sort=False)[["network", "weights", "width"]].first()
    layers["depth"] = relative_depth(layers.index.to_frame(index=False)).to_numpy()
    found = pd.concat([x, y, layers], axis=1, join="inner").dropna(subset=["x", "y"]).reset_index()
    return found.astype({"x": float, "y": float, "width": float})


def _lacking(metric: str, count: int) -> list[str]:
    """A note on the points that have a score but not the metric."""
    return [f"layers left out that have no {metric} in some task or seed: {count}"] if count else []


def _correlation(
    over: pd.DataFrame,
    fixed: list[str],
    method: str,
    level: str,
    cluster: str,
    n: int,
    seed: int,
    flips: CommonFlips,
) -> tuple[Correlation, Floats | None]:
    """The correlation over a table of points, and its flips."""
    given = over[fixed] if fixed and len(over) else None
    x, y, groups = over["x"], over["y"], over["backbone"].to_numpy()
    clusters = over["network"].to_numpy() if cluster == "architecture" else None
    sample = Sample.of(x, y, groups, given=given, clusters=clusters)
    return infer(sample, method, n, seed=seed, level=level, common=flips)


def _found(
    found: Correlation, p_holm: float | None, over: pd.DataFrame, cluster: str, said: list[str]
) -> dict[str, object]:
    architectures = over["network"].nunique()
    notes = [*found.notes, *said]
    if cluster == "backbone" and found.n_groups > architectures > 0:
        notes.append(
            f"{found.n_groups} networks, but only {architectures} architecture{'s' * (architectures > 1)}: networks of"
            " one architecture are not independent, and the interval may be too narrow (cluster by architecture)"
        )
    return {
        "coefficient": found.coefficient,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value,
        "p_holm": p_holm,
        "n": found.n,
        "n_backbones": found.n_groups if cluster == "backbone" else over["backbone"].nunique(),
        "n_architectures": architectures,
        "notes": "; ".join(notes),
    }


def _task_groups(results: StudyResults, tasks: str | Sequence[str]) -> list[str]:
    """The groups of tasks that were asked for, "each" written out."""
    every = results.metrics["task"].drop_duplicates().tolist()
    asked = [tasks] if isinstance(tasks, str) else list(tasks)
    groups = list(dict.fromkeys(name for group in asked for name in (every if group == "each" else [group])))
    for group in groups:
        tasks_in(results, group)
    return groups


def chosen_detectors(results: StudyResults, detector: str | Sequence[str] | None) -> list[str]:
    """Return the definitions of the detectors that were asked for by name or definition, all if none was.

    Raises:
        UnknownNameError: a detector that the study does not have.
    """
    return _among(
        "detector of the study", detector, results.detectors["definition"].unique().tolist(), _by_name(results)
    )


def _by_name(results: StudyResults) -> dict[str, list[str]]:
    """The definitions under each detector's short name."""
    table = results.detectors[["detector", "definition"]].drop_duplicates()
    return {str(name): list(group) for name, group in table.groupby("detector")["definition"]}


def _among(
    kind: str, asked: str | Sequence[str] | None, valid: list[str], names: dict[str, list[str]] | None = None
) -> list[str]:
    """The valid ones among what was asked for, all if nothing was; a short name stands for all of its definitions."""
    if asked is None:
        return valid
    names = names or {}
    chosen: list[str] = []
    for name in [asked] if isinstance(asked, str) else asked:
        if name not in valid and name not in names:
            raise UnknownNameError(kind, name, dict.fromkeys([*names, *valid]))
        chosen += names.get(name, [name])
    return chosen
