"""The one-class cases of a preset, and the images that teach its teachers."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reprq.data import Dataset, OneClassSplit, load_dataset, load_protocol, one_class_split, select_tasks
from reprq.errors import DataError
from reprq.papers.mai2021.presets import Mai2021Preset
from reprq.pretext.colorization import is_colored
from reprq.pretext.supervised import CLASSES


@dataclass(frozen=True, eq=False)
class OneClassCase:
    """One configuration under one seed.

    Attributes:
        name: The task.
        split: Benign images to train on, test images and their labels; known anomalies for the ceiling alone.
        probe: Training images of all classes and the (n_test,) classes of the test images, for the linear probe; None
            where there are no such classes.
        seed: Of its draws.
    """

    name: str
    split: OneClassSplit
    probe: tuple[Dataset, NDArray[np.int64]] | None
    seed: int


def load_cases(preset: Mai2021Preset, root: Path | None, seed: int) -> list[OneClassCase]:
    """Return the cases of one seed.

    Raises:
        DataError: The images are not there, or laid out otherwise.
    """
    if preset.data not in ("digits", "cifar10"):
        return [
            OneClassCase(split.name, _fewer(split, preset.benign_images, seed), None, seed)
            for split in load_protocol(preset.data, root, seed=seed)
        ]
    train, test = (_images(preset, split, root, seed) for split in ("train", "test"))
    if train.classes != test.classes:
        raise DataError(
            f"{train.name} must have the same classes in train and test, got {train.classes}, {test.classes}"
        )
    scored = test if preset.test_per_class is None else test.sample(per_class=preset.test_per_class, seed=seed)
    probed = train if preset.probe_per_class is None else train.sample(per_class=preset.probe_per_class, seed=seed)
    cases = []
    for task in select_tasks(train.classes, preset.tasks if isinstance(preset.tasks, str) else list(preset.tasks)):
        benign = len(task.benign_rows(train.labels))
        known = min(preset.benign_images or benign, len(train) - benign)
        split = one_class_split(train, scored, task, labelled=known, seed=seed)
        cases.append(
            OneClassCase(task.name, _fewer(split, preset.benign_images, seed), (probed, split.test.labels), seed)
        )
    return cases


def teacher_images(pretext: str, case: OneClassCase, other: Dataset) -> Dataset | None:
    """Return the images that a teacher may see; None where the case has none to teach it.

    Classification sees the other labelled data set, supervised the benign images and the known anomalies, and every
    other task the benign images alone, from which colorization learns only if they are colored. The random teacher sees
    nothing; it is given the benign images.
    """
    if pretext == "classification":
        return other
    if pretext == "supervised":
        return _benign_and_known(case.split)
    if pretext == "colorization" and not is_colored(case.split.train):
        return None
    return case.split.train


def load_other(preset: Mai2021Preset, root: Path | None, seed: int) -> Dataset:
    """Return the labelled data set of the classification teacher, from `root` where that holds it, else $REPRQ_DATA.

    Raises:
        DataError: It is not there.
    """
    try:
        images = load_dataset(preset.other, "train", root=root, seed=seed)
    except DataError:
        images = load_dataset(preset.other, "train", seed=seed)
    if preset.other_classes is not None:
        images = images.restrict(preset.other_classes)
    return images if preset.other_per_class is None else images.sample(per_class=preset.other_per_class, seed=seed)


def _images(preset: Mai2021Preset, split: str, root: Path | None, seed: int) -> Dataset:
    folder = root is not None and (root / "train").is_dir()
    name = f"folder:{root}" if folder else preset.data
    images = load_dataset(name, split, root=None if folder else root, seed=seed)
    return images if preset.classes is None else images.restrict(preset.classes)


def _fewer(split: OneClassSplit, n: int | None, seed: int) -> OneClassSplit:
    if n is None or n >= len(split.train):
        return split
    return replace(split, train=split.train.sample(n, seed=seed), made={**split.made, "benign_images": n})


def _benign_and_known(split: OneClassSplit) -> Dataset | None:
    if split.labelled is None:
        return None
    parts = (split.train, split.labelled)
    return replace(
        split.train,
        classes=CLASSES,
        labels=np.repeat(np.arange(2), [len(part) for part in parts]),
        ids=np.concatenate([part.ids for part in parts]),
        rows=np.concatenate([part.rows for part in parts]),
    )


def all_cases(
    preset: Mai2021Preset, root: Path | None, first_seed: int
) -> Iterator[tuple[int, list[OneClassCase], Dataset]]:
    """Yield each seed with its cases and its other labelled data set."""
    for seed in range(first_seed, first_seed + preset.seeds):
        yield seed, load_cases(preset, root, seed), load_other(preset, root, seed)
