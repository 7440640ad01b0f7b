"""What a modality is: a name, where its items come from, and how an item becomes the input of a network.

A modality is a value and no tree of classes: its folder beside this file has a source, which reads its items, a
transform, which its networks ask for, and a loader, which has an entry among the data sets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, runtime_checkable

from reprq.errors import UnknownNameError

if TYPE_CHECKING:
    import torch

    from reprq.data.dataset import Dataset

Batch: TypeAlias = "torch.Tensor | Mapping[str, torch.Tensor]"
"""The input of a network: one tensor, its first argument, or several by the names of its arguments. Axis 0 counts."""


@dataclass(frozen=True)
class Modality:
    """A kind of data.

    Attributes:
        name: "image".
        item: What a row is, in a sentence: "image", "document".
        reading: What can be said of how its files are read, as `Rereadable.reread` takes it.
        drawing: Where the transform is that draws its items as images, "module:Class"; "" where none does. The class
            has `keys`, what its `replace` takes besides, and `drawing_for`, from an image's preprocessing to it.
    """

    name: str
    item: str
    reading: tuple[str, ...] = ()
    drawing: str = ""


_MODALITIES = (
    Modality("image", "image", reading=("intensity_range",)),
    Modality("text", "document"),
    Modality("audio", "clip", drawing="reprq.data.audio.picture:SpectrogramPicture"),
    Modality("table", "row"),
)
MODALITIES = {modality.name: modality for modality in _MODALITIES}


def modality_names() -> tuple[str, ...]:
    """Return the names of all modalities."""
    return tuple(MODALITIES)


def modality_named(name: str) -> Modality:
    """Return a modality.

    Raises:
        UnknownNameError: No such modality.

    Example:
        >>> modality_named("text").item
        'document'
    """
    if name not in MODALITIES:
        raise UnknownNameError("modality", name, MODALITIES)
    return MODALITIES[name]


class Source(Protocol):
    """Rows of items; a data set shows some of them."""

    def item(self, i: int) -> Any:
        """Return row `i`: a PIL image, a text, ...; a `DataError` that names it if it cannot be used."""
        ...

    def digest(self, i: int) -> bytes:
        """Return the SHA-256 of the content of row `i`, and of how it is read."""
        ...

    def verify(self, i: int) -> None:
        """Raise a `DataError` that names row `i` if it cannot be used."""
        ...


@runtime_checkable
class Rereadable(Protocol):
    """A source of files that can be read in more than one way."""

    def reread(self, **how: Any) -> tuple[Source, Mapping[str, Any]]:
        """Return a source that reads as asked, and what of that the data set remembers, in values of JSON."""
        ...


@runtime_checkable
class Kinded(Protocol):
    """A source that can tell of an item, without reading it whole, what kind it is."""

    def kind(self, i: int) -> Mapping[str, str]:
        """Return values of row `i` in words, by their names: {"size": "640 x 480 pixels", "color": "gray"}."""
        ...


@runtime_checkable
class Adaptable(Protocol):
    """A transform that can take the items of another modality too."""

    def adapted_to(self, modality: str) -> "Transform | None":
        """Return the transform that makes the same input of items of a modality; None where there is none."""
        ...


@dataclass(frozen=True)
class Seen:
    """What of some items reaches a network.

    Attributes:
        record: What the provenance of their embeddings remembers of it, in values of JSON.
        notes: What a person should know, a sentence each.
    """

    record: Mapping[str, Any]
    notes: Sequence[str]


class Transform(Protocol):
    """From an item to what a network takes: resizing and normalizing of images, tokens of texts."""

    @property
    def modality(self) -> str:
        """The name of the modality whose items it takes."""
        ...

    @property
    def class_token(self) -> bool | None:
        """Whether its first token stands for the whole of an item; None where it makes no tokens."""
        ...

    def __call__(self, item: Any, /) -> Any:
        """Return one item as a tensor, or as several by name; without a batch axis."""
        ...

    def collate(self, samples: Sequence[Any], /) -> Batch:
        """Return a batch of what `__call__` returned, padded where that differs in length."""
        ...

    def blank(self, n: int) -> Batch:
        """Return a batch of `n` items of nothing, by which a network is asked what it puts out."""
        ...

    def noise(self, n: int, seed: int) -> Batch:
        """Return a batch of `n` random items, by which layers are told apart."""
        ...

    def altered(self, sample: Any, /) -> Any:
        """Return another sample made from one that `__call__` returned, and where lengths differ a longer one."""
        ...

    def seen(self, data: "Dataset") -> Seen:
        """Return what of the items of a data set reaches the network; no more is read than that takes."""
        ...

    def replace(self, **overrides: Any) -> Self:
        """Return a copy with other values; an `InputError` for a key or a value that cannot be used."""
        ...

    def overrides(self) -> dict[str, Any]:
        """Return what makes another of its kind give the same, as `replace` takes it."""
        ...

    def describe(self) -> str:
        """Return in a few words what a network gets of an item: "224 x 224 pixels", "at most 128 tokens"."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return all that decides what `__call__` returns, in values of JSON: it joins the address of embeddings."""
        ...
