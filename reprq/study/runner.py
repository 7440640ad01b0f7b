"""Runs a study: extract once a backbone, then compute every cell that is not stored yet, and write the tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from reprq.backbones import Backbone
from reprq.data import Dataset
from reprq.embeddings import default_cache_dir, extract
from reprq.errors import ConfigError, InputError, OutputExistsError, WeightsError
from reprq.evaluation.localization import MAP_COLUMNS
from reprq.progress import track
from reprq.provenance import versions
from reprq.storage import make_folder
from reprq.study.cells import CellStore, Row
from reprq.study.compute import CellOutcome
from reprq.study.config import StudyConfig
from reprq.study.execute import Executor, InProcess, Processes
from reprq.study.jobs import Cell, Job, Network, identity
from reprq.study.loading import load_config
from reprq.study.parts import StudyPart
from reprq.study.plan import Plan
from reprq.study.registered import check_registered
from reprq.study.repeats import repeated_layers, without_layers
from reprq.study.results import (
    BY_CLASS,
    CLASS_COLUMNS,
    DETECTOR_COLUMNS,
    MAPS_BY_CLASS,
    METRIC_COLUMNS,
    SCHEMA_VERSION,
    STUDY_FILE,
    TOP_WORDS,
    StudyResults,
    classes_of,
)
from reprq.study.sections import BackboneConfig
from reprq.study.sources import Teachers, learns, load_network
from reprq.study.tables import Table


def run_study(
    config: str | Path | Mapping[str, Any] | StudyConfig,
    out: Path | str | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    device: str = "cpu",
    cache_dir: Path | str | None = None,
    force: bool = False,
    progress: bool = True,
) -> StudyResults:
    """Run backbones x layers x tasks x detectors to tidy tables.

    For every one-class task the metrics are measured on the benign training rows of each layer's embeddings, and each
    detector is fitted on the same rows and judged on all test rows. Embeddings are extracted once a backbone, by this
    process with all cores; then its cells are computed, each on one thread, by `workers` processes.

    Finished cells stand in `cells.jsonl`: a run that was interrupted goes on where it stopped, and a run with a changed
    configuration computes only what the change touches. A cell that fails is recorded with its reason while the others
    go on, and is tried again by the next run. The number of workers changes no result, `seconds` apart.

    Args:
        config: The path of a TOML file, or the same as a mapping or `StudyConfig`; see `reprq.study.config`.
        out: The folder for the results; `runs/NAME` for `NAME.toml`, else `runs/study`.
        workers: How many processes compute cells; the configuration's by default. A script that asks for more than one
            calls this under `if __name__ == "__main__":`.
        scheduler: The address of a dask scheduler, whose workers compute the cells instead; they must see the folder
            of the embedding caches under the same path.
        device: A torch device for the forward passes.
        cache_dir: The folder of the embedding caches; see `reprq.extract`.
        force: Replace the tables of another study that stand in `out`.
        progress: Whether to show progress on stderr.

    Returns:
        The tables, which also stand in `out` as `metrics.csv`, `detectors.csv` and `study.json`, with what failed in
        `failures` and `failures.csv`.

    Raises:
        ConfigError: the configuration is wrong.
        UnknownNameError: a backbone, layer, data set, task, metric or detector does not exist; before any work.
        InputError: several workers, and something that is registered where they cannot import it.
        OutputExistsError: `out` holds the tables of another study.
        ReprqError: whatever the samples, the disk or a scheduler cannot do; finished cells are kept.
    """
    folder = study_folder(config, out)
    config = load_config(config)
    _refuse_other_study(folder, config, force)
    workers = workers or config.workers
    if scheduler is not None or workers > 1:
        check_registered(config.record(), elsewhere=scheduler is not None)
    plan = Plan(config, Teachers(folder / "teachers", config.datasets, device))
    with executor(workers, scheduler) as where:
        make_folder(folder)
        results = StudyRun(plan, folder, device, cache_dir, progress).finish(where)
    results.save()
    return results


def study_folder(config: Any, out: Path | str | None) -> Path:
    """Return the folder of the results."""
    if out is not None:
        return Path(out)
    return Path("runs") / (Path(config).stem if isinstance(config, str | Path) else "study")


def executor(workers: int, scheduler: str | None) -> Executor:
    """Return what computes the cells.

    Raises:
        InputError: fewer than one worker.
        ReprqError: the scheduler does not answer, or dask.distributed is not installed.
    """
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")
    if scheduler is not None:
        from reprq.study.cluster import Cluster  # an optional dependency

        return Cluster(scheduler)
    return Processes(workers) if workers > 1 else InProcess()


def _refuse_other_study(folder: Path, config: StudyConfig, force: bool) -> None:
    if (folder / STUDY_FILE).exists() and not force:
        found = StudyResults.load(folder).study.get("config")
        if _completed(found) != config.record():
            raise OutputExistsError(
                f"{folder} holds the tables of another configuration; give another --out, or --force to replace them"
                " (finished cells that the change does not touch are used again)"
            )


def _completed(record: Any) -> Any:
    """The record of a study, also of one that was made before some keys were there."""
    try:
        return load_config(record).record()
    except ConfigError:
        return record


class StudyRun:
    """One run: cells that are stored are read, the others computed and stored as they come.

    Memory holds the keys of all cells, the rows of the tables, and else one part's cells at a time.
    """

    def __init__(self, plan: Plan, folder: Path, device: str, cache_dir: Path | str | None, progress: bool) -> None:
        self.plan, self.folder, self.device = plan, folder, device
        self.cache_dir, self.progress = cache_dir, progress
        self.store = CellStore(folder / "cells.jsonl")
        self.failures: list[CellOutcome] = []
        self._network: tuple[object, Backbone] | None = None

    def finish(self, where: Executor) -> StudyResults:
        """Compute what is missing, and return the tables."""
        total = sum(map(self.plan.count, self.plan.parts))
        before = sum(map(self._finished, self.plan.parts))
        with track(total=total, initial=before, desc="study", unit="cell", show=self.progress) as bar:
            for part in self.plan.parts:
                self._part(part, where, bar)
        return self._results()

    def _finished(self, part: StudyPart) -> int:
        if not len(self.store) or not self.plan.ready(part.backbone, part.seed):
            return 0
        return sum(cell.missing(self.store) is None for cell in self.plan.cells(part))

    def _part(self, part: StudyPart, where: Executor, bar: Any) -> None:
        backbone, seed, name = part.backbone, part.seed, self._name(part)
        if backbone is not None and backbone.pretext is not None and not self.plan.ready(backbone, seed):
            bar.set_postfix_str(f"training {name}")
            self.plan.teachers.train(backbone.name, backbone.pretext, seed)
            of_teacher = [other for other in self.plan.parts if (other.backbone, other.seed) == (backbone, seed)]
            bar.update(sum(map(self._finished, of_teacher)))
        todo = [missing for cell in self.plan.cells(part) if (missing := cell.missing(self.store))]
        alike: dict[tuple[str, ...], list[Cell]] = {}  # a probe of all classes is the same under every task
        for cell in todo:
            alike.setdefault(tuple(cell.keys.values()), []).append(cell)
        todo = [cells[0] for cells in alike.values()]
        if not todo:
            return
        bar.set_postfix_str(name if backbone is None else f"extracting {name}")
        with self.store.kept_open():
            for outcome in map(self._stored, self._outcomes(part, todo, where, bar)):
                same = alike[tuple(outcome.cell.keys.values())]
                if outcome.error:
                    self.failures += [replace(outcome, cell=cell) for cell in same]
                bar.update(len(same))

    def _stored(self, outcome: CellOutcome) -> CellOutcome:
        """What became of a cell, once its rows are stored; rows that are no JSON fail this cell and not the study."""
        if outcome.error:
            return outcome
        try:
            self.store.add_all({key: [row] for key, row in outcome.rows.items()})
        except (TypeError, ValueError) as error:
            return CellOutcome.failed(outcome.cell, error)
        return outcome

    def _name(self, part: StudyPart) -> str:
        """What the progress bar calls a part."""
        config = self.plan.config
        seed = f", seed {part.seed}" if len(config.seeds) > 1 else ""
        label = "without a backbone" if part.backbone is None else part.backbone.label
        return label + (f" on {part.data.dataset}" if len(config.datasets) > 1 else "") + seed

    def _outcomes(self, part: StudyPart, todo: Sequence[Cell], where: Executor, bar: Any) -> Iterator[CellOutcome]:
        try:
            train, test = self._extract(part)
            beside = self._beside(part, todo)
        except (InputError, WeightsError) as error:  # this network cannot be used; the next may be
            yield from (CellOutcome.failed(cell, error) for cell in todo)
            return
        bar.set_postfix_str(self._name(part))
        yield from where.run(self._jobs(part, todo, (train, test), beside))

    def job(self, part: StudyPart, cell: Cell) -> Job:
        """Return what computes one cell; its embeddings are extracted if need be."""
        return self._jobs(part, [cell], self._extract(part), self._beside(part, [cell]))[0]

    def _jobs(
        self, part: StudyPart, todo: Sequence[Cell], sides: tuple[Path, Path], beside: Mapping[tuple[str, str], Path]
    ) -> list[Job]:
        splits = self.plan.splits[part.seed, part.data.dataset]
        others = {
            split.name: {
                other.role: (other.data, beside.get((other.role, other.samples.name), Path()))
                for other in splits.others_of(split)
            }
            for split in splits.splits
        }
        how = self.device, self.plan.distillation
        return [Job(cell, *sides, part.data, others[cell.split.name], *how) for cell in todo]

    def _extract(self, part: StudyPart) -> tuple[Path, Path]:
        """The folders of the training and the test embeddings; none where there is no backbone."""
        if part.backbone is None:
            return Path(), Path()
        train, test = (self._embedded(part, samples) for samples in self.plan.samples[part.seed, part.data.dataset])
        return train, test

    def _beside(self, part: StudyPart, todo: Sequence[Cell]) -> dict[tuple[str, str], Path]:
        """The folders of the embeddings of external anomalies and corpora that detectors of rows still need."""
        splits = self.plan.splits[part.seed, part.data.dataset]
        rows = [cell.split for cell in todo if cell.reads_rows]
        needed = {(other.role, other.samples.name): other for split in rows for other in splits.others_of(split)}
        return {name: self._embedded(part, other.samples) for name, other in needed.items()}

    def _embedded(self, part: StudyPart, samples: Dataset) -> Path:
        """The folder of the embeddings of some samples, extracted if need be."""
        config, network = self.plan.config, self.plan.network_of(part)
        assert part.backbone is not None
        assert network is not None
        if part.backbone.embeddings is not None:
            root = Path(self.cache_dir) if self.cache_dir is not None else default_cache_dir()
            return self.plan.files(part).store(root, identity(network, samples, config.dtype), samples).resolve()
        return extract(
            self._loaded(part, network),
            samples,
            network.config.layers,
            pooling=self._poolings(network.config, part.backbone),
            dtype=config.dtype,
            batch_size=config.batch_size,
            device=self.device,
            cache_dir=self.cache_dir,
            progress=False,
        ).path.resolve()

    def _loaded(self, part: StudyPart, network: Network) -> Backbone:
        """The network of a part, loaded once."""
        if self._network is None or self._network[0] != part.key:
            self._network = None  # before the next is loaded: one network in memory, not two
            self._network = part.key, load_network(network.config, part.seed, self.plan.benign_of(part))
        return self._network[1]

    def _poolings(self, own: BackboneConfig, backbone: BackboneConfig) -> list[str]:
        """Its pooling, and those of the backbones that are this one in all else: one pass serves them."""
        alike = [
            other.pooling
            for other in self.plan.config.backbones
            if learns(other) == learns(backbone)
            and other.model_copy(update={"pooling": backbone.pooling, "label": backbone.label}) == backbone
        ]
        return [own.pooling, *alike]

    def _results(self) -> StudyResults:
        metrics, detectors, classes = self._tables()
        record = self._record()
        if repeated := repeated_layers(metrics, detectors):
            said = [f"{layer} of {backbone} is {other}" for (backbone, layer), other in repeated.items()]
            record["repeated_layers"] = said  # the same rows: left out of the tables
            metrics, detectors = without_layers(repeated, metrics, detectors)
            classes = classes_of(detectors, classes)
        return StudyResults(metrics, detectors, record, self.folder, classes)

    def _tables(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """The tables of metrics, detectors and anomalous classes, of all cells that are stored."""
        metrics, detectors, classes = Table(METRIC_COLUMNS), Table(DETECTOR_COLUMNS), Table(CLASS_COLUMNS)
        for part in self.plan.parts:
            found = [(cell, key) for cell in self.plan.cells(part) for key in cell.keys.values() if key in self.store]
            if not found:
                continue
            columns: tuple[Cell | None, Row] = None, {}
            for (cell, _), rows in zip(found, self.store.read(key for _, key in found), strict=True):
                if columns[0] is not cell:
                    columns = cell, cell.columns()
                for row in rows:
                    (metrics if cell.detector is None else detectors).add(columns[1], row)
                    for judged in _by_class(row):
                        classes.add(columns[1], judged)
        of_detectors, of_classes = detectors.frame(), classes.frame()
        if of_detectors[[*MAP_COLUMNS]].isna().all(axis=None):
            of_detectors, of_classes = (table.drop(columns=[*MAP_COLUMNS]) for table in (of_detectors, of_classes))
        if of_detectors[TOP_WORDS].isna().all():
            of_detectors = of_detectors.drop(columns=TOP_WORDS)
        return metrics.frame(), of_detectors, of_classes

    def _record(self) -> dict[str, Any]:
        networks = [network for part in self.plan.parts if (network := self.plan.network_of(part)) is not None]
        return {
            "schema_version": SCHEMA_VERSION,
            "config": self.plan.config.record(),
            "weights_digests": {f"{n.config.label}, seed {n.seed}": n.digest for n in networks},
            "data_fingerprints": self._fingerprints(),
            "data_notes": self.plan.notes,
            "versions": versions(),
            "failures": self._failures(),
        }

    def _fingerprints(self) -> dict[str, str]:
        several = len(self.plan.datasets) > 1
        found = {
            f"{dataset + ' ' if several else ''}{samples.split}, seed {seed}": samples.fingerprint
            for (seed, dataset), pair in self.plan.samples.items()
            for samples in pair
        }
        for (seed, _), splits in self.plan.splits.items():
            found |= {
                f"{role} {name}, seed {seed}": other.samples.fingerprint
                for (role, name), other in splits.others.items()
            }
        return found

    def _failures(self) -> list[Row]:
        """In the order of the tables, however many workers there were."""
        failed = {outcome.cell.id(): outcome for outcome in self.failures}
        touched = {(cell.seed, cell.dataset, cell.backbone) for cell in (outcome.cell for outcome in self.failures)}
        ordered = [
            failed[cell.id()]
            for part in self.plan.parts
            if part.place in touched
            for cell in self.plan.cells(part)
            if cell.id() in failed
        ]
        return [{**o.cell.columns(), "work": o.cell.work, "error": o.error, "reason": o.reason} for o in ordered]


def _by_class(row: Row) -> Iterator[Row]:
    """The rows of the table of anomalous classes of a detector's stored row; cells of older studies have none."""
    for name, (value, low, high, count) in row.get(BY_CLASS, {}).items():
        judged = {"auroc": value, "auroc_low": low, "auroc_high": high, "n_anomalies": count}
        judged |= row.get(MAPS_BY_CLASS, {}).get(name, {})
        yield {"detector": row["detector"], "definition": row["definition"], "anomaly": name, **judged}
