"""What a study will cost, before it is run: cells, disk and about how long."""

import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reprq.data import Dataset, Split
from reprq.embeddings import EmbeddingCache, cached_name, default_cache_dir, extract
from reprq.errors import ReprqError
from reprq.progress import track
from reprq.provenance import digest
from reprq.statistics.power import LEVEL, detectable_correlation, networks_needed
from reprq.study.cells import CellStore
from reprq.study.compute import LayerRows, detect, measure
from reprq.study.config import StudyConfig
from reprq.study.jobs import Cell, identity, reads_rows
from reprq.study.loading import load_config
from reprq.study.parts import StudyPart
from reprq.study.plan import Plan
from reprq.study.runner import study_folder
from reprq.study.sources import Teachers, load_network

Place = tuple[str, str, str]  # data set, backbone and layer

PROBE_SAMPLES = 32
PROBE_ROWS = 400


@dataclass(frozen=True)
class StudyEstimate:
    """What is left of a study.

    Attributes:
        cells: How many cells the study has.
        finished: How many are stored already.
        disk_bytes: Of the embedding caches that the others need and that are not there yet.
        extract_seconds: About how long it takes to fill these caches.
        cell_seconds: About how long the cells take, one after another.
        workers: How many are computed at once.
        rule: Where the seconds of the cells come from.
        notes: Which correlation so many networks could show, and what the numbers leave out.
    """

    cells: int
    finished: int
    disk_bytes: int
    extract_seconds: float
    cell_seconds: float
    workers: int
    rule: str
    notes: tuple[str, ...] = ()

    @property
    def todo(self) -> int:
        """How many cells are left."""
        return self.cells - self.finished

    @property
    def seconds(self) -> float:
        """About how long a run takes."""
        return self.extract_seconds + self.cell_seconds / self.workers


def estimate_study(
    config: str | Path | Mapping[str, Any] | StudyConfig,
    out: Path | str | None = None,
    *,
    workers: int | None = None,
    cache_dir: Path | str | None = None,
    progress: bool = True,
) -> StudyEstimate:
    """Say what is left of a study; nothing is kept on disk.

    A forward pass is timed on 32 samples of each backbone that is not extracted yet. A cell takes as long as the
    finished cells of the same detector (or of the metrics) and kind of task, in proportion to the width of the layer;
    where none is finished, as long as 400 random rows as wide as the layer, in proportion to the rows.

    Args:
        config: As in `run_study`.
        out: The folder of the results.
        workers: How many processes compute cells; the configuration's by default.
        cache_dir: The folder of the embedding caches.
        progress: Whether to show progress on stderr.

    Raises:
        ReprqError: the same mistakes that stop `run_study` before any work.
    """
    folder = study_folder(config, out)
    config = load_config(config)
    plan = Plan(config, Teachers(folder / "teachers", config.datasets, "cpu"))
    store = CellStore(folder / "cells.jsonl")
    ready = [part for part in plan.parts if plan.ready(part.backbone, part.seed)]
    cells = [cell for part in ready for cell in plan.cells(part)]
    todo = [cell for cell in cells if cell.missing(store) is not None]
    total = sum(map(plan.count, plan.parts))
    disk = _Disk(plan, Path(cache_dir) if cache_dir is not None else default_cache_dir())
    needed = {(cell.seed, cell.dataset, cell.backbone) for cell in todo}
    for part in track(ready, desc="estimating", unit="backbone", show=progress, leave=False):
        if part.backbone is not None and part.place in needed:
            disk.add(part)
    clock = _Clock(plan, store, disk.widths)
    clock.learn([cell for cell in cells if cell.missing(store) is None])
    seconds = sum(clock.seconds(cell) for cell in todo)
    notes = [
        *([power_note(len(config.backbones), len(plan.metrics) + len(plan.measures))] if config.backbones else []),
        *clock.notes,
        *plan.notes,
        *plan.repeats,
    ]
    if untrained := sum(not plan.ready(backbone, seed) for seed, backbone in plan.backbones):
        notes.append(f"teachers still to be trained: {untrained}; their training, disk and cells' time come on top")
    return StudyEstimate(
        total,
        len(cells) - len(todo),
        disk.bytes,
        disk.seconds,
        seconds,
        workers or config.workers,
        clock.rule,
        tuple(notes),
    )


