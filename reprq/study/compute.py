"""What one cell computes, and how a worker does one cell after another without reading a layer twice."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq import metrics
from reprq.data import Dataset, Split
from reprq.data.views import joined
from reprq.embeddings import EmbeddingCache
from reprq.errors import ReprqError, one_line
from reprq.evaluation.detection import Detection, evaluate
from reprq.notices import about
from reprq.storage import readable
from reprq.study import measures
from reprq.study.cells import Row
from reprq.study.jobs import Cell, Job, Spec, definition_of, name_of, needs_of, reads_rows
from reprq.study.results import BY_CLASS, HALVES, MAPS_BY_CLASS, TOP_WORDS
from reprq.study.sources import load_network, load_samples
from reprq.study.splits import Other

Place = tuple[Path, Path, str]
TrainAndTest = tuple[Dataset, Dataset]


@dataclass(frozen=True)
class CellOutcome:
    """What became of a cell.

    Attributes:
        cell: The cell.
        rows: Its rows by their keys; empty where it failed.
        error: The name of the exception, or "".
        reason: Why it failed, in words, or "".
    """

    cell: Cell
    rows: Mapping[str, Row]
    error: str = ""
    reason: str = ""

    @classmethod
    def failed(cls, cell: Cell, error: BaseException) -> "CellOutcome":
        """A cell whose computation raised."""
        reason = readable(one_line(error, kind=not isinstance(error, ReprqError)))
        return cls(cell, {}, type(error).__name__, reason)


@dataclass(frozen=True, eq=False)
class LayerRows:
    """The embeddings of the training and test samples in one layer, their class numbers and the classes' names."""

    train: NDArray[np.floating]
    train_labels: NDArray[np.int64]
    test: NDArray[np.floating]
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...] = ()

    @classmethod
    def read(cls, train: EmbeddingCache, test: EmbeddingCache, layer: str) -> "LayerRows":
        """Read one layer of two caches."""
        return cls(train.rows(layer), train.labels, test.rows(layer), test.labels, test.classes)


class CellRunner:
    """Computes one cell after another; the layer that it read last is kept for the next, and its caches stay open."""

    def __init__(self) -> None:
        self._place: Place | None = None
        self._rows: LayerRows | None = None
        self._beside_rows: dict[Path, NDArray[np.floating]] = {}
        self._caches: dict[Path, EmbeddingCache] = {}
        self._samples: dict[tuple[int, str], TrainAndTest] = {}
        self._others: dict[tuple[int, str, str, str], Dataset] = {}

    def attempt(self, job: Job) -> CellOutcome:
        """Compute a cell; whatever goes wrong in it is its outcome."""
        try:
            with about(job.cell):
                return CellOutcome(job.cell, self._compute(job))
        except Exception as error:  # detectors are other people's code, and the other cells must go on
            return CellOutcome.failed(job.cell, error)

    def _compute(self, job: Job) -> dict[str, Row]:
        cell = job.cell
        if cell.measure is not None:
            found = [self._measure(job, cell.measure)]
        elif cell.detector is None:
            found = measure(self._layer(job.place), cell.split, list(cell.keys))
        elif cell.reads_rows:
            found = [detect(self._layer(job.place), cell.split, cell.detector, cell.seed, *self._given(job))]
        else:
            detection, scored = self._evaluated(job, cell.detector)
            found = [_row(cell.detector, detection, scored.classes)]
        return dict(zip(cell.keys.values(), found, strict=True))

    def evaluate(self, job: Job) -> tuple[Detection, Dataset]:
        """Fit the detector of a cell, and return it with all it found and the samples that it was judged on."""
        cell = job.cell
        assert cell.detector is not None
        if not cell.reads_rows:
            return self._evaluated(job, cell.detector)
        rows = self._layer(job.place)
        return evaluate_rows(rows, cell.split, cell.detector, cell.seed, *self._given(job)), self._scored(job)

    def _given(self, job: Job) -> tuple[Any, Any, dict[str, Any] | None]:
        """What a detector of rows is given beside the rows of its layer: external anomalies, a corpus, parameters."""
        given = None if job.cell.detector is None or reads_rows(job.cell.detector) else {"device": job.device}
        return self._beside(job, "external"), self._beside(job, "auxiliary"), given

    def _scored(self, job: Job) -> Dataset:
        """The test samples, and the external anomalies behind them if the split takes any."""
        test = self._samples_of(job)[1]
        return joined(test, self._other(job, "external")) if "external" in job.others else test

    def _measure(self, job: Job, measure: str) -> Row:
        if measure == "linear_probe":
            rows = self._layer(job.place)
            return measures.probe(rows.train, rows.train_labels, rows.test, rows.test_labels)
        cell, train = job.cell, self._samples_of(job)[0]
        assert cell.network is not None
        own = {"layers": [cell.layer], "pooling": cell.network.config.pooling, "device": job.device}
        teacher = load_network(cell.network.config, cell.seed, train.select(cell.split.train))
        said = f"brittleness[l2,{definition_of(job.distillation)}]"
        spec = {"name": job.distillation} if isinstance(job.distillation, str) else job.distillation
        return measures.brittleness({**spec, **own}, teacher, train.select(cell.split.train), cell.seed, said)

    def _evaluated(self, job: Job, spec: Spec) -> tuple[Detection, Dataset]:
        """Fit a detector on samples, with the backbone and layer of the cell where it needs them, and judge it."""
        cell, train, scored = job.cell, self._samples_of(job)[0], self._scored(job)
        own: dict[str, Any] = {"device": job.device}
        if cell.network is not None:
            network = load_network(cell.network.config, cell.seed, train.select(cell.split.train))
            own |= {"teacher": network, "backbone": network}
            if "layer" in needs_of(spec):
                own |= {"layers": [cell.layer], "pooling": cell.network.config.pooling}
        auxiliary = self._other(job, "auxiliary") if "auxiliary" in job.others else None
        found = evaluate(spec, cell.split, train, scored, auxiliary=auxiliary, given=own, seed=cell.seed)
        return found, scored

    def _beside(self, job: Job, role: str) -> NDArray[np.floating] | None:
        """The rows of external anomalies or of a corpus in the cell's layer, if its split takes any."""
        if role not in job.others:
            return None
        folder, layer = job.others[role][1], job.cell.stored_layer
        if folder not in self._beside_rows:
            self._beside_rows[folder] = self._cache(folder, layer).rows(layer)
        return self._beside_rows[folder]

    def _other(self, job: Job, role: str) -> Dataset:
        data = job.others[role][0]
        known = job.cell.seed, job.cell.dataset, role, repr(data)
        if known not in self._others:
            self._others[known] = Other.load(data, role, job.cell.seed, self._samples_of(job)[0]).samples
        return self._others[known]

    def _layer(self, place: Place) -> LayerRows:
        if self._rows is None or self._place != place:
            self._rows, self._beside_rows = None, {}  # before the next is read: one layer in memory, not two
            if self._place is None or self._place[:2] != place[:2]:
                self._caches = {}
            self._place, (train, test, layer) = place, place
            self._rows = LayerRows.read(self._cache(train, layer), self._cache(test, layer), layer)
        return self._rows

    def _cache(self, folder: Path, layer: str) -> EmbeddingCache:
        """An embedding cache, opened once for all layers that it has."""
        if layer not in self._caches.get(folder, ()):
            self._caches[folder] = EmbeddingCache(folder)
        return self._caches[folder]

    def _samples_of(self, job: Job) -> TrainAndTest:
        drawn = job.cell.seed, job.cell.dataset
        if drawn not in self._samples:
            self._samples = {drawn: load_samples(job.data, job.cell.seed)}
        return self._samples[drawn]


