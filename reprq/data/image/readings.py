"""One digit of one set against the others, by two readings of what is tested (Robledo Díaz 2023)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from reprq.data.dataset import Dataset
from reprq.data.image.drawn_digits import NAME as DRAWN
from reprq.data.image.joint_digits import digit_set
from reprq.data.image.named import data_root
from reprq.data.oneclass import OneClassSplit
from reprq.data.splits import Rows
from reprq.data.views import merged, sets_of
from reprq.errors import UnknownNameError

READINGS = ("report", "official")
TRAINED = 0.8


def robledo2023(
    root: Path | str | None,
    reading: str,
    *,
    seed: int = 0,
    sets: Sequence[str] | None = None,
    digits: Iterable[int] = range(10),
) -> list[OneClassSplit]:
    """Each digit of each set benign in turn: 80 % of its training images train, by both readings the same ones.

    What is tested is by the reading "report" the set's test images, the other 20 %, and the training images of its
    other digits, as the report says; by the reading "official" the test images alone, which fits its "about 1 : 9".
    Rows that "report" adds are training images of the set: an extractor that learned these with labels has seen them.
    The notes of the test side say the share of anomalies of each set.

    Args:
        root: The folder of torchvision's files.
        reading: "report" or "official".
        seed: Which 80 % train.
        sets: Of `reprq.data.image.joint_digits.SETS`; by default mnist, usps and svhn, and where the folder has no SVHN
            drawn_digits in its place.
        digits: Those that are benign in turn.

    Raises:
        UnknownNameError: No such reading, or no such set.
        DataError: Files that are not there.
    """
    third = "svhn" if (data_root(root) / "train_32x32.mat").is_file() else DRAWN
    names = tuple(sets or ("mnist", "usps", third))
    train, test = ([digit_set(name, split, root) for name in names] for split in ("train", "test"))
    return by_reading(train, test, reading, seed=seed, digits=digits)


def by_reading(
    train_sets: Sequence[Dataset],
    test_sets: Sequence[Dataset],
    reading: str,
    *,
    seed: int = 0,
    digits: Iterable[int] = range(10),
) -> list[OneClassSplit]:
    """Return the splits of `robledo2023` of sets that are there already, or of parts of them.

    Args:
        train_sets: The training side of each set.
        test_sets: The test sides, in the same order.
        reading: "report" or "official".
        seed: Which 80 % train.
        digits: Those that are benign in turn.

    Raises:
        UnknownNameError: No such reading.
    """
    if reading not in READINGS:
        raise UnknownNameError("reading", reading, READINGS)
    names = tuple(each.name for each in train_sets)
    train, test = merged(train_sets, "robledo2023"), merged(test_sets, "robledo2023")
    whole = merged([replace(test, name="test"), replace(train, name="train")], "robledo2023")
    of_train, of_test = sets_of(train)[1], sets_of(test)[1]
    made: dict[tuple[str, int], tuple[Rows, Rows, Rows]] = {}
    for place, name in enumerate(names):
        own, official = np.flatnonzero(of_train == place), np.flatnonzero(of_test == place)
        for digit in digits:
            fitted, rest = _fitted(own, train.labels, digit, np.random.default_rng([seed, place, digit]))
            rows = np.concatenate([official, len(test) + rest]) if reading == "report" else official
            made[name, digit] = fitted, rows, (whole.labels[rows] != digit).astype(np.int64)
    whole = replace(whole, split="test", notes=(_prevalence(reading, names, made),))
    return [
        OneClassSplit(
            name=f"unimodal:{digit} of {name}",
            train=train.select(fitted),
            test=whole.select(rows),
            labels=labels,
            made={"reading": reading, "prevalence": float(labels.mean()), "seed": seed},
        )
        for (name, digit), (fitted, rows, labels) in made.items()
    ]


def _fitted(own: Rows, labels: Rows, digit: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """The rows of a set that train, and its others."""
    benign = rng.permutation(own[labels[own] == digit])
    fitted = np.sort(benign[: round(TRAINED * len(benign))])
    return fitted, np.setdiff1d(own, fitted)


def _prevalence(reading: str, names: Sequence[str], made: dict[tuple[str, int], tuple[Rows, Rows, Rows]]) -> str:
    """A sentence on the share of anomalies, least to most over the digits of each set."""
    said = []
    for name in names:
        shares = [float(labels.mean()) for (owner, _), (_, _, labels) in made.items() if owner == name]
        said.append(f"{name} {min(shares):.3f} to {max(shares):.3f}")
    return f"the share of anomalies by the reading {reading!r}: {', '.join(said)}"
