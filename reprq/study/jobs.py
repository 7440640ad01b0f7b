"""The cells of a study, each found again by a digest of everything that decides it, and the jobs that compute them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reprq.backbones import Backbone
from reprq.data import Dataset, Split
from reprq.data.oneclass import PROTOCOL
from reprq.detectors import DETECTORS, create, describe
from reprq.detectors.registry import needs_layer
from reprq.embeddings.registry import check_pooling
from reprq.errors import InputError
from reprq.evaluation.detection import localizes
from reprq.provenance import digest, digests
from reprq.storage import readable
from reprq.study.cells import CellStore, Row
from reprq.study.measures import MEASURES
from reprq.study.sections import BackboneConfig, DataConfig

Spec = str | dict[str, Any]
_OWN = ("teacher", "backbone", "layers", "pooling", "device")  # what a study sets for a detector of samples
_LAYER_OF_THE_ROW = {"layers": "own", "pooling": "own pooling"}
_WITHOUT_LAYER = ("teacher", "backbone", "device")


@dataclass(frozen=True)
class Network:
    """One backbone under one seed.

    Attributes:
        seed: Of its random weights and its samples.
        config: Its section of the study file; a trained teacher's file stands in place of a pretext.
        name: Of the architecture.
        weights: Where the weights come from, in words.
        digest: Of the weights.
        preprocessing: From a sample to its input.
        layers: (name, number) of the layers that are studied.
    """

    seed: int
    config: BackboneConfig
    name: str
    weights: str
    digest: str
    preprocessing: Mapping[str, Any]
    layers: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, backbone: Backbone, config: BackboneConfig, seed: int) -> "Network":
        """Describe a loaded backbone."""
        layers = backbone.select_layers(config.layers)
        check_pooling(config.pooling, layers)
        numbered = tuple((layer.name, layer.number) for layer in layers)
        how = backbone.preprocessing.to_dict()
        return cls(seed, config, backbone.name, backbone.weights, backbone.weights_digest, how, numbered)


@dataclass(frozen=True)
class Cell:
    """One detector, or the metrics in one pass, on one split under one seed.

    Attributes:
        seed: Of samples, random weights and detectors.
        dataset: What the data set is called.
        network: The backbone; None for a detector that needs none.
        layer: The layer's name; "" for a detector that needs none.
        number: The layer's number; None where there is no layer.
        stored_layer: The layer's name in the embedding cache.
        split: Which rows train and which are scored.
        detector: Name or table of parameters; None for the metrics.
        keys: The digest of every result by the name of its metric, or the detector's one by its definition.
    """

    seed: int
    dataset: str
    network: Network | None
    layer: str
    number: int | None
    stored_layer: str
    split: Split
    detector: Spec | None
    keys: Mapping[str, str]

    @property
    def measure(self) -> str | None:
        """The measure of its own that the cell is, of those that take more than benign rows."""
        first = next(iter(self.keys), "")
        return first if self.detector is None and first in MEASURES else None

    @property
    def work(self) -> str:
        """The detector's definition, the name of the measure, or "metrics"."""
        return self.measure or ("metrics" if self.detector is None else next(iter(self.keys)))

    @property
    def reads_rows(self) -> bool:
        """Whether its detector is fitted on the rows of its layer, not on samples."""
        if self.detector is None or not self.layer:
            return False
        return reads_rows(self.detector) or "layer" not in needs_of(self.detector)

    @property
    def backbone(self) -> str | None:
        """What the backbone is called."""
        return None if self.network is None else self.network.config.label

    def __str__(self) -> str:
        """Which fit it is, in words: data set, backbone and layer if it has them, task, seed."""
        words = (self.dataset, self.backbone, self.layer, self.split.name, f"seed {self.seed}")
        return readable(", ".join(word for word in words if word))

    def columns(self) -> Row:
        """Return what every row of the cell begins with."""
        network = self.network
        names = {
            "dataset": self.dataset,
            "backbone": self.backbone,
            "network": None if network is None else network.name,
            "weights": None if network is None else network.weights,
            "layer": self.layer or None,
            "layer_number": self.number,
            "task": self.split.name,
            "task_kind": self.split.kind,
            "scenario": self.split.scenario,
        }
        said = {key: readable(name) if isinstance(name, str) else name for key, name in names.items()}
        return {"seed": self.seed, **said}

    def missing(self, store: CellStore) -> "Cell | None":
        """Return the cell with those of its results that are not stored yet; None if all are."""
        keys = {name: key for name, key in self.keys.items() if key not in store}
        return self if len(keys) == len(self.keys) else replace(self, keys=keys) if keys else None

    def id(self) -> tuple[object, ...]:
        """What tells it from the others of a study, whichever of its results are missing."""
        return self.seed, self.dataset, self.backbone, self.layer, self.split.name, self.work