def measure(rows: LayerRows, split: Split, names: list[str]) -> list[Row]:
    """One row a metric, of the training rows; `seconds` is its share of the one pass that gave all of them."""
    start = time.perf_counter()
    measured = metrics.measure(rows.train[split.train], metrics=names)
    seconds = round((time.perf_counter() - start) / len(names), 6)
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
            "seconds": seconds,
        }
        for m in measured.values()
    ]


def detect(
    rows: LayerRows,
    split: Split,
    spec: Spec,
    seed: int = 0,
    external: NDArray[np.floating] | None = None,
    auxiliary: NDArray[np.floating] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Row:
    """Fit a detector on the training rows of a split and judge it on its test rows; `seconds` is for both."""
    found = evaluate_rows(rows, split, spec, seed, external, auxiliary, given)
    return _row(spec, found, (*rows.classes, *([split.external] if split.external else [])))


def evaluate_rows(
    rows: LayerRows,
    split: Split,
    spec: Spec,
    seed: int,
    external: NDArray[np.floating] | None,
    auxiliary: NDArray[np.floating] | None,
    given: Mapping[str, Any] | None,
) -> Detection:
    """Fit a detector on the training rows of a split, and return all that it found on its test rows."""
    test = rows.test if external is None else np.concatenate([rows.test, external])
    return evaluate(spec, split, rows.train, test, auxiliary=auxiliary, given=given, seed=seed)


def _row(spec: Spec, found: Detection, classes: tuple[str, ...]) -> Row:
    by_class = {
        readable(str(classes[number])): [value.value, value.low, value.high, int(np.sum(found.classes == number))]
        for number, value in found.by_class().items()
    }
    return {
        "detector": name_of(spec),
        "definition": definition_of(spec),
        "auroc": found.auroc.value,
        "auroc_low": found.auroc.low,
        "auroc_high": found.auroc.high,
        **{f"auroc{name}": value for name, value in zip(HALVES, found.by_half(), strict=True)},
        **({} if found.pixels is None else found.pixels.columns()),
        **found.counts(),
        "seconds": round(found.seconds, 6),
        **({TOP_WORDS: " | ".join(map(", ".join, found.top_words))} if found.top_words else {}),
        BY_CLASS: by_class,
        **_maps_by_class(found, classes),
    }


def _maps_by_class(found: Detection, classes: tuple[str, ...]) -> Row:
    """The figures of maps of each anomalous class, where there are any."""
    if found.pixels is None or not found.pixels.by_class:
        return {}
    by_class = found.pixels.by_class.items()
    return {MAPS_BY_CLASS: {readable(str(classes[number])): figures.columns() for number, figures in by_class}}
