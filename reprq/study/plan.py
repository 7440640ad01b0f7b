"""What a study consists of: networks, and the cells of each, known by their digests before anything is computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reprq import detectors, pretext
from reprq.backbones import Backbone, load_backbone
from reprq.data import Dataset, Task, Transform, benign_task, select_tasks
from reprq.embeddings import cached_name
from reprq.embeddings.registry import check_pooling
from reprq.errors import InputError, UnknownNameError
from reprq.metrics.definitions import select
from reprq.provenance import digest
from reprq.storage import readable
from reprq.study.cells import CellStore, Row
from reprq.study.config import BackboneConfig, DataConfig, StudyConfig
from reprq.study.files import EmbeddingFiles, benign_classes, file_backbones, reads_files
from reprq.study.measures import MEASURES, PROBE, can_probe, plain_and_measures
from reprq.study.sources import Teachers, load_network, load_samples, shown

Spec = str | dict[str, Any]


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
class StudyPart:
    """One backbone on one data set under one seed: what is extracted at once.

    Attributes:
        seed: Of its random weights and its samples.
        data: The section of the data set.
        backbone: The section of the backbone.
    """

    seed: int
    data: DataConfig
    backbone: BackboneConfig

    @property
    def key(self) -> tuple[int, str, str]:
        """What tells it from the other parts of the study."""
        return self.seed, self.data.dataset, self.backbone.label


@dataclass(frozen=True)
class Cell:
    """One detector, or the metrics in one pass, on one layer of one backbone under one task and seed.

    Attributes:
        dataset: What the data set is called.
        network: The backbone.
        layer: The layer's name.
        number: The layer's number.
        task: Which classes are benign.
        detector: Name or table of parameters; None for the metrics.
        keys: The digest of every result by the name of its metric, or the detector's one by its definition.
    """

    dataset: str
    network: Network
    layer: str
    number: int
    task: Task
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
    def stored_layer(self) -> str:
        """The layer's name in the embedding cache."""
        return cached_name(self.layer, self.network.config.pooling)

    def columns(self) -> Row:
        """Return what every row of the cell begins with."""
        names = {
            "dataset": self.dataset,
            "backbone": self.network.config.label,
            "network": self.network.name,
            "weights": self.network.weights,
            "layer": self.layer,
            "layer_number": self.number,
            "task": self.task.name,
            "task_kind": self.task.kind,
        }
        said = {key: readable(name) if isinstance(name, str) else name for key, name in names.items()}
        return {"seed": self.network.seed, **said}

    def missing(self, store: CellStore) -> dict[str, str]:
        """Return those of the results that are not stored yet."""
        return {name: key for name, key in self.keys.items() if key not in store}


@dataclass(frozen=True)
class Job:
    """A cell that can be computed: its embeddings are on disk.

    Attributes:
        cell: The cell, with the keys of the results that are missing.
        train: The cache of the training samples.
        test: The cache of the test samples.
        data: The samples themselves, for detectors that train a network.
        device: The torch device of such a detector.
        distillation: The detector whose student brittleness is measured on.
    """

    cell: Cell
    train: Path
    test: Path
    data: DataConfig
    device: str = "cpu"
    distillation: Spec = "distillation"

    @property
    def place(self) -> tuple[Path, Path, str]:
        """Where its rows are; the jobs of one layer have one place."""
        return self.train, self.test, self.cell.stored_layer


