"""What deviates from the plain tasks of a data set: pollution, known anomalies, named classes, other data sets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from reprq.data.dataset import Dataset
from reprq.data.small_modes import judged_on, small_mode_split
from reprq.data.splits import Split, distinct, scored_rows, task_split
from reprq.data.tasks import Task, tasks_named
from reprq.errors import DataError, InputError, UnknownNameError

EACH: Literal["each"] = "each"


@dataclass(frozen=True)
class Scenario:
    """How the splits of every task deviate from it. Test, polluting and known anomalies may be of separate classes.

    Attributes:
        anomaly: The anomalous classes at test; None is every class that is not benign.
        pollution: Share of the training rows that are anomalies, in [0, 1).
        polluting: The classes that pollute; by default those that are anomalous at test.
        labelled: Known anomalies: a count, or a share of all training rows in (0, 1).
        labelled_from: The classes of the known anomalies; a number k draws k anomalous classes by the seed (Ruff 2021,
            k_l), and "each" makes one split of every anomalous class.
        small_mode: A class that is benign too where a task has one benign class, and of which `share` trains
            (`reprq.data.small_mode_split`); each of the two is judged by itself, in a split of its own. Nothing else
            deviates then.
        share: Of the samples of `small_mode`, in [0, 1].
    """

    anomaly: tuple[str, ...] | None = None
    pollution: float = 0.0
    polluting: tuple[str, ...] | None = None
    labelled: int | float = 0
    labelled_from: tuple[str, ...] | int | Literal["each"] | None = None
    small_mode: str | None = None
    share: float = 1.0

    def __post_init__(self) -> None:
        others = ("anomaly", "pollution", "polluting", "labelled", "labelled_from")
        if self.small_mode is not None and (given := [name for name in others if getattr(self, name)]):
            raise InputError(f"small_mode goes without {given[0]}: its anomalies are the other classes; leave one out")

    @property
    def named(self) -> tuple[str, ...]:
        """The classes that it names, none of which can be benign."""
        known = self.labelled_from if isinstance(self.labelled_from, tuple) else ()
        return (*(self.anomaly or ()), *(self.polluting or ()), *known)


@dataclass(frozen=True, eq=False)
class Splits:
    """The splits of a data set, and what was left out of them.

    Attributes:
        splits: No two of them are the same rows.
        notes: Which tasks were left out, and why.
        repeats: Which splits were left out, being the rows of another.
    """

    splits: tuple[Split, ...]
    notes: tuple[str, ...] = ()
    repeats: tuple[str, ...] = ()


def named_tasks(train: Dataset, tasks: str | Sequence[str] = "all", *, external: Dataset | None = None) -> list[Task]:
    """Return the tasks that are asked for, also those that are the same rows.

    With external anomalies "all" is the one task in which all classes are benign.
    """
    asked = [tasks] if isinstance(tasks, str) else list(tasks)
    if external is not None and asked == ["all"]:
        return [Task("all classes", "multimodal", external.name, frozenset(range(len(train.classes))))]
    return tasks_named(train.classes, asked, train.labels)


def scenario_splits(
    train: Dataset,
    test: Dataset,
    tasks: Sequence[Task],
    scenarios: Sequence[Scenario] = (Scenario(),),
    *,
    external: Dataset | None = None,
    auxiliary: str = "",
    seed: int = 0,
) -> Splits:
    """Make the splits of every task under every scenario, each set of rows once.

    Args:
        train: The training side.
        test: The test side.
        tasks: Which classes are benign. Those that train on a class which a scenario names are left out of it.
        scenarios: What deviates.
        external: The anomalies at test are all rows of this data set.
        auxiliary: The name of a corpus that comes with every split.
        seed: Of what is drawn.

    Raises:
        ReprqError: A class that does not exist, or a scenario that no task can have; as `task_split` says it.

    Example:
        >>> from reprq.data import load_dataset
        >>> sides = [load_dataset("digits", side).restrict(["0", "1", "2"]) for side in ("train", "test")]
        >>> known = Scenario(labelled=5, labelled_from="each")
        >>> [split.name for split in scenario_splits(*sides, named_tasks(sides[0], "unimodal:0"), [known]).splits]
        ['unimodal:0, 5 labelled from 1', 'unimodal:0, 5 labelled from 2']
    """
    found: list[Split] = []
    notes: list[str] = []
    for scenario in scenarios:
        for name in (*scenario.named, *((scenario.small_mode,) if scenario.small_mode else ())):
            if name not in train.classes:
                raise UnknownNameError(f"class of {train.name}", name, train.classes)
        if scenario.small_mode is not None and external is not None:
            raise InputError("small_mode goes without external: its anomalies are the other classes; leave one out")
        kept = [task for task in tasks if not {train.classes.index(name) for name in scenario.named} & task.benign]
        if kept:
            notes += [
                f"{task.name} trains on a class that is to be anomalous: left out" for task in tasks if task not in kept
            ]
        made = [
            replace(split, auxiliary=auxiliary)
            for task in kept or tasks
            for split in _splits_of(train, test, task, scenario, external, seed, notes)
        ]
        if not made:
            raise DataError(f"{train.name} has no task that can be judged: {'; '.join(notes)}")
        found += made
    unique = distinct(found)
    return Splits(tuple(unique), tuple(dict.fromkeys(notes)), tuple(repeated(found)))


def repeated(splits: Sequence[Split]) -> Iterator[str]:
    """Yield a sentence for every split that is the rows of an earlier one of another name."""
    first: dict[tuple[object, ...], Split] = {}
    for split in splits:
        earlier = first.setdefault((split.dataset, *split.rows), split)
        if earlier.name != split.name:
            yield f"{split.name} is left out: the rows of {earlier.name}"


def _splits_of(
    train: Dataset,
    test: Dataset,
    task: Task,
    scenario: Scenario,
    external: Dataset | None,
    seed: int,
    notes: list[str],
) -> Iterator[Split]:
    if scenario.small_mode is not None:
        yield from _of_modes(train, test, task, scenario, seed, notes)
        return
    labels = scored_rows(test, task, scenario.anomaly, external)[1]
    if not labels.any() or labels.all():
        kind = "anomalous" if labels.all() else "benign"
        notes.append(f"{task.name} is left out: all {test.noun}s that it scores are {kind}")
        return
    for known in _known_classes(train, task, scenario, seed):
        split = task_split(
            train,
            test,
            task,
            anomaly=scenario.anomaly,
            pollution=scenario.pollution,
            polluting=scenario.polluting,
            labelled=scenario.labelled,
            labelled_from=known,
            external=external,
            seed=seed,
        )
        if isinstance(scenario.labelled_from, int) and known is not None:
            said = f"from {len(known)} classes"  # the same name under every seed
            name, rest = (text.removesuffix(f"from {','.join(known)}") for text in (split.name, split.scenario))
            split = replace(split, name=name + said, scenario=rest + said)
        yield split


def _of_modes(
    train: Dataset, test: Dataset, task: Task, scenario: Scenario, seed: int, notes: list[str]
) -> Iterator[Split]:
    """The splits of a large and a small mode, each judged by itself."""
    assert scenario.small_mode is not None
    if len(task.benign) != 1 or task.target == scenario.small_mode:
        left_out = "tasks of several benign classes are" if len(task.benign) != 1 else f"{task.name} is"
        notes.append(f"{left_out} left out: a small mode needs one benign class, another than {scenario.small_mode}")
        return
    large = train.classes[next(iter(task.benign))]
    both = small_mode_split(train, test, large, scenario.small_mode, scenario.share, seed=seed)
    for mode in (large, scenario.small_mode):
        yield judged_on(both, mode, train.classes.index(mode))


def _known_classes(train: Dataset, task: Task, scenario: Scenario, seed: int) -> list[tuple[str, ...] | None]:
    """The classes of the known anomalies, one tuple a split; those that have training rows and are anomalous."""
    asked = scenario.labelled_from
    if asked is None or isinstance(asked, tuple):
        return [asked]
    present = [int(label) for label in np.unique(train.labels) if label not in task.benign]
    names = [train.classes[label] for label in present]
    if asked == EACH:
        return [(name,) for name in names]
    if not 1 <= asked <= len(names):
        raise InputError(
            f"labelled_from must be from 1 to {len(names)}, the anomalous classes of {task.name}, got {asked}"
        )
    drawn = np.random.default_rng([seed, *sorted(task.benign)]).permutation(len(names))[:asked]
    return [tuple(names[i] for i in sorted(drawn.tolist()))]
