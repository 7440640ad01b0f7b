"""Means over the same cells for every point of a data set: what lacks a task or a seed is left out, and said."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reprq.errors import UnknownNameError
from reprq.study.results import POINT, StudyResults

TASK_GROUPS = ("all", "unimodal", "multimodal")
_NAMED = 3  # of what is left out


@dataclass(frozen=True, eq=False)
class Complete:
    """A table of points by cells without a gap.

    Attributes:
        values: (P, C), one row a point (backbone, layer, layer_number), one column a (task, seed).
        notes: What was left out, and why.
    """

    values: pd.DataFrame
    notes: tuple[str, ...] = ()

    def same_cells(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return another table's values of these points and cells, nan where it has none."""
        return table.reindex(index=self.values.index, columns=self.values.columns)

    def like(self, values: NDArray[np.float64]) -> pd.DataFrame:
        """Return an array of the same points and cells, (P, C), as a table."""
        return pd.DataFrame(values, index=self.values.index, columns=self.values.columns)


@dataclass(frozen=True, eq=False)
class Laid:
    """A study on one data set by points and cells, laid out once for all of its detectors.

    Attributes:
        results: The study.
    """

    results: StudyResults

    @cached_property
    def points(self) -> pd.DataFrame:
        """The backbone, layer and layer_number of all layers, each once."""
        tables = (self.results.metrics, self.results.detectors)
        return pd.concat([table[POINT].drop_duplicates() for table in tables]).drop_duplicates()

    @cached_property
    def cells(self) -> pd.DataFrame:
        """The task and seed of all cells, each once."""
        tables = (_seeded(self.results.metrics), _seeded(self.results.detectors))
        return pd.concat([table[["task", "seed"]].drop_duplicates() for table in tables]).drop_duplicates()

    def scores(self, definition: str, score: str) -> pd.DataFrame:
        """Return a detector's scores as `by_cell` does."""
        table = self._tables.get(score)
        if table is None:
            table = self._tables[score] = by_cell(self.results.detectors, score, ["definition"])
        own = table.loc[:, table.columns.get_level_values(0) == definition].droplevel(0, axis=1)
        return own.dropna(how="all") if own.isna().to_numpy().any() else own

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        return {}


def complete_scores(
    results: StudyResults, definition: str, score: str = "auroc", tasks: str = "all", laid: Laid | None = None
) -> Complete:
    """Return a detector's scores over one set of tasks and seeds, the same for every point.

    A mean over the tasks that did not fail would compare a layer's easy tasks with another's hard ones. So a task and
    seed that fewer than half of the points have is left out of every mean, and then each point that lacks another.

    Args:
        results: A study on one data set.
        definition: A detector of it.
        score: The column of the detectors' table.
        tasks: "all", "unimodal", "multimodal" or a task's name.
        laid: The study as it is laid out, which takes a while, where several are asked for.

    Raises:
        UnknownNameError: a task that the study does not have.
    """
    names = tasks_in(results, tasks)
    laid = Laid(results) if laid is None else laid
    cells = laid.cells[laid.cells["task"].isin(names)]
    found = laid.scores(definition, score)
    if tasks != "all":
        found = found.loc[:, found.columns.get_level_values("task").isin(names)].dropna(how="all")
    return _complete(found, f"{score} of {definition}", laid.points, list(cells.itertuples(index=False, name=None)))


def complete_metric(results: StudyResults, metric: str) -> Complete:
    """Return a metric's values likewise, over all tasks."""
    rows = results.metrics[results.metrics["metric"] == metric]
    return _complete(by_cell(rows, "value"), metric, rows.drop_duplicates(POINT)[POINT], [])


def by_cell(table: pd.DataFrame, column: str, above: Sequence[str] = ()) -> pd.DataFrame:
    """Return a column as a table of points by (task, seed), or (*above, task, seed); nan where a cell has no value."""
    seeded, cell = _seeded(table).astype({column: float}), [*above, "task", "seed"]
    return seeded.pivot_table(index=POINT, columns=cell, values=column, aggfunc="mean", sort=False)


def over_seeds(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over seeds: points by (task, seed) to points by task; nan where a seed is missing."""
    tasks = cells.columns.get_level_values("task")
    if tasks.is_unique:  # laid out as below, since sums over tasks depend on it in their last digit
        return pd.DataFrame(np.asfortranarray(cells.to_numpy()), index=cells.index, columns=list(tasks))
    return pd.DataFrame({task: cells.loc[:, tasks == task].mean(axis=1, skipna=False) for task in tasks.unique()})


def tasks_in(results: StudyResults, tasks: str) -> list[str]:
    """Return the names of the tasks of a group.

    Raises:
        UnknownNameError: neither "all", a kind nor a task of the study.
    """
    found = _tasks_in(results, tasks)
    if not found and tasks != "all":
        known = results.metrics[["task", "task_kind"]].drop_duplicates()
        raise UnknownNameError("task of the study", tasks, dict.fromkeys(["all", *known["task_kind"], *known["task"]]))
    return found


def has_tasks(results: StudyResults, tasks: str) -> bool:
    """Whether a study, or its part on one data set, has tasks of a group."""
    return tasks == "all" or bool(_tasks_in(results, tasks))


def _tasks_in(results: StudyResults, tasks: str) -> list[str]:
    known = results.metrics[["task", "task_kind"]] if "task_kind" in results.metrics else results.metrics[["task"]]
    known = known.drop_duplicates()
    if tasks != "all":
        known = known[known["task_kind" if tasks in TASK_GROUPS else "task"] == tasks]
    return [str(name) for name in known["task"].unique()]


def _seeded(table: pd.DataFrame) -> pd.DataFrame:
    return table if "seed" in table else table.assign(seed=0)  # tables of before there were seeds


def _complete(found: pd.DataFrame, what: str, points: pd.DataFrame, cells: list[tuple[str, int]]) -> Complete:
    """Leave out cells that most points lack, then points that lack a cell; say both."""
    if found.empty:
        return Complete(found.iloc[:0], (f"no layer has any {what}",) if cells else ())
    shared = found.columns[found.notna().sum() * 2 >= len(found)]
    kept = found[shared].dropna()
    notes = []
    gone = [cell for cell in dict.fromkeys([*cells, *found.columns]) if cell not in set(shared)]
    if gone:
        named = _named(f"{task} (seed {seed})" for task, seed in gone)
        notes.append(f"most layers have no {what} in {named}: left out of every mean")
    lost = [(b, layer) for b, layer, n in points.itertuples(index=False, name=None) if (b, layer, n) not in kept.index]
    if lost:
        named = _named(f"{layer} of {backbone}" for backbone, layer in lost)
        notes.append(
            f"{len(lost)} of {len(points)} layers have no {what} in some task or seed and are left out: {named}"
        )
    return Complete(kept, tuple(notes))


def _named(names: Iterable[str]) -> str:
    """The first few names, and how many there are beyond them."""
    listed = list(names)
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + more
