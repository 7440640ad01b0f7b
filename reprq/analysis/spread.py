"""How a coefficient differs from task to task: what one over all tasks does not say of a single one."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import stdtrit

from reprq.analysis.complete import means_over_seeds
from reprq.analysis.scores import Scores, Shared
from reprq.statistics.correlation import coefficients
from reprq.statistics.points import Sample

Task = tuple[str, str]  # of a data set
FEW_CLASSES = 3
SPREAD_COLUMNS = ["task_median", "task_min", "task_max", "new_task_low", "new_task_high"]


def task_points(scores: Mapping[str, Scores], of: Shared, given: Sequence[str]) -> list[dict[Task, Sample]]:
    """Return the points of each task by itself, for each metric: with x and y of that task, means over seeds.

    Args:
        scores: The scores on each data set.
        of: Metrics and the points of all tasks together.
        given: The columns that are held fixed.
    """
    found: list[dict[Task, Sample]] = [{} for _ in of.metrics]
    for dataset, known in scores.items():
        has = of.has[dataset]
        of_cells = known.complete.values.columns.get_level_values("task")
        x = list(means_over_seeds(np.stack([known.values(metric) for metric in of.metrics]), of_cells)[:, has])
        y = known.by_task.to_numpy()[has]
        own = of.points[(of.points["dataset"] == dataset).to_numpy()]
        groups, fixed = own["backbone"].to_numpy(), own[list(given)] if given else None
        names = [(dataset, str(task)) for task in known.by_task]
        samples = Sample.of_columns(np.concatenate(x, axis=1), np.tile(y, len(x)), groups, given=fixed)
        for k, tasks in enumerate(found):
            tasks |= zip(names, samples[k * len(names) : (k + 1) * len(names)], strict=True)
    return found


def task_spreads(many: Sequence[dict[Task, Sample]], method: str, level: str) -> list[dict[str, float]]:
    """Return median and range of the coefficient over tasks, and between what that of a new task is expected.

    The prediction interval is Student's, 95 %: mean -+ t sqrt(s^2 + v), s^2 the variance over tasks and v that of the
    mean, from the means of the classes that tasks are about, those of each data set being its own, with one degree of
    freedom fewer than classes; cut to [-1, 1]. It is for a task like these, on the same layers. Nothing where there are
    not two tasks; no prediction from tasks about fewer than three classes.

    Args:
        many: The points of each (data set, task), for each metric.
        method: As for `reprq.statistics.correlation`.
        level: Likewise.
    """
    every = iter(coefficients([sample for tasks in many for sample in tasks.values()], method, level=level))
    return [_spread({task: value for task in tasks if (value := next(every)) is not None}) for tasks in many]


def _spread(known: Mapping[Task, float]) -> dict[str, float]:
    values = np.array(list(known.values()))
    if len(values) < 2:
        return {}
    spread = {"task_median": float(np.median(values)), "task_min": values.min(), "task_max": values.max()}
    ends = prediction(values, [f"{dataset}:{task.partition(':')[2] or task}" for dataset, task in known])
    return spread if ends is None else spread | dict(zip(SPREAD_COLUMNS[3:], ends, strict=True))


def prediction(values: np.ndarray, classes: Sequence[str]) -> tuple[float, float] | None:
    """Return the ends of `task_spreads` for the coefficient of a new task; None from too few classes."""
    codes = np.unique(classes, return_inverse=True)[1]
    sizes = np.bincount(codes)
    n = len(sizes)
    if n < FEW_CLASSES:
        return None
    of_mean = (np.bincount(codes, values) / sizes).var(ddof=1) / n
    half = stdtrit(n - 1, 0.975) * np.sqrt(values.var(ddof=1) + of_mean)
    low, high = np.clip([values.mean() - half, values.mean() + half], -1.0, 1.0)
    return float(low), float(high)
