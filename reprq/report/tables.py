"""The tables of a report: what each cell shows, and what it is sorted by."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from reprq.analysis.complete import complete_metric, complete_scores
from reprq.analysis.datasets import by_dataset
from reprq.analysis.spread import SPREAD_COLUMNS
from reprq.report.explorer import point_id
from reprq.study import StudyResults
from reprq.study.results import POINT

_LAST_COLUMNS = ("level", "given", "cluster", *SPREAD_COLUMNS, "n_backbones", "n_architectures")
_MOST_CHOICES = 25
_NUMBER = re.compile(r"(?<![A-Za-z])\d+(?:\.\d+)?(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class PageCell:
    """One cell: the text that is shown, and the number to sort by, if it is one."""

    text: str
    number: float | None = None


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        title: Its heading.
        numeric: Whether it holds numbers.
        choices: The values to choose rows by; none where there is nothing to choose.
    """

    title: str
    numeric: bool
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class PageTable:
    """A table that can be sorted and filtered.

    Attributes:
        key: Its id in the page.
        caption: What it shows.
        columns: From left to right.
        rows: From top to bottom.
        ids: Of the rows in the page; none where nothing links to them.
    """

    key: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[PageCell, ...], ...] = field(repr=False)
    ids: tuple[str, ...] = ()


def to_table(
    frame: pd.DataFrame, key: str, caption: str, titles: Mapping[str, str] | None = None, choose: Sequence[str] = ()
) -> PageTable:
    """Return a DataFrame as a table of a report.

    Args:
        frame: The rows; columns without any value are left out.
        key: The table's id in the page.
        caption: What it shows.
        titles: Headings that differ from the columns' names.
        choose: Columns to choose rows by, as far as they have 2 to 25 values.

    Example:
        >>> table = to_table(pd.DataFrame({"metric": ["rankme"], "value": [12.3456]}), "t", "Values")
        >>> table.rows[0][1]
        PageCell(text='12.35', number=12.3456)
    """
    frame = frame.loc[:, [bool(frame[name].notna().any() and (frame[name] != "").any()) for name in frame]]
    columns = []
    for name in frame:
        numeric = pd.api.types.is_numeric_dtype(frame[name]) and not pd.api.types.is_bool_dtype(frame[name])
        values = [str(value) for value in frame[name].dropna().unique()] if name in choose else []
        choices = tuple(values) if 2 <= len(values) <= _MOST_CHOICES else ()
        columns.append(Column((titles or {}).get(str(name), str(name)), numeric, choices))
    cells = [[_cell(value, _is_share(frame[name])) for value in frame[name].tolist()] for name in frame]
    rows = tuple(zip(*cells, strict=True))
    return PageTable(key, caption, tuple(columns), rows)


def _is_share(values: "pd.Series[Any]") -> bool:
    """Whether a column holds numbers from -1 to 1, which are easiest to compare with as many decimals each."""
    return bool(pd.api.types.is_float_dtype(values) and values.abs().max() <= 1)


def _cell(value: Any, share: bool) -> PageCell:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return PageCell("\N{EN DASH}")
    if isinstance(value, str | bool):
        return PageCell(str(value))
    number = float(value)
    if not isinstance(value, float):
        text = str(value)
    elif share:
        text = f"{number:.3f}" if number == 0 or abs(number) >= 0.0005 else f"{number:.0e}"
    else:
        text = f"{number:.4g}"
    return PageCell(text, number if math.isfinite(number) else None)


