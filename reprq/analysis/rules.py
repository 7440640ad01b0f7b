"""Rules that choose a (backbone, layer) by quality on benign data, fitted where they are not judged.

A study on one data set is laid out as arrays over points p (layers of backbones), tasks t and metrics k. Within a task
a metric is replaced by its rank among all points, scaled to [-1/2, 1/2]: ranks need no unit, and no label. So rules are
fitted across data sets, whose values do not compare, and each is judged on the data set that it was fitted without.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reprq.analysis.complete import complete_scores, over_seeds
from reprq.analysis.datasets import Part, by_dataset
from reprq.analysis.depth import layer_places
from reprq.analysis.hindsight import hindsight_folds
from reprq.errors import ReprqError
from reprq.numerics.small_systems import solve_leading
from reprq.statistics.ranks import midranks
from reprq.study.results import POINT, StudyResults

Floats = NDArray[np.float64]
Names = NDArray[Any]

COMBINATION, CURVED = "combination", "curved combination"
PENALTY = 0.1  # of the ridge, as a share of the variance of a rank
_DECIMALS = 9  # of what a rule says: beyond them layers tie, whatever the order of the sums


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
        places = layer_places(self.points)
        found: NDArray[np.bool_] = (places == places.groupby(self.points["backbone"]).transform("max")).to_numpy()
        return found

    @cached_property
    def by_name(self) -> NDArray[np.int64]:
        """(P,) the points in the order of their names."""
        found: NDArray[np.int64] = self.points.sort_values(POINT).index.to_numpy()
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
    cells = part.measured(found.values, metrics)
    tables = [over_seeds(found.like(cells[:, k])).to_numpy() for k in range(len(metrics))]
    tasks = scores.columns.to_numpy()
    points = found.values.index.to_frame(index=False)
    points = points.assign(network=_architectures(part.results, points))
    folds, hindsight = hindsight_folds(part.laid, found, detector, score)
    return StudyArrays(
        dataset=part.dataset,
        points=points,
        tasks=tasks,
        targets=np.array([str(task).partition(":")[2] or str(task) for task in tasks]),
        clusters=points["backbone"].to_numpy().astype(str),
        metrics=metrics,
        ranks=np.stack([scaled_ranks(table) for table in tables], axis=-1),
        scores=scores.to_numpy(),
        folds=folds,
        hindsight=hindsight,
        notes=found.notes,
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
    for study, share in zip(studies, _shares(studies), strict=True):
        z, y = study.ranks.reshape(-1, study.ranks.shape[-1]), scaled_ranks(study.scores).ravel()
        gram = gram + share * (z.T @ z + len(z) * PENALTY / 12 * np.eye(z.shape[1]))
        cross = cross + share * (z.T @ y)
    return np.linalg.solve(gram, cross).astype(np.float64)


def _shares(studies: Sequence[StudyArrays]) -> Floats:
    """How much a task of each data set counts, (D,): 1 where all have as many."""
    tasks = np.array([len(study.tasks) for study in studies])
    found: Floats = tasks.mean() / tasks
    return found


def signs(ranks: Floats, scores: Floats) -> Floats:
    """Return for every metric whether more of it goes with better scores, 1, or worse, -1, or neither, 0: (K,)."""
    found: Floats = np.sign(np.einsum("ptk,pt->k", ranks, scaled_ranks(scores)).round(_DECIMALS))
    return found


class LeftOut:
    """The fits of all rules without one cluster and one class, or data set, each, for metrics wherever they are placed.

    What is said of a point in a task comes from the other clusters alone, and from the tasks of the other data sets; of
    one data set, from the tasks of other classes; of one class, from its own tasks. A rule is a metric with a sign, or
    the ridge combination of all; the curved combination has the squares of their ranks too, so that it finds a best
    value in the middle. Sums of products over each cluster and class are computed once, so that all fits are one batch
    of small systems, and those of metrics once for all detectors.

    Args:
        studies: The study on each data set; their scores are what the rules are fitted to.
        others: The same of other detectors, `alike` in all but scores.
    """

    def __init__(self, studies: Sequence[StudyArrays], others: Sequence[Sequence[StudyArrays]] = ()) -> None:
        self._metrics = studies[0].metrics
        clusters = np.unique(np.concatenate([study.clusters for study in studies]))
        self._clusters = [np.searchsorted(clusters, study.clusters) for study in studies]
        targets = np.concatenate([held_out(study, studies) for study in studies])
        codes = np.unique(targets, return_inverse=True)[1]
        self._apart = float(codes.max() > 0)  # a single class cannot be left out
        self._of_target = np.eye(codes.max() + 1)[codes]  # (T, C), T counting the tasks of all data sets
        self._targets = np.split(codes, np.cumsum([len(study.tasks) for study in studies])[:-1])
        self._share = np.repeat(_shares(studies), [len(study.tasks) for study in studies])[:, None, None]  # (T, 1, 1)
        sizes = [
            np.repeat(np.bincount(own, minlength=len(clusters))[:, None], len(study.tasks), axis=1)
            for own, study in zip(self._clusters, studies, strict=True)
        ]
        self._sizes = np.concatenate(sizes, axis=1) * self._share[:, 0, 0]  # (U, T) points
        self._scores = [self._ranked(each, len(clusters)) for each in (studies, *others)]

    def _ranked(self, studies: Sequence[StudyArrays], clusters: int) -> list[Floats]:
        """The ranks of a detector's scores without each cluster, (T, U, P) by data set."""
        found = []
        for own, study in zip(self._clusters, studies, strict=True):
            scores = np.zeros((clusters, *study.scores.shape))
            for left_out, ranks in enumerate(scores):
                known = own != left_out
                ranks[known] = scaled_ranks(study.scores[known])
            found.append(np.ascontiguousarray(scores.transpose(2, 0, 1)))
        return found

    def predictions(self, ranks: Sequence[Floats]) -> Iterator[list[dict[str, Floats]]]:
        """Yield what each rule says of every point in every task, (P, T, B) by data set, higher is better: by detector.

        Args:
            ranks: (P, T, B, K) of the metrics, by data set: B ways to place them, which are fitted by themselves.
        """
        both = [_by_task(np.concatenate([each, _squares(each)], axis=-1)) for each in ranks]
        k, grams = len(self._metrics), self._grams(both)  # metrics first: what the plain combination takes
        cross = np.stack([self._cross(both, scores) for scores in self._scores], axis=-1)  # (C, U, B, K, detectors)
        directions = np.sign(cross[..., :k, :].round(_DECIMALS))
        plain, curved = solve_leading(grams, cross, (k, grams.shape[-1]))
        ways = np.ascontiguousarray(directions.transpose(4, 3, 1, 0, 2))  # (detectors, K, U, C, B)
        alone = [np.ascontiguousarray(each[..., :k].transpose(3, 1, 0, 2)).round(_DECIMALS) for each in both]
        for number in range(len(self._scores)):
            fits = {COMBINATION: plain[..., number], CURVED: curved[..., number]}
            combined = self._combined(both, fits)
            yield [said | own for said, own in zip(self._directed(alone, ways[number]), combined, strict=True)]

    def _directed(self, metrics: Sequence[Floats], ways: Floats) -> list[dict[str, Floats]]:
        """What each metric, rounded, (K, P, T, B), says with its direction, (K, U, C, B), by data set."""
        return [
            dict(zip(self._metrics, each * ways[:, clusters[:, None], targets], strict=True))
            for each, clusters, targets in zip(metrics, self._clusters, self._targets, strict=True)
        ]

    def _combined(self, ranks: Sequence[Floats], fits: Mapping[str, Floats]) -> list[dict[str, Floats]]:
        """What the combinations say that are fitted to one detector's scores, by data set."""
        found = []
        for each, clusters, targets in zip(ranks, self._clusters, self._targets, strict=True):
            own, said = np.ix_(targets, clusters), {}
            for name, fitted in fits.items():
                values = np.einsum("tpbk,tpbk->ptb", each[..., : fitted.shape[-1]], fitted[own])
                said[name] = values.round(_DECIMALS)
            found.append(said)
        return found

    def _cross(self, ranks: Sequence[Floats], scores: Sequence[Floats]) -> Floats:
        """The products of metrics, (T, P, B, K), and scores without each class and cluster, (C, U, B, K)."""
        products = [np.matmul(own, each.reshape(*each.shape[:2], -1)) for own, each in zip(scores, ranks, strict=True)]
        by_task = np.concatenate(products) * self._share  # (T, U, B K)
        found: Floats = by_task.sum(0) - self._apart * np.tensordot(self._of_target.T, by_task, 1)
        return found.reshape(*found.shape[:2], *ranks[0].shape[2:])

    def _grams(self, ranks: Sequence[Floats]) -> Floats:
        """The matrices of `weights` without each class and cluster, (C, U, B, K, K)."""
        blocks = self._products(ranks)
        sizes = (self._sizes @ self._of_target).T
        rows = sizes.sum() - sizes.sum(0) - self._apart * sizes.sum(1, keepdims=True) + self._apart * sizes
        of_cluster = blocks.sum(0)
        found: Floats = (of_cluster.sum(0) - of_cluster) - self._apart * blocks.sum(1, keepdims=True)
        blocks *= self._apart
        found += blocks
        diagonal = np.arange(found.shape[-1])
        found[..., diagonal, diagonal] += (rows * PENALTY / 12)[..., None, None]
        return found

    def _products(self, ranks: Sequence[Floats]) -> Floats:
        """The products of metrics over the points of each cluster in the tasks of each class, (C, U, B, K, K)."""
        many, columns = ranks[0].shape[2:]
        found = np.zeros((self._of_target.shape[1], len(self._sizes), many, columns, columns))
        shares = np.split(self._share.ravel(), np.cumsum([len(own) for own in self._targets])[:-1])
        for each, targets, clusters, share in zip(ranks, self._targets, self._clusters, shares, strict=True):
            for c in np.unique(targets):
                tasks = each[targets == c]
                for u in np.unique(clusters):  # of a data set all tasks count alike
                    rows = tasks[:, clusters == u].transpose(2, 0, 1, 3).reshape(many, -1, columns)
                    found[c, u] += share[0] * np.matmul(rows.swapaxes(1, 2), rows)
        return found


