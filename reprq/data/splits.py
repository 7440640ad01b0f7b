"""A split: which rows train, which are known anomalies, which are scored, and which of those are anomalous."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprq.data.dataset import Dataset
from reprq.data.tasks import Task
from reprq.data.views import joined
from reprq.errors import DataError, InputError, UnknownNameError

if TYPE_CHECKING:
    from reprq.data.image.masks import Masks

Rows = NDArray[np.int64]
_NONE = np.array([], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a training side and of a test side, ready to be judged.

    Attributes:
        name: The task and what deviates from it: "unimodal:cat vs dog, 5 % polluted".
        train: Rows of the training side to fit on: benign, apart from those that pollute; in ascending order.
        test: Rows of the test side to score; those of external anomalies are counted on from its end.
        labels: (n_test,) 1 is anomalous.
        labelled: Rows of the training side that are known anomalies; none of them is in `train`.
        classes: (n_test,) the class numbers of the test rows, for the AUROC of each anomaly class; or None.
        groups: (n_test,) the object that each test row is a part of; None where each stands for itself.
        masks: `Masks` of the test rows, which say where an anomalous one is so; None where none says it.
        labelled_masks: `Masks` of the labelled rows, likewise.
        dataset: What the data set is called.
        task: Its task, without what deviates from that.
        kind: "unimodal" or "multimodal", of the task.
        scenario: What deviates from the task: "vs dog, 5 % polluted"; "" where nothing does.
        external: The data set whose rows follow those of the test side; "" where none does.
        auxiliary: The corpus for detectors that learn from one; "" where it is no data set of its own.
        corpus: Rows of the training side that are such a corpus; none of them is in `train`.
        made: How the split was made, of JSON values.
    """

    name: str
    train: Rows
    test: Rows
    labels: Rows
    labelled: Rows = field(default_factory=lambda: _NONE)
    classes: Rows | None = None
    groups: Rows | None = None
    masks: "Masks | None" = None
    labelled_masks: "Masks | None" = None
    dataset: str = ""
    task: str = ""
    kind: str = ""
    scenario: str = ""
    external: str = ""
    auxiliary: str = ""
    corpus: Rows = field(default_factory=lambda: _NONE)
    made: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("labels", "classes", "groups"):
            given = getattr(self, name)
            if given is not None and len(given) != len(self.test):
                raise InputError(f"{name} must have one entry for each of the {len(self.test)} test rows")
        for name, rows in (("masks", self.test), ("labelled_masks", self.labelled)):
            given = getattr(self, name)
            if given is not None and len(given) != len(rows):
                raise InputError(f"{name} must have one entry for each of the {len(rows)} rows, got {len(given)}")

    @classmethod
    def whole(cls, n_train: int, labels: ArrayLike, *, name: str = "", groups: Rows | None = None) -> "Split":
        """Return the split that trains on all rows of one side and scores all rows of the other.

        Example:
            >>> Split.whole(3, [0, 1]).train
            array([0, 1, 2])
        """
        truth = np.asarray(labels, dtype=np.int64)
        return cls(name, np.arange(n_train), np.arange(len(truth)), truth, groups=groups)

    def few(self, n: int, seed: int = 0) -> "Split":
        """Return the split with `n` of its training rows; under one seed fewer are among more.

        Args:
            n: How many, at least 1.
            seed: Of the draw.

        Raises:
            InputError: The split has fewer.

        Example:
            >>> Split.whole(50, [0, 1]).few(3).train
            array([18, 23, 36])
        """
        if not 1 <= n <= len(self.train):
            raise InputError(f"shots must be from 1 to {len(self.train)}, the training rows of {self.name}, got {n}")
        return replace(self, train=np.sort(np.random.default_rng(seed).permutation(self.train)[:n]))

    @property
    def has_corpus(self) -> bool:
        """Whether detectors can learn from a corpus."""
        return bool(self.auxiliary) or len(self.corpus) > 0

    @property
    def rows(self) -> tuple[bytes, ...]:
        """What tells it from other splits of the same data: its rows and labels, whatever it is called."""
        parts = (self.train, self.labelled, self.test, self.labels, _NONE if self.groups is None else self.groups)
        others = [self.external.encode(), self.auxiliary.encode()]
        others += [self.corpus.astype(np.int64).tobytes()] if len(self.corpus) else []
        return (*(part.astype(np.int64).tobytes() for part in parts), *others)


