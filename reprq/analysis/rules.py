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

from reprq.analysis.complete import by_cell, complete_scores, over_seeds
from reprq.analysis.depth import layer_places
from reprq.analysis.hindsight import hindsight_folds
from reprq.errors import ReprqError
from reprq.study.results import StudyResults

Floats = NDArray[np.float64]
Names = NDArray[Any]

COMBINATION, CURVED = "combination", "curved combination"
PENALTY = 0.1  # of the ridge, as a share of the variance of a rank
_DECIMALS = 9  # of what a rule says: beyond them layers tie, whatever the order of the sums


@dataclass(frozen=True, eq=False)
class StudyArrays:
    """A study as arrays, for one detector.

    Attributes:
        points: One row a point: backbone, layer, layer_number, network (the architecture), in the order of the study.
        tasks: (T,) names.
        targets: (T,) the class that a task is about; both tasks of a class are left out together.
        clusters: (P,) what is left out together, resampled and moved: the architecture of each point, or its backbone.
        metrics: (K,) names.
        ranks: (P, T, K) ranks of the metrics within each task, in [-1/2, 1/2]; 0 where one has no value.
        scores: (P, T) the detector's score, mean over seeds.
        folds: (F, 2, P, T) scores by which the best layer is chosen in hindsight, and scores by which that is judged.
        hindsight: What tells the two apart: "half of the rows", "seeds", or nothing, "same rows".
        notes: What was left out, and why.
    """

    points: pd.DataFrame
    tasks: Names
    targets: Names
    clusters: Names
    metrics: tuple[str, ...]
    ranks: Floats
    scores: Floats
    folds: Floats
    hindsight: str = "same rows"
    notes: tuple[str, ...] = ()

    @property
    def backbones(self) -> Names:
        """(P,) the backbone of each point."""
        return self.points["backbone"].to_numpy()

    @property
    def rules(self) -> tuple[str, ...]:
        """The combinations of all metrics, then each metric by itself."""
        return (COMBINATION, CURVED, *self.metrics)

    @property
    def last(self) -> NDArray[np.bool_]:
        """(P,) whether a point is the last layer of its backbone."""
        places = layer_places(self.points)
        found: NDArray[np.bool_] = (places == places.groupby(self.points["backbone"]).transform("max")).to_numpy()
        return found


def study_arrays(results: StudyResults, detector: str, score: str, cluster: str = "architecture") -> StudyArrays:
    """Lay a study out; a task or point that lacks a score is left out, as `reprq.analysis.complete` says.

    Where all networks are of one architecture, the backbone takes its place, and a note says so.

    Raises:
        ReprqError: fewer than two points or no task have all their scores.
    """
    found = complete_scores(results, detector, score)
    if len(found.values) < 2:
        raise ReprqError(f"{results.path} has no two layers with a {score} of {detector} in the same tasks")
    scores, notes = over_seeds(found.values), list(found.notes)
    by_metric = {str(name): by_cell(rows, "value") for name, rows in results.metrics.groupby("metric", sort=False)}
    tables = [over_seeds(found.same_cells(values)).to_numpy() for values in by_metric.values()]
    tasks = scores.columns.to_numpy()
    points = found.values.index.to_frame(index=False)
    points = points.assign(network=_architectures(results, points))
    if cluster == "architecture" and points["network"].nunique() == 1 < points["backbone"].nunique():
        cluster = "backbone"
        notes.append("all networks are of one architecture: what is said of one was fitted on its siblings")
    folds, hindsight = hindsight_folds(results, found, detector, score)
    return StudyArrays(
        points=points,
        tasks=tasks,
        targets=np.array([str(task).partition(":")[2] or str(task) for task in tasks]),
        clusters=points["network" if cluster == "architecture" else "backbone"].to_numpy().astype(str),
        metrics=tuple(by_metric),
        ranks=np.stack([scaled_ranks(table) for table in tables], axis=-1),
        scores=scores.to_numpy(),
        folds=folds,
        hindsight=hindsight,
        notes=tuple(notes),
    )


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