def correlations(table: pd.DataFrame) -> PageTable:
    """The coefficients, every metric against every detector."""
    titles = {
        "p_value": "p",
        "p_holm": "p, Holm",
        "p_family": "p, whole table",
        "p_page": "p, whole page",
        "dataset": "data set",
        "task_median": "median task",
        "task_min": "least task",
        "task_max": "most task",
        "new_task_low": "new task, low",
        "new_task_high": "new task, high",
        "n": "points",
        "n_backbones": "networks",
    }
    notes = ["notes"] if table["notes"].nunique() > 1 else []
    first = [name for name in table if name not in (*_LAST_COLUMNS, "notes")]
    return to_table(
        _of_several(table[[*first, *_LAST_COLUMNS, *notes]]),
        "correlations",
        "Correlation of each metric with each detector's AUROC over (network, layer) points; low and high are the ends"
        " of the 95 % interval, which resamples whole networks, or architectures where `cluster` says so",
        titles,
        ("dataset", "tasks", "detector", "metric", "method", "level", "given", "cluster"),
    )


def layers(results: StudyResults) -> PageTable:
    """One row a data set and layer of a network: mean AUROC of every detector and mean of every metric."""
    definitions, metrics = results.detectors["definition"].unique(), results.metrics["metric"].unique()
    frames = []
    for part in by_dataset(results).values():
        means = {f"AUROC {name}": complete_scores(part.results, name).values.mean(axis=1) for name in definitions}
        means |= {name: complete_metric(part.results, name).values.mean(axis=1) for name in metrics}
        frame = pd.DataFrame(means).reset_index().sort_values(POINT)
        frame = frame.sort_values(next(iter(means)), ascending=False, kind="stable")
        frame.insert(0, "dataset", part.dataset)
        frames.append(frame)
    whole = pd.concat(frames)
    table = to_table(
        _of_several(whole),
        "layers",
        "Every layer of every network, means over tasks and seeds, the same ones for every layer of a data set (a dash"
        " where one is missing); the best AUROC of the first detector stands first",
        {"dataset": "data set", "backbone": "network", "layer_number": "depth"},
        ("dataset", "backbone"),
    )
    names = whole[["dataset", "backbone", "layer"]].itertuples(index=False, name=None)
    return replace(table, ids=tuple(point_id(*map(str, each)) for each in names))


def _of_several(table: pd.DataFrame) -> pd.DataFrame:
    """A table without its column `dataset` where that says nothing."""
    return table if table["dataset"].nunique() > 1 else table.drop(columns="dataset")


def regrets(regret: pd.DataFrame) -> PageTable:
    """What choosing a layer by each rule costs."""
    gains = ("over_last", "over_random")
    titles = {f"{name}_{end}": end for name in ("regret", *gains) for end in ("low", "high")}
    titles |= {f"{name}_classes_{end}": f"{end}, networks fixed" for name in gains for end in ("low", "high")}
    titles |= {"dataset": "data set", "p_value": "p", "p_holm": "p, Holm", "p_page": "p, whole page"}
    titles |= {"auroc": "AUROC", "over_last": "over last layers", "over_random": "over random"}
    titles |= {"favourite": "chosen most", "favourite_share": "share", "n_tasks": "tasks"}
    return to_table(
        _of_several(regret),
        "regret",
        "What choosing a layer by each rule costs: AUROC of the choice, what it loses against the best layer in"
        " hindsight, and what it gains over the last layers and over a random one, with intervals for other networks"
        " and classes and with the networks fixed; p: choices as far from chance with the metrics' values moved between"
        " networks; rules are fitted on other architectures and on tasks of other classes, or on the other data sets",
        titles,
        ("dataset", "detector", "rule"),
    )


def failures(results: StudyResults) -> PageTable:
    """The cells that failed, with their reasons."""
    caption = "Cells that failed; the next run of the study tries them again"
    return to_table(results.failures, "failures", caption, choose=("dataset", "backbone", "task", "detector"))


