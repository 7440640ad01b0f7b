"""Embedding files as a backbone of a study: anybody's features, split and cached like those of a network."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.data import Dataset
from reprq.data.stratified import BENIGN_SHARE, benign_to_fit, split_info
from reprq.embeddings import Embeddings, load_embeddings
from reprq.embeddings.cache.cache import BLOCK_ROWS
from reprq.embeddings.cache.writing import CacheWriter
from reprq.errors import InputError, UnknownNameError, listed
from reprq.labels import named_labels
from reprq.study.sections import EMBEDDINGS, BackboneConfig, DataConfig

_OUTCOMES = ("benign", "anomalous")

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EmbeddingFiles:
    """The layers of one backbone that somebody else extracted, on one data set.

    Attributes:
        name: What the backbone is called.
        layers: The embeddings by the name of their layer; all of the same rows.
        digest: SHA-256 (hex) of all numbers, labels and ids.
        groups: (n,) what each row is a part of, or None.
    """

    name: str
    layers: dict[str, Embeddings]
    digest: str
    groups: Rows | None = None

    @classmethod
    def read(cls, config: BackboneConfig, data: DataConfig) -> "EmbeddingFiles":
        """Read every layer of a backbone.

        Raises:
            CacheError: a file that is missing, truncated or foreign.
            InputError: layers of different rows, or arrays that are no embeddings.
            UnknownNameError: an array or column that is not in its file.
        """
        layers: dict[str, Embeddings] = {}
        sha = hashlib.sha256()
        groups: Rows | None = None
        for name, path, key in config.layer_files(data.dataset):
            if config.groups is not None and groups is None:
                groups = load_embeddings(path, key, config.groups, columns=config.columns or ()).labels
            x = load_embeddings(path, key, config.labels, columns=config.columns or ())
            first = next(iter(layers.values()), x)
            if not _same_rows(x, first):
                raise InputError(
                    f"the layers of {config.label!r} must hold the same rows in the same order, got {len(first)} in"
                    f" {next(iter(layers))!r} and {len(x)} in {name!r}, or other ids or labels"
                )
            layers[name] = x
            sha.update(repr((name, x.array.shape, x.array.dtype.str, x.ids.tolist())).encode(errors="surrogatepass"))
            sha.update(b"" if x.labels is None else x.labels.tobytes())
            for start in range(0, len(x), BLOCK_ROWS):
                sha.update(np.ascontiguousarray(x.array[start : start + BLOCK_ROWS]).tobytes())
        return cls(config.label, layers, sha.hexdigest(), groups)

    @property
    def first(self) -> Embeddings:
        """The first layer, whose labels and ids are those of all."""
        return next(iter(self.layers.values()))

    def split(self, data: DataConfig, seed: int, *, training_anomalies: bool = False) -> tuple[Dataset, Dataset]:
        """Return the training and test rows of files that are their own data set.

        Of benign and anomalous rows 70 % of the benign ones train, drawn by the seed, and all others are scored; of
        classes none of which was named benign, 70 % of each train; likewise with `training_anomalies`, so that there
        are some to pollute with and to label. Where the rows are parts of groups, 70 % of the groups train, and none is
        on both sides: see `group_sides`.

        Raises:
            InputError: files without labels, or too few benign rows or groups.
            UnknownNameError: a benign label that no row has.
        """
        classes, labels = self._classes(data)
        rng = np.random.default_rng(seed)
        named = benign_classes(data, classes)
        benign = [i for i, name in enumerate(classes) if name in named]
        if self.groups is not None:
            train, test = group_sides(self.groups, labels, benign, rng, training_anomalies=training_anomalies)
        else:
            each = range(len(classes)) if training_anomalies or not benign else benign
            fitted = [benign_to_fit(np.flatnonzero(labels == number), rng) for number in each]
            train = np.sort(np.concatenate(fitted))
            test = np.setdiff1d(np.arange(len(labels)), train)
        if len(train) < 2:
            many = int(np.isin(labels, benign).sum()) if benign else len(labels)
            raise InputError(f"{data.dataset} must have at least 3 benign rows to train on, got {many}")
        info = split_info(seed, 1.0 - BENIGN_SHARE)
        source = _RowSource(self.first)
        train_set, test_set = (
            Dataset(
                data.dataset, split, classes, labels[rows], self.first.ids[rows], source, rows, info, modality="table"
            )
            for split, rows in (("train", train), ("test", test))
        )
        return train_set, test_set

    def _classes(self, data: DataConfig) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        found = self.first.labels
        if found is None:
            raise InputError(
                f"the embeddings {self.name!r} must hold labels, got none; name their array or column as labels, or"
                " give [data] a name, whose labels are found by the rows' ids"
            )
        numbers, labels = np.unique(found, return_inverse=True)
        named = self.first.provenance.get("classes", ())
        if not named and data.benign is None and set(numbers.tolist()) <= {0, 1}:
            return _OUTCOMES, found
        names = tuple(str(named[number]) if named else str(number) for number in numbers.tolist())
        return names, labels.astype(np.int64)

    def fits_groups(self, other: "EmbeddingFiles") -> bool:
        """Whether it has no groups, or those of other files."""
        if self.groups is None:
            return True
        return other.groups is not None and np.array_equal(self.groups, other.groups)

    def rows_of(self, samples: Dataset) -> Rows:
        """Return where the rows of some samples are, by their ids.

        Raises:
            InputError: samples without a row here, or ids that several rows have.
        """
        if isinstance(samples.source, _RowSource):
            theirs = samples.source.rows
            if not _same_rows(self.first, theirs):
                raise InputError(
                    f"the embeddings {self.name!r} must hold the rows and labels of the other files of {samples.name},"
                    f" got {len(self.first)} and {len(theirs)} rows, or other ids or labels; give it its own data set"
                )
            return samples.rows
        place = {name: row for row, name in enumerate(self.first.ids.tolist())}
        if len(place) < len(self.first):
            raise InputError(
                f"the ids of the embeddings {self.name!r} must be distinct, for rows are found by them; got"
                f" {len(place)} different ones of {len(self.first)} rows"
            )
        lacking = [name for name in samples.ids.tolist() if name not in place]
        if lacking:
            raise InputError(
                f"the embeddings {self.name!r} must have a row for every sample of {samples.name} ({samples.split}),"
                f" got none for {listed(lacking, 3)}; save the rows' ids beside them"
            )
        return np.array([place[name] for name in samples.ids.tolist()], dtype=np.int64)

    def store(self, root: Path, identity: dict[str, Any], samples: Dataset) -> Path:
        """Write the rows of some samples into a cache, as an extraction would, and return its folder."""
        rows, writer = self.rows_of(samples), CacheWriter(root, identity, {"made_by": "embedding files"}, samples)
        with writer:
            for number, (name, x) in enumerate(self.layers.items(), start=1):
                for block in writer.missing([name]):
                    within = writer.rows_of(block)
                    values = np.asarray(x.array[rows[within.start : within.stop]], dtype=writer.dtype)
                    if not np.isfinite(values).all():
                        raise InputError(
                            f"layer {name!r} of {self.name!r} does not fit {writer.dtype}; set dtype to float32"
                        )
                    writer.write(name, number, block, values)
        return writer.path


def group_sides(
    groups: Rows, labels: Rows, benign: Sequence[int], rng: np.random.Generator, *, training_anomalies: bool = False
) -> tuple[Rows, Rows]:
    """Return the training and the test rows of data whose rows are parts of groups, none of which is on both sides.

    Args:
        groups: (n,) what each row is a part of.
        labels: (n,) class numbers.
        benign: The benign classes: 70 % of the groups without another train. Where none is named, 70 % of the groups of
            each class do; a group of several classes is scored.
        rng: Draws.
        training_anomalies: Whether 70 % of the groups with anomalies of one class train too; their benign rows are
            left out.

    Raises:
        InputError: Fewer than 2 groups are benign.

    Example:
        >>> groups, labels = np.repeat([0, 1, 2, 3], 2), np.array([0, 0, 0, 0, 0, 0, 0, 1])
        >>> train, test = group_sides(groups, labels, [0], np.random.default_rng(0))
        >>> groups[train].tolist(), groups[test].tolist()
        ([0, 0, 2, 2], [1, 1, 3, 3])
    """
    named = np.where(np.isin(labels, benign), -1, labels) if len(benign) else labels  # the benign classes are one
    held = np.unique(np.stack([groups, named], axis=1), axis=0)
    anomalous = held[held[:, 1] >= 0]
    objects, kinds = np.unique(anomalous[:, 0], return_counts=True)
    of_one = anomalous[np.isin(anomalous[:, 0], objects[kinds == 1])]
    classes = {int(kind): of_one[of_one[:, 1] == kind, 0] for kind in np.unique(of_one[:, 1])}
    if len(benign):
        classes[-1] = np.setdiff1d(held[:, 0], objects)
        if len(classes[-1]) < 2:
            many = len(np.unique(groups))
            raise InputError(f"groups must have 2 or more without an anomalous row, got {len(classes[-1])} of {many}")
    wanted = [kind for kind in sorted(classes) if kind < 0 or training_anomalies or not len(benign)]
    drawn = {kind: benign_to_fit(classes[kind], rng) for kind in wanted}
    taken = np.zeros(len(groups), dtype=bool)
    for kind, of_kind in drawn.items():
        taken |= np.isin(groups, of_kind) & (named == kind)
    kept = ~np.isin(groups, np.concatenate([[], *drawn.values()]))
    return np.flatnonzero(taken), np.flatnonzero(kept)


def _same_rows(x: Embeddings, other: Embeddings) -> bool:
    """Whether two arrays are of the same rows, by number, ids and labels."""
    judged = x.labels is None or other.labels is None or np.array_equal(x.labels, other.labels)
    return judged and len(x) == len(other) and np.array_equal(x.ids, other.ids)


class _RowSource:
    """Rows of a file as the items of a data set."""

    def __init__(self, rows: Embeddings) -> None:
        self.rows = rows

    def item(self, i: int) -> NDArray[np.floating]:
        return np.asarray(self.rows.array[i])

    def digest(self, i: int) -> bytes:
        return hashlib.sha256(np.ascontiguousarray(self.rows.array[i]).tobytes()).digest()

    def verify(self, i: int) -> None:
        """Every row was read and checked."""


def benign_classes(data: DataConfig, classes: tuple[str, ...]) -> list[str]:
    """Return which classes of a data set of files are benign; none where the study's tasks say it.

    Raises:
        UnknownNameError: a name that no row has.
    """
    if data.benign is None:
        return [_OUTCOMES[0]] if classes == _OUTCOMES else []
    named = named_labels(data.benign, classes)
    for name in named:
        if name not in classes:
            raise UnknownNameError("label", name, classes, among=data.dataset)
    return named


def reads_files(data: DataConfig) -> bool:
    """Whether a data set is the rows of embedding files."""
    return data.name == EMBEDDINGS


def file_backbones(backbones: list[BackboneConfig], data: DataConfig) -> Iterator[BackboneConfig]:
    """Yield the backbones that are embedding files of a data set."""
    return (b for b in backbones if b.embeddings is not None and b.runs_on(data))
