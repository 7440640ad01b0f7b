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
        same = table.index is self.values.index and table.columns is self.values.columns
        return table if same else table.reindex(index=self.values.index, columns=self.values.columns)


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

    def cells_of(self, tasks: str) -> list[tuple[str, int]]:
        """Return the cells of a group of tasks."""
        if tasks not in self._cells:
            kept = self.cells["task"].isin(tasks_in(self.results, tasks))
            self._cells[tasks] = list(self.cells[kept].itertuples(index=False, name=None))
        return self._cells[tasks]

    def scores(self, definition: str, score: str) -> pd.DataFrame:
        """Return a detector's scores as `by_cell` does."""
        if (definition, score) not in self._tables:
            rows = self._rows.get(definition, np.zeros(0, dtype=np.int64))
            self._tables[definition, score] = self._judged.by_cell(score, rows)
        return self._tables[definition, score]

    @cached_property
    def _judged(self) -> "RowsByCell":
        return RowsByCell(self.results.detectors)

    @cached_property
    def _rows(self) -> dict[str, NDArray[np.int64]]:
        """The rows of each detector."""
        codes, names = pd.factorize(self.results.detectors["definition"])
        return {str(name): np.flatnonzero(codes == k) for k, name in enumerate(names)}

    @cached_property
    def _tables(self) -> dict[tuple[str, str], pd.DataFrame]:
        return {}

    @cached_property
    def _cells(self) -> dict[str, list[tuple[str, int]]]:
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
    laid = Laid(results) if laid is None else laid
    cells, found = laid.cells_of(tasks), laid.scores(definition, score)
    if tasks != "all":
        names = tasks_in(results, tasks)
        found = found.loc[:, found.columns.get_level_values("task").isin(names)].dropna(how="all")
    return _complete(found, f"{score} of {definition}", laid.points, cells)


def complete_metric(results: StudyResults, metric: str) -> Complete:
    """Return a metric's values likewise, over all tasks."""
    rows = results.metrics[results.metrics["metric"] == metric]
    return _complete(by_cell(rows, "value"), metric, rows.drop_duplicates(POINT)[POINT], [])


def by_cell(table: pd.DataFrame, column: str, above: Sequence[str] = ()) -> pd.DataFrame:
    """Return a column as a table of points by (task, seed), or (*above, task, seed); nan where a cell has no value.

    Points are ordered by backbone, layer and number, each in the order in which they first come, and cells as they
    first come. Several values of one cell are averaged.
    """
    return RowsByCell(table, above).by_cell(column)


class RowsByCell:
    """The point and cell of each row of a table, looked up once for all of its columns.

    Args:
        table: The rows.
        above: What tells cells apart beside task and seed.
    """

    def __init__(self, table: pd.DataFrame, above: Sequence[str] = ()) -> None:
        self._table = _seeded(table)
        self._keys = [self._table[POINT], self._table[[*above, "task", "seed"]]]
        self._codes = [_codes(key) for key in self._keys]
        self._named: dict[tuple[int, bytes], pd.MultiIndex] = {}

    def by_cell(self, column: str, rows: NDArray[np.int64] | None = None) -> pd.DataFrame:
        """Return a column of some rows, all by default; tables of the same points or cells share the index of these."""
        chosen = np.arange(len(self._table)) if rows is None else rows
        values = self._table[column].to_numpy(dtype=np.float64, na_value=np.nan)[chosen]
        of_points, of_cells = (codes[chosen] for codes in self._codes)
        known = np.flatnonzero(~np.isnan(values) & (of_points >= 0) & (of_cells >= 0))
        _, at, places = np.unique(of_points[known], return_index=True, return_inverse=True)
        columns, distinct = pd.factorize(of_cells[known])
        first = np.unique(columns, return_index=True)[1]
        points, cells = (self._index(which, chosen[known[own]]) for which, own in enumerate((at, first)))
        size, flat = len(points) * len(distinct), places * len(distinct) + columns
        counts = np.bincount(flat, minlength=size)
        sums = np.bincount(flat, values[known], size)
        means = np.divide(sums, counts, out=np.full(size, np.nan), where=counts > 0)
        return pd.DataFrame(means.reshape(len(points), len(distinct)), index=points, columns=cells)

    def _index(self, which: int, rows: NDArray[np.int64]) -> pd.MultiIndex:
        """What the points or cells of some rows are called."""
        key = which, self._codes[which][rows].tobytes()
        if key not in self._named:
            self._named[key] = pd.MultiIndex.from_frame(self._keys[which].iloc[rows])
        return self._named[key]


def _codes(keys: pd.DataFrame) -> NDArray[np.int64]:
    """A number for each row, in the order of what comes first in its columns; -1 where one is missing."""
    found, missing = np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys), dtype=bool)
    for name in keys:
        own, distinct = pd.factorize(keys[name])
        found, missing = found * (len(distinct) + 1) + own, missing | (own < 0)
    return np.where(missing, -1, found)


def over_seeds(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over seeds: points by (task, seed) to points by task; nan where a seed is missing."""
    tasks = cells.columns.get_level_values("task")
    return pd.DataFrame(means_over_seeds(cells.to_numpy(), tasks), index=cells.index, columns=list(tasks.unique()))


def means_over_seeds(values: NDArray[np.float64], tasks: "pd.Index[str]") -> NDArray[np.float64]:
    """Return the same of arrays, (..., P, C) with the task of each cell to (..., P, T)."""
    codes, distinct = pd.factorize(tasks)
    parts = [values[..., codes == k].mean(axis=-1) for k in range(len(distinct))]
    means: NDArray[np.float64] = np.stack(parts, axis=-2) if parts else values.swapaxes(-1, -2)
    return means.swapaxes(-1, -2)  # laid out by task, since sums over tasks depend on it in their last digit


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
    shared, kept = found.columns, found
    if found.isna().to_numpy().any():
        shared = found.columns[found.notna().sum() * 2 >= len(found)]
        kept = found[shared].dropna()
    notes, known = [], set(shared)
    gone = [cell for cell in dict.fromkeys([*cells, *found.columns]) if cell not in known]
    if gone:
        named = _named(f"{task} (seed {seed})" for task, seed in gone)
        notes.append(f"most layers have no {what} in {named}: left out of every mean")
    if len(kept) < len(points):
        own = set(kept.index)
        lost = [point[:2] for point in points.itertuples(index=False, name=None) if point not in own]
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
