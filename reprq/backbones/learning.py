"""Backbones that learn from benign training samples before they embed any: what they learn, and what it is known by."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import nn

from reprq.backbones.weights.files import read_metadata
from reprq.data import Dataset, Transform
from reprq.errors import InputError, WeightsError, counted
from reprq.storage import write_whole

_KEY = "reprq.learned"  # of the metadata of a file
Arrays = Mapping[str, NDArray[Any]]


class Lesson(NamedTuple):
    """What was learned: arrays, and a record in values of JSON, such as a vocabulary."""

    arrays: Arrays
    record: Mapping[str, Any]


class Recipe(Protocol):
    """How a backbone learns from benign samples: a vocabulary, means and scales, directions."""

    def learn(self, benign: Dataset) -> Lesson:
        """Return what there is to learn; an `InputError` where the samples do not do."""
        ...

    def build(self, lesson: Lesson) -> tuple[nn.Module, Transform]:
        """Return the network and its preprocessing; a `KeyError` or `ValueError` where the lesson is another's."""
        ...


@dataclass(frozen=True, eq=False)
class Learned:
    """What a backbone learned, and from what.

    Attributes:
        lesson: The arrays and the record.
        digest: What the backbone is known by from then on, see `fitted_digest`.
        said: From what, in words: "256 documents of reuters train".
    """

    lesson: Lesson
    digest: str
    said: str

    @classmethod
    def from_samples(cls, recipe: Recipe, before: str, benign: Dataset) -> "Learned":
        """Learn from benign samples.

        Args:
            recipe: How.
            before: The digest of the backbone that has not learned.
            benign: The samples, at least one.
        """
        if not len(benign):
            raise InputError(f"a backbone learns from at least one benign {benign.noun}, got none; give some")
        said = f"{counted(len(benign), benign.noun)} of {benign.name} {benign.split}"
        return cls(recipe.learn(benign), fitted_digest(before, benign), said)

    def save(self, path: Path) -> None:
        """Write a safetensors file, the record in its metadata."""
        record = {"record": self.lesson.record, "digest": self.digest, "said": self.said}
        arrays = {name: np.ascontiguousarray(array) for name, array in self.lesson.arrays.items()}
        write_whole(path, lambda file: save_file(arrays, file, {_KEY: json.dumps(record, ensure_ascii=False)}))

    @classmethod
    def load(cls, path: Path) -> "Learned":
        """Read what `save` wrote.

        Raises:
            WeightsError: A file that is missing, damaged or another's.
        """
        metadata = read_metadata(path)
        try:
            made = json.loads(metadata[_KEY])
            return cls(Lesson(load_file(path), made["record"]), str(made["digest"]), str(made["said"]))
        except (KeyError, TypeError, ValueError, SafetensorError) as error:
            raise WeightsError(
                f"{path} must hold what a backbone learned from benign samples, and its metadata has no {_KEY!r}; give"
                " the file that Backbone.save_learned or `reprq fit` wrote"
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """Return all of it in values of JSON, for the file of what is more than that."""
        arrays = {name: [str(array.dtype), array.tolist()] for name, array in self.lesson.arrays.items()}
        return {"arrays": arrays, "record": self.lesson.record, "digest": self.digest, "said": self.said}

    @classmethod
    def from_dict(cls, made: Mapping[str, Any]) -> "Learned":
        """Return what `to_dict` was of; a `KeyError`, `TypeError` or `ValueError` where it is damaged."""
        arrays = {name: np.array(values, dtype) for name, (dtype, values) in made["arrays"].items()}
        return cls(Lesson(arrays, made["record"]), str(made["digest"]), str(made["said"]))


class Unfitted(nn.Module):
    """Stands for a network that has yet to learn; what reads a layer of it is told so."""

    def __init__(self, name: str, noun: str) -> None:
        super().__init__()
        self.name, self.noun = name, noun

    def forward(self, *_: Any, **__: Any) -> Any:
        """Raise an `InputError`."""
        raise InputError(unfitted(self.name, self.noun))


UNFITTED = "unfitted"  # what stands in `Backbone.weights` until a backbone has learned


def weights_fitted_on(weights: str, said: str) -> str:
    """Return what `Backbone.weights` becomes once a backbone has learned from some samples.

    Example:
        >>> weights_fitted_on("random(seed=0); unfitted", "9 rows of cardio train")
        'random(seed=0); fitted on 9 rows of cardio train'
        >>> weights_fitted_on("file:glove.txt", "9 documents of sms train")
        'file:glove.txt; term weights fitted on 9 documents of sms train'
    """
    said = f"fitted on {said}"
    return weights.replace(UNFITTED, said) if weights.endswith(UNFITTED) else f"{weights}; term weights {said}"


def unfitted(name: str, noun: str) -> str:
    """Say that a backbone has yet to learn."""
    return (
        f"{name} learns from benign training {noun}s before it embeds any; give the training side first, or fit it:"
        f" backbone.fit(training {noun}s)"
    )


def fitted_digest(before: str, benign: Dataset) -> str:
    """Return what a backbone is known by that learned from some samples: SHA-256 (hex) of its own digest and theirs.

    It is known before anything is learned, and does not move with the rounding of another machine.
    """
    return hashlib.sha256(before.encode() + benign.content.tobytes()).hexdigest()
