"""Does quality, measured on benign data alone, predict detection? The correlation table of a study."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from reprq.errors import UnknownNameError
from reprq.evaluation import Correlation, correlation, holm
from reprq.study.results import POINT, StudyResults

METHODS = ("spearman", "pearson", "kendall")
TASK_GROUPS = ("all", "unimodal", "multimodal")


def correlate(
    results: StudyResults | Path | str,
    metric: str | Sequence[str] | None = None,
    score: str = "auroc",
    detector: str | Sequence[str] | None = None,
    method: str | Sequence[str] = METHODS,
    tasks: str | Sequence[str] = "all",
    *,
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Correlate each metric with each detector's AUROC over the (backbone, layer) points of a study.

    A point is the mean of the metric and the mean of the score over the tasks and seeds. The interval comes from a
    bootstrap that resamples whole backbones, because the layers of one network are not independent; the p-value from
    a sign-flip test; `p_holm` corrects it for all metrics that the study measured (Holm 1979), whichever are shown,
    within one detector, method and group of tasks. See `reprq.evaluation.correlation`.

    Args:
        results: A study, or the folder of one.
        metric: Which metrics; all that the study measured by default.
        score: The column of the detectors' table; "auroc".
        detector: Which detectors, by the name or definition in the table; all by default.
        method: "spearman", "pearson", "kendall", or several.
        tasks: Over which tasks to average: "all", "unimodal", "multimodal", a task's name, or several of these.
        n_resamples: Bootstrap samples and permutations.
        seed: Seeds both.

    Returns:
        One row a group of tasks x detector x method x metric: coefficient, low, high, p_value, p_holm, n (points),
        n_backbones, notes. Correlations are between -1 and 1.

    Raises:
        UnknownNameError: a metric, score, detector, method or task that the study does not have.
        ReprqError: the folder is not a finished study.
    """
    if not isinstance(results, StudyResults):
        results = StudyResults.load(results)
    measured = results.metrics["metric"].unique().tolist()
    chosen = _among("metric of the study", metric, measured)
    judged = _among(
        "detector of the study", detector, results.detectors["definition"].unique().tolist(), _by_name(results)
    )
    methods = _among("correlation method", method, list(METHODS))
    groups = [tasks] if isinstance(tasks, str) else list(tasks)
    rows = []
    for group, definition, how in itertools.product(groups, judged, methods):
        tables = [points(results, name, score, definition, group) for name in measured]
        family = [
            correlation(
                over["x"], over["y"], over["backbone"].to_numpy(), method=how, n_resamples=n_resamples, seed=seed
            )
            for over in tables
        ]
        adjusted = holm([found.p_value for found in family])
        for name, found, p_holm in zip(measured, family, adjusted, strict=True):
            if name in chosen:
                rows.append(_row(group, definition, name, found, p_holm))
    return pd.DataFrame(rows)


def points(results: StudyResults, metric: str, score: str, detector: str, tasks: str = "all") -> pd.DataFrame:
    """Return the (backbone, layer) points of one metric against one detector's score.

    Args:
        results: A study.
        metric: A metric of the study.
        score: A column of the detectors' table, "auroc".
        detector: A detector's definition in the table.
        tasks: "all", "unimodal", "multimodal" or a task's name.

    Returns:
        One row a point: backbone, layer, layer_number, x (mean of the metric over tasks and seeds), y (mean score).
        A point whose metric could not be computed for some task is left out.

    Raises:
        UnknownNameError: a score or task that the study does not have.
    """
    if score not in results.detectors.columns or not pd.api.types.is_float_dtype(results.detectors[score]):
        floats = results.detectors.select_dtypes("float").columns
        raise UnknownNameError("score of the study", score, floats)
    measured = _of_tasks(results.metrics[results.metrics["metric"] == metric], tasks)
    judged = _of_tasks(results.detectors[results.detectors["definition"] == detector], tasks)
    x = measured.groupby(POINT, sort=False)["value"].agg(lambda values: values.mean(skipna=False)).rename("x")
    y = judged.groupby(POINT, sort=False)[score].mean().rename("y")
    return pd.concat([x.astype(float), y], axis=1, join="inner").dropna().reset_index()


def _row(tasks: str, detector: str, metric: str, found: Correlation, p_holm: float | None) -> dict[str, object]:
    return {
        "tasks": tasks,
        "detector": detector,
        "metric": metric,
        "method": found.method,
        "coefficient": found.coefficient,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value,
        "p_holm": p_holm,
        "n": found.n,
        "n_backbones": found.n_groups,
        "notes": "; ".join(found.notes),
    }


def _of_tasks(table: pd.DataFrame, tasks: str) -> pd.DataFrame:
    if tasks == "all":
        return table
    column = "task_kind" if tasks in TASK_GROUPS else "task"
    chosen = table[table[column] == tasks]
    if chosen.empty:
        raise UnknownNameError(
            "task of the study", tasks, ["all", *table["task_kind"].unique(), *table["task"].unique()]
        )
    return chosen


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
