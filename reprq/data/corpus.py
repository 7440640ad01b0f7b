"""A corpus for outlier exposure must not hold what the task is about."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from reprq.data.dataset import Dataset
from reprq.errors import DataError, InputError, listed

_SYNSET = re.compile(r"n\d{8}")
_WORDS = ("classes.tsv", "words.txt")  # beside the folders: a synset and its names, with a tab between
_CAR = ("car", "auto", "automobile", "cab", "convertible", "jeep", "limo", "limousine", "minivan", "station wagon")
_SHIP = ("ship", "boat", "lifeboat", "speedboat", "gondola", "catamaran", "trimaran", "schooner", "yawl", "liner")
_KINDS = {
    "airplane": ("airplane", "aeroplane", "plane", "airliner", "warplane"),
    "automobile": _CAR,
    "car": _CAR,
    "bird": (
        *("bird", "albatross", "cock", "crane", "duck", "eagle", "finch", "goose", "hen", "heron", "jay", "macaw"),
        *("ostrich", "owl", "peacock", "pelican", "penguin", "quail", "robin", "stork", "swan", "vulture"),
    ),
    "boat": _SHIP,
    "cat": ("cat", "tabby", "kitten", "tomcat"),
    "deer": ("deer", "elk", "moose", "reindeer", "stag"),
    "dog": (
        *("dog", "beagle", "boxer", "bulldog", "chihuahua", "collie", "corgi", "dalmatian", "hound", "husky"),
        *("mastiff", "pinscher", "poodle", "pug", "puppy", "retriever", "rottweiler", "schnauzer", "setter"),
        *("sheepdog", "shepherd", "spaniel", "terrier"),
    ),
    "frog": ("frog", "bullfrog", "toad"),
    "horse": ("horse", "pony", "sorrel", "stallion", "mare"),
    "ship": _SHIP,
    "truck": ("truck", "lorry", "pickup", "tow car", "van", "wrecker"),
}


def check_alike(data: Dataset, other: Dataset, role: str) -> None:
    """Raise an InputError where what stands beside a data set is of another modality, before work is done on either.

    Args:
        data: The data set.
        other: What stands beside it.
        role: As what: "auxiliary", "external", "labelled".
    """
    if other.modality != data.modality:
        raise InputError(
            f"{role} must hold {data.noun}s as {data.name} does, got the {other.noun}s of {other.name}; give such"
            f" ({role}=, --{role} DATA)"
        )


def without_classes(corpus: Dataset, classes: Sequence[str]) -> Dataset:
    """Return a corpus without its classes that name one of those of a task; its notes say which.

    A class names another if one of its names is it, or ends in it as a whole word: "Persian cat" and
    "tabby, tabby cat" name "cat". For the classes of CIFAR-10 common kinds count too: a golden retriever is a dog. The
    names of synsets such as n02123045 are read from classes.tsv or words.txt in the folder of the corpus.

    Raises:
        DataError: No class is left.

    Example:
        >>> from reprq.data import load_dataset
        >>> left = without_classes(load_dataset("digits"), ["zero", "1", "7"])
        >>> left.notes[-1]
        'the corpus digits goes without 2 of its 10 classes, which name classes of the task: 1, 7'
    """
    held = [corpus.classes[i] for i in np.unique(corpus.labels).tolist()]
    words = _words(corpus) if any(_SYNSET.fullmatch(name) for name in held) else {}
    named = {name: words.get(name, name) for name in held}
    wanted = {each for name in classes for each in _KINDS.get(_plain(name), (_plain(name),))}
    out = [name for name, said in named.items() if _names_one(said, wanted)]
    if len(out) == len(held):
        raise DataError(f"every class of the corpus {corpus.name} names a class of the task; give another corpus")
    notes = []
    if out:
        shown = [name if named[name] == name else f"{name} ({named[name].split(',')[0]})" for name in out]
        notes.append(
            f"the corpus {corpus.name} goes without {len(out)} of its {len(held)} classes, which name classes of the"
            f" task: {listed(shown)}"
        )
    if unknown := [name for name in held if _SYNSET.fullmatch(name) and name not in words]:
        notes.append(
            f"{len(unknown)} of {len(held)} classes of the corpus {corpus.name} are known by number alone, such as"
            f" {unknown[0]}: whether they are of the task is not known; name them in {_WORDS[0]}"
        )
    numbers = [corpus.classes.index(name) for name in out]
    kept = corpus.select(np.flatnonzero(~np.isin(corpus.labels, numbers))) if out else corpus
    return replace(kept, notes=(*kept.notes, *notes))


def _names_one(said: str, wanted: set[str]) -> bool:
    """Whether one of the names, between commas, is one of those wanted or ends in it."""
    for name in map(_plain, said.split(",")):
        last = name.split()
        if any(" ".join(last[start:]) in wanted for start in range(len(last))):
            return True
    return False


def _plain(name: str) -> str:
    """A name in small letters, with spaces between its words."""
    return " ".join(re.split(r"[\s_\-]+", unicodedata.normalize("NFC", name).casefold().strip()))


def _words(corpus: Dataset) -> dict[str, str]:
    """What synsets are called, by a table in the folder of a corpus; empty where there is none that can be read."""
    root = Path(corpus.name.partition(":")[2])
    for path in (folder / name for folder in (root, root.parent) for name in _WORDS):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except (OSError, ValueError):
            continue
        pairs = (line.split("\t", 1) for line in lines if "\t" in line)
        return {synset.strip(): names.strip() for synset, names in pairs}
    return {}
