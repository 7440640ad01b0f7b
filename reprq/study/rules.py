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
from reprq.study.results import POINT, StudyResults

Floats = NDArray[np.float64]
Names = NDArray[Any]

COMBINATION = "combination"
PENALTY = 0.1  # of the ridge, as a share of the variance of a rank


@dataclass(frozen=True, eq=False)
class Layout:
    """A study as arrays, for one detector.

    Attributes:
        points: One row a point: backbone, layer, layer_number, in the order of the study.
        tasks: (T,) names.
        targets: (T,) the class that a task is about; both tasks of a class are left out together.
        metrics: (K,) names.
        ranks: (P, T, K) ranks of the metrics within each task, in [-1/2, 1/2]; 0 where one has no value.
        scores: (P, T) the detector's score, mean over seeds.
    """

    points: pd.DataFrame
    tasks: Names
    targets: Names
    metrics: tuple[str, ...]
    ranks: Floats
    scores: Floats

    @property
    def backbones(self) -> Names:
        """(P,) the backbone of each point."""
        return self.points["backbone"].to_numpy()

    @property
    def last(self) -> NDArray[np.bool_]:
        """(P,) whether a point is the last layer of its backbone."""
        return ~self.points["backbone"].duplicated(keep="last").to_numpy()


def layout(results: StudyResults, detector: str, score: str) -> Layout:
    """Lay a study out; a point or task that lacks a score (a cell failed) is left out.

    Raises:
        ReprqError: fewer than two points or no task have all their scores.
    """
    judged = results.detectors[results.detectors["definition"] == detector]
    scores = judged.pivot_table(index=POINT, columns="task", values=score, aggfunc="mean", sort=False)
    scores = scores.dropna(how="all").dropna(axis=1, thresh=max(1, len(scores) // 2)).dropna()
    if len(scores) < 2 or scores.shape[1] < 1:
        raise ReprqError(f"{results.path} has no two layers with a {score} of {detector} in the same tasks")
    values = results.metrics.astype({"value": float}).pivot_table(
        index=POINT, columns=["metric", "task"], values="value", aggfunc="mean", sort=False
    )
    names = tuple(values.columns.get_level_values("metric").unique())
    tables = [values[name].reindex(index=scores.index, columns=scores.columns).to_numpy() for name in names]
    tasks = scores.columns.to_numpy()
    return Layout(
        scores.index.to_frame(index=False),
        tasks,
        np.array([str(task).partition(":")[2] or str(task) for task in tasks]),
        names,
        np.stack([scaled_ranks(table) for table in tables], axis=-1),
        scores.to_numpy(),
    )


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
    """Return for every metric whether more of it goes with better scores, 1, or worse, -1: (K,)."""
    found: Floats = np.where(np.einsum("ptk,pt->k", ranks, scaled_ranks(scores)) >= 0, 1.0, -1.0)
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
    return by_rule


def elsewhere(study: Layout) -> Floats:
    """Return the mean score of every point in the tasks of other classes, (P, T): what labelled anomalies would say."""
    return np.column_stack([study.scores[:, study.targets != target].mean(1) for target in study.targets])


def picks(scores: Floats) -> NDArray[np.int64]:
    """Return the point with the highest score in each task, (T,)."""
    found: NDArray[np.int64] = scores.argmax(0)
    return found


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
