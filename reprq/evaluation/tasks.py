"""Means over tasks and seeds, with an interval that respects both, and the tables per class that papers print."""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from reprq.errors import InputError
from reprq.evaluation.roc import critical_value
from reprq.statistics.estimate import Estimate
from reprq.validation import check_columns, check_finite

Array = NDArray[np.float64]
Rows = Any  # a pandas data frame, or a mapping of columns: pandas is not imported here

_ROUNDING = 1e-12  # a spread below this is none


def mean_over_tasks(table: Rows, score: str = "auroc", confidence: float = 0.95) -> Estimate:
    """Mean of a score over tasks and seeds, with an interval for tasks and seeds like these.

    Scores of one task are alike, and so are scores of one seed, so the T S cells are not T S observations. With every
    task under every seed, y = mu + task + seed + rest, all random, and the variance of the mean is estimated from the
    mean squares of that table as (MS_task + MS_seed - MS_rest) / (T S), with Satterthwaite's degrees of freedom
    (Searle, Casella & McCulloch 1992, section 4.3); a component that comes out negative is taken for zero. The
    interval is Student's. A bootstrap that resamples tasks and seeds is too wide by construction (Owen & Eckles 2012:
    it counts the rest about three times) and has little to resample with three seeds.

    Tasks about one class ("unimodal:cat" and "multimodal:cat") are not independent either: what they add to the mean
    is summed within the class, and classes take the place of tasks above. Tasks that are the same rows count once.

    DeLong's variance is not added: the chance of the draw of test rows differs from task to task, so it is in the
    spread of the task means already. Tasks that share test rows (one-vs-rest) share some of it, unseen here.

    Where tasks have seeds of their own, or some cells are missing, the interval is Student's over the class means.
    Where all n classes (of one class: all n seeds) have the same score v, their spread says nothing. The interval is
    then [a v, a v + 1 - a] with a = (1 - confidence)^(1 / n): if a class had just that score with a chance below a, n
    of them would agree with a probability below 1 - confidence, and what other classes score is in [0, 1].

    Args:
        table: The rows of one detector (and layer), columns `task`, `seed` and the score; without `seed`, one a task.
            `class` names what a task is about, by default what stands behind the colon of its name; `rows` may hold a
            fingerprint of the rows that it judges: of tasks with the same ones the first is taken.
        score: The column of the score, in [0, 1].
        confidence: The level of the interval, inside (0, 1).

    Returns:
        The mean of the task means, its interval cut to [0, 1], and `n`, the number of tasks. `method` is
        "crossed-t", "task-t" or "agreement".

    Raises:
        InputError: a column is missing, two rows have one task and seed (more than one detector in the table?), a score
            is not finite, or there is one class with one seed, which shows no spread.

    Example:
        >>> table = {"task": ["a", "a", "b", "b"], "seed": [0, 1, 0, 1], "auroc": [0.90, 0.91, 0.70, 0.72]}
        >>> print(mean_over_tasks(table), mean_over_tasks(table).method)
        0.807 [0.000, 1.000] crossed-t
        >>> print(mean_over_tasks({"task": list("abcde"), "auroc": [1.0] * 5}))
        1.000 [0.549, 1.000]
    """
    critical_value(confidence)
    found = _mean_over_tasks(table, score, confidence)
    if found is None:
        raise InputError(
            "table must hold tasks of two classes or two seeds to show a spread, got one of each; give more"
        )
    return found


def task_class(task: str) -> str:
    """The class that a task is about: what stands behind the colon of its name, or all of it.

    Example:
        >>> task_class("unimodal:cat"), task_class("cat")
        ('cat', 'cat')
    """
    return task.partition(":")[2] or task


def _mean_over_tasks(table: Rows, score: str, confidence: float) -> Estimate | None:
    tasks, seeds, values = _columns(table, score)
    kept = _first_of_same_rows(table, tasks, seeds)
    notes = ["tasks that are the same rows are counted once"] if not kept.all() else []
    classes = np.asarray(_column(table, "class") if "class" in table else [task_class(task) for task in tasks.tolist()])
    tasks, seeds, values, classes = tasks[kept], seeds[kept], values[kept], classes[kept].astype(str)
    names, first = np.unique(tasks, return_index=True)
    cells = _crossed(tasks, seeds, values)
    method = "task-t" if cells is None else "crossed-t"
    if cells is None:
        cells = np.array([[values[tasks == name].mean()] for name in names])
    parts = _by_class(cells, classes[first])
    c, s = parts.shape
    if c * s < 2:
        return None
    if c == 1:
        notes.append("one class: the interval is over its seeds alone")
    elif c < len(names):
        notes.append(f"{len(names)} tasks about {c} classes: the interval rests on the classes")
    value = float(cells.mean())
    if np.ptp(parts) <= _ROUNDING:
        agreed = (1.0 - confidence) ** (1.0 / (c if c > 1 else s))
        low, high, method = agreed * value, agreed * value + 1.0 - agreed, "agreement"
        notes.append("equal scores: the interval allows for others unseen")
    else:
        variance, freedom = _crossed_variance(parts) if s > 1 else (float(parts.var(ddof=1)) / c, c - 1.0)
        half = float(student.ppf(0.5 + confidence / 2.0, freedom)) * math.sqrt(variance)
        low, high = max(0.0, value - half), min(1.0, value + half)
    return Estimate(value, low, high, len(names), method, confidence, tuple(notes))


