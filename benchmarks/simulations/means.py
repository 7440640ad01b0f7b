"""The interval of a mean over tasks and seeds."""

from collections.abc import Iterator

import numpy as np

from reprq.evaluation import mean_over_tasks
from simulations.measured import Measured, Section, measured


def two_tasks_a_class(trials: int, seed: int) -> Iterator[Measured]:
    """The interval of `mean_over_tasks` with two tasks a class covers the mean over classes, nominal 95 %."""
    for classes in (3, 5, 10, 20):
        for seeds in (1, 3):
            for spread in ((0.05, 0.01), (0.05, 0.05), (0.0, 0.05)):
                rng = np.random.default_rng(seed)
                kinds = ("unimodal", "multimodal")
                names = [f"{kind}:{i}" for i in range(classes) for kind in kinds for _ in range(seeds)]
                table = {"task": names, "seed": list(range(seeds)) * (2 * classes)}
                covered = []
                for _ in range(trials):
                    cells = 0.6 + spread[0] * rng.standard_normal((classes, 1, 1))
                    cells = cells + spread[1] * rng.standard_normal((classes, 2, 1))
                    if seeds > 1:  # what one seed adds to every task alike is seen by nobody
                        cells = cells + 0.01 * rng.standard_normal((1, 1, seeds))
                    cells = cells + 0.01 * rng.standard_normal((classes, 2, seeds))
                    found = mean_over_tasks({**table, "auroc": cells.ravel()})
                    covered.append(found.low <= 0.6 <= found.high)
                setting = f"{classes} classes, {seeds} seeds, sd of class {spread[0]}, of task {spread[1]}"
                yield measured(setting, "covered", 0.95, covered)


def equal_scores(trials: int, seed: int) -> Iterator[Measured]:
    """Tasks are perfect or fail by one half; the interval covers their mean although most samples are all perfect."""
    for tasks in (2, 5, 10):
        for share in (0.5, 0.8, 0.95, 0.99):
            rng = np.random.default_rng(seed)
            truth, covered, agreed = share + 0.5 * (1 - share), [], []
            for _ in range(trials):
                scores = np.where(rng.random(tasks) < share, 1.0, 0.5)
                found = mean_over_tasks({"task": list(range(tasks)), "auroc": scores})
                covered.append(found.low <= truth <= found.high)
                agreed.append(found.method == "agreement")
            setting = f"{tasks} tasks, perfect with a chance of {share}"
            yield measured(setting, "covered", 0.95, covered)
            yield measured(setting, "all tasks equal", None, agreed)


SECTIONS: dict[str, Section] = {"two_tasks_a_class": two_tasks_a_class, "equal_scores": equal_scores}