class Plan:
    """Every name and file that a study needs, asked for once, so that a mistake costs no work.

    Args:
        config: The study.
        teachers: What trains backbones with a pretext.

    Attributes:
        samples: The training and test samples by seed and data set.
        tasks: The one-class tasks by data set.

    Raises:
        ReprqError: a name that does not exist, or a file that is missing or cannot be used.
    """

    def __init__(self, config: StudyConfig, teachers: Teachers) -> None:
        self.config, self.teachers = config, teachers
        plain, self.measures = plain_and_measures(config.metrics)
        self.metrics = {name: metric.identifier for name, metric in select(plain).items()}
        self.detectors = {definition_of(spec): spec for spec in config.detectors}
        self.distillation: Spec = next((d for d in config.detectors if _name_of(d) == "distillation"), "distillation")
        self._files = {
            (backbone.label, data.dataset): EmbeddingFiles.read(backbone, data)
            for data in config.datasets
            for backbone in file_backbones(config.backbones, data)
        }
        self.samples = {
            (seed, data.dataset): self._load(data, seed) for seed in config.seeds for data in config.datasets
        }
        self.tasks = {data.dataset: self._tasks_of(data) for data in config.datasets}
        self._networks: dict[tuple[int, str], Network] = {}
        self._transforms: dict[tuple[int, str], Transform] = {}
        self._cells: dict[tuple[int, str, str], list[Cell]] = {}
        for seed, backbone in self.backbones:
            self._check(backbone, seed)
        for part in self.parts:
            if part.backbone.embeddings is not None:
                if trained := [name for name, spec in self.detectors.items() if detectors.is_network(_name_of(spec))]:
                    raise InputError(
                        f"detector {trained[0]} trains a network on samples, and {part.backbone.label!r} is embedding"
                        " files; remove one of them"
                    )
                for samples in self.samples[part.seed, part.data.dataset]:
                    self.files(part).rows_of(samples)

    @property
    def backbones(self) -> list[tuple[int, BackboneConfig]]:
        """Every network under every seed, in the order of the tables."""
        networks = [backbone for backbone in self.config.backbones if backbone.embeddings is None]
        return [(seed, backbone) for seed in self.config.seeds for backbone in networks]

    def files(self, part: StudyPart) -> EmbeddingFiles:
        """Return the embedding files of a part."""
        return self._files[part.backbone.label, part.data.dataset]

    def network_of(self, part: StudyPart) -> Network:
        """Return the network of a part, or what stands for it where its rows are read from files."""
        if part.backbone.embeddings is None:
            return self.network(part.backbone, part.seed)
        found = self.files(part)
        layers = tuple((name, number) for number, name in enumerate(found.layers, start=1))
        return Network(part.seed, part.backbone, part.backbone.name, "file", found.digest, {}, layers)

    def _load(self, data: DataConfig, seed: int) -> tuple[Dataset, Dataset]:
        if not reads_files(data):
            return load_samples(data, seed)
        first = next(file_backbones(self.config.backbones, data))
        return shown(data, self._files[first.label, data.dataset].split(data, seed), seed)

    @property
    def parts(self) -> list[StudyPart]:
        """Every backbone on every data set under every seed, in the order of the tables."""
        config = self.config
        return [
            StudyPart(seed, data, backbone)
            for seed in config.seeds
            for data in config.datasets
            for backbone in config.backbones
            if backbone.runs_on(data)
        ]

    def samples_of(self, backbone: BackboneConfig, seed: int) -> list[Dataset]:
        """Return the samples of all data sets that a backbone is run on under one seed."""
        datasets = [data.dataset for data in self.config.datasets if backbone.runs_on(data)]
        return [samples for name in datasets for samples in self.samples[seed, name]]

    @property
    def notes(self) -> list[str]:
        """How the samples' files were understood, and what the networks that are there do not see of them."""
        found = [note for pair in self.samples.values() for samples in pair for note in samples.notes]
        if "linear_probe" in self.measures:
            unfit = [name for name in self.tasks if not can_probe(*self.samples[self.config.seeds[0], name])]
            found += [f"no linear_probe on {name}: some classes that are scored do not train" for name in unfit]
        if "brittleness" in self.measures:
            without = [part for part in self.parts if not self._has_gradients(part)]
            found += [
                f"no brittleness of {p.backbone.label} on {p.data.dataset}: no gradients of its input" for p in without
            ]
        for seed, backbone in self.backbones:
            if self.ready(backbone, seed):
                self.network(backbone, seed)
                transform = self._transforms[(seed, backbone.label)]
                seen = [note for data in self.samples_of(backbone, seed) for note in transform.seen(data).notes]
                found += [note if note in found else f"{backbone.label}: {note}" for note in seen]
        return list(dict.fromkeys(found))

    def ready(self, backbone: BackboneConfig, seed: int) -> bool:
        """Whether the weights are there: a teacher may still have to be trained."""
        return backbone.pretext is None or self.teachers.path(backbone.name, backbone.pretext, seed).exists()

    def network(self, backbone: BackboneConfig, seed: int) -> Network:
        """Return a backbone with its weights; its teacher must have been trained."""
        where = (seed, backbone.label)
        if where not in self._networks:
            config = backbone
            if backbone.pretext is not None:
                path = self.teachers.path(backbone.name, backbone.pretext, seed)
                config = backbone.model_copy(update={"name": f"teacher:{path.resolve()}", "pretext": None})
            loaded = load_network(config, seed)
            for data in self.samples_of(backbone, seed):
                loaded.check_takes(data)
            self._networks[where] = Network.of(loaded, config, seed)
            self._transforms[where] = loaded.preprocessing
        return self._networks[where]

    def cells(self, part: StudyPart) -> list[Cell]:
        """Return the cells of a part, in the order of the tables; its teacher must have been trained."""
        if part.key not in self._cells:
            network, dataset = self.network_of(part), part.data.dataset
            pair = self.samples[part.seed, dataset]
            rows = [digest(identity(network, samples, self.config.dtype)) for samples in pair]
            self._cells[part.key] = [
                cell
                for layer, number in network.layers
                for task in self.tasks[dataset]
                for cell in self._cells_of(part, network, layer, number, task, rows)
            ]
        return self._cells[part.key]

    def count(self, part: StudyPart) -> int:
        """Return how many cells a part has, trained or not."""
        if part.backbone.embeddings is not None or self.ready(part.backbone, part.seed):
            return len(self.cells(part))
        layers = load_backbone(part.backbone.name, "random").select_layers(part.backbone.layers)
        each = bool(self.metrics) + len(self._measures_of(part)) + len(self.detectors)
        return len(layers) * len(self.tasks[part.data.dataset]) * each

    def _measures_of(self, part: StudyPart) -> list[str]:
        """Those of the measures asked for that a part can have."""
        probed = can_probe(*self.samples[part.seed, part.data.dataset])
        possible = {"linear_probe": probed, "brittleness": self._has_gradients(part)}
        return [name for name in self.measures if possible[name]]

    def _has_gradients(self, part: StudyPart) -> bool:
        """Whether a loss can be differentiated in the input: not of files, and not in the words of a text."""
        train, _ = self.samples[part.seed, part.data.dataset]
        return part.backbone.embeddings is None and train.modality != "text"

    def identifier(self, measure: str) -> str:
        """Return what the rows of a measure say of how it was made."""
        return PROBE if measure == "linear_probe" else f"brittleness[l2,{definition_of(self.distillation)}]"

    def _tasks_of(self, data: DataConfig) -> list[Task]:
        train, test = self.samples[self.config.seeds[0], data.dataset]
        benign = benign_classes(data, train.classes) if reads_files(data) else data.benign
        if benign:
            return [benign_task(train.classes, benign)]
        return select_tasks(train.classes, data.tasks or self.config.tasks, train.labels, test.labels)

    def _cells_of(
        self, part: StudyPart, network: Network, layer: str, number: int, task: Task, rows: Sequence[str]
    ) -> list[Cell]:
        dataset = part.data.dataset
        base = {"layer": cached_name(layer, network.config.pooling), "task": task.name}
        keys = {name: digest({**base, "rows": rows[:1], "metric": to}) for name, to in self.metrics.items()}
        cells = [Cell(dataset, network, layer, number, task, None, keys)] if keys else []
        for measure in self._measures_of(part):
            made = self.identifier(measure)
            drawn = {"rows": rows, "seed": network.seed} if measure == "brittleness" else {"rows": rows, "task": ""}
            cells.append(
                Cell(dataset, network, layer, number, task, None, {measure: digest({**base, "metric": made, **drawn})})
            )
        for definition, spec in self.detectors.items():
            key = digest({**base, "rows": rows, "detector": definition, "seed": network.seed})
            cells.append(Cell(dataset, network, layer, number, task, spec, {definition: key}))
        return cells

    def _check(self, backbone: BackboneConfig, seed: int) -> None:
        if backbone.pretext is not None and backbone.pretext.task not in pretext.names():
            raise UnknownNameError("pretext task", backbone.pretext.task, pretext.names())
        if self.ready(backbone, seed):
            self.network(backbone, seed)
        else:
            untrained = load_backbone(backbone.name, "random").select_layers(backbone.layers)
            check_pooling(backbone.pooling, untrained)


def _name_of(spec: Spec) -> str:
    return str(spec if isinstance(spec, str) else spec.get("name"))


def definition_of(spec: Spec) -> str:
    """Return the stable identifier of a detector, the same on every backbone and layer.

    Raises:
        ReprqError: a detector or parameter that does not exist or cannot be used, or one that the study sets itself.
    """
    table = {"name": spec} if isinstance(spec, str) else dict(spec)
    if detectors.is_network(str(table.get("name"))):
        if not detectors.DETECTORS.find(str(table["name"])).needs & {"backbone", "layer"}:
            raise InputError(
                f"detector {table['name']} needs no backbone, and a study's rows are of backbones; remove it, and"
                " judge it with reprq detect"
            )
        if own := sorted({"teacher", "layers", "pooling", "device"} & set(table)):
            raise InputError(
                f"detector {table['name']} in a study takes no {own[0]!r}: its backbone, layer, pooling and device are"
                " those of the row; remove it"
            )
        table |= {"layers": "own", "pooling": "own pooling"}
    return detectors.describe(detectors.create(table))


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