def tasks(results: StudyResults) -> PageTable:
    """One row a data set, task and detector: how hard it is, and which layer was best in hindsight."""
    rows = [
        {"dataset": part.dataset, **row}
        for part in by_dataset(results).values()
        for (task, detector), found in part.results.detectors.groupby(["task", "definition"], sort=False)
        if (row := _task(part.results, str(task), str(detector), found))
    ]
    caption = "Every task: the median over layers, and the layer that was best in hindsight"
    choose = ("dataset", "detector", "task", "best network")
    return to_table(
        _of_several(pd.DataFrame(rows, columns=None if rows else ["dataset"])),
        "tasks",
        caption,
        {"dataset": "data set"},
        choose,
    )


def _task(results: StudyResults, task: str, detector: str, found: pd.DataFrame) -> dict[str, object]:
    """The row of a task of one data set; empty where no layer has a score."""
    means = complete_scores(results, detector, tasks=task).values.mean(axis=1)
    if means.empty:
        return {}
    backbone, layer, _ = means[means.round(9) == means.round(9).max()].sort_index().index[0]
    return {
        "task": task,
        "detector": detector,
        "median AUROC": means.median(),
        "best AUROC": means.max(),
        "best network": backbone,
        "best layer": layer,
        "training samples": int(found["n_train"].median()),
        "test samples": int(found["n_test"].median()),
        "of them anomalous": int(found["n_anomalies"].median()),
    }


def without_layers(results: StudyResults) -> PageTable | None:
    """One row a data set, task and detector that needs no layer, over seeds, to compare; None where there is none."""
    alone = results.detectors[results.detectors["layer"].isna()]
    if alone.empty:
        return None
    by = ["dataset", "task", "definition", "backbone"]
    found = alone.groupby(by, sort=False, dropna=False)[["auroc", "n_train", "n_test", "n_anomalies"]].mean()
    caption = "Detectors that need no layer, or no network at all: the mean over seeds, to compare the layers with"
    titles = {
        "dataset": "data set",
        "definition": "detector",
        "backbone": "network",
        "auroc": "AUROC",
        "n_train": "training samples",
    }
    titles |= {"n_test": "test samples", "n_anomalies": "of them anomalous"}
    return to_table(
        _of_several(found.reset_index()), "without-layers", caption, titles, ("dataset", "definition", "task")
    )


def notes(results: StudyResults, table: pd.DataFrame) -> list[str]:
    """What a reader must know before trusting the numbers: notes of the tables, each once, with how often it occurs."""
    found: dict[tuple[str, ...], set[str]] = {}
    numbers: dict[tuple[str, ...], list[list[str]]] = {}
    for metric, note in results.metrics[["metric", "notes"]].dropna().itertuples(index=False):
        for sentence in filter(None, str(note).split("; ")):
            words = tuple(_NUMBER.split(sentence))
            found.setdefault(words, set()).add(str(metric))
            numbers.setdefault(words, []).append(_NUMBER.findall(sentence))
    lines = [
        f"{_with_ranges(words, rows)} ({len(rows):,} of {len(results.metrics):,} values:"
        f" {', '.join(sorted(found[words]))})"
        for words, rows in sorted(numbers.items(), key=lambda item: -len(item[1]))
    ]
    missing = int(results.metrics["value"].isna().sum())
    if missing:
        lines.insert(0, f"{missing:,} values of metrics do not exist; their points are left out")
    pairs = [note for notes in table["notes"].dropna() for note in str(notes).split("; ") if note]
    return [*dict.fromkeys(pairs), *lines]


def _with_ranges(words: tuple[str, ...], rows: list[list[str]]) -> str:
    """A sentence from what stands between its numbers, and the range that each number had over its occurrences.

    Two numbers with "to" between are the ends of a range, which becomes the range over all.
    """
    ends = [(min(column, key=float), max(column, key=float)) for column in zip(*rows, strict=True)]
    said, between = [words[0]], words[1:]
    for (low, high), after in zip(ends, between, strict=True):
        if said[-1] == " to " and len(said) > 1:
            said[-2:] = [f"{said[-2].partition(' to ')[0]} to {high}", after]
        else:
            said += [low if low == high else f"{low} to {high}", after]
    return "".join(said)
