"""A one-class split: what trains, what is scored, what of it is anomalous, and what deviates from benign training."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from reprq.data.adapters import as_dataset
from reprq.data.dataset import Dataset
from reprq.data.splits import Rows, Split, masks_of, task_split
from reprq.data.tasks import Task
from reprq.data.views import joined
from reprq.errors import InputError

PROTOCOL = "protocol"  # what the splits of a protocol say of their scenario


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
        corpus: Samples of the training side that are a corpus for detectors that learn from one; or None.
    """

    name: str
    train: Dataset
    test: Dataset
    labels: Rows
    labelled: Dataset | None = None
    groups: Rows | None = None
    made: dict[str, Any] = field(default_factory=dict)
    corpus: Dataset | None = None

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.test) or (self.groups is not None and len(self.groups) != len(self.test)):
            raise InputError(
                f"labels and groups must have one entry for each of the {len(self.test)} test {self.test.noun}s"
            )

    def sample(self, n: int, seed: int = 0) -> "OneClassSplit":
        """Return a random part with about `n` training and `n` test samples, in their order.

        A corpus is cut to `n` samples too. Objects of several samples (`groups`) are taken whole; benign and anomalous
        ones keep their shares, at least one of each.

        Args:
            n: How many samples a side, at least 2; a side that has no more is kept.
            seed: Seed of the draw.

        Raises:
            InputError: `n` is below 2.
        """
        if n < 2:
            raise InputError(f"n must be at least 2, one benign and one anomalous test {self.test.noun}, got {n}")
        rng = np.random.default_rng(seed)
        train, corpus = self.train, self.corpus
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
        if corpus is not None and n < len(corpus):
            corpus = corpus.select(np.sort(rng.choice(len(corpus), n, replace=False)))
        scored = self.test.select(rows)
        return replace(self, train=train, test=scored, labels=self.labels[rows], groups=groups, corpus=corpus)


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
    split = task_split(
        train, test, task, anomaly=anomaly, pollution=pollution, labelled=labelled, external=external, seed=seed
    )
    scored = test if external is None else joined(test, external)
    return OneClassSplit(
        name=split.name.removesuffix(f", {labelled} labelled"),
        train=train.select(split.train),
        test=scored.select(split.test),
        labels=split.labels,
        labelled=train.select(split.labelled) if labelled else None,
        made=split.made,
    )


def sides_and_splits(parts: Sequence[OneClassSplit]) -> tuple[Dataset, Dataset, list[Split]]:
    """Return the samples of several splits, each once, on the training and the test side, and the rows of each split.

    Raises:
        InputError: Splits that are not cut from one data set.
    """
    corpora = [part.corpus for part in parts if part.corpus is not None]
    train, test = _union([*(part.train for part in parts), *corpora]), _union([part.test for part in parts])
    splits = [
        Split(
            name=part.name,
            train=np.sort(_place(part.train, train)),
            test=_place(part.test, test),
            labels=part.labels,
            classes=part.test.labels,
            groups=part.groups,
            masks=masks_of(part.test, part.labels),
            dataset=train.name,
            task=part.name,
            kind="unimodal",
            scenario=PROTOCOL,
            corpus=np.sort(_place(part.corpus or train.select([]), train)),
            made=part.made,
        )
        for part in parts
    ]
    return train, test, splits


def _union(parts: Sequence[Dataset]) -> Dataset:
    """Every row of data sets over one source, in the order of the source."""
    first = parts[0]
    if any(part.source is not first.source for part in parts):
        raise InputError(f"the splits of {first.name} must be cut from one data set; take one of them")
    rows, place = np.unique(np.concatenate([part.rows for part in parts]), return_index=True)
    labels, ids = (np.concatenate([getattr(part, name) for part in parts])[place] for name in ("labels", "ids"))
    return replace(first, rows=rows, labels=labels, ids=ids)


def _place(part: Dataset, whole: Dataset) -> Rows:
    return np.searchsorted(whole.rows, part.rows).astype(np.int64)