def distinct(splits: Iterable[Split]) -> list[Split]:
    """Return the splits without those that are the rows of an earlier one on the same data set."""
    found: dict[tuple[object, ...], Split] = {}
    for split in splits:
        found.setdefault((split.dataset, *split.rows), split)
    return list(found.values())


def task_split(
    train: Dataset,
    test: Dataset,
    task: Task,
    *,
    anomaly: str | Sequence[str] | None = None,
    pollution: float = 0.0,
    polluting: Sequence[str] | None = None,
    labelled: int | float = 0,
    labelled_from: Sequence[str] | None = None,
    external: Dataset | None = None,
    seed: int = 0,
) -> Split:
    """Make the split of a task, or of a scenario in which known, polluting and test anomalies are of different classes.

    Args:
        train: The training side; its benign rows train.
        test: The test side.
        task: Which classes are benign.
        anomaly: The anomalous classes at test; by default every class that is not benign.
        pollution: Share p in [0, 1) of the training rows that are anomalies: round(p / (1 - p) n) for n benign ones.
        polluting: The classes that pollute; those of `anomaly` by default.
        labelled: How many known anomalies, or as a share g in (0, 1) round(g / (1 - g) m) of them for m training rows,
            polluting ones included (Ruff 2021, section 2.3). None of them pollutes.
        labelled_from: The classes of the known anomalies; those of `anomaly` by default.
        external: The anomalies at test are all rows of this data set, and no row of `test`.
        seed: Of both draws. The rows that pollute do not depend on `labelled`, and less pollution is a subset of more.

    Raises:
        UnknownNameError: A class that the data set does not have.
        InputError: data sets of different classes, a class that is benign, `anomaly` beside `external`, a share outside
            [0, 1) or a negative count.
        DataError: no benign row, no anomaly to score, or fewer training anomalies than asked for.

    Example:
        >>> from reprq.data import load_dataset, select_tasks
        >>> train, test = (load_dataset("digits", side) for side in ("train", "test"))
        >>> zero = select_tasks(train.classes, "unimodal:0")[0]
        >>> split = task_split(train, test, zero, pollution=0.1, labelled=0.05, labelled_from=["1"])
        >>> split.name, len(split.train), np.unique(train.labels[split.labelled]).tolist()
        ('unimodal:0, 10 % polluted, 5 % labelled from 1', 139, [1])
    """
    against = [anomaly] if isinstance(anomaly, str) else anomaly
    _check(train, test, pollution, labelled, against, external)
    drawn = {"polluting": polluting, "labelled_from": labelled_from}
    sources = [_anomalous(train, task, *((names, name) if names else (against,))) for name, names in drawn.items()]
    benign = task.benign_rows(train.labels)
    if not len(benign):
        raise DataError(f"{train.name} ({train.split}) has no benign {train.noun} for {task.name}; give some")
    count = round(pollution / (1.0 - pollution) * len(benign))
    share = isinstance(labelled, float) and labelled < 1.0
    known = round(labelled / (1.0 - labelled) * (len(benign) + count)) if share else int(labelled)
    dirty, labelled_rows = _draw(train, task, sources, count, known, seed)
    rows, labels, classes = scored_rows(test, task, against, external)
    if not labels.any() or labels.all():
        raise DataError(
            f"{test.name} ({test.split}) needs benign and anomalous {test.noun}s for {task.name}, got one kind"
        )
    said = _deviation(against, external, pollution, polluting, labelled, labelled_from)
    return Split(
        name=task.name + said,
        train=np.sort(np.concatenate([benign, dirty])),
        test=rows,
        labels=labels,
        labelled=labelled_rows,
        classes=classes,
        masks=masks_of((test if external is None else joined(test, external)).select(rows), labels),
        labelled_masks=train.select(labelled_rows).masks,
        dataset=train.name,
        task=task.name,
        kind=task.kind,
        scenario=said.strip(", "),
        external="" if external is None else external.name,
        made={
            "task": task.name,
            "anomaly": anomaly if anomaly is None or isinstance(anomaly, str) else list(anomaly),
            "pollution": pollution,
            "polluting": count,
            "labelled": known,
            "external": None if external is None else external.name,
            "seed": seed,
        },
    )


