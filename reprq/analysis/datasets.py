"""A study over several data sets, taken apart: values of one do not compare with those of another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reprq.analysis.complete import Laid, by_cell, has_tasks, tasks_in
from reprq.analysis.depth import relative_depth
from reprq.analysis.scenarios import PLAIN, chosen_scenarios, in_scenario, scenarios_of
from reprq.errors import InputError, UnknownNameError
from reprq.study.results import POINT, StudyResults

ALL = "all"  # data sets together: what was found within each, averaged


NOTHING = "there is nothing to correlate: the study has no backbones, so no layer was measured"


def check_measured(results: StudyResults, *, judged: bool = False) -> None:
    """Raise an `InputError` for a study without backbones or metrics that scores could go with, or `judged` scores."""
    if results.without_backbones:
        raise InputError(f"{NOTHING}; run one with [[backbones]]")
    tables = {"metrics": results.metrics, "detectors": results.detectors}
    empty = [name for name, table in tables.items() if table.empty]
    if "metrics" in empty or (judged and empty):
        raise InputError(
            f"the study in {results.path} has no rows of {' or '.join(empty)}, since none of these cells is finished;"
            " run it again with `reprq study`, which computes what is missing"
        )


@dataclass(frozen=True, eq=False)
class Part:
    """A study on one of its data sets, as if it had been a study of its own.

    Attributes:
        dataset: The name of the data set.
        results: The tables.
    """

    dataset: str
    results: StudyResults

    @cached_property
    def layers(self) -> dict[str, pd.DataFrame]:
        """What is said of the layers that have each metric: network, weights, width and depth by point.

        Metrics of the same layers share one table.
        """
        found: dict[str, pd.DataFrame] = {}
        distinct: list[tuple[pd.DataFrame, pd.DataFrame]] = []
        for name, rows in _said(self.results.metrics).groupby(level="metric", sort=False):
            said = rows.droplevel("metric")
            own = next((table for known, table in distinct if known.equals(said)), None)
            if own is None:
                own = said.assign(depth=relative_depth(said.index.to_frame(index=False)).to_numpy())
                distinct.append((said, own))
            found[str(name)] = own
        return found

    def layers_of(self, metric: str) -> pd.DataFrame:
        """Return what is said of the layers that have a metric; of none where it is not measured on this data set."""
        return self.layers.get(metric, self._no_layers)

    @cached_property
    def _no_layers(self) -> pd.DataFrame:
        return next(iter(self.layers.values())).iloc[:0]

    @cached_property
    def laid(self) -> Laid:
        """The study by points and cells, for `reprq.analysis.complete.complete_scores` of several detectors."""
        return Laid(self.results)

    def once(self, what: str, cells: pd.DataFrame, make: Callable[[], Any]) -> Any:
        """Return what is made of the points and cells of a table: once for all tables that share the index of these."""
        for name, points, columns, made in self._made:
            if name == what and points is cells.index and columns is cells.columns:
                return made
        self._made.append((what, cells.index, cells.columns, made := make()))
        return made

    @cached_property
    def _made(self) -> list[tuple[str, "pd.Index[Any]", "pd.Index[Any]", Any]]:
        return []

    def measured(self, cells: pd.DataFrame) -> NDArray[np.float64]:
        """Return all metrics of the same points and cells as a table's, (P, K, C); nan where one has no value."""
        found: NDArray[np.float64] = self.once("metrics", cells, lambda: self._measured(cells))
        return found

    @cached_property
    def metrics(self) -> list[str]:
        """The names of its metrics."""
        return [str(name) for name in self.results.metrics["metric"].unique()]

    def _measured(self, cells: pd.DataFrame) -> NDArray[np.float64]:
        values, rows, columns = self._cells
        at = [rows.get(point, -1) for point in cells.index]
        of = [columns.get((metric, *cell), -1) for metric in self.metrics for cell in cells.columns]
        found: NDArray[np.float64] = values[np.ix_(at, of)].reshape(len(at), len(self.metrics), cells.shape[1])
        return found

    @cached_property
    def _cells(self) -> tuple[NDArray[np.float64], dict[Any, int], dict[Any, int]]:
        """All metrics by point and (metric, task, seed), with a row and a column of nan last; the place of each."""
        table = by_cell(self.results.metrics, "value", ["metric"])
        values = np.pad(table.to_numpy(float), (0, 1), constant_values=np.nan)
        rows, columns = ({name: k for k, name in enumerate(names)} for names in (table.index, table.columns))
        return values, rows, columns


