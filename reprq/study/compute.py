"""What one cell computes, and how a worker does one cell after another without reading a layer twice."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reprq import detectors, metrics
from reprq.data import Dataset, Split, Task
from reprq.embeddings import EmbeddingCache
from reprq.errors import ReprqError, one_line
from reprq.evaluation.detection import Detection, evaluate
from reprq.storage import readable
from reprq.study import measures
from reprq.study.cells import Row
from reprq.study.plan import Cell, Job, Spec, definition_of
from reprq.study.results import HALVES
from reprq.study.sources import load_network, load_samples

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
    """The embeddings of the training and test samples in one layer, and their class numbers."""

    train: NDArray[np.floating]
    train_labels: NDArray[np.int64]
    test: NDArray[np.floating]
    test_labels: NDArray[np.int64]

    @classmethod
    def read(cls, train: Path, test: Path, layer: str) -> "LayerRows":
        """Read one layer of two caches."""
        first, second = EmbeddingCache(train, [layer]), EmbeddingCache(test, [layer])
        return cls(first[layer].array, first.labels, second[layer].array, second.labels)


class CellRunner:
    """Computes one cell after another; the layer that it read last is kept for the next."""

    def __init__(self) -> None:
        self._place: Place | None = None
        self._rows: LayerRows | None = None
        self._samples: dict[tuple[int, str], TrainAndTest] = {}

    def attempt(self, job: Job) -> CellOutcome:
        """Compute a cell; whatever goes wrong in it is its outcome."""
        try:
            rows = self._compute(job)
            json.dumps(list(rows.values()), allow_nan=False)  # here, where it fails one cell and not the study
        except Exception as error:  # detectors are other people's code, and the other cells must go on
            return CellOutcome.failed(job.cell, error)
        return CellOutcome(job.cell, rows)

    def _compute(self, job: Job) -> dict[str, Row]:
        cell = job.cell
        if cell.measure is not None:
            found = [self._measure(job, cell.measure)]
        elif cell.detector is None:
            found = measure(self._layer(job.place), cell.task, list(cell.keys))
        elif detectors.is_network(name_of(cell.detector)):
            found = [detect_samples(self._samples_of(job), cell, job.device)]
        else:
            found = [detect(self._layer(job.place), cell.task, cell.detector, cell.network.seed)]
        return dict(zip(cell.keys.values(), found, strict=True))

    def _measure(self, job: Job, measure: str) -> Row:
        if measure == "linear_probe":
            rows = self._layer(job.place)
            return measures.probe(rows.train, rows.train_labels, rows.test, rows.test_labels)
        cell, train = job.cell, self._samples_of(job)[0]
        own = {"layers": [cell.layer], "pooling": cell.network.config.pooling, "device": job.device}
        teacher = load_network(cell.network.config, cell.network.seed)
        benign = train.select(cell.task.benign_rows(train.labels))
        said = f"brittleness[l2,{definition_of(job.distillation)}]"
        spec = {"name": job.distillation} if isinstance(job.distillation, str) else job.distillation
        return measures.brittleness({**spec, **own}, teacher, benign, cell.network.seed, said)

    def _layer(self, place: Place) -> LayerRows:
        if self._rows is None or self._place != place:
            self._rows = None  # before the next is read: one layer in memory, not two
            self._place, self._rows = place, LayerRows.read(*place)
        return self._rows

    def _samples_of(self, job: Job) -> TrainAndTest:
        drawn = job.cell.network.seed, job.cell.dataset
        if drawn not in self._samples:
            self._samples = {drawn: load_samples(job.data, job.cell.network.seed)}
        return self._samples[drawn]


def measure(rows: LayerRows, task: Task, names: list[str]) -> list[Row]:
    """One row a metric, of the benign training rows; `seconds` is its share of the one pass that gave all of them."""
    start = time.perf_counter()
    measured = metrics.measure(rows.train[task.benign_rows(rows.train_labels)], metrics=names)
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


def detect(rows: LayerRows, task: Task, spec: Spec, seed: int = 0) -> Row:
    """Fit a detector on the benign training rows and judge it on the test rows; `seconds` is for both."""
    split = _split(task, rows.train_labels, rows.test_labels)
    return _row(spec, evaluate(spec, split, rows.train, rows.test, seed=seed))


def detect_samples(samples: TrainAndTest, cell: Cell, device: str) -> Row:
    """Train a detector's network on the benign training samples, with the cell's backbone and layer as its teacher."""
    train, test = samples
    assert cell.detector is not None
    teacher = load_network(cell.network.config, cell.network.seed)
    own = {"teacher": teacher, "layers": [cell.layer], "pooling": cell.network.config.pooling, "device": device}
    split = _split(cell.task, train.labels, test.labels)
    return _row(cell.detector, evaluate(cell.detector, split, train, test, given=own, seed=cell.network.seed))


def _split(task: Task, train: NDArray[np.int64], test: NDArray[np.int64]) -> Split:
    """The split of a task: benign training rows, and all test rows."""
    labels = task.anomaly_labels(test)
    return Split(task.name, task.benign_rows(train), np.arange(len(test)), labels, classes=test)


def _row(spec: Spec, found: Detection) -> Row:
    return {
        "detector": name_of(spec),
        "definition": definition_of(spec),
        "auroc": found.auroc.value,
        "auroc_low": found.auroc.low,
        "auroc_high": found.auroc.high,
        **{f"auroc{name}": value for name, value in zip(HALVES, found.by_half(), strict=True)},
        **found.counts(),
        "seconds": round(found.seconds, 6),
    }


def name_of(spec: Spec) -> str:
    """The name of a detector that is given by name or by a table."""
    return spec if isinstance(spec, str) else str(spec["name"])
