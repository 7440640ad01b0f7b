"""Rules that choose a (backbone, layer) by quality on benign data, fitted where they are not judged.

A study is laid out as arrays over points p (layers of backbones), tasks t and metrics k. Within a task a metric is
replaced by its rank among all points, scaled to [-1/2, 1/2]: ranks need no unit, and no label.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from reprq.errors import ReprqError
from reprq.evaluation.depth import layer_places
from reprq.study.complete import by_cell, complete_scores
from reprq.study.results import StudyResults

Floats = NDArray[np.float64]
Names = NDArray[Any]

COMBINATION = "combination"
PENALTY = 0.1  # of the ridge, as a share of the variance of a rank
_DECIMALS = 9  # of what a rule says: beyond them layers tie, whatever the order of the sums


@dataclass(frozen=True, eq=False)
class Layout:
    """A study as arrays, for one detector.

    Attributes:
        points: One row a point: backbone, layer, layer_number, network (the architecture), in the order of the study.
        tasks: (T,) names.
        targets: (T,) the class that a task is about; both tasks of a class are left out together.
        metrics: (K,) names.
        ranks: (P, T, K) ranks of the metrics within each task, in [-1/2, 1/2]; 0 where one has no value.
        scores: (P, T) the detector's score, mean over seeds.
        notes: What was left out, and why.
    """

    points: pd.DataFrame
    tasks: Names
    targets: Names
    metrics: tuple[str, ...]
    ranks: Floats
    scores: Floats
    notes: tuple[str, ...] = ()

    @property
    def backbones(self) -> Names:
        """(P,) the backbone of each point."""
        return self.points["backbone"].to_numpy()

    @property
    def last(self) -> NDArray[np.bool_]:
        """(P,) whether a point is the last layer of its backbone."""
        places = layer_places(self.points)
        found: NDArray[np.bool_] = (places == places.groupby(self.points["backbone"]).transform("max")).to_numpy()
        return found


def layout(results: StudyResults, detector: str, score: str) -> Layout:
    """Lay a study out; a task or point that lacks a score (a cell failed) is left out, as `reprq.study.complete` says.

    Raises:
        ReprqError: fewer than two points or no task have all their scores.
    """
    found = complete_scores(results, detector, score)
    if len(found.values) < 2:
        raise ReprqError(f"{results.path} has no two layers with a {score} of {detector} in the same tasks")
    scores = _over_seeds(found.values)
    by_metric = {str(name): by_cell(rows, "value") for name, rows in results.metrics.groupby("metric", sort=False)}
    tables = [_over_seeds(found.same_cells(values)).to_numpy() for values in by_metric.values()]
    tasks = scores.columns.to_numpy()
    points = found.values.index.to_frame(index=False)
    return Layout(
        points.assign(network=_architectures(results, points)),
        tasks,
        np.array([str(task).partition(":")[2] or str(task) for task in tasks]),
        tuple(by_metric),
        np.stack([scaled_ranks(table) for table in tables], axis=-1),
        scores.to_numpy(),
        found.notes,
    )


def _over_seeds(cells: pd.DataFrame) -> pd.DataFrame:
    """Points by (task, seed) to points by task; nan where a seed is missing."""
    tasks = cells.columns.get_level_values("task")
    return pd.DataFrame({task: cells.loc[:, tasks == task].mean(axis=1, skipna=False) for task in tasks.unique()})


def _architectures(results: StudyResults, points: pd.DataFrame) -> Names:
    """The architecture of each point; the backbone itself where the tables name none."""
    if "network" not in results.detectors:
        return points["backbone"].to_numpy()
    names = results.detectors.drop_duplicates("backbone").set_index("backbone")["network"]
    return points["backbone"].map(names).fillna(points["backbone"]).to_numpy()


def scaled_ranks(values: Floats) -> Floats:
    """Return midranks of each column of (P, T), from -1/2 for the least to 1/2; 0 where there is no value.

    Example:
        >>> scaled_ranks(np.array([[3.0], [np.nan], [10.0], [7.0]])).ravel()
        array([-0.5,  0. ,  0.5,  0. ])
    """
    ranks = stats.rankdata(values, axis=0, nan_policy="omit")
    known = np.isfinite(values).sum(0)
    scaled: Floats = np.nan_to_num((ranks - (known + 1) / 2) / np.maximum(known - 1, 1))
    return scaled


def weights(ranks: Floats, scores: Floats) -> Floats:
    """Return the ridge regression of ranked scores on ranked metrics: (K,).

    It minimises sum (y - z w)^2 + N PENALTY |w|^2 / 12, y being the ranks of the scores within each task, z those of
    the metrics, N the number of both, and 1/12 the variance of a rank.

    Args:
        ranks: (P, T, K).
        scores: (P, T).
    """
    z, y = ranks.reshape(-1, ranks.shape[-1]), scaled_ranks(scores).ravel()
    gram = z.T @ z + len(z) * PENALTY / 12 * np.eye(z.shape[1])
    return np.linalg.solve(gram, z.T @ y).astype(np.float64)


def signs(ranks: Floats, scores: Floats) -> Floats:
    """Return for every metric whether more of it goes with better scores, 1, or worse, -1, or neither, 0: (K,)."""
    found: Floats = np.sign(np.einsum("ptk,pt->k", ranks, scaled_ranks(scores)).round(_DECIMALS))
    return found


def predictions(study: Layout) -> dict[str, Floats]:
    """Return what each rule says of every point in every task, (P, T), higher is better.

    What is said of a point in a task comes from the other backbones and the tasks of other classes alone. A rule is a
    metric with a sign, or the ridge combination of all.
    """
    by_rule = {name: np.zeros_like(study.scores) for name in (*study.metrics, COMBINATION)}
    for backbone in dict.fromkeys(study.backbones):
        for target in dict.fromkeys(study.targets):
            points, tasks = study.backbones == backbone, study.targets == target
            known = np.ix_(~points, ~tasks)
            judged = np.ix_(points, tasks)
            ranks, scores = study.ranks[known], study.scores[known]
            signed = study.ranks[judged] * signs(ranks, scores)
            for k, name in enumerate(study.metrics):
                by_rule[name][judged] = signed[..., k]
            by_rule[COMBINATION][judged] = study.ranks[judged] @ weights(ranks, scores)
    return {name: said.round(_DECIMALS) for name, said in by_rule.items()}


def elsewhere(study: Layout) -> Floats:
    """Return the mean score of every point in the tasks of other classes, (P, T): what labelled anomalies would say."""
    means = [study.scores[:, study.targets != target].mean(1) for target in study.targets]
    return np.column_stack(means).round(_DECIMALS)


def picks(said: Floats) -> Floats:
    """Return which share of the choice falls on each point in each task, (P, T): those that tie for the most share it.

    Example:
        >>> picks(np.array([[0.5], [0.2], [0.5]])).ravel()
        array([0.5, 0. , 0.5])
    """
    top = said == said.max(0)
    shares: Floats = top / top.sum(0)
    return shares


def check_layout(study: Layout) -> None:
    """Raise unless something is left when a backbone and a class are left out.

    Raises:
        ReprqError: fewer than two backbones, or tasks of fewer than two classes.
    """
    for what, found in (("backbones", study.backbones), ("classes in its tasks", study.targets)):
        if len(set(found)) < 2:
            raise ReprqError(
                f"a recommendation is judged on backbones and tasks that it was not fitted on: the study needs at least"
                f" two {what}, got {len(set(found))}"
            )
