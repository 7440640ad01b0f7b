"""Rules that choose a (backbone, layer) by quality on benign data, fitted where they are not judged.

A study on one data set is laid out as arrays over points p (layers of backbones), tasks t and metrics k. Within a task
a metric is replaced by its rank among all points, scaled to [-1/2, 1/2]: ranks need no unit, and no label. So rules are
fitted across data sets, whose values do not compare, and each is judged on the data set that it was fitted without.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reprq.analysis.complete import complete_scores, means_over_seeds, over_seeds
from reprq.analysis.datasets import Part, by_dataset
from reprq.analysis.depth import layer_places
from reprq.analysis.hindsight import hindsight_folds
from reprq.errors import ReprqError
from reprq.statistics.ranks import midranks
from reprq.study.results import POINT, StudyResults

Floats = NDArray[np.float64]
Names = NDArray[Any]
Layer = tuple[str, str, int]  # backbone, layer, layer_number

COMBINATION, CURVED = "combination", "curved combination"
PENALTY = 0.1  # of the ridge, as a share of the variance of a rank
DECIMALS = 9  # of what a rule says: beyond them layers tie, whatever the order of the sums


@dataclass(frozen=True, eq=False)
class StudyArrays:
    """A study on one data set as arrays, for one detector.

    Attributes:
        dataset: Its name.
        points: One row a point: backbone, layer, layer_number, network (the architecture), in the order of the study.
        tasks: (T,) names.
        targets: (T,) the class that a task is about; of one data set, both tasks of a class are left out together.
        clusters: (P,) what is left out together, resampled and moved: the architecture of each point, or its backbone.
        metrics: (K,) names.
        ranks: (P, T, K) ranks of the metrics within each task, in [-1/2, 1/2]; 0 where one has no value.
        scores: (P, T) the detector's score, mean over seeds.
        folds: (F, 2, P, T) scores by which the best layer is chosen in hindsight, and scores by which that is judged.
        hindsight: What tells the two apart: "half of the rows", "seeds", or nothing, "same rows".
        notes: What was left out, and why.
    """

    dataset: str
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

    @cached_property
    def last(self) -> NDArray[np.bool_]:
        """(P,) whether a point is the last layer of its backbone."""
        places = layer_places(self.points).to_numpy()
        codes = np.unique(self.backbones.astype(str), return_inverse=True)[1]
        most = np.zeros(len(codes), dtype=np.int64)
        np.maximum.at(most, codes, places)
        found: NDArray[np.bool_] = places == most[codes]
        return found

    @cached_property
    def by_name(self) -> NDArray[np.int64]:
        """(P,) the points in the order of their names."""
        columns = [self.points[name].to_numpy() for name in POINT]
        return np.lexsort([own.astype(str) if own.dtype == object else own for own in reversed(columns)])

    @cached_property
    def layers(self) -> list[Layer]:
        """(P,) backbone, layer and layer_number in that order."""
        rows = list(zip(*(self.points[name].tolist() for name in POINT), strict=True))
        return [rows[k] for k in self.by_name]

    @cached_property
    def best_in_hindsight(self) -> Floats:
        """(T,) what the best layer in hindsight scores in each task, on rows that did not choose it."""
        found: Floats = np.mean([(picks(choose) * judge).sum(0) for choose, judge in self.folds], axis=0)
        return found


def study_arrays(
    results: StudyResults,
    detector: str,
    score: str,
    cluster: str = "architecture",
    parts: Mapping[str, Part] | None = None,
) -> list[StudyArrays]:
    """Lay a study out by data set; a task or point that lacks a score is left out, as `reprq.analysis.complete` says.

    Where all networks are of one architecture, the backbone takes its place, and a note says so. `parts` are those of
    the study where several detectors share them.

    Raises:
        ReprqError: fewer than two points or no task have all their scores, on any data set.
    """
    metrics = tuple(str(name) for name in results.metrics["metric"].unique())
    made = {name: _arrays(part, metrics, detector, score) for name, part in (parts or by_dataset(results)).items()}
    studies = [study for study in made.values() if study is not None]
    if not studies:
        raise ReprqError(f"{results.path} has no two layers with the {score} of {detector} in the same tasks")
    lost = [f"{name} is left out: no two layers with the {score}" for name, study in made.items() if study is None]
    every = pd.concat([study.points[["network", "backbone"]] for study in studies])
    if cluster == "architecture" and every["network"].nunique() == 1 < every["backbone"].nunique():
        cluster = "backbone"
        lost.append("all networks are of one architecture: what is said of one was fitted on its siblings")
    column = "network" if cluster == "architecture" else "backbone"
    return [
        replace(study, clusters=study.points[column].to_numpy().astype(str), notes=(*study.notes, *lost))
        for study in studies
    ]


def _arrays(part: Part, metrics: tuple[str, ...], detector: str, score: str) -> StudyArrays | None:
    """One data set; None where no two layers have scores. A metric that is not measured there has the rank 0."""
    found = complete_scores(part.results, detector, score, laid=part.laid)
    if len(found.values) < 2:
        return None
    scores = over_seeds(found.values)
    tasks = scores.columns.to_numpy()
    points = part.once("points", found.values, lambda: _points(part.results, found.values))
    folds, hindsight = hindsight_folds(part.laid, found, detector, score)
    return StudyArrays(
        dataset=part.dataset,
        points=points,
        tasks=tasks,
        targets=np.array([str(task).partition(":")[2] or str(task) for task in tasks]),
        clusters=points["backbone"].to_numpy().astype(str),
        metrics=metrics,
        ranks=part.once("ranks", found.values, lambda: _ranks(part, found.values, metrics)),
        scores=scores.to_numpy(),
        folds=folds,
        hindsight=hindsight,
        notes=found.notes,
    )


def _points(results: StudyResults, cells: pd.DataFrame) -> pd.DataFrame:
    points = cells.index.to_frame(index=False)
    return points.assign(network=_architectures(results, points))


def _ranks(part: Part, cells: pd.DataFrame, metrics: tuple[str, ...]) -> Floats:
    """The ranks of metrics within each task, (P, T, K), of the points and cells of a table."""
    values = means_over_seeds(part.measured(cells).swapaxes(0, 1), cells.columns.get_level_values("task"))
    found = np.zeros((*values.shape[1:], len(metrics)))
    by_point = values.transpose(1, 2, 0)
    places = [metrics.index(name) for name in part.metrics]
    found[..., places] = scaled_ranks(by_point.reshape(len(by_point), -1)).reshape(by_point.shape)
    return found


def _architectures(results: StudyResults, points: pd.DataFrame) -> Names:
    """The architecture of each point; the backbone itself where the tables name none."""
    backbones = points["backbone"].to_numpy()
    if "network" not in results.detectors:
        return backbones
    first = results.detectors[["backbone", "network"]].drop_duplicates("backbone")
    names = dict(zip(first["backbone"].tolist(), first["network"].tolist(), strict=True))
    known = [names.get(backbone, backbone) for backbone in backbones]
    return np.array([backbone if pd.isna(name) else name for name, backbone in zip(known, backbones, strict=True)])


def scaled_ranks(values: Floats) -> Floats:
    """Return midranks of each column of (P, T), from -1/2 for the least to 1/2; 0 where there is no value.

    Example:
        >>> scaled_ranks(np.array([[3.0], [np.nan], [10.0], [7.0]])).ravel()
        array([-0.5,  0. ,  0.5,  0. ])
    """
    ranks = midranks(values)
    known = np.isfinite(values).sum(0)
    scaled: Floats = np.nan_to_num((ranks - (known + 1) / 2) / np.maximum(known - 1, 1))
    return scaled


def weights(studies: Sequence[StudyArrays]) -> Floats:
    """Return the ridge regression of ranked scores on ranked metrics: (K,).

    It minimizes sum (y - z w)^2 + N PENALTY |w|^2 / 12, y being the ranks of the scores within each task, z those of
    the metrics, N the number of both, and 1/12 the variance of a rank. Data sets count alike, however many their tasks.
    """
    gram, cross = 0.0, 0.0
    for study, share in zip(studies, shares_of(studies), strict=True):
        z, y = study.ranks.reshape(-1, study.ranks.shape[-1]), scaled_ranks(study.scores).ravel()
        gram = gram + share * (z.T @ z + len(z) * PENALTY / 12 * np.eye(z.shape[1]))
        cross = cross + share * (z.T @ y)
    return np.linalg.solve(gram, cross).astype(np.float64)


def shares_of(studies: Sequence[StudyArrays]) -> Floats:
    """Return how much a task of each data set counts, (D,): 1 where all have as many."""
    tasks = np.array([len(study.tasks) for study in studies])
    found: Floats = tasks.mean() / tasks
    return found


def signs(ranks: Floats, scores: Floats) -> Floats:
    """Return for every metric whether more of it goes with better scores, 1, or worse, -1, or neither, 0: (K,)."""
    found: Floats = np.sign(np.einsum("ptk,pt->k", ranks, scaled_ranks(scores)).round(DECIMALS))
    return found


def alike(studies: Sequence[StudyArrays], others: Sequence[StudyArrays]) -> bool:
    """Whether two detectors are judged on the same points and tasks, so that nothing but scores differs."""
    pairs = list(zip(studies, others, strict=False))
    return len(studies) == len(others) and all(
        getattr(one, name) is getattr(other, name) or np.array_equal(getattr(one, name), getattr(other, name))
        for one, other in pairs
        for name in ("tasks", "targets", "clusters", "points", "ranks")
    )


def alike_groups(detectors: Sequence[Sequence[StudyArrays]]) -> list[list[int]]:
    """Return the numbers of detectors, those that are `alike` together."""
    groups: list[list[int]] = []
    for number, studies in enumerate(detectors):
        same = next((group for group in groups if alike(detectors[group[0]], studies)), None)
        groups.append([number]) if same is None else same.append(number)
    return groups


def held_out(study: StudyArrays, studies: Sequence[StudyArrays]) -> Names:
    """Return what is left out of the fits with each task, (T,): its data set where there are several, or its class."""
    return np.full(len(study.tasks), study.dataset) if len(studies) > 1 else study.targets


def squares(ranks: Floats) -> Floats:
    """Return squares of ranks, with mean 0 and the variance of the ranks, 1/12, where these are evenly spread."""
    found: Floats = np.sqrt(15) * (ranks**2 - 1 / 12)
    return found


def elsewhere(studies: Sequence[StudyArrays]) -> list[Floats]:
    """Return how each point does in the tasks of other classes, (P, T): what labelled anomalies would say.

    That is its mean score; of several data sets, the mean over the others of the mean of its ranks, as scores of
    several do not compare, and a layer that no other data set has comes last. Nothing where there is one class.
    """
    if len(studies) == 1:
        (study,) = studies
        if len(set(study.targets)) < 2:
            return []
        means = [study.scores[:, study.targets != target].mean(1) for target in study.targets]
        return [np.column_stack(means).round(DECIMALS)]
    layers = [list(zip(*(study.points[name] for name in ("backbone", "layer")), strict=True)) for study in studies]
    places = {layer: k for k, layer in enumerate(dict.fromkeys(itertools.chain(*layers)))}
    at = [[places[layer] for layer in own] for own in layers]
    ranks, has = np.zeros((2, len(studies), len(places)))
    for d, (study, own) in enumerate(zip(studies, at, strict=True)):
        ranks[d, own], has[d, own] = scaled_ranks(study.scores).mean(1), 1.0
    found = []
    for d, (study, own) in enumerate(zip(studies, at, strict=True)):
        others, known = (np.delete(each, d, axis=0).sum(0)[own] for each in (ranks, has))
        said = np.divide(others, known, out=np.full(len(own), -1.0), where=known > 0).round(DECIMALS)
        found.append(np.tile(said[:, None], len(study.tasks)))
    return found


def picks(said: Floats) -> Floats:
    """Return which share of the choice falls on each point in each task: those that tie for the most share it.

    Args:
        said: (..., P, T) what a rule says.

    Example:
        >>> picks(np.array([[0.5], [0.2], [0.5]])).ravel()
        array([0.5, 0. , 0.5])
    """
    top = said == said.max(-2, keepdims=True)
    shares: Floats = top / top.sum(-2, keepdims=True)
    return shares


def check_arrays(studies: Sequence[StudyArrays]) -> None:
    """Raise unless something is left when a cluster is left out.

    Raises:
        ReprqError: fewer than two backbones.
    """
    clusters = {str(name) for study in studies for name in study.clusters}
    if len(clusters) < 2:
        raise ReprqError(
            f"a recommendation is judged on backbones that it was not fitted on: the study needs at least two"
            f" backbones, got {len(clusters)}"
        )
