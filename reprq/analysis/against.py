"""Does a metric predict better than what is known without it, or than another metric?"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from reprq.analysis.correlation import COVARIATES, METHODS, chosen_detectors
from reprq.analysis.datasets import check_measured, chosen_groups, with_scenario
from reprq.analysis.scores import Scores, scores_of
from reprq.errors import UnknownNameError
from reprq.statistics.correlation import UndefinedError
from reprq.statistics.difference import coefficient_difference
from reprq.statistics.strata import LEVELS
from reprq.study.results import CLUSTERS, POINT, StudyResults

COLUMNS = [
    "dataset",
    "tasks",
    "level",
    "detector",
    "metric",
    "against",
    "method",
    "difference",
    "low",
    "high",
    "verdict",
    "margin",
]
COLUMNS += ["n", "n_backbones", "notes"]


def compare(
    results: StudyResults | Path | str,
    against: str,
    metric: str | Sequence[str] | None = None,
    score: str = "auroc",
    detector: str | Sequence[str] | None = None,
    method: str | Sequence[str] = "spearman",
    tasks: str | Sequence[str] = "all",
    *,
    dataset: str | Sequence[str] = "all",
    scenario: str | Sequence[str] = "each",
    level: str | Sequence[str] = "pooled",
    cluster: str = "backbone",
    margin: float = 0.1,
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare how strongly metrics and another column go with a detector's score, on the same points and resamples.

    Args:
        results: A study, or the folder of one.
        against: "depth", "width" or a metric.
        metric: Which metrics; all others by default.
        score: The column of the detectors' table.
        detector: Which detectors; all by default.
        method: "spearman", "pearson", "kendall", or several.
        tasks: "all", "unimodal", "multimodal" or a task's name, or several.
        dataset: "all" together, of which the coefficients are means, a data set's name, "each", or several.
        scenario: "each" by itself, the name of one, or several; see `reprq.correlate`.
        level: "pooled", "between", "within", or several.
        cluster: What is independent: "backbone" or "architecture".
        margin: The largest difference of coefficients that does not matter.
        n_resamples: Bootstrap resamples.
        seed: Seeds them.

    Returns:
        One row a group of data sets x group of tasks x detector x level x method x metric: difference (of the sizes of
        the coefficients), its 95 % interval (low, high), and a verdict: better, worse, equivalent, no better or
        undecided; see `reprq.statistics.difference`. Nothing is corrected for how many are compared.

    Raises:
        UnknownNameError: a metric, column, score, detector, method, level, cluster, data set or task that does not
            exist.
        InputError: a margin out of range.
    """
    if not isinstance(results, StudyResults):
        results = StudyResults.load(results, classes=False)
    check_measured(results)
    results = results.of_layers
    measured = results.metrics["metric"].unique().tolist()
    if against not in (*COVARIATES, *measured):
        raise UnknownNameError("column to compare with", against, [*COVARIATES, *measured])
    chosen = [name for name in measured if name != against] if metric is None else _listed(metric)
    for kind, names, valid in (
        ("metric of the study", chosen, measured),
        ("correlation method", _listed(method), METHODS),
        ("level of correlation", _listed(level), LEVELS),
        ("cluster", [cluster], CLUSTERS),
    ):
        if unknown := [name for name in names if name not in valid]:
            raise UnknownNameError(kind, unknown[0], valid)
    rows = []
    groups = chosen_groups(results, dataset, tasks, scenario)
    for group, definition in itertools.product(groups, chosen_detectors(results, detector)):
        scores = scores_of(group.parts, definition, score, group.tasks)
        for name in chosen:
            over = pd.concat([_beside(each, name, against) for each in scores.values()], ignore_index=True)
            for at, how in itertools.product(_listed(level), _listed(method)):
                asked = {**group.named(results), "level": at}
                asked |= {"detector": definition, "metric": name, "against": against}
                found = _difference(over, how, at, cluster, margin, n_resamples, seed)
                rows.append({**asked, "method": how, "margin": margin, "n": len(over), **found})
    return pd.DataFrame(rows, columns=with_scenario(COLUMNS, rows))


def _beside(scores: Scores, metric: str, against: str) -> pd.DataFrame:
    """The points of a metric, with what it is compared with in the column `other`."""
    over = scores.points(metric)
    if against in COVARIATES:
        return over.assign(other=over[against])
    other = scores.points(against)
    return over.merge(other[[*POINT, "x"]].rename(columns={"x": "other"}), on=POINT)


def _difference(
    over: pd.DataFrame, method: str, level: str, cluster: str, margin: float, n_resamples: int, seed: int
) -> dict[str, object]:
    """The columns of one comparison; a verdict of "undecided" with the reason where there is no coefficient."""
    groups = over["backbone"].to_numpy()
    clusters = over["network"].to_numpy() if cluster == "architecture" else None
    networks = {"n_backbones": over["backbone"].nunique()}
    x, other, y = over["x"], over["other"], over["y"]
    try:
        found = coefficient_difference(
            x,
            other,
            y,
            groups,
            method,
            n_resamples,
            seed,
            level=level,
            clusters=clusters,
            strata=over["dataset"].to_numpy(),
            margin=margin,
        )
    except UndefinedError as error:
        return {**networks, "verdict": "undecided", "notes": str(error)}
    ends = {"difference": found.difference, "low": found.low, "high": found.high}
    return {**networks, **ends, "verdict": found.verdict, "notes": "; ".join(found.notes)}


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