def means_of_methods(rows: Sequence[dict[str, Any]], method: Callable[[dict[str, Any]], str]) -> list[dict[str, Any]]:
    """Return the mean over tasks and seeds of every network, layer, number of shots and method that has several.

    Args:
        rows: Each with layer, seed and auroc; backbone, shots and task where there are several.
        method: What a row's detector is called, whatever was chosen for its task.
    """
    found = []
    point = [name for name in ("backbone", "layer", "shots") if name in rows[0]] if rows else []
    for key in dict.fromkeys((*(row[name] for name in point), method(row)) for row in rows):
        cells = [row for row in rows if (*(row[name] for name in point), method(row)) == key]
        table = {column: [row.get(column, "") for row in cells] for column in ("task", "seed", "auroc")}
        classes = {task_class(task) for task in table["task"]}
        if len(classes) > 1 or len(set(table["seed"])) > 1 < len(set(table["auroc"])):
            mean = mean_over_tasks(table)
            ends = {"auroc": mean.value, "low": mean.low, "high": mean.high}
            named = dict(zip((*point, "detector"), key, strict=True))
            found.append({**named, **ends, "n_cells": len(cells), "notes": list(mean.notes)})
    return found


def _first_of_same_rows(table: Rows, tasks: NDArray[np.str_], seeds: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Which rows of the table to keep, so that no two tasks judge the same rows under every seed."""
    if "rows" not in table:
        return np.ones(len(tasks), dtype=bool)
    judged: dict[str, set[tuple[str, str]]] = {}
    for task, seed, rows in zip(tasks.tolist(), seeds.tolist(), _column(table, "rows"), strict=True):
        judged.setdefault(task, set()).add((seed, str(rows)))
    first: dict[frozenset[tuple[str, str]], str] = {}
    for task, rows_of_task in judged.items():
        first.setdefault(frozenset(rows_of_task), task)
    return np.isin(tasks, list(first.values()))


def _by_class(cells: Array, classes: NDArray[np.str_]) -> Array:
    """What each class adds to the grand mean of (T, S) cells: (C, S) with the same grand mean."""
    names, place = np.unique(classes, return_inverse=True)
    mean = cells.mean()
    parts = np.zeros((len(names), cells.shape[1]))
    np.add.at(parts, place, cells - mean)
    added: Array = mean + parts * len(names) / len(cells)
    return added


@dataclass(frozen=True, eq=False)
class ClassTable:
    """A table as one-class papers print it: a row a class (task), a column a detector, the mean over classes below.

    Attributes:
        classes: (c,) names of the rows.
        detectors: (k,) names of the columns.
        mean: (c, k) mean over the seeds; nan where a detector has no such class.
        spread: (c, k) standard deviation over the seeds (n - 1); nan with one seed.
        overall: (k,) the mean over classes with its interval, or None where there is nothing to tell its spread from.
    """

    classes: tuple[str, ...]
    detectors: tuple[str, ...]
    mean: Array
    spread: Array
    overall: tuple[Estimate | None, ...]

    def to_markdown(self) -> str:
        """Return the table with scores in per cent, one decimal, "98.0 ± 0.3"; last the mean and its interval."""
        lines = [["class", *self.detectors], ["---", *("---:" for _ in self.detectors)]]
        for name, means, spreads in zip(self.classes, self.mean, self.spread, strict=True):
            lines.append([name, *(_cell(*cell) for cell in zip(means, spreads, strict=True))])
        columns = zip(self.mean.T, self.overall, strict=True)
        lines.append(["mean", *(_mean_cell(float(means.mean()), estimate) for means, estimate in columns)])
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"

    def to_csv(self) -> str:
        """Return one line a class and detector: class, detector, mean, standard deviation; then the means over classes.

        Scores in [0, 1]; the lines of the mean over classes ("mean") also have the ends of its interval.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["class", "detector", "mean", "std", "low", "high"])
        for i, name in enumerate(self.classes):
            for j, detector in enumerate(self.detectors):
                writer.writerow([name, detector, _number(self.mean[i, j]), _number(self.spread[i, j]), "", ""])
        for j, (detector, estimate) in enumerate(zip(self.detectors, self.overall, strict=True)):
            ends = ["", ""] if estimate is None else [_number(estimate.low), _number(estimate.high)]
            writer.writerow(["mean", detector, _number(float(self.mean[:, j].mean())), "", *ends])
        return text.getvalue()


