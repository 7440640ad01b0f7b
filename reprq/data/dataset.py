"""One split of one data set: rows in a fixed order, each with an id, a label and an item."""

import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprq.data.failures import one_error
from reprq.data.modality import Source, modality_named
from reprq.errors import DataError, InputError, UnknownNameError, counted

if TYPE_CHECKING:
    from reprq.data.image.masks import Masks

Read = TypeVar("Read")

_READ, _PARTS = 64, 64  # the most rows that a thread reads at a time, and the least parts: at the end threads wait


@dataclass(frozen=True, eq=False)
class Dataset:
    """One split of a data set, or a subset of it, with its rows in a fixed order.

    Attributes:
        name: "digits", "cifar10", "folder:PATH".
        split: "train" or "test".
        classes: Class names; `labels` index into it.
        labels: (n,) int64, the class of every row.
        ids: (n,) stable names of the rows: the relative path of a file, or the number of the row in its data set.
        source: Gives the item and the digest of a row.
        rows: (n,) int64, the rows of `source` that this data set shows.
        split_info: How the split was made: `{"kind": "official"}`, or
            `{"kind": "stratified", "seed": 0, "test_fraction": 0.3}`.
        reading: How files were read where that was asked for: `{"intensity_range": [0, 4095], "skipped": ["a.png"]}`.
        notes: What a person should know of these rows: how files were understood, what was passed over or left out.
        modality: What the items are: "image", "text", "audio" or "table".
    """

    name: str
    split: str
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    ids: NDArray[np.str_]
    source: Source
    rows: NDArray[np.int64]
    split_info: dict[str, Any] = field(default_factory=lambda: {"kind": "official"})
    reading: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    modality: str = "image"

    def __post_init__(self) -> None:
        modality_named(self.modality)
        if not len(self.labels) == len(self.ids) == len(self.rows):
            counts = f"{len(self.labels)}, {len(self.ids)} and {len(self.rows)}"
            raise InputError(f"labels, ids and rows must be of one length, got {counts}")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def noun(self) -> str:
        """What a row is, in a sentence: "image", "document"."""
        return modality_named(self.modality).item

    def check_modality(self, wanted: str) -> None:
        """Raise an `InputError` unless the items are of this modality."""
        if self.modality != wanted:
            raise InputError(
                f"{self.name} must hold {modality_named(wanted).item}s here, got {self.noun}s; give others"
            )

    @property
    def masks(self) -> "Masks | None":
        """The masks of its images, by row; None where no image has one."""
        found: Masks | None = self.source.masks(self.rows.tolist()) if hasattr(self.source, "masks") else None
        return found

    @property
    def paths(self) -> list[str]:
        """The absolute path of the file of every row.

        Raises:
            InputError: The rows are no files.
        """
        if not hasattr(self.source, "path"):
            raise InputError(f"{self.name} has {self.noun}s that are no files; give a folder or paths")
        return [str(self.source.path(row).absolute()) for row in self.rows.tolist()]

    def item(self, i: int) -> Any:
        """Return row `i`: an RGB image of PIL, a text, ...

        Raises:
            DataError: It cannot be used; the message names it.
        """
        return self.source.item(int(self.rows[i]))

    def verify(self, use: Callable[[int], object] | None = None) -> None:
        """Read every row, so that bad files stop the work before it starts.

        Args:
            use: Called with each row that can be used as soon as it has been read, while it may still be in memory; by
                several threads at once.

        Raises:
            DataError: Rows that cannot be used; the message names all, with the reasons.
        """
        if failures := self.failures(use):
            named = {str(self.ids[i]): error for i, error in failures.items()}
            raise one_error(named, len(self), f"{self.name} {self.split}", self.noun)

    def failures(self, use: Callable[[int], object] | None = None) -> dict[int, DataError]:
        """Read every row, and return why those that cannot be used cannot, by row; `use` as for `verify`."""

        def read(rows: range) -> dict[int, DataError]:
            found = {}
            for i in rows:
                try:
                    self.source.verify(int(self.rows[i]))
                    if use is not None:
                        use(i)
                except DataError as error:
                    found[i] = error
            return found

        return {i: error for part in self._in_threads(read) for i, error in part.items()}

    def _in_threads(self, read: Callable[[range], Read]) -> Iterator[Read]:
        """Yield what `read` says of some rows after others; as many threads as there are cores read files."""
        step = min(max(len(self) // _PARTS, 1), _READ)
        parts = [range(len(self))[start : start + step] for start in range(0, len(self), step)]
        threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="read")
        try:
            yield from threads.map(read, parts)
        finally:
            threads.shutdown(cancel_futures=True)  # an interruption waits for one part a thread

    def select(self, rows: ArrayLike) -> "Dataset":
        """Return the given rows (indices into this data set) in the given order.

        Raises:
            InputError: Not a list of whole numbers, or one beyond the data set.
        """
        index = np.asarray(rows)
        if index.ndim != 1 or (index.dtype.kind not in "iu" and index.size):
            raise InputError(f"rows must be a list of whole numbers, got {index.dtype} of shape {index.shape}")
        if index.size and not (index.min() >= 0 and index.max() < len(self)):
            raise InputError(f"rows must be from 0 to {len(self) - 1}, got {index.min()} to {index.max()}")
        index = index.astype(np.int64)
        return replace(self, labels=self.labels[index], ids=self.ids[index], rows=self.rows[index])

    def restrict(self, classes: Sequence[str]) -> "Dataset":
        """Return the rows of these classes only, labelled by their place in `classes`.

        Raises:
            UnknownNameError: A class that the data set does not have.
            InputError: No class, or one named twice.
        """
        wanted = tuple(name if name in self.classes else unicodedata.normalize("NFC", name) for name in classes)
        for name in wanted:
            if name not in self.classes:
                raise UnknownNameError(f"class of {self.name}", name, self.classes)
        if not wanted or len(set(wanted)) < len(wanted):
            raise InputError(f"classes must be distinct names, at least one, got {list(wanted)}")
        place = np.full(len(self.classes), -1, dtype=np.int64)
        place[[self.classes.index(name) for name in wanted]] = np.arange(len(wanted))
        kept = self.select(np.flatnonzero(place[self.labels] >= 0))
        return replace(kept, classes=wanted, labels=place[kept.labels])

    def sample(self, n: int | None = None, *, per_class: int | None = None, seed: int = 0) -> "Dataset":
        """Return a random subset, stratified by class, with its rows in the order of this data set.

        Under one seed the smaller of two samples with `per_class` is a subset of the larger.

        Args:
            n: How many rows in all, shared out in proportion to the classes (largest remainder).
            per_class: How many rows of each class that has any. Neither `n` nor `per_class` gives the whole data set.
            seed: Seed of the draw.

        Raises:
            DataError: A class has too few rows, or the data set fewer than `n`.
            InputError: Both `n` and `per_class`, or one below 1.
        """
        if n is None and per_class is None:
            return self
        if n is not None and per_class is not None:
            raise InputError(f"give n or per_class, not both, got n={n} and per_class={per_class}")
        if (wanted := n if per_class is None else per_class) is not None and wanted < 1:
            raise InputError(f"{'per_class' if n is None else 'n'} must be at least 1, got {wanted}")
        counts = np.bincount(self.labels, minlength=len(self.classes))
        shares = self._shares(counts, n) if per_class is None else np.where(counts > 0, per_class, 0)
        for name, share, count in zip(self.classes, shares, counts, strict=True):
            if share > count:
                got = counted(int(count), self.noun)
                raise DataError(
                    f"class {name!r} of {self.name} ({self.split}) has {got}, {share} were asked for;"
                    f" ask for at most {counts[counts > 0].min()} a class, since every class is counted, benign or not"
                )
        chosen = [
            np.random.default_rng([seed, label]).permutation(np.flatnonzero(self.labels == label))[:share]
            for label, share in enumerate(shares)
        ]
        return self.select(np.sort(np.concatenate(chosen)))

    def _shares(self, counts: NDArray[np.int64], n: int | None) -> NDArray[np.int64]:
        total = int(counts.sum())
        if n is None or n > total:
            raise DataError(
                f"{self.name} ({self.split}) has {counted(total, self.noun)}, {n} were asked for; ask for fewer"
            )
        exact = counts * n / total
        shares = np.floor(exact).astype(np.int64)
        shares[np.argsort(shares - exact, kind="stable")[: n - shares.sum()]] += 1
        return shares

    @cached_property
    def content(self) -> NDArray[np.uint8]:
        """(n, 32) the SHA-256 of the content of exactly these rows, in order, whatever they are called or labelled."""

        def read(rows: range) -> bytes:
            return b"".join(self.source.digest(int(self.rows[i])) for i in rows)

        parts = self._in_threads(read) if hasattr(self.source, "path") else [read(range(len(self)))]
        return np.frombuffer(b"".join(parts), np.uint8).reshape(-1, 32)

    def copies_of(self, other: "Dataset") -> NDArray[np.bool_]:
        """Return which rows have the content of a row of `other`, to the byte: (n,) of booleans.

        Example:
            >>> from reprq.data import load_dataset
            >>> test = load_dataset("digits", "test")
            >>> int(test.copies_of(load_dataset("digits")).sum()), int(test.copies_of(test).sum()) == len(test)
            (0, True)
        """
        known = {row.tobytes() for row in other.content}
        return np.array([row.tobytes() in known for row in self.content], dtype=np.bool_)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over the class names and the id, label and content digest of exactly these rows, in order."""
        sha = hashlib.sha256("\0".join(self.classes).encode(errors="surrogatepass"))
        for content, label, name in zip(self.content, self.labels.tolist(), self.ids.tolist(), strict=True):
            sha.update(f"\n{name}\0{label}\0".encode(errors="surrogatepass") + content.tobytes())
        return sha.hexdigest()
