"""The points of a study, (data set, backbone, layer), with their metric and their score."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from reprq.analysis.complete import Complete, complete_scores, has_tasks, tasks_in
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
    check_one(results)
    tasks_in(results, tasks)
    scores = scores_of(by_dataset(results), detector, score, tasks)
    return pd.concat([each.points(metric) for each in scores.values()], ignore_index=True)


@dataclass(frozen=True, eq=False)
class Scores:
    """A detector's scores on one data set, to set metrics against.

    Attributes:
        part: The study on that data set.
        complete: The scores over the same cells for every point.
    """

    part: Part
    complete: Complete

    def values(self, metric: str) -> pd.DataFrame:
        """Return a metric's values of the same points and cells, nan where it has none."""
        return self.complete.same_cells(self.part.values.get(metric, self.complete.values.iloc[:0]))

    def points(self, metric: str) -> pd.DataFrame:
        """Return the points that have a metric in every cell of the scores; see `points`."""
        layers = self.part.layers.get(metric)
        if layers is None:  # not measured on this data set
            layers = next(iter(self.part.layers.values())).iloc[:0]
        x = self.values(metric).mean(axis=1, skipna=False).to_numpy(float)
        about = layers.reindex(self.complete.values.index).astype({"width": float})
        found = self._scored.assign(x=x, **about.reset_index(drop=True))
        known: pd.DataFrame = found[~np.isnan(x)].reset_index(drop=True)
        return known

    @cached_property
    def _scored(self) -> pd.DataFrame:
        """The points with their score, which is the same for every metric."""
        values = self.complete.values
        found = values.index.to_frame(index=False).assign(x=np.nan, y=values.mean(axis=1).to_numpy(float))
        found.insert(0, "dataset", self.part.dataset)
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
        name: Scores(part, complete_scores(part.results, detector, score, tasks))
        for name, part in parts.items()
        if has_tasks(part.results, tasks)
    }