def _check(
    train: Dataset,
    test: Dataset,
    pollution: float,
    labelled: float,
    against: Sequence[str] | None,
    external: Dataset | None,
) -> None:
    if train.classes != test.classes:
        raise InputError(f"train and test must have the same classes, got {train.classes} and {test.classes}")
    if not 0.0 <= pollution < 1.0:
        raise InputError(
            f"pollution must be in [0, 1), got {pollution!r}; 0.05 makes 5 % of the training rows anomalies"
        )
    if not labelled >= 0 or (labelled > 1 and labelled != int(labelled)):
        raise InputError(f"labelled must be a count of 0 or more, or a share below 1, got {labelled!r}")
    if against is not None and external is not None:
        raise InputError("anomaly and external both say what is anomalous at test; give one of them")


def _anomalous(data: Dataset, task: Task, names: Sequence[str] | None, argument: str = "anomaly") -> Rows:
    """The rows of the anomalous classes, or of those that are named."""
    if names is None:
        return np.flatnonzero(task.anomaly_labels(data.labels))
    for name in names:
        if name not in data.classes:
            raise UnknownNameError(f"class of {data.name}", name, data.classes)
        if data.classes.index(name) in task.benign:
            raise InputError(f"{argument} must be a class that {task.name} does not train on, got {name!r}")
    return np.flatnonzero(np.isin(data.labels, [data.classes.index(name) for name in names]))


def _draw(train: Dataset, task: Task, sources: Sequence[Rows], count: int, known: int, seed: int) -> tuple[Rows, Rows]:
    """The rows that pollute, from the front of a permutation, and the known ones, from the back of theirs."""
    dirty = np.random.default_rng(seed).permutation(sources[0])[:count]
    left = np.random.default_rng(seed).permutation(sources[1])
    left = left[~np.isin(left, dirty)]
    if count > len(sources[0]) or known > len(left):
        raise DataError(
            f"{train.name} ({train.split}) has {len(np.union1d(*sources))} anomalies for {task.name}, and {count} to"
            f" pollute with and {known} labelled ones were asked for; ask for fewer, or put more on its training side"
        )
    return dirty, np.sort(left[len(left) - known :])


def scored_rows(
    test: Dataset, task: Task, against: Sequence[str] | None, external: Dataset | None
) -> tuple[Rows, Rows, Rows]:
    """Return the rows that are scored, their labels (1 is anomalous) and class numbers."""
    benign, anomalous = task.benign_rows(test.labels), _anomalous(test, task, against)
    if external is not None:
        rows = np.concatenate([benign, len(test) + np.arange(len(external))])
        classes = np.concatenate([test.labels[benign], np.full(len(external), len(test.classes))])
        return rows, np.repeat([0, 1], [len(benign), len(external)]), classes
    rows = np.sort(np.concatenate([benign, anomalous]))
    return rows, task.anomaly_labels(test.labels[rows]), test.labels[rows]


def masks_of(scored: Dataset, labels: Rows) -> "Masks | None":
    """Return the masks of test samples; None where none of an anomalous one is there."""
    found = scored.masks
    return found if found is not None and found.present[labels == 1].any() else None


def _deviation(
    against: Sequence[str] | None,
    external: Dataset | None,
    pollution: float,
    polluting: Sequence[str] | None,
    labelled: float,
    labelled_from: Sequence[str] | None,
) -> str:
    """What the name of a split says beyond its task: " vs dog, 5 % polluted, 10 labelled from cat"."""
    versus = ",".join(against) if against else "" if external is None else external.name
    said = f" vs {versus}" if versus else ""
    if pollution:
        said += f", {100 * pollution:g} % polluted{_from(polluting)}"
    if labelled:
        said += f", {f'{100 * labelled:g} %' if labelled < 1 else f'{labelled:g}'} labelled{_from(labelled_from)}"
    return said


def _from(classes: Sequence[str] | None) -> str:
    return f" from {','.join(classes)}" if classes else ""