def power_note(networks: int, metrics: int) -> str:
    """Say which correlation between networks a study could see, alone and corrected for its metrics.

    Args:
        networks: How many.
        metrics: How many are tried.

    Example:
        >>> power_note(4, 3)
        '4 networks can show no correlation between networks: p is never below 0.125; 6 are the fewest'
    """
    alone, corrected = detectable_correlation(networks), detectable_correlation(networks, metrics)
    if 2.0 ** (1 - networks) > LEVEL:
        return (
            f"{networks} network{'s' * (networks > 1)} can show no correlation between networks: p is never below"
            f" {2.0 ** (1 - networks):.3g}; 6 are the fewest"
        )
    return (
        f"{networks} networks show a rank correlation between networks in 80 % of studies where it is"
        f" {_at_least(alone)}, and {_at_least(corrected)} with Holm's correction for {metrics} metrics; 0.5 takes about"
        f" {networks_needed(0.5)} networks, and {networks_needed(0.5, metrics)} with the correction"
    )


def _at_least(rho: float | None) -> str:
    return "never" if rho is None else f"{rho:.2f} or more"


class _Disk:
    """Which embeddings are there, how wide the layers are, and what the rest costs."""

    def __init__(self, plan: Plan, root: Path) -> None:
        self._plan, self._present = plan, _caches(root)
        self.bytes, self.seconds = 0, 0.0
        self.widths: dict[Place, int] = {}
        self._per_sample: dict[str, float] = {}

    def add(self, part: StudyPart) -> None:
        backbone, seed = part.backbone, part.seed
        network, dtype = self._plan.network_of(part), self._plan.config.dtype
        assert backbone is not None
        assert network is not None
        if backbone.embeddings is not None:
            layers = self._plan.files(part).layers
            self.widths |= {(part.data.dataset, backbone.label, name): x.width for name, x in layers.items()}
            self._per_sample[backbone.label] = 0.0
        names = [cached_name(layer, backbone.pooling) for layer, _ in network.layers]
        others = self._plan.splits[seed, part.data.dataset].others.values()
        for samples in (*self._plan.samples[seed, part.data.dataset], *(other.samples for other in others)):
            found = self._present.get(digest(identity(network, samples, dtype)))
            if found is not None and set(names) <= set(found):
                self.widths |= {_place_of(part, name): width for name, width in found.widths().items()}
                continue
            if backbone.label not in self._per_sample:
                self._probe(part, samples)
            columns = sum(self.widths[_place_of(part, name)] for name in names)
            self.bytes += len(samples) * columns * np.dtype(dtype).itemsize
            self.seconds += len(samples) * self._per_sample[backbone.label]

    def _probe(self, part: StudyPart, samples: Dataset) -> None:
        backbone, seed = part.backbone, part.seed
        assert backbone is not None
        network = self._plan.network(backbone, seed)
        few = samples.select(np.linspace(0, len(samples) - 1, min(PROBE_SAMPLES, len(samples)), dtype=np.int64))
        loaded = load_network(network.config, seed, self._plan.benign_of(part))
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            cache = extract(
                loaded,
                few,
                backbone.layers,
                pooling=backbone.pooling,
                batch_size=self._plan.config.batch_size,
                cache_dir=folder,
                progress=False,
            )
            self._per_sample[backbone.label] = (time.perf_counter() - start) / len(few)
            self.widths |= {_place_of(part, name): width for name, width in cache.widths().items()}


