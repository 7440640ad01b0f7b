"""What a study consists of: networks, and the cells of each, known by their digests before anything is computed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from reprq import pretext
from reprq.backbones import load_backbone
from reprq.backbones.learning import fitted_digest, weights_fitted_on
from reprq.data import Dataset, Split, Transform, check_masks
from reprq.embeddings import cached_name
from reprq.embeddings.registry import check_pooling, vectors_note
from reprq.errors import ConfigError, InputError, UnknownNameError
from reprq.evaluation.detection import masks_to_judge_by
from reprq.metrics.selection import select
from reprq.provenance import digest
from reprq.study.config import StudyConfig
from reprq.study.files import EmbeddingFiles, file_backbones, reads_files
from reprq.study.fits import Fits
from reprq.study.jobs import (
    Cell,
    Network,
    Spec,
    base_key,
    definition_of,
    detector_key,
    identity,
    masks_identity,
    metric_keys,
    name_of,
    samples_identity,
    training_rows,
)
from reprq.study.measures import PROBE, can_probe, plain_and_measures
from reprq.study.parts import StudyPart
from reprq.study.sections import BackboneConfig, DataConfig
from reprq.study.sources import Teachers, learns, load_network, load_samples, shown
from reprq.study.splits import StudySplits, study_splits, takes_training_anomalies


class Plan:
    """Every name and file that a study needs, asked for once, so that a mistake costs no work.

    Args:
        config: The study.
        teachers: What trains backbones with a pretext.

    Attributes:
        samples: The training and test samples by seed and data set.
        splits: The splits by seed and data set.

    Raises:
        ReprqError: a name that does not exist, or a file that is missing or cannot be used.
    """

    def __init__(self, config: StudyConfig, teachers: Teachers) -> None:
        self.config, self.teachers = config, teachers
        plain, self.measures = plain_and_measures(config.metrics)
        self.metrics = {name: metric.identifier for name, metric in select(plain).items()}
        self.detectors = {definition_of(spec): spec for spec in config.detectors}
        self._fits = Fits(self.detectors)
        self.distillation: Spec = next((d for d in config.detectors if name_of(d) == "distillation"), "distillation")
        self._files = {
            (backbone.label, data.dataset): EmbeddingFiles.read(backbone, data)
            for data in config.datasets
            for backbone in file_backbones(config.backbones, data)
        }
        self.samples = {
            (seed, data.dataset): self._load(data, seed) for seed in config.seeds for data in config.datasets
        }
        self.splits: dict[tuple[int, str], StudySplits] = {
            (seed, data.dataset): study_splits(
                data, config.splits_of(data), config.tasks, self.samples[seed, data.dataset], seed
            )
            for seed in config.seeds
            for data in config.datasets
        }
        every = [split for splits in self.splits.values() for split in splits.splits]
        check_masks(masks_to_judge_by(self.detectors.values(), every, insist=config.pixels), "the study")
        self._check_measures()
        self._left_out = self._fits.left_out([(part, self.splits_of(part)) for part in self.parts])
        self._networks: dict[tuple[int, str], Network] = {}
        self._pooled: dict[str, str] = {}
        self._transforms: dict[tuple[int, str], Transform] = {}
        self._of_parts: dict[tuple[object, ...], Network] = {}
        self._cells: tuple[object, list[Cell]] = None, []
        self._digests: dict[tuple[int, int], str] = {}
        for seed, backbone in self.backbones:
            self._check(backbone, seed)
        for part in self.parts:
            if part.is_files:
                self._check_rows(part)

    @property
    def backbones(self) -> list[tuple[int, BackboneConfig]]:
        """Every network under every seed, in the order of the tables."""
        networks = [backbone for backbone in self.config.backbones if backbone.embeddings is None]
        return [(seed, backbone) for seed in self.config.seeds for backbone in networks]

    def files(self, part: StudyPart) -> EmbeddingFiles:
        """Return the embedding files of a part."""
        assert part.backbone is not None
        return self._files[part.backbone.label, part.data.dataset]

    def network_of(self, part: StudyPart) -> Network | None:
        """Return the network of a part, or what stands for it where its rows are read from files."""
        if part.backbone is None:
            return None
        if part.backbone.embeddings is None and part.split is None:
            return self.network(part.backbone, part.seed)
        if part.key not in self._of_parts:
            own = part.backbone
            self._of_parts[part.key] = self._fitted(part, own) if own.embeddings is None else self._filed(part, own)
        return self._of_parts[part.key]

    def _filed(self, part: StudyPart, own: BackboneConfig) -> Network:
        """What stands for a network where rows are read from files."""
        found = self.files(part)
        layers = tuple((name, number) for number, name in enumerate(found.layers, start=1))
        return Network(part.seed, own, own.name, "file", found.digest, {}, layers)

    def _fitted(self, part: StudyPart, own: BackboneConfig) -> Network:
        """A network as it will be once it has learned from the training rows of the part's split."""
        network, benign = self.network(own, part.seed), self.benign_of(part)
        assert benign is not None
        said = weights_fitted_on(network.weights, "the training rows of each split")
        return replace(network, weights=said, digest=fitted_digest(network.digest, benign))

    def benign_of(self, part: StudyPart) -> Dataset | None:
        """Return the samples that the backbone of a part learns from, if it does."""
        if part.split is None:
            return None
        train, _ = self.samples[part.seed, part.data.dataset]
        return train.select(self.splits_of(part)[0].train)

    def _load(self, data: DataConfig, seed: int) -> tuple[Dataset, Dataset]:
        if not reads_files(data):
            return load_samples(data, seed)
        files = [self._files[own.label, data.dataset] for own in file_backbones(self.config.backbones, data)]
        first = next((own for own in files if own.groups is not None), files[0])
        for own in files:
            if not own.fits_groups(first):
                raise InputError(
                    f"the embeddings {own.name!r} must have the groups of {first.name!r}, got others; give one choice"
                )
        polluted = takes_training_anomalies(self.config.splits_of(data))
        return shown(data, first.split(data, seed, training_anomalies=polluted), seed)

    @property
    def parts(self) -> list[StudyPart]:
        """Every backbone on every data set under every seed, in the order of tables; last what needs no backbone."""
        config = self.config
        alone = [None] if self._fits.any_without_backbone else []
        return [
            StudyPart(seed, data, backbone, split)
            for seed in config.seeds
            for data in config.datasets
            for backbone in (*config.backbones, *alone)
            if (backbone.runs_on(data) if backbone is not None else not reads_files(data))
            for split in self._learned_from(seed, data, backbone)
        ]

    def _learned_from(self, seed: int, data: DataConfig, backbone: BackboneConfig | None) -> list[int | None]:
        """The numbers of the splits that a backbone learns from, each anew; None alone where it learns from none."""
        if backbone is None or not learns(backbone):
            return [None]
        return [*range(len(self.splits[seed, data.dataset].splits))]

    def samples_of(self, backbone: BackboneConfig, seed: int) -> list[Dataset]:
        """Return the samples of all data sets that a backbone is run on under one seed."""
        datasets = [data.dataset for data in self.config.datasets if backbone.runs_on(data)]
        return [samples for name in datasets for samples in self.samples[seed, name]]

    @property
    def notes(self) -> list[str]:
        """How the samples' files were understood, and what the networks that are there do not see of them."""
        found = [note for pair in self.samples.values() for samples in pair for note in samples.notes]
        found += [note for splits in self.splits.values() for note in splits.notes]
        found += self._left_out
        found += self._not_measured()
        for seed, backbone in self.backbones:
            if self.ready(backbone, seed):
                self.network(backbone, seed)
                transform = self._transforms[(seed, backbone.label)]
                seen = [note for data in self.samples_of(backbone, seed) for note in transform.seen(data).notes]
                found += [note if note in found else f"{backbone.label}: {note}" for note in seen]
        found += self._pooled.values()
        return list(dict.fromkeys(found))

    @property
    def repeats(self) -> list[str]:
        """Which splits are left out, being the rows of another."""
        return list(dict.fromkeys(said for splits in self.splits.values() for said in splits.repeats))

    @property
    def datasets(self) -> list[str]:
        """What the data sets are called."""
        return [data.dataset for data in self.config.datasets]

    def ready(self, backbone: BackboneConfig | None, seed: int) -> bool:
        """Whether the weights are there: a teacher may still have to be trained."""
        return (
            backbone is None
            or backbone.pretext is None
            or self.teachers.path(backbone.name, backbone.pretext, seed).exists()
        )

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
                loaded = loaded.taking(data)
            self._networks[where] = Network.of(loaded, config, seed)
            if note := vectors_note(config.pooling, loaded.select_layers(config.layers)):
                self._pooled[backbone.label] = f"{backbone.label}: {note}"
            self._transforms[where] = loaded.preprocessing
        return self._networks[where]

    def cells(self, part: StudyPart) -> list[Cell]:
        """Return the cells of a part, in the order of the tables; its teacher must have been trained.

        Those of the last part alone are kept: of a large study they are made again each time, in bounded memory.
        """
        if self._cells[0] != part.key:
            self._cells = None, []  # before the next are made: the cells of one part in memory, not of two
            self._cells = part.key, list(self._cells_of(part))
        return self._cells[1]

    def count(self, part: StudyPart) -> int:
        """Return how many cells a part has, trained or not."""
        splits = self.splits_of(part)
        measured = (bool(self.metrics) + len(self._measures_of(part))) * len(splits)
        each, once = (sum(len(self._fits.of(part, split, layer=on)) for split in splits) for on in (True, False))
        return self._layers(part) * (measured + each) + once

    def splits_of(self, part: StudyPart) -> tuple[Split, ...]:
        """Return the splits of a part's data set, or the one that its backbone learns from."""
        every = self.splits[part.seed, part.data.dataset].splits
        return every if part.split is None else every[part.split : part.split + 1]

    def _layers(self, part: StudyPart) -> int:
        """How many layers a part has, trained or not."""
        if part.backbone is None:
            return 0
        if part.network_config is None or self.ready(part.backbone, part.seed):
            network = self.network_of(part)
            return 0 if network is None else len(network.layers)
        return len(load_backbone(part.network_config.name, "random").select_layers(part.network_config.layers))

    def _not_measured(self) -> list[str]:
        """A sentence for each measure that is asked for and that some part cannot have."""
        found = []
        if "linear_probe" in self.measures:
            unfit = [name for name in self.datasets if not can_probe(*self.samples[self.config.seeds[0], name])]
            found += [f"no linear_probe on {name}: some classes that are scored do not train" for name in unfit]
        if "brittleness" in self.measures:
            without = [part for part in self.parts if part.backbone is not None and not self._has_gradients(part)]
            found += [f"no brittleness of {p.place[2]} on {p.data.dataset}: no gradients of its input" for p in without]
        return found

    def _check_measures(self) -> None:
        """Raise an error if all that is to be measured is what no part can have."""
        parts = [part for part in self.parts if part.backbone is not None]
        if parts and not self.metrics and not any(self._measures_of(part) for part in parts):
            raise ConfigError(f"the study has no metric to measure, {'; '.join(self._not_measured())}; name another")

    def _measures_of(self, part: StudyPart) -> list[str]:
        """Those of the measures asked for that a part can have."""
        probed = can_probe(*self.samples[part.seed, part.data.dataset])
        possible = {"linear_probe": probed, "brittleness": self._has_gradients(part)}
        return [name for name in self.measures if possible[name]]

    def _has_gradients(self, part: StudyPart) -> bool:
        """Whether a loss can be differentiated in the input: not of files, and not in the words of a text."""
        train, _ = self.samples[part.seed, part.data.dataset]
        return part.network_config is not None and train.modality != "text"

    def identifier(self, measure: str) -> str:
        """Return what the rows of a measure say of how it was made."""
        return PROBE if measure == "linear_probe" else f"brittleness[l2,{definition_of(self.distillation)}]"

    def _cells_of(self, part: StudyPart) -> Iterator[Cell]:
        """Make the cells of a part: by layer, split, then metrics, measures and detectors; last what needs no layer."""
        network, seed, dataset = self.network_of(part), part.seed, part.data.dataset
        splits, of = self.splits_of(part), self.splits[seed, dataset].others_of
        rows = [self._identified(network, samples) for samples in self.samples[seed, dataset]]
        beside = [[self._identified(network, other.samples) for other in of(split)] for split in splits]
        measures = self._measures_of(part)
        layers: list[tuple[str, int | None]] = [] if network is None else [*network.layers]
        fitted = {on: [self._fits.of(part, split, layer=on) for split in splits] for on in (True, False)}
        for layer, number in (*layers, ("", None)):
            stored = cached_name(layer, network.config.pooling) if network and layer else ""
            for split, others, detectors in zip(splits, beside, fitted[bool(layer)], strict=True):
                base = base_key(stored, split)
                keys = self._metric_keys(part, base, rows, split, measures) if layer else []
                for made in keys:
                    yield Cell(seed, dataset, network, layer, number, stored, split, None, made)
                for definition, spec in detectors.items():
                    masks = masks_identity(split, spec)
                    key = {definition: detector_key(base, rows, split, definition, seed, others, masks)}
                    yield Cell(seed, dataset, network, layer, number, stored, split, spec, key)

    def _metric_keys(
        self, part: StudyPart, base: dict[str, Any], rows: list[str], split: Split, measures: list[str]
    ) -> list[dict[str, str]]:
        """The keys of the metrics, which are one cell, and of every measure."""
        together = metric_keys(base, rows, split, self.metrics)
        found = [together] if together else []
        for measure in measures:
            made = self.identifier(measure)
            drawn = {"task": ""} if measure == "linear_probe" else {"seed": part.seed, **training_rows(split)}
            found.append({measure: digest({**base, "rows": rows, "metric": made, **drawn})})
        return found

    def _identified(self, network: Network | None, samples: Dataset) -> str:
        """The digest of some samples, embedded by a network or as they are."""
        known = id(network), id(samples)
        if known not in self._digests:
            made = samples_identity(samples) if network is None else identity(network, samples, self.config.dtype)
            self._digests[known] = digest(made)
        return self._digests[known]

    def _check_rows(self, part: StudyPart) -> None:
        """Raise an error if the files of a part lack some of its rows."""
        others = self.splits[part.seed, part.data.dataset].others.values()
        for samples in (*self.samples[part.seed, part.data.dataset], *(other.samples for other in others)):
            self.files(part).rows_of(samples)

    def _check(self, backbone: BackboneConfig, seed: int) -> None:
        if backbone.pretext is not None and backbone.pretext.task not in pretext.names():
            raise UnknownNameError("pretext task", backbone.pretext.task, pretext.names())
        if self.ready(backbone, seed):
            self.network(backbone, seed)
        else:
            untrained = load_backbone(backbone.name, "random").select_layers(backbone.layers)
            check_pooling(backbone.pooling, untrained)
