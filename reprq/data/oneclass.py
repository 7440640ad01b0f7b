"""A one-class split: what trains, what is scored, what of it is anomalous, and what deviates from benign training."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.data.adapters import as_dataset
from reprq.data.dataset import Dataset
from reprq.data.tasks import Task
from reprq.data.views import joined
from reprq.errors import DataError, InputError, UnknownNameError

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class OneClassSplit:
    """One task, ready to run.

    Attributes:
        name: The task and what deviates from it: "unimodal:cat vs dog, 5 % polluted".
        train: The samples to fit on: benign, apart from a share that was polluted on purpose.
        test: The samples to score.
        labels: (n_test,) int64, 1 is anomalous.
        labelled: A few anomalies from the training samples, set aside for detectors that may see some; or None.
        groups: (n_test,) int64, the object that each test sample is a part of, which is scored by the maximum over its
            parts (`reprq.evaluation.max_over_groups`); None where each sample stands for itself.
        made: How the split was made, of JSON values.
    """

    name: str
    train: Dataset
    test: Dataset
    labels: Rows
    labelled: Dataset | None = None
    groups: Rows | None = None
    made: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.test) or (self.groups is not None and len(self.groups) != len(self.test)):
            raise InputError(
                f"labels and groups must have one entry for each of the {len(self.test)} test {self.test.noun}s"
            )

    def sample(self, n: int, seed: int = 0) -> "OneClassSplit":
        """Return a random part with about `n` training and `n` test samples, in their order.

        Objects of several samples (`groups`) are taken whole; benign and anomalous ones keep their shares, at least one
        of each.

        Args:
            n: How many samples a side, at least 2; a side that has no more is kept.
            seed: Seed of the draw.

        Raises:
            InputError: `n` is below 2.
        """
        if n < 2:
            raise InputError(f"n must be at least 2, one benign and one anomalous test {self.test.noun}, got {n}")
        rng = np.random.default_rng(seed)
        train = self.train
        if n < len(train):
            train = train.select(np.sort(rng.choice(len(train), n, replace=False)))
        rows = np.arange(len(self.test))
        if n < len(rows):
            objects = rows if self.groups is None else self.groups
            taken = [
                rng.permutation(found)[: max(1, round(len(found) * n / len(rows)))]
                for found in (np.unique(objects[self.labels == label]) for label in (0, 1))
            ]
            rows = np.flatnonzero(np.isin(objects, np.concatenate(taken)))
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, train=train, test=self.test.select(rows), labels=self.labels[rows], groups=groups)


def one_class_split(
    train: Any,
    test: Any,
    task: Task,
    *,
    anomaly: str | None = None,
    pollution: float = 0.0,
    labelled: int = 0,
    external: Any = None,
    seed: int = 0,
) -> OneClassSplit:
    """Split two labelled data sets by a task.

    Args:
        train: Its benign rows train; a `Dataset`, or what else `reprq.data.as_dataset` takes, like `test` and
            `external`.
        test: All its rows are scored, or fewer: see `anomaly` and `external`.
        task: Which classes are benign.
        anomaly: The one class that counts as anomalous; rows of the other anomalous classes are left out everywhere.
        pollution: Share in [0, 1) of the training rows that are anomalies, drawn without replacement from the anomalous
            rows of `train`: round(p / (1 - p) n) for n benign ones. Nothing tells the detector which they are.
        labelled: How many anomalous rows of `train` to set aside as known anomalies; none of them pollutes.
        external: The anomalies at test are all rows of this data set, and no row of `test`.
        seed: Of both draws. The rows that pollute do not depend on `labelled`, and less pollution is a subset of more.

    Raises:
        UnknownNameError: `anomaly` is no class of the data set.
        InputError: data sets of different classes, `anomaly` is benign or comes with `external`, a rate outside [0, 1)
            or a negative count.
        DataError: no benign row, no anomaly to score, or fewer training anomalies than asked for.

    Example:
        >>> from reprq.data import load_dataset, select_tasks
        >>> digits = [load_dataset("digits", split) for split in ("train", "test")]
        >>> task = select_tasks(digits[0].classes, "unimodal:3")[0]
        >>> split = one_class_split(*digits, task, anomaly="8", pollution=0.1, labelled=5)
        >>> split.name, len(split.train), len(split.labelled), int(split.labels.sum())
        ('unimodal:3 vs 8, 10 % polluted', 142, 5, 52)
    """
    train, test = as_dataset(train), as_dataset(test, "test")
    external = None if external is None else as_dataset(external, "test")
    _check(train, test, task, anomaly, pollution, labelled, external)
    benign, candidates = _benign_and_anomalous(train, task, anomaly)
    if not len(benign):
        raise DataError(f"{train.name} ({train.split}) has no benign {train.noun} for {task.name}; give some")
    count = round(pollution / (1.0 - pollution) * len(benign))
    if count + labelled > len(candidates):
        raise DataError(
            f"{train.name} ({train.split}) has {len(candidates)} anomalies for {task.name}, and {count} to pollute with"
            f" and {labelled} labelled ones were asked for; ask for fewer"
        )
    drawn = np.random.default_rng(seed).permutation(candidates)
    polluting, known = drawn[:count], drawn[len(drawn) - labelled :]
    scored, labels = _test_rows(test, task, anomaly, external)
    if not labels.any() or labels.all():
        raise DataError(
            f"{test.name} ({test.split}) needs benign and anomalous {test.noun}s for {task.name}, got one kind"
        )
    return OneClassSplit(
        name=_name(task, anomaly, pollution, external),
        train=train.select(np.sort(np.concatenate([benign, polluting]))),
        test=scored,
        labels=labels,
        labelled=train.select(np.sort(known)) if labelled else None,
        made={
            "task": task.name,
            "anomaly": anomaly,
            "pollution": pollution,
            "polluting": count,
            "labelled": labelled,
            "external": None if external is None else external.name,
            "seed": seed,
        },
    )


def _check(
    train: Dataset,
    test: Dataset,
    task: Task,
    anomaly: str | None,
    pollution: float,
    labelled: int,
    external: Dataset | None,
) -> None:
    if train.classes != test.classes:
        raise InputError(f"train and test must have the same classes, got {train.classes} and {test.classes}")
    if not 0.0 <= pollution < 1.0:
        raise InputError(
            f"pollution must be in [0, 1), got {pollution!r}; 0.05 makes 5 % of the training rows anomalies"
        )
    if labelled < 0:
        raise InputError(f"labelled must be a count of 0 or more, got {labelled!r}")
    if anomaly is None:
        return
    if anomaly not in train.classes:
        raise UnknownNameError(f"class of {train.name}", anomaly, train.classes)
    if train.classes.index(anomaly) in task.benign:
        raise InputError(f"anomaly must be a class that {task.name} does not train on, got {anomaly!r}")
    if external is not None:
        raise InputError("anomaly and external both say what is anomalous at test; give one of them")


def _benign_and_anomalous(data: Dataset, task: Task, anomaly: str | None) -> tuple[Rows, Rows]:
    truth = task.anomaly_labels(data.labels)
    counts = truth == 1 if anomaly is None else data.labels == data.classes.index(anomaly)
    return np.flatnonzero(truth == 0), np.flatnonzero(counts)


def _test_rows(test: Dataset, task: Task, anomaly: str | None, external: Dataset | None) -> tuple[Dataset, Rows]:
    benign, anomalous = _benign_and_anomalous(test, task, anomaly)
    if external is not None:
        kept = test.select(benign)
        return joined(kept, external), np.repeat([0, 1], [len(kept), len(external)])
    rows = np.sort(np.concatenate([benign, anomalous]))
    return test.select(rows), task.anomaly_labels(test.labels[rows])


def _name(task: Task, anomaly: str | None, pollution: float, external: Dataset | None) -> str:
    against = anomaly if external is None else external.name
    versus = f" vs {against}" if against else ""
    return f"{task.name}{versus}{f', {100 * pollution:g} % polluted' if pollution else ''}"