def alike(studies: Sequence[StudyArrays], others: Sequence[StudyArrays]) -> bool:
    """Whether two detectors are judged on the same points and tasks, so that nothing but scores differs."""
    pairs = list(zip(studies, others, strict=False))
    return len(studies) == len(others) and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for one, other in pairs
        for name in ("tasks", "targets", "clusters", "points", "ranks")
    )


def held_out(study: StudyArrays, studies: Sequence[StudyArrays]) -> Names:
    """Return what is left out of the fits with each task, (T,): its data set where there are several, or its class."""
    return np.full(len(study.tasks), study.dataset) if len(studies) > 1 else study.targets


def _by_task(ranks: Floats) -> Floats:
    """Ranks, (P, T, B, K), with the tasks first, (T, P, B, K), as one block of memory."""
    return np.ascontiguousarray(ranks.transpose(1, 0, 2, 3))


def _squares(ranks: Floats) -> Floats:
    """Squares of ranks, with mean 0 and the variance of the ranks, 1/12, where these are evenly spread."""
    found: Floats = np.sqrt(15) * (ranks**2 - 1 / 12)
    return found


def predictions(studies: Sequence[StudyArrays]) -> list[dict[str, Floats]]:
    """Return what each rule says of every point in every task where it is measured, by data set: see `LeftOut`."""
    (found,) = LeftOut(studies).predictions([study.ranks[:, :, None] for study in studies])
    return [{rule: said[..., 0] for rule, said in each.items()} for each in found]


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
        return [np.column_stack(means).round(_DECIMALS)]
    layers = [list(zip(*(study.points[name] for name in ("backbone", "layer")), strict=True)) for study in studies]
    places = {layer: k for k, layer in enumerate(dict.fromkeys(itertools.chain(*layers)))}
    at = [[places[layer] for layer in own] for own in layers]
    ranks, has = np.zeros((2, len(studies), len(places)))
    for d, (study, own) in enumerate(zip(studies, at, strict=True)):
        ranks[d, own], has[d, own] = scaled_ranks(study.scores).mean(1), 1.0
    found = []
    for d, (study, own) in enumerate(zip(studies, at, strict=True)):
        others, known = (np.delete(each, d, axis=0).sum(0)[own] for each in (ranks, has))
        said = np.divide(others, known, out=np.full(len(own), -1.0), where=known > 0).round(_DECIMALS)
        found.append(np.tile(said[:, None], len(study.tasks)))
    return found


def picks(said: Floats) -> Floats:
    """Return which share of the choice falls on each point in each task, (P, T): those that tie for the most share it.

    Example:
        >>> picks(np.array([[0.5], [0.2], [0.5]])).ravel()
        array([0.5, 0. , 0.5])
    """
    top = said == said.max(0)
    shares: Floats = top / top.sum(0)
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
