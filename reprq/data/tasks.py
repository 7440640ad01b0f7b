"""One-class tasks: which classes of a data set are benign, and which are anomalies."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprq.data.classes import UNLABELLED, check_named, without_labels
from reprq.errors import InputError, UnknownNameError, listed
from reprq.labels import anomaly_labels, named_labels

KINDS = ("unimodal", "multimodal")
_GROUP = "benign:"


@dataclass(frozen=True)
class Task:
    """A one-class task: train on benign rows alone, then tell the others from them.

    Attributes:
        name: "unimodal:cat" or "multimodal:cat".
        kind: "unimodal" (the target is the one benign class) or "multimodal" (the target is the one anomalous class).
        target: The class that the task is named after.
        benign: The indices of the benign classes.
    """

    name: str
    kind: str
    target: str
    benign: frozenset[int]

    def benign_rows(self, labels: ArrayLike) -> NDArray[np.int64]:
        """Return the rows of `labels`, (n,) class indices, that may train."""
        return np.flatnonzero(self.anomaly_labels(labels) == 0)

    def anomaly_labels(self, labels: ArrayLike) -> NDArray[np.int64]:
        """Return (n,) int64, 1 where the class in `labels`, (n,) class indices, is anomalous."""
        return (~np.isin(np.asarray(labels), sorted(self.benign))).astype(np.int64)


def one_class_tasks(classes: Sequence[str]) -> list[Task]:
    """Return both tasks of every class: all unimodal ones, then all multimodal ones.

    Args:
        classes: The class names of a data set, in the order of its labels.

    Raises:
        InputError: Fewer than two classes, so that nothing could be anomalous.

    Example:
        >>> [task.name for task in one_class_tasks(["cat", "dog"])]
        ['unimodal:cat', 'unimodal:dog', 'multimodal:cat', 'multimodal:dog']
        >>> one_class_tasks(["cat", "dog", "ship"])[0].anomaly_labels([0, 1, 2, 0])
        array([0, 1, 1, 0])
    """
    if tuple(classes) == (UNLABELLED,):
        raise InputError(f"one-class tasks need labels, and {without_labels()}")
    if len(classes) < 2:
        raise InputError(f"one-class tasks need at least two classes, got {list(classes)}; add a class of anomalies")
    every = frozenset(range(len(classes)))
    unimodal = [Task(f"unimodal:{name}", "unimodal", name, frozenset({i})) for i, name in enumerate(classes)]
    multimodal = [Task(f"multimodal:{name}", "multimodal", name, every - {i}) for i, name in enumerate(classes)]
    return unimodal + multimodal


def benign_task(classes: Sequence[str], benign: str | Sequence[str]) -> Task:
    """Return the task in which these classes are benign and all others anomalous.

    Args:
        classes: The class names of a data set.
        benign: As in `benign_rows`.

    Raises:
        UnknownNameError: `benign` names a class that is not there.
        InputError: every class is benign, so that nothing could be anomalous.

    Example:
        >>> benign_task(["crack", "good", "hole"], "good").name
        'unimodal:good'
        >>> benign_task(["crack", "good", "hole", "ok"], ["good", "ok"]).name
        'benign:good,ok'
    """
    named = named_labels(benign, classes)
    check_named(named, classes)
    anomalous = anomaly_labels(range(len(classes)), named, classes=classes, name="the classes")
    inside = frozenset(np.flatnonzero(anomalous == 0).tolist())
    if len(inside) == len(classes):
        raise InputError(f"benign must leave a class that is anomalous, got all of {listed(classes)}; leave some out")
    known = {task.benign: task for task in reversed(one_class_tasks(classes))}
    target = ",".join(classes[label] for label in sorted(inside))
    return known.get(inside, Task(f"{_GROUP}{target}", "multimodal", target, inside))


def select_tasks(
    classes: Sequence[str],
    names: str | Sequence[str] = "all",
    labels: ArrayLike | None = None,
    scored: ArrayLike | None = None,
) -> list[Task]:
    """Return the tasks that `names` asks for, each once, in the order asked for.

    Where some classes have no training samples, as kinds of defects that are only scored, "all", "unimodal" and
    "multimodal" mean the tasks whose benign classes all have some. Of tasks that train on the same rows and score the
    same rows the first is taken: of two classes, one is benign exactly where the other is anomalous.

    Args:
        classes: The class names of a data set.
        names: "all", "unimodal", "multimodal", the name of a task ("unimodal:cat", or "benign:cat,dog" where several
            classes are benign), or a list of these.
        labels: (n,) the classes of the training samples; None takes every class to have some.
        scored: (m,) the classes of the test samples; None takes every class to have some.

    Raises:
        UnknownNameError: A task that the classes do not give.
        InputError: Fewer than two classes, no name, or a group of which no task has training samples.

    Example:
        >>> [task.name for task in select_tasks(["cat", "dog"])]
        ['unimodal:cat', 'unimodal:dog']
        >>> [task.name for task in select_tasks(["crack", "dent", "good"], "all", labels=[2, 2, 2])]
        ['unimodal:good']
        >>> [task.name for task in select_tasks(["cat", "dog"], ["multimodal:cat", "unimodal"])]
        ['multimodal:cat', 'unimodal:cat']
    """
    trained, judged = (_present(classes, rows) for rows in (labels, scored))
    chosen: dict[tuple[frozenset[int], frozenset[int]], Task] = {}
    for task in tasks_named(classes, names, labels):
        chosen.setdefault((task.benign & trained, task.benign & judged), task)
    return list(chosen.values())


def tasks_named(
    classes: Sequence[str], names: str | Sequence[str] = "all", labels: ArrayLike | None = None
) -> list[Task]:
    """Return the tasks that `names` asks for, as `select_tasks`, also those that are the same rows."""
    tasks = one_class_tasks(classes)
    wanted = [unicodedata.normalize("NFC", name) for name in ([names] if isinstance(names, str) else names)]
    if not wanted:
        raise InputError("tasks must name at least one task, got none; 'all' takes every one")
    trained = _present(classes, labels)
    chosen: dict[str, Task] = {}
    for name in wanted:
        found = [task for task in tasks if name in ("all", task.kind, unicodedata.normalize("NFC", task.name))]
        if not found and name.startswith(_GROUP):
            found = [benign_task(classes, name.removeprefix(_GROUP))]
        if not found:
            raise UnknownNameError("task", name, ["all", *KINDS, *(task.name for task in tasks)])
        if name in ("all", *KINDS):
            found = [task for task in found if task.benign <= trained]
            if not found:
                raise InputError(
                    f"no {name} task has training samples of all its benign classes; name one, as {tasks[0].name}"
                )
        for task in found:
            chosen.setdefault(task.name, task)
    return list(chosen.values())


def _present(classes: Sequence[str], labels: ArrayLike | None) -> frozenset[int]:
    """The classes that have rows."""
    return frozenset(range(len(classes)) if labels is None else np.unique(np.asarray(labels)).tolist())
