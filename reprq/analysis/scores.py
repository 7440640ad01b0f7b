"""The points of a study, (data set, backbone, layer), with their metric and their score."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reprq.analysis.complete import Complete, complete_scores, has_tasks, over_seeds, tasks_in
from reprq.analysis.datasets import Part, by_dataset
from reprq.analysis.scenarios import check_one
from reprq.errors import UnknownNameError
from reprq.study.results import StudyResults


def points(results: StudyResults, metric: str, score: str, detector: str, tasks: str = "all") -> pd.DataFrame:
    """Return the (data set, backbone, layer) points of one metric against one detector's score.

    Args:
        results: A study.
        metric: A metric of the study.
        score: A column of the detectors' table, "auroc".
        detector: A detector's definition in the table.
        tasks: "all", "unimodal", "multimodal" or a task's name.

    Returns:
        One row a point: dataset, backbone, layer, layer_number, x (mean of the metric over the tasks of the data set
        and seeds), y (mean score), network (the architecture), weights, width (columns), depth (number of the layer
        over the largest of its backbone, at most 1; see `reprq.analysis.depth`).
        A point whose metric or score is missing for some task or seed is left out (`reprq.analysis.complete`).

    Raises:
        UnknownNameError: a score or task that the study does not have.
        InputError: a study under several scenarios.
    """
    return points_of_pairs(results, [(detector, metric)], score, tasks).drop(columns=["detector", "metric"])


def points_of_pairs(
    results: StudyResults, pairs: Iterable[tuple[str, str]], score: str, tasks: str = "all"
) -> pd.DataFrame:
    """Return the points of several pairs, one pair below the other: the study is laid out once for all of them.

    Args:
        results: A study.
        pairs: Detectors, by definition, with metrics; at least one pair.
        score: As for `points`.
        tasks: As for `points`.

    Returns:
        The columns of `points`, and detector and metric.

    Raises:
        UnknownNameError: a score or task that the study does not have.
        InputError: a study under several scenarios.
    """
    check_one(results)
    tasks_in(results, tasks)
    parts, scores, found = by_dataset(results), dict[str, dict[str, Scores]](), []
    for detector, metric in pairs:
        if detector not in scores:
            scores[detector] = scores_of(parts, detector, score, tasks)
        own = pd.concat([each.points(metric) for each in scores[detector].values()], ignore_index=True)
        found.append(own.assign(detector=detector, metric=metric))
    return pd.concat(found, ignore_index=True)


@dataclass(frozen=True, eq=False)
class Scores:
    """A detector's scores on one data set, to set metrics against.

    Attributes:
        part: The study on that data set.
        complete: The scores over the same cells for every point.
    """

    part: Part
    complete: Complete

    def values(self, metric: str) -> NDArray[np.float64]:
        """Return a metric's values of the same points and cells, (P, C); nan where it has none."""
        k = self._metrics.get(metric)
        return np.full(self.complete.values.shape, np.nan) if k is None else self._measured[:, k]

    def has(self, metric: str) -> NDArray[np.bool_]:
        """Return which points have a metric in every cell of the scores, (P,)."""
        found: NDArray[np.bool_] = np.logical_not(np.isnan(self.values(metric)).any(axis=1))
        return found & (metric in self._metrics)

    def means(self, metric: str) -> NDArray[np.float64]:
        """Return a metric's mean over the cells of the scores, (P,); nan where it lacks one."""
        values = self.values(metric)
        found: NDArray[np.float64] = values.mean(axis=1) if values.size else np.zeros(len(values))
        return found

    def points(self, metric: str) -> pd.DataFrame:
        """Return the points that have a metric in every cell of the scores; see `points`."""
        found, known = self._about(self.part.layers_of(metric)).assign(x=self.means(metric)), self.has(metric)
        return found if known.all() else found[known].reset_index(drop=True)

    def _about(self, layers: pd.DataFrame) -> pd.DataFrame:
        """The points with their score and what is said of their layers: looked up once for all metrics of the same."""
        for known, found in self._looked_up:
            if known is layers:
                return found
        cells = self.complete.values
        about: pd.DataFrame = self.part.once(f"layers {id(layers)}", cells, lambda: _about(layers, cells.index))
        self._looked_up.append((layers, found := pd.concat([self._scored, about], axis=1)))
        return found

    @cached_property
    def _looked_up(self) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
        return []

    @cached_property
    def _metrics(self) -> dict[str, int]:
        """The place of every metric of the data set."""
        return {name: k for k, name in enumerate(self.part.metrics)}

    @cached_property
    def _measured(self) -> NDArray[np.float64]:
        """All metrics of the same points and cells, (P, K, C)."""
        return self.part.measured(self.complete.values)

    @cached_property
    def by_task(self) -> pd.DataFrame:
        """The scores of the points by task, means over seeds."""
        return over_seeds(self.complete.values)

    @cached_property
    def _scored(self) -> pd.DataFrame:
        """The points with their score, which is the same for every metric."""
        values = self.complete.values
        points: pd.DataFrame = self.part.once("names", values, lambda: _named(self.part.dataset, values.index))
        return points.assign(x=np.nan, y=values.mean(axis=1).to_numpy(float))


def _named(dataset: str, points: "pd.Index[Any]") -> pd.DataFrame:
    """The data set and the names of points."""
    found = points.to_frame(index=False)
    found.insert(0, "dataset", dataset)
    return found


def _about(layers: pd.DataFrame, points: "pd.Index[Any]") -> pd.DataFrame:
    """What is said of the layers of some points."""
    return layers.reindex(points).astype({"width": float}).reset_index(drop=True)


class Shared(NamedTuple):
    """Metrics that the same points have, over all data sets.

    Attributes:
        metrics: (K,) their names.
        points: The table of `points`, where x is that of the first.
        x: (P, K) their values: means over tasks and seeds.
        has: Which of the points with scores these are, by data set.
    """

    metrics: list[str]
    points: pd.DataFrame
    x: NDArray[np.float64]
    has: dict[str, NDArray[np.bool_]]


def shared_points(scores: Mapping[str, Scores], metrics: Iterable[str]) -> list[Shared]:
    """Return the points of metrics, those of the same points together: what is said of these is looked up once."""
    groups: dict[tuple[tuple[int, bytes], ...], list[str]] = {}
    for metric in metrics:
        key = tuple((id(each.part.layers_of(metric)), each.has(metric).tobytes()) for each in scores.values())
        groups.setdefault(key, []).append(metric)
    found = []
    for names in groups.values():
        has = {dataset: each.has(names[0]) for dataset, each in scores.items()}
        points = pd.concat([each.points(names[0]) for each in scores.values()])
        x = [np.column_stack([each.means(name)[has[d]] for name in names]) for d, each in scores.items()]
        found.append(Shared(names, points, np.concatenate(x), has))
    return found


def scores_of(parts: Mapping[str, Part], detector: str, score: str, tasks: str) -> dict[str, Scores]:
    """Return a detector's scores on each data set that has tasks of a group.

    Raises:
        UnknownNameError: a score that the study does not have.
    """
    for part in parts.values():
        table = part.results.detectors
        if score not in table.columns or not pd.api.types.is_float_dtype(table[score]):
            raise UnknownNameError("score of the study", score, table.select_dtypes("float").columns)
    return {
        name: Scores(part, complete_scores(part.results, detector, score, tasks, part.laid))
        for name, part in parts.items()
        if has_tasks(part.results, tasks)
    }