def per_class_table(
    table: Rows, *, rows: str = "task", columns: str = "detector", score: str = "auroc", confidence: float = 0.95
) -> ClassTable:
    """Arrange tidy rows as the papers' tables: classes by detectors, mean and standard deviation over seeds.

    Args:
        table: Columns `rows`, `columns`, `seed` (optional) and the score; classes and detectors keep their first order.
        rows: The column that names the classes.
        columns: The column that names the detectors.
        score: The column of the score, in [0, 1].
        confidence: The level of the intervals in the last row (`mean_over_tasks`).

    Raises:
        InputError: a column is missing, a score is not finite, or two rows have one class, detector and seed.

    Example:
        >>> rows = {"task": ["0", "0", "1", "1"], "seed": [0, 1, 0, 1], "auroc": [0.98, 0.96, 0.90, 0.91]}
        >>> print(per_class_table({**rows, "detector": ["knn"] * 4}).to_markdown())
        | class | knn |
        | --- | ---: |
        | 0 | 97.0 ± 1.4 |
        | 1 | 90.5 ± 0.7 |
        | mean | 93.8 [52.5, 100.0] |
        <BLANKLINE>
    """
    detectors = np.asarray([str(name) for name in _column(table, columns)])
    names = tuple(dict.fromkeys(str(name) for name in _column(table, rows)))
    order = tuple(dict.fromkeys(detectors.tolist()))
    mean, spread = np.full((2, len(names), len(order)), np.nan)
    overall: list[Estimate | None] = []
    for j, detector in enumerate(order):
        of_detector = np.flatnonzero(detectors == detector)
        part = {"task": np.asarray([str(name) for name in _column(table, rows)])[of_detector]}
        part |= {
            name: np.asarray(table[name])[of_detector] for name in ("seed", "class", "rows", score) if name in table
        }
        tasks, _, values = _columns(part, score)
        for i, name in enumerate(names):
            of_class = values[tasks == name]
            mean[i, j] = of_class.mean() if len(of_class) else np.nan
            spread[i, j] = of_class.std(ddof=1) if len(of_class) > 1 else np.nan
        overall.append(_mean_over_tasks(part, score, confidence))
    return ClassTable(names, order, mean, spread, tuple(overall))


def _column(table: Rows, name: str) -> Sequence[Any]:
    check_columns(table, [name], "table")
    return list(table[name])


def _columns(table: Rows | Mapping[str, Any], score: str) -> tuple[NDArray[np.str_], NDArray[np.str_], Array]:
    tasks = np.asarray([str(task) for task in _column(table, "task")])
    seeds = np.asarray([str(seed) for seed in (_column(table, "seed") if "seed" in table else [0] * len(tasks))])
    values = np.asarray(_column(table, score), dtype=np.float64)
    if not len(values):
        raise InputError("table must hold at least one row, got none")
    check_finite(values[:, None], score)
    cells = list(zip(tasks.tolist(), seeds.tolist(), strict=True))
    if twice := [cell for cell in dict.fromkeys(cells) if cells.count(cell) > 1]:
        raise InputError(
            f"table must have one row a task and seed, got several for {twice[0][0]}, seed {twice[0][1]}; select one"
            " detector and layer first"
        )
    return tasks, seeds, values


def _crossed(tasks: NDArray[np.str_], seeds: NDArray[np.str_], values: Array) -> Array | None:
    """The (T, S) table where every task has every seed and there are two seeds or more; else None."""
    (t, place), (s, draw) = (np.unique(x, return_inverse=True) for x in (tasks, seeds))
    if len(s) < 2 or len(values) != len(t) * len(s):
        return None
    cells = np.empty((len(t), len(s)))
    cells[place, draw] = values
    return cells


def _crossed_variance(cells: Array) -> tuple[float, float]:
    """Variance of the grand mean of a (T, S) table with both factors random, and its degrees of freedom."""
    t, s = cells.shape
    if t == 1:
        return float(cells.var(ddof=1)) / s, s - 1.0
    by_task, by_seed, grand = cells.mean(axis=1), cells.mean(axis=0), cells.mean()
    squares = [
        s * float(np.sum((by_task - grand) ** 2)) / (t - 1),
        t * float(np.sum((by_seed - grand) ** 2)) / (s - 1),
        float(np.sum((cells - by_task[:, None] - by_seed + grand) ** 2)) / ((t - 1) * (s - 1)),
    ]
    freedom = [t - 1.0, s - 1.0, (t - 1.0) * (s - 1.0)]
    task, seed, rest = squares
    if min(task, seed) <= rest:  # a negative component is zero: what is left is the mean square of the other factor
        larger = int(np.argmax(squares[:2]))
        return squares[larger] / (t * s), freedom[larger]
    total = task + seed - rest
    return total / (t * s), total**2 / sum(square**2 / f for square, f in zip(squares, freedom, strict=True))


def _cell(mean: float, spread: float) -> str:
    if math.isnan(mean):
        return "-"
    return f"{100 * mean:.1f}" + ("" if math.isnan(spread) else f" ± {100 * spread:.1f}")


def _mean_cell(mean: float, estimate: Estimate | None) -> str:
    interval = "" if estimate is None else f" [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"
    return _cell(mean, math.nan) + ("" if math.isnan(mean) else interval)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"
