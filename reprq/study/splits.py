"""The splits of a study: every task of a data set under every scenario, with the other data sets that they take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reprq.data import (
    Dataset,
    Split,
    Task,
    benign_task,
    distinct,
    load_dataset,
    load_protocol,
    named_tasks,
    scenario_splits,
)
from reprq.data.corpus import check_alike, without_classes
from reprq.data.oneclass import sides_and_splits
from reprq.data.scenarios import repeated
from reprq.errors import ConfigError, UnknownNameError
from reprq.study.files import benign_classes, reads_files
from reprq.study.sections import DataConfig, SplitsConfig, Tasks
from reprq.study.sources import shown_side

TrainAndTest = tuple[Dataset, Dataset]


@dataclass(frozen=True, eq=False)
class Other:
    """A data set whose rows follow the test samples as anomalies, or a corpus.

    Attributes:
        data: Its section.
        role: "external" or "auxiliary".
        samples: Its samples.
    """

    data: DataConfig
    role: str
    samples: Dataset

    @classmethod
    def load(cls, data: DataConfig, role: str, seed: int, beside: Dataset) -> "Other":
        """Read the test samples of external anomalies, or the training samples of a corpus without the task's classes.

        Raises:
            InputError: They are of another modality than the task's training samples.
        """
        split, per_class = ("test", data.test_per_class) if role == "external" else ("train", data.train_per_class)
        samples = load_dataset(
            data.name, split, root=data.root, download=data.download, seed=seed, whole=True, **data.reading
        )
        check_alike(beside, samples, role)
        shown = shown_side(data, samples, per_class, seed)
        return cls(data, role, without_classes(shown, beside.classes) if role == "auxiliary" else shown)


@dataclass(frozen=True, eq=False)
class StudySplits:
    """The splits of one data set under one seed.

    Attributes:
        splits: No two of them are the same rows.
        others: The external data sets and corpora, by their role and the name that the splits have for them.
        notes: Which tasks were left out, and why.
        repeats: Which splits were left out, being the rows of another.
    """

    splits: tuple[Split, ...]
    others: Mapping[tuple[str, str], Other] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    repeats: tuple[str, ...] = ()

    def others_of(self, split: Split) -> list[Other]:
        """Return the other data sets that a split takes."""
        named = (("external", split.external), ("auxiliary", split.auxiliary))
        return [self.others[role, name] for role, name in named if name]


def study_splits(
    data: DataConfig, sections: Sequence[SplitsConfig], tasks: Tasks, pair: TrainAndTest, seed: int
) -> StudySplits:
    """Make the splits of a data set.

    Args:
        data: Its section.
        sections: What deviates from the plain tasks; the plain tasks where there is none.
        tasks: The study's tasks.
        pair: The training and test samples.
        seed: Of what is drawn.

    Raises:
        ReprqError: A task, class or data set that does not exist, or a scenario that no task can have.
    """
    if data.is_protocol:
        return _of_protocol(data, sections, seed)
    train, test = pair
    if reads_files(data) and any(section.external or section.auxiliary for section in sections):
        raise ConfigError(
            f"{data.dataset} is rows of files, whose external anomalies and corpora are found by ids; give [data] the"
            " name of its samples, or judge one file by reprq detect --embeddings FILE --auxiliary FILE"
        )
    found: list[Split] = []
    notes: list[str] = []
    repeats: list[str] = []
    others: dict[tuple[str, str], Other] = {}
    for section in sections or [SplitsConfig()]:
        taken = {
            role: Other.load(given, role, seed, train)
            for role, given in (("external", section.external), ("auxiliary", section.auxiliary))
            if given is not None
        }
        for role, other in taken.items():
            earlier = others.setdefault((role, other.samples.name), other)
            if earlier.samples.fingerprint != other.samples.fingerprint:
                raise ConfigError(f"two sections of splits take other samples of {other.samples.name}; give one choice")
        if "auxiliary" in taken:
            notes += [note for note in taken["auxiliary"].samples.notes if note.startswith("the corpus")]
        external = taken["external"].samples if "external" in taken else None
        made = scenario_splits(
            train,
            test,
            _tasks_of(data, tasks, pair, external),
            section.scenarios(),
            external=external,
            auxiliary=taken["auxiliary"].samples.name if "auxiliary" in taken else "",
            seed=seed,
        )
        found += made.splits
        notes += made.notes
        repeats += made.repeats
    repeats += repeated(found)
    return StudySplits(tuple(distinct(found)), others, tuple(dict.fromkeys(notes)), tuple(dict.fromkeys(repeats)))


def takes_training_anomalies(sections: Sequence[SplitsConfig]) -> bool:
    """Whether some training rows are to be anomalous."""
    return any(any(section.pollution) or any(section.labelled) for section in sections)


def _tasks_of(data: DataConfig, tasks: Tasks, pair: TrainAndTest, external: Dataset | None) -> list[Task]:
    train, _ = pair
    benign = benign_classes(data, train.classes) if reads_files(data) else data.benign
    if benign:
        return [benign_task(train.classes, benign)]
    return named_tasks(train, data.tasks or tasks, external=external)


def load_sides(data: DataConfig, seed: int) -> tuple[Dataset, Dataset, list[Split]]:
    """Return the samples of a protocol and its splits."""
    return sides_and_splits(load_protocol(data.name, data.root, seed=seed))


def _of_protocol(data: DataConfig, sections: Sequence[SplitsConfig], seed: int) -> StudySplits:
    if sections:
        raise ConfigError(f"{data.name} is a protocol with splits of its own; name other datasets in [splits]")
    splits = load_sides(data, seed)[2]
    asked = [data.tasks] if isinstance(data.tasks, str) else data.tasks or ["all"]
    known = [split.name for split in splits]
    for name in asked:
        if name not in ("all", *known):
            raise UnknownNameError(f"task of {data.name}", name, ["all", *known])
    return StudySplits(tuple(split for split in splits if "all" in asked or split.name in asked))