class _Clock:
    """How long a cell takes: as long as finished ones did, else as long as a small one does now."""

    def __init__(self, plan: Plan, store: CellStore, widths: dict[Place, int]) -> None:
        self._plan, self._store, self._widths = plan, store, widths
        self._rates: dict[tuple[str, str], float] = {}  # seconds a column
        self._probed: dict[tuple[str, int], float] = {}  # seconds a row
        self.notes: dict[str, None] = {}

    def learn(self, finished: list[Cell]) -> None:
        spent: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for cell in finished:
            rows = [row for key in cell.keys.values() for row in self._store[key]]
            if cell.detector is None and rows:
                self._widths.setdefault(_place(cell), rows[0]["d"])
            width = self._width(cell)
            if all("seconds" in row for row in rows) and width is not None:
                entry = spent[cell.work, cell.split.kind]
                entry[0] += sum(row["seconds"] for row in rows)
                entry[1] += width
        self._rates = {what: seconds / columns for what, (seconds, columns) in spent.items()}

    def _width(self, cell: Cell) -> int | None:
        """The columns of a cell's layer, if they are known; 1 where it needs no layer."""
        return 1 if not cell.layer else self._widths.get(_place(cell))

    def seconds(self, cell: Cell) -> float:
        width = self._width(cell)
        assert width is not None
        if (rate := self._rates.get((cell.work, cell.split.kind))) is not None:
            return rate * width
        rows = len(cell.split.train) + (0 if cell.detector is None else len(cell.split.test))
        if (cell.work, width) not in self._probed:
            self._probed[cell.work, width] = self._probe(cell, width)
        return self._probed[cell.work, width] * rows

    @property
    def rule(self) -> str:
        """Where the seconds come from, in words."""
        told = ["from the finished cells"] if self._rates else []
        return " and ".join([*told, f"measured on {PROBE_ROWS} random rows"] if self._probed or not told else told)

    def _probe(self, cell: Cell, width: int) -> float:
        """Seconds a row of a cell on random rows, of which all are benign in training and half at test."""
        if cell.measure is not None or (cell.detector is not None and not reads_rows(cell.detector)):
            self.notes[f"the time of {cell.work} is not counted before one of its cells is finished"] = None
            return 0.0
        x, z = np.random.default_rng(0).standard_normal((2, PROBE_ROWS, width)).astype(self._plan.config.dtype)
        labels = np.zeros(PROBE_ROWS, dtype=np.int64)
        rows = LayerRows(x, labels, z, np.arange(PROBE_ROWS) % 2, ("0", "1"))
        half = np.arange(PROBE_ROWS // 20)  # as many known anomalies, and as large a corpus, as any detector may need
        split = replace(Split.whole(PROBE_ROWS, rows.test_labels), labelled=half)
        try:
            if cell.detector is None:
                return float(sum(row["seconds"] for row in measure(rows, split, list(cell.keys)))) / PROBE_ROWS
            return float(detect(rows, split, cell.detector, auxiliary=z)["seconds"]) / (2 * PROBE_ROWS)
        except ReprqError as error:
            self.notes[f"the time of {cell.work} is not counted: {error}"] = None
            return 0.0


def _place(cell: Cell) -> Place:
    assert cell.network is not None
    own = cell.dataset if cell.network.config.embeddings is not None else ""
    return own, cell.network.config.label, cell.stored_layer


def _place_of(part: StudyPart, stored_layer: str) -> Place:
    """As `_place`: a layer of a network is as wide on all data, one of files is not."""
    assert part.backbone is not None
    own = part.data.dataset if part.backbone.embeddings is not None else ""
    return own, part.backbone.label, stored_layer


def _caches(root: Path) -> dict[str, EmbeddingCache]:
    """The caches under a folder by a digest of what decides their content."""
    found = {}
    wanted = ("backbone", "weights_digest", "preprocessing", "data", "split", "data_fingerprint", "dtype")
    for folder in root.iterdir() if root.is_dir() else ():
        try:
            cache = EmbeddingCache(folder)
            found[digest({name: cache.provenance[name] for name in wanted})] = cache
        except (ReprqError, KeyError):
            continue  # not a cache, or one that is still being written
    return found
