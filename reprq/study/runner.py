"""Runs a study: extract once a backbone, then measure and detect in every cell, and write the tables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from reprq import detectors, metrics, pretext
from reprq.backbones import Backbone, load_backbone
from reprq.data import ImageDataset, Task, load_dataset, select_tasks
from reprq.embeddings import EmbeddingCache, cached_name, extract
from reprq.embeddings.pooling import check_pooling
from reprq.errors import DataError, OutputExistsError, UnknownNameError
from reprq.evaluation import auroc
from reprq.metrics.definitions import select
from reprq.provenance import digest, versions
from reprq.study.cells import CellStore, Row
from reprq.study.config import BackboneConfig, PretextConfig, StudyConfig, load_config
from reprq.study.results import STUDY_FILE, StudyResults


def run_study(
    config: str | Path | Mapping[str, Any] | StudyConfig,
    out: Path | str | None = None,
    *,
    device: str = "cpu",
    cache_dir: Path | str | None = None,
    force: bool = False,
    progress: bool = True,
) -> StudyResults:
    """Run backbones x layers x tasks x detectors to tidy tables.

    For every one-class task the metrics are measured on the benign training rows of each layer's embeddings, and each
    detector is fitted on the same rows and judged on all test rows. Embeddings are extracted once a backbone. Finished
    cells stand in `cells.jsonl`: a run that was interrupted goes on where it stopped, and a run with a changed
    configuration computes only what the change touches.

    Args:
        config: The path of a TOML file, or the same as a mapping or `StudyConfig`; see `reprq.study.config`.
        out: The folder for the results; `runs/NAME` for `NAME.toml`, else `runs/study`.
        device: A torch device for the forward passes.
        cache_dir: The folder of the embedding caches; see `reprq.extract`.
        force: Replace the tables of another study that stand in `out`.
        progress: Whether to show progress on stderr.

    Returns:
        The tables, which also stand in `out` as `metrics.csv`, `detectors.csv` and `study.json`.

    Raises:
        ConfigError: the configuration is wrong.
        UnknownNameError: a backbone, layer, data set, task, metric or detector does not exist; before any work.
        OutputExistsError: `out` holds the tables of another study.
        ReprqError: whatever the data, weights or cells cannot do; finished cells are kept.
    """
    folder = _folder(config, out)
    config = load_config(config)
    _refuse_other_study(folder, config, force)
    study = _Study(config, folder, device, cache_dir, progress)
    study.check()
    folder.mkdir(parents=True, exist_ok=True)
    results = study.run()
    results.save()
    return results


def _folder(config: Any, out: Path | str | None) -> Path:
    if out is not None:
        return Path(out)
    return Path("runs") / (Path(config).stem if isinstance(config, str | Path) else "study")


def _refuse_other_study(folder: Path, config: StudyConfig, force: bool) -> None:
    if (folder / STUDY_FILE).exists() and not force:
        found = StudyResults.load(folder).study.get("config")
        if found != config.model_dump(mode="json"):
            raise OutputExistsError(
                f"{folder} holds the tables of another configuration; give another --out, or --force to replace them"
                " (finished cells that the change does not touch are used again)"
            )


@dataclass(frozen=True)
class _Cell:
    """One layer of one backbone under one task and seed."""

    seed: int
    backbone: BackboneConfig
    loaded: Backbone
    layer: str
    number: int
    task: Task

    def columns(self) -> Row:
        return {
            "seed": self.seed,
            "backbone": self.backbone.label,
            "network": self.loaded.name,
            "weights": self.loaded.weights,
            "layer": self.layer,
            "layer_number": self.number,
            "task": self.task.name,
            "task_kind": self.task.kind,
        }


class _Study:
    """One run: the names are checked first, then every cell is computed or read."""

    def __init__(
        self, config: StudyConfig, folder: Path, device: str, cache_dir: Path | str | None, progress: bool
    ) -> None:
        self.config, self.folder, self.device = config, folder, device
        self.cache_dir, self.progress = cache_dir, progress
        self.metrics = {name: metric.identifier for name, metric in select(config.metrics).items()}
        self.weights_digests: dict[str, str] = {}
        self.fingerprints: dict[str, str] = {}

    def check(self) -> None:
        """Ask for every name and file once, so that a mistake costs no work."""
        for spec in self.config.detectors:
            detectors.create(spec)
        train, _ = self._images(self.config.seeds[0])
        select_tasks(train.classes, self.config.tasks)
        for backbone in self.config.backbones:
            self._check_backbone(backbone, self.config.seeds[0])

    def _check_backbone(self, backbone: BackboneConfig, seed: int) -> None:
        if backbone.pretext is None:
            check_pooling(backbone.pooling, self._load(backbone, seed).select_layers(backbone.layers))
            return
        if backbone.pretext.task not in pretext.names():
            raise UnknownNameError("pretext task", backbone.pretext.task, pretext.names())
        check_pooling(backbone.pooling, load_backbone(backbone.name, "random").select_layers(backbone.layers))
        self._pretext_images(backbone.pretext, seed)

    def run(self) -> StudyResults:
        store = CellStore(self.folder / "cells.jsonl")
        metric_rows: list[Row] = []
        detector_rows: list[Row] = []
        total = len(self.config.seeds) * len(self.config.backbones)
        with tqdm(total=total, desc="study", unit="backbone", disable=not self.progress) as bar:
            for seed in self.config.seeds:
                train, test = self._images(seed)
                for backbone in self.config.backbones:
                    bar.set_postfix_str(backbone.label)
                    for found in self._backbone_rows(backbone, seed, train, test, store):
                        (metric_rows if "metric" in found else detector_rows).append(found)
                    bar.update()
        return StudyResults(pd.DataFrame(metric_rows), pd.DataFrame(detector_rows), self._record(), self.folder)

    def _images(self, seed: int) -> tuple[ImageDataset, ImageDataset]:
        data = self.config.data
        splits = []
        for split, per_class in (("train", data.train_per_class), ("test", data.test_per_class)):
            images = load_dataset(data.name, split, root=data.root, download=data.download, seed=seed)
            if data.classes is not None:
                images = images.restrict(data.classes)
            splits.append(images if per_class is None else images.sample(per_class=per_class, seed=seed))
        train, test = splits
        if train.classes != test.classes:
            raise DataError(
                f"{data.name} must have the same classes in train and test, got {train.classes}, {test.classes}"
            )
        return train, test

    def _backbone_rows(
        self, config: BackboneConfig, seed: int, train: ImageDataset, test: ImageDataset, store: CellStore
    ) -> Iterator[Row]:
        backbone = self._load(config, seed)
        caches = [self._extract(config, backbone, images) for images in (train, test)]
        self.weights_digests[f"{config.label}, seed {seed}"] = backbone.weights_digest
        for images in (train, test):
            self.fingerprints[f"{images.split}, seed {seed}"] = images.fingerprint
        tasks = select_tasks(train.classes, self.config.tasks)
        layers = backbone.select_layers(config.layers)
        with tqdm(
            total=len(layers) * len(tasks), desc=config.label, unit="cell", leave=False, disable=not self.progress
        ) as bar:
            for layer in layers:
                data = _LayerData(caches[0], caches[1], cached_name(layer.name, config.pooling))
                for task in tasks:
                    cell = _Cell(seed, config, backbone, layer.name, layer.number, task)
                    yield from self._cell_rows(cell, data, store)
                    bar.update()

    def _cell_rows(self, cell: _Cell, data: "_LayerData", store: CellStore) -> Iterator[Row]:
        base = {"embeddings": data.identity, "layer": data.layer, "task": cell.task.name}
        wanted = [digest({**base, "metric": identifier}) for identifier in self.metrics.values()]
        if any(key not in store for key in wanted):
            for key, row in zip(wanted, data.measure(cell.task, list(self.metrics)), strict=True):
                store.add(key, [row])
        for key in wanted:
            yield from ({**cell.columns(), **row} for row in store[key])
        for spec in self.config.detectors:
            key = digest({**base, "detector": detectors.describe(detectors.create(spec)), "seed": cell.seed})
            if key not in store:
                store.add(key, [data.detect(cell.task, spec)])
            yield from ({**cell.columns(), **row} for row in store[key])

    def _extract(self, config: BackboneConfig, backbone: Backbone, images: ImageDataset) -> EmbeddingCache:
        return extract(
            backbone,
            images,
            config.layers,
            pooling=config.pooling,
            dtype=self.config.dtype,
            batch_size=self.config.batch_size,
            device=self.device,
            cache_dir=self.cache_dir,
            progress=self.progress,
        )

    def _load(self, config: BackboneConfig, seed: int) -> Backbone:
        if config.pretext is not None:
            return load_backbone(f"teacher:{self._teacher(config.name, config.pretext, seed)}")
        return load_backbone(config.name, config.weights, preprocessing=config.preprocessing or None, seed=seed)

    def _teacher(self, architecture: str, origin: PretextConfig, seed: int) -> Path:
        """Train a backbone's weights, unless that was done; the file's name tells what it was made from."""
        images = self._pretext_images(origin, seed)
        made_from = {**origin.model_dump(), "architecture": architecture, "seed": seed, "data": images.fingerprint}
        path = self.folder / "teachers" / f"{architecture}-{origin.task}-{digest(made_from)[:12]}.safetensors"
        if path.exists():
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        return pretext.train_teacher(
            origin.task,
            images,
            out=path,
            architecture=architecture,
            seed=seed,
            device=self.device,
            progress=self.progress,
            **origin.model_dump(include={"epochs", "batch_size", "lr"}, exclude_none=True),
        )

    def _pretext_images(self, origin: PretextConfig, seed: int) -> ImageDataset:
        data = self.config.data
        root = data.root if origin.data == data.name else None
        images = load_dataset(origin.data, "train", root=root, download=data.download, seed=seed)
        return images if origin.classes is None else images.restrict(origin.classes)

    def _record(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "config": self.config.model_dump(mode="json"),
            "weights_digests": self.weights_digests,
            "data_fingerprints": self.fingerprints,
            "versions": versions(),
        }


class _LayerData:
    """The training and test rows of one layer, read when a cell first needs them."""

    def __init__(self, train: EmbeddingCache, test: EmbeddingCache, layer: str) -> None:
        self._caches, self.layer = (train, test), layer
        self._read: tuple[Any, Any] | None = None
        self.identity = [train.path.name, test.path.name]

    @property
    def _arrays(self) -> tuple[Any, Any]:
        if self._read is None:
            self._read = (self._caches[0][self.layer].array, self._caches[1][self.layer].array)
        return self._read

    def _benign(self, task: Task) -> Any:
        return self._arrays[0][task.benign_rows(self._caches[0].labels)]

    def measure(self, task: Task, names: list[str]) -> list[Row]:
        """One row a metric, of the benign training rows."""
        measured = metrics.measure(self._benign(task), metrics=names)
        return [
            {
                "metric": m.name,
                "definition": m.definition,
                "value": m.value,
                "low": m.low,
                "high": m.high,
                "n": m.n,
                "d": m.d,
                "notes": "; ".join(m.notes),
            }
            for m in measured.values()
        ]

    def detect(self, task: Task, spec: str | dict[str, Any]) -> Row:
        """Fit a detector on the benign training rows and judge it on the test rows."""
        benign, test = self._benign(task), self._arrays[1]
        labels = task.anomaly_labels(self._caches[1].labels)
        detector = detectors.create(spec)
        estimate = auroc(labels, detector.fit(benign).anomaly_score(test))
        return {
            "detector": spec if isinstance(spec, str) else spec["name"],
            "definition": detectors.describe(detector),
            "auroc": estimate.value,
            "auroc_low": estimate.low,
            "auroc_high": estimate.high,
            "n_train": len(benign),
            "n_test": len(test),
            "n_anomalies": int(labels.sum()),
        }
