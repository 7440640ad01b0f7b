"""Data sets as one; nothing is copied until a row is asked for."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reprq.data.dataset import Dataset
from reprq.data.modality import Source
from reprq.errors import InputError

if TYPE_CHECKING:
    from reprq.data.image.masks import Masks


class JoinedSource:
    """The rows of one source, then those of another.

    Args:
        first: Its rows come first.
        length: How many rows `first` has.
        second: Its row 0 follows.
    """

    def __init__(self, first: Source, length: int, second: Source) -> None:
        self.first, self.length, self.second = first, length, second

    def of(self, i: int) -> tuple[Source, int]:
        """Return the source that row `i` is from, and its row there."""
        return (self.first, i) if i < self.length else (self.second, i - self.length)

    def item(self, i: int) -> Any:
        """Return row `i`."""
        source, row = self.of(i)
        return source.item(row)

    def digest(self, i: int) -> bytes:
        """Return the SHA-256 of the content of row `i`."""
        source, row = self.of(i)
        return source.digest(row)

    def verify(self, i: int) -> None:
        """Raise a `DataError` that names row `i` if it cannot be used."""
        source, row = self.of(i)
        source.verify(row)

    def masks(self, rows: Sequence[int]) -> "Masks | None":
        """Return the masks of some rows; None where no row has one."""
        from reprq.data.image.masks import JoinedMasks

        places: list[tuple[Masks, int] | None] = [None] * len(rows)
        for source in (self.first, self.second):
            if not hasattr(source, "masks"):
                continue
            own = [(place, self.of(row)[1]) for place, row in enumerate(rows) if self.of(row)[0] is source]
            found = source.masks([row for _, row in own])
            for i, (place, _) in enumerate(own if found is not None else ()):
                places[place] = (found, i) if found.present[i] else None
        return JoinedMasks(places) if any(places) else None


def merged(parts: Sequence[Dataset], name: str) -> Dataset:
    """Return the rows of data sets of the same classes, one set after another.

    Args:
        parts: At least one. The ids of each begin with its name, so that these must differ.
        name: What they are called together.

    Raises:
        InputError: Sets of other classes or of another kind, or two of one name.
    """
    first = parts[0]
    for part in parts[1:]:
        if part.classes != first.classes or part.modality != first.modality:
            raise InputError(
                f"{part.name} must have the classes of {first.name}, and its {first.noun}s; merge its like"
            )
    if len({part.name for part in parts}) < len(parts):
        raise InputError(f"the sets must have names of their own, got {[part.name for part in parts]}")
    source, length, rows = first.source, int(first.rows.max(initial=-1)) + 1, [first.rows]
    for part in parts[1:]:
        source = JoinedSource(source, length, part.source)
        rows.append(length + part.rows)
        length += int(part.rows.max(initial=-1)) + 1
    return replace(
        first,
        name=name,
        labels=np.concatenate([part.labels for part in parts]),
        ids=np.array([f"{part.name}/{each}" for part in parts for each in part.ids], dtype=np.str_),
        source=source,
        rows=np.concatenate(rows),
    )


def sets_of(data: Dataset) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the names of the sets in merged data, and of each row which it is of: (n,), by its id.

    Example:
        >>> from reprq.data import load_dataset
        >>> digits = load_dataset("drawn_digits", "test").select([0, 1])
        >>> sets_of(merged([digits, replace(digits, name="again")], "both"))
        (('drawn_digits', 'again'), array([0, 0, 1, 1]))
    """
    prefixes = [str(name).partition("/")[0] for name in data.ids]
    names = tuple(dict.fromkeys(prefixes))
    return names, np.array([names.index(prefix) for prefix in prefixes], dtype=np.int64)


def joined(first: Dataset, second: Dataset) -> Dataset:
    """Return the rows of `first`, then those of `second` as one more class that is called after it.

    The ids of the second begin with its name, so that they differ from those of the first.

    Raises:
        InputError: `first` has a class called like `second` already, or data of another kind.
    """
    if second.modality != first.modality:
        raise InputError(
            f"{second.name} must hold {first.noun}s as {first.name} does, got {second.noun}s; join its like"
        )
    if second.name in first.classes:
        raise InputError(f"{first.name} has a class {second.name!r} already; join a data set of another name")
    length = int(first.rows.max(initial=-1)) + 1
    return replace(
        first,
        classes=(*first.classes, second.name),
        labels=np.concatenate([first.labels, np.full(len(second), len(first.classes))]),
        ids=np.concatenate([first.ids, np.array([f"{second.name}/{name}" for name in second.ids], dtype=np.str_)]),
        source=JoinedSource(first.source, length, second.source),
        rows=np.concatenate([first.rows, length + second.rows]),
    )
