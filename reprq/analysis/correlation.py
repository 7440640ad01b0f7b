"""Does quality, measured on benign data alone, predict detection? The correlation table of a study."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from reprq.analysis.datasets import check_measured, chosen_groups, with_scenario
from reprq.analysis.scores import Scores, Shared, scores_of, shared_points
from reprq.analysis.spread import SPREAD_COLUMNS, Task, task_points, task_spreads
from reprq.errors import UnknownNameError
from reprq.evaluation import Correlation, holm
from reprq.statistics.coefficients import Floats
from reprq.statistics.correlation import infer_all
from reprq.statistics.flips import common_flips
from reprq.statistics.multiplicity import westfall_young
from reprq.statistics.points import Sample
from reprq.statistics.strata import DISTANCE, LEVELS
from reprq.study.results import CLUSTERS, StudyResults

METHODS = ("spearman", "pearson", "kendall")
COVARIATES = ("width", "depth")
COLUMNS = [
    "dataset",
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
_NUMBERS = COLUMNS[COLUMNS.index("coefficient") :]
COLUMNS += [*SPREAD_COLUMNS, "n", "n_backbones", "n_architectures", "notes"]


def correlate(
    results: StudyResults | Path | str,
    metric: str | Sequence[str] | None = None,
    score: str = "auroc",
    detector: str | Sequence[str] | None = None,
    method: str | Sequence[str] = METHODS,
    tasks: str | Sequence[str] = "all",
    *,
    dataset: str | Sequence[str] = "all",
    scenario: str | Sequence[str] = "each",
    level: str | Sequence[str] = "pooled",
    given: str | Sequence[str] = (),
    cluster: str = "backbone",
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Correlate each metric with each detector's AUROC over the (data set, backbone, layer) points of a study.

    A point is the mean of the metric and the mean of the score over the tasks and seeds of a data set, the same ones
    for every point of it: one that lacks a cell is left out, and the notes say so (`reprq.analysis.complete`). Values
    of different data sets do not compare, so a coefficient over several is the mean of those within each. The interval
    comes from a bootstrap that resamples whole backbones, on all data sets at once, because the layers of one network
    are not independent; the p-value from a sign-flip test; `p_holm` corrects it for all metrics that the study measured
    (Holm 1979), whichever are shown, within one detector, method, level, group of tasks and of data sets; `p_family`
    corrects it for all metrics and all detectors, levels and groups that were asked for, within one method, from the
    same sign flips in every test (Westfall & Young 1993). See `reprq.statistics.correlation`.

    Args:
        results: A study, or the folder of one.
        metric: Which metrics; all that the study measured by default.
        score: The column of the detectors' table; "auroc".
        detector: Which detectors, by the name or definition in the table; all by default.
        method: "spearman", "pearson", "kendall", "distance" (any shape, as a best value in the middle), or several.
        tasks: Over which tasks to average: "all", "unimodal", "multimodal", a task's name, "each" (every task by
            itself), or several of these; those of one name on several data sets are one group.
        dataset: "all" together, a data set's name, "each" (every one by itself), or several of these. The column says
            "all" where several are together.
        scenario: "each" by itself, the name of one ("plain" for the plain tasks), or several: scores under different
            scenarios are never averaged. A study that has others than plain tasks has a column for it.
        level: "pooled" over all points; "between" backbones, of which each is the mean of its layers; "within"
            backbones, over the layers of each; or several.
        given: What to hold fixed: "width" (columns of the layer), "depth" (number of the layer over the largest
            of its backbone in the study, from 0 to 1), or both; removed as smooth curves, of which the notes tell.
        cluster: What is independent, so that interval and p-value move it as a whole: "backbone", or "architecture"
            with all its networks. Where the architecture carries the effect, the former rejects too often.
        n_resamples: Bootstrap samples and permutations.
        seed: Seeds both.

    Returns:
        One row a group of data sets x group of tasks x level x detector x method x metric: coefficient, low, high,
        p_value, p_holm, p_family, task_median, task_min, task_max (of the coefficients of single tasks, where there are
        several), new_task_low, new_task_high (between what that of a new task is expected, 95 %), n (points),
        n_backbones, n_architectures, notes. Correlations are between -1 and 1. A data set has no rows for a group of
        which it has no task. Where backbones count as independent and some are of one architecture, the notes say how
        many those are.

    Raises:
        UnknownNameError: a metric, score, detector, method, level, cluster, data set, scenario, task or column that
            does not exist.
        InputError: a study without backbones.
        ReprqError: the folder is not a finished study.
    """
    if not isinstance(results, StudyResults):
        results = StudyResults.load(results, classes=False)
    check_measured(results)
    results = results.of_layers
    measured = results.metrics["metric"].unique().tolist()
    chosen = _among("metric of the study", metric, measured)
    judged = chosen_detectors(results, detector)
    methods = _among("correlation method", method, [*METHODS, DISTANCE])
    groups = chosen_groups(results, dataset, tasks, scenario)
    levels = _among("level of correlation", level, list(LEVELS))
    fixed = _among("column to hold fixed", given, list(COVARIATES))
    _among("cluster", cluster, list(CLUSTERS))
    independent = "network" if cluster == "architecture" and "network" in results.metrics else "backbone"
    flips = common_flips(results.metrics[independent], n_resamples, seed)
    rows: list[dict[str, object]] = []
    ratios: list[Floats | None] = []
    named = {id(group): group.named(results) for group in groups}
    for group, definition in itertools.product(groups, judged):
        scores = scores_of(group.parts, definition, score, group.tasks)
        tables: dict[str, pd.DataFrame] = {}
        samples = dict.fromkeys(measured, Sample({}))
        single: dict[str, dict[Task, Sample]] = {}
        for of in shared_points(scores, measured):
            tables |= dict.fromkeys(of.metrics, of.points)
            samples |= zip(of.metrics, _samples(of, fixed, cluster), strict=True)
            single |= zip(of.metrics, task_points(scores, of, fixed), strict=True)
        for at, how in itertools.product(levels, methods):
            asked = {**named[id(group)], "level": at, "given": ",".join(fixed)}
            asked |= {"cluster": cluster, "detector": definition, "method": how}
            with_interval = [name in chosen for name in samples]
            tests = infer_all(
                list(samples.values()), how, n_resamples, seed=seed, level=at, common=flips, intervals=with_interval
            )
            adjusted = holm([found.p_value for found, _ in tests])
            shown = [name for name in samples if name in chosen and how != DISTANCE]
            spreads = dict(zip(shown, task_spreads([single[name] for name in shown], how, at), strict=True))
            for name, (found, own), p_holm in zip(samples, tests, adjusted, strict=True):
                over = tables[name]
                said = _notes(scores, name, len(over))
                rows.append({**asked, "metric": name, **_found(found, p_holm, over, cluster, said)})
                rows[-1] |= spreads.get(name, {})
                ratios.append(own)
    for how in methods:
        family = [k for k, row in enumerate(rows) if row["method"] == how]
        for k, p_family in zip(family, westfall_young([ratios[k] for k in family]), strict=True):
            rows[k]["p_family"] = p_family
    kept = [row for row in rows if row["metric"] in chosen]
    table = pd.DataFrame(kept, columns=with_scenario(COLUMNS, rows))
    return table.astype(dict.fromkeys(_NUMBERS, np.float64))  # nan where there is none, also if there is none at all


def _notes(scores: Mapping[str, Scores], metric: str, n: int) -> list[str]:
    """What was left out of the points of a metric, and that a coefficient is a mean over data sets where it is."""
    several = len(scores) > 1
    said = [f"the mean of the coefficients within {len(scores)} data sets"] if several else []
    said += [f"{name}: {note}" if several else note for name, each in scores.items() for note in each.complete.notes]
    lacking = sum(len(each.complete.values) for each in scores.values()) - n
    return [*said, *([f"layers left out that have no {metric} in some task or seed: {lacking}"] if lacking else [])]


def _samples(of: Shared, fixed: list[str], cluster: str) -> list[Sample]:
    """Metrics of the same points, each to be correlated within each data set."""
    points = of.points
    given = points[fixed] if fixed and len(points) else None
    clusters = points["network"].to_numpy() if cluster == "architecture" else None
    y = np.broadcast_to(points["y"].to_numpy(float)[:, None], of.x.shape)
    groups, strata = points["backbone"].to_numpy(), points["dataset"].to_numpy()
    return Sample.of_columns(of.x, y, groups, given=given, clusters=clusters, strata=strata)


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