@dataclass(frozen=True)
class Job:
    """A cell that can be computed: its embeddings are on disk.

    Attributes:
        cell: The cell, with the keys of the results that are missing.
        train: The cache of the training samples.
        test: The cache of the test samples.
        data: The samples themselves, for detectors of samples.
        others: By role ("external", "auxiliary") the section of the other data set that the split takes, and its cache.
        device: The torch device of a detector of samples.
        distillation: The detector whose student brittleness is measured on.
    """

    cell: Cell
    train: Path
    test: Path
    data: DataConfig
    others: Mapping[str, tuple[DataConfig, Path]] = field(default_factory=dict)
    device: str = "cpu"
    distillation: Spec = "distillation"

    @property
    def place(self) -> tuple[Path, Path, str]:
        """Where its rows are; the jobs of one layer have one place."""
        return self.train, self.test, self.cell.stored_layer


def base_key(layer: str, split: Split) -> dict[str, Any]:
    """Return what the digests of a cell begin with."""
    return {**({"layer": layer} if layer else {}), "task": split.task}


def metric_keys(
    base: Mapping[str, Any], rows: Sequence[str], split: Split, identifiers: Mapping[str, str]
) -> dict[str, str]:
    """Return the digests of metrics: they know the training rows alone, so all splits that share them share these."""
    known = {**base, "rows": rows[:1], **training_rows(split)}
    return dict(zip(identifiers, digests(known, "metric", identifiers.values()), strict=True))


def detector_key(
    base: Mapping[str, Any],
    rows: Sequence[str],
    split: Split,
    definition: str,
    seed: int,
    others: Sequence[str] = (),
    masks: Sequence[str] = (),
) -> str:
    """Return the digest of a detector on a split; a plain task is known by its name."""
    made: dict[str, Any] = {"split": [part.hex() for part in split.rows]} if split.scenario else {}
    if masks:
        made["masks"] = list(masks)
    return digest({**base, "rows": [*rows, *others], "detector": definition, "seed": seed, **made})


def training_rows(split: Split) -> dict[str, Any]:
    """Return the training rows for a digest; nothing where they are just the benign ones of its task."""
    known = not split.made.get("polluting") and split.scenario != PROTOCOL
    return {} if known else {"train": split.train.tolist()}


def identity(network: Network, samples: Dataset, dtype: str) -> dict[str, Any]:
    """Return everything that decides the embeddings of some samples, under the names of a cache's provenance."""
    return {
        "backbone": network.name,
        "weights_digest": network.digest,
        "preprocessing": network.preprocessing,
        "data": samples.name,
        "split": samples.split,
        "data_fingerprint": samples.fingerprint,
        "dtype": dtype,
    }


def samples_identity(samples: Dataset) -> dict[str, Any]:
    """Return what decides samples that no network embeds."""
    return {"data": samples.name, "split": samples.split, "data_fingerprint": samples.fingerprint}


def masks_identity(split: Split, spec: Spec) -> list[str]:
    """Return what decides the masks that a detector is judged by and learns from; nothing where it uses none."""
    if not localizes(name_of(spec)):
        return []
    return [getattr(masks, "digest", "") for masks in (split.masks, split.labelled_masks) if masks is not None]


def name_of(spec: Spec) -> str:
    """The name of a detector that is given by name or by a table."""
    return spec if isinstance(spec, str) else str(spec.get("name"))


def reads_rows(spec: Spec) -> bool:
    """Whether a detector reads rows of embeddings, and no samples."""
    name = name_of(spec)
    return name not in DETECTORS or DETECTORS.find(name).inputs == "rows"


def needs_of(spec: Spec) -> frozenset[str]:
    """What a detector must be given; one of rows needs a layer of a backbone, and one that names its layers none."""
    needs = DETECTORS.find(name_of(spec)).needs
    if reads_rows(spec):
        return needs | {"backbone", "layer"}
    if "layer" not in needs:
        return needs
    return (needs if needs_layer(spec) else needs - {"layer"}) | {"backbone"}


def definition_of(spec: Spec) -> str:
    """Return the stable identifier of a detector, the same on every backbone and layer.

    Raises:
        ReprqError: a detector or parameter that does not exist or cannot be used, or one that the study sets itself.
    """
    table = {"name": spec} if isinstance(spec, str) else dict(spec)
    if not reads_rows(table):
        needs = needs_of(table)
        set_here = _OWN if "layer" in needs else _WITHOUT_LAYER if "backbone" in needs else ("device",)
        if own := sorted(set(set_here) & set(table)):
            raise InputError(
                f"detector {table['name']} in a study takes no {own[0]!r}: its backbone, layer, pooling and device are"
                " those of the row; remove it"
            )
        if "layer" in needs:
            own_of = create(table).get_params()
            table |= {name: value for name, value in _LAYER_OF_THE_ROW.items() if name in own_of}
    return describe(create(table))