class LeftOut:
    """The fits of all rules without one cluster and one class each, for metrics wherever they are placed.

    What is said of a point in a task comes from the other clusters and the tasks of other classes alone. A rule is a
    metric with a sign, or the ridge combination of all; the curved combination has the squares of their ranks too, so
    that it finds a best value in the middle. Sums of products over each cluster and class are computed once, so that
    all fits are one batch of small systems.

    Args:
        study: The study; its scores are what the rules are fitted to.
    """

    def __init__(self, study: StudyArrays) -> None:
        self._metrics = study.metrics
        self._clusters = np.unique(study.clusters, return_inverse=True)[1]
        targets = np.unique(study.targets, return_inverse=True)[1]
        self._targets, self._of_target = targets, np.eye(targets.max() + 1)[targets]  # (T,), (T, C)
        self._scores = np.zeros((self._clusters.max() + 1, *study.scores.shape))  # (U, P, T) ranks among the others
        for left_out, ranks in enumerate(self._scores):
            known = self._clusters != left_out
            ranks[known] = scaled_ranks(study.scores[known])

    def predictions(self, ranks: Floats) -> dict[str, Floats]:
        """Return what each rule says of every point in every task, (P, T), higher is better.

        Args:
            ranks: (P, T, K) of the metrics.
        """
        directions = np.sign(self._cross(ranks).round(_DECIMALS))[np.ix_(self._clusters, self._targets)]
        said = {name: ranks[..., k] * directions[..., k] for k, name in enumerate(self._metrics)}
        said[COMBINATION] = self._combined(ranks)
        said[CURVED] = self._combined(np.concatenate([ranks, _squares(ranks)], axis=-1))
        return {name: each.round(_DECIMALS) for name, each in said.items()}

    def _combined(self, ranks: Floats) -> Floats:
        """What the ridge regression on these columns says of every point in every task."""
        fitted = np.linalg.solve(self._grams(ranks), self._cross(ranks)[..., None])[..., 0]
        said: Floats = np.einsum("ptk,ptk->pt", ranks, fitted[np.ix_(self._clusters, self._targets)])
        return said

    def _cross(self, ranks: Floats) -> Floats:
        """The products of metrics and scores without each cluster and class, (U, C, K)."""
        by_task = np.matmul(self._scores.transpose(2, 0, 1), ranks.transpose(1, 0, 2))  # (T, U, K)
        found: Floats = by_task.sum(0)[:, None] - np.einsum("tuk,tc->uck", by_task, self._of_target)
        return found

    def _grams(self, ranks: Floats) -> Floats:
        """The matrices of `weights` without each cluster and class, (U, C, K, K)."""
        parts = [ranks[self._clusters == u].transpose(1, 0, 2) for u in range(len(self._scores))]
        by_task = np.stack([np.matmul(part.transpose(0, 2, 1), part) for part in parts])  # (U, T, K, K)
        blocks = np.einsum("utkl,tc->uckl", by_task, self._of_target)
        sizes = np.bincount(self._clusters)[:, None] * self._of_target.sum(0)
        rows = sizes.sum() - sizes.sum(1, keepdims=True) - sizes.sum(0) + sizes
        others = blocks.sum((0, 1)) - blocks.sum(1, keepdims=True) - blocks.sum(0) + blocks
        found: Floats = others + (rows * PENALTY / 12)[..., None, None] * np.eye(ranks.shape[-1])
        return found


def _squares(ranks: Floats) -> Floats:
    """Squares of ranks, with mean 0 and the variance of the ranks, 1/12, where these are evenly spread."""
    found: Floats = np.sqrt(15) * (ranks**2 - 1 / 12)
    return found


def predictions(study: StudyArrays) -> dict[str, Floats]:
    """Return what each rule says of every point in every task where it is measured: see `LeftOut`."""
    return LeftOut(study).predictions(study.ranks)


def elsewhere(study: StudyArrays) -> Floats:
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


def check_arrays(study: StudyArrays) -> None:
    """Raise unless something is left when a cluster and a class are left out.

    Raises:
        ReprqError: fewer than two backbones, or tasks of fewer than two classes.
    """
    for what, found in (("backbones", study.clusters), ("classes in its tasks", study.targets)):
        if len(set(found)) < 2:
            raise ReprqError(
                f"a recommendation is judged on backbones and tasks that it was not fitted on: the study needs at least"
                f" two {what}, got {len(set(found))}"
            )