def _said(measured: pd.DataFrame) -> pd.DataFrame:
    """The network, weights and width of the layers that have each metric."""
    known = measured.assign(
        network=measured.get("network", measured["backbone"]),
        weights=measured.get("weights", ""),
        width=measured.get("d", np.nan),
    )  # tables of before these columns have none
    return known.groupby(["metric", *POINT], sort=False)[["network", "weights", "width"]].first()


def by_dataset(results: StudyResults) -> dict[str, Part]:
    """Return the part of a study on each data set, by name and in its order."""
    names = [str(name) for name in results.metrics["dataset"].drop_duplicates()]
    names += [str(name) for name in results.detectors["dataset"].drop_duplicates() if str(name) not in names]
    if len(names) < 2:
        return {name: Part(name, results) for name in names}
    return {name: Part(name, _only(results, name)) for name in names}


class Group(NamedTuple):
    """What is taken together.

    Attributes:
        dataset: The name of the data set, or "all" where there are several.
        parts: The study on each of them.
        tasks: "all", a kind of tasks, or the name of one.
        scenario: Under which scenario they are; see `reprq.analysis.scenarios`.
    """

    dataset: str
    parts: Mapping[str, Part]
    tasks: str
    scenario: str

    def named(self, results: StudyResults) -> dict[str, object]:
        """Return what a row of a table says of it; `scenario` where the study has others than plain tasks."""
        said = {"scenario": self.scenario} if scenarios_of(results) != [PLAIN] else {}
        return {"dataset": self.dataset, **said, "tasks": self.tasks}


def chosen_groups(
    results: StudyResults,
    dataset: str | Sequence[str],
    tasks: str | Sequence[str],
    scenario: str | Sequence[str] = "each",
) -> list[Group]:
    """Return the groups of data sets and tasks that were asked for, under every scenario by itself.

    Args:
        results: A study.
        dataset: "all" (together), a name, "each" (every data set by itself), or several of these. One data set together
            is itself.
        tasks: "all", "unimodal", "multimodal", a task's name, "each", or several of these. A group of data sets without
            such a task is left out.
        scenario: "each", the name of one, or several.

    Raises:
        UnknownNameError: a data set, task or scenario that the study does not have, or a data set without any such
            task.
    """
    asked = _written_out(tasks, results.metrics["task"].drop_duplicates().tolist())
    for group in asked:
        tasks_in(results, group)
    names = _written_out(dataset, known := list(by_dataset(results)))
    for name in names:
        if name not in (ALL, *known):
            raise UnknownNameError("data set of the study", name, [ALL, "each", *known])
    chosen = [
        (under, name, parts)
        for under in chosen_scenarios(results, scenario)
        for name, parts in _chosen_datasets(by_dataset(in_scenario(results, under)), names).items()
    ]
    found = [
        Group(name, parts, group, under)
        for under, name, parts in chosen
        for group in asked
        if any(has_tasks(part.results, group) for part in parts.values())
    ]
    if not found:
        tables = [part.results.metrics["task"] for _, _, parts in chosen for part in parts.values()]
        raise UnknownNameError(
            "task of the data set", asked[0], dict.fromkeys(["all", *(t for c in tables for t in c)])
        )
    return found


def with_scenario(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the columns of a table of groups, with `scenario` after `dataset` where its rows say one."""
    place = list(columns).index("dataset") + 1
    said = ["scenario"] if any("scenario" in row for row in rows) else []
    return [*columns[:place], *said, *columns[place:]]


def _chosen_datasets(parts: dict[str, Part], names: Sequence[str]) -> dict[str, dict[str, Part]]:
    together = ALL if len(parts) > 1 else next(iter(parts), ALL)
    chosen: dict[str, dict[str, Part]] = {}
    for name in names:
        if name in parts:
            chosen[name] = {name: parts[name]}
        elif name == ALL:
            chosen[together] = parts
    return chosen


def _written_out(names: str | Sequence[str], every: list[str]) -> list[str]:
    """The names that were asked for, each once; "each" stands for every one."""
    asked = [names] if isinstance(names, str) else list(names)
    return list(dict.fromkeys(one for name in asked for one in (every if name == "each" else [name])))


def _only(results: StudyResults, dataset: str) -> StudyResults:
    metrics, judged = (table[table["dataset"] == dataset] for table in (results.metrics, results.detectors))
    return replace(results, metrics=metrics, detectors=judged, study=_record_of(results.study, dataset))


def _record_of(study: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """What the record says of one of several data sets."""
    prints = study.get("data_fingerprints", {})
    own = {key.removeprefix(f"{dataset} "): value for key, value in prints.items() if key.startswith(f"{dataset} ")}
    return {**study, "data_fingerprints": own}
