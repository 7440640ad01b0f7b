"""One digit of one set, or of all three, against the others: every detector on images and on features."""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.data import Dataset, Split
from reprq.data.image.drawn_digits import NAME as DRAWN
from reprq.data.image.joint_digits import digit_set
from reprq.data.image.readings import READINGS, by_reading
from reprq.data.views import merged, sets_of
from reprq.evaluation.detection import Detection, evaluate, take
from reprq.papers.engine import PaperCell, PaperRun
from reprq.papers.fits import row_of, rows_digest
from reprq.papers.robledo2023.extractors import Extractors
from reprq.papers.robledo2023.presets import F_ANOGAN, PIXELS, DigitExtractor, RobledoPreset
from reprq.papers.robledo2023.thresholds import at_benign_threshold
from reprq.study.cells import Row

Rows = NDArray[np.int64]
TOGETHER = "all three"
_VERSION = 1
_SHALLOW: dict[str, dict[str, Any]] = {
    "kNN": {"name": "knn", "k": 5},
    "Mahalanobis": {"name": "mahalanobis"},
    "centroid": {"name": "centroid"},
}
_HELD_OUT = 0.2  # of the benign training images, for thresholds


@dataclass(frozen=True, eq=False)
class DigitTask:
    """A digit of a set, in rows of all images.

    Attributes:
        split: The rows that train, and those that are tested by the reading "report".
        official: (m,) which of these are official test images.
        held: Benign rows that set thresholds, and neither train nor are tested.
    """

    split: Split
    official: NDArray[np.bool_]
    held: Rows

    def tested(self, reading: str) -> NDArray[np.bool_]:
        """Return which of the tested rows a reading has: (m,)."""
        return self.official if reading == "official" else np.ones(len(self.official), dtype=bool)

    def on(self, reading: str) -> "DigitTask":
        """Return the same, tested by a reading alone."""
        kept = self.tested(reading)
        split = replace(
            self.split,
            test=self.split.test[kept],
            labels=self.split.labels[kept],
            classes=None if self.split.classes is None else self.split.classes[kept],
        )
        return DigitTask(split, self.official[kept], self.held)


class DigitCells:
    """What the experiments share.

    Args:
        how: The preset.
        folder: The root of the data.
        run: What is asked.
    """

    def __init__(self, how: RobledoPreset, folder: Path, run: PaperRun) -> None:
        self.how, self.run = how, run
        inside = folder / "torchvision"
        files = inside if inside.is_dir() else folder
        third = "svhn" if (files / "train_32x32.mat").is_file() else DRAWN
        self.sets = ("mnist", third, "usps")
        sides = [{name: digit_set(name, side, files) for name in self.sets} for side in ("train", "test")]
        self.shares = {name: _shares(*(side[name] for side in sides)) for name in self.sets}
        train, test = (self._some(side, count) for side, count in zip(sides, how.images, strict=True))
        both = {side: merged(list(parts.values()), side) for side, parts in (("train", train), ("test", test))}
        self.whole = merged([both["test"], both["train"]], "robledo2023")
        self.tasks = {
            (name, digit): self._task(train[name], test[name], digit) for name in self.sets for digit in how.digits
        }
        for digit in how.digits if how.together is None else how.together:
            self.tasks[TOGETHER, digit] = _joined([self.tasks[name, digit] for name in self.sets], digit)
        self.extractors = Extractors(run, folder, train, test, self.whole)

    @property
    def seeds(self) -> range:
        """Those of detectors on features."""
        return range(self.run.seed, self.run.seed + self.how.seeds)

    def on_images(self, name: str) -> Iterator[PaperCell]:
        """Declare the detectors of the report on the images of a set, or of `TOGETHER`."""
        for seed in range(self.run.seed, self.run.seed + self.how.image_seeds):
            for digit in (digit for task, digit in self.tasks if task == name):
                for epochs in self.how.image_grid:
                    for method, spec in self.how.on_images(epochs).items():
                        known = {"set": name, "digit": digit, "extractor": PIXELS, "method": method, "epochs": epochs}
                        yield self._cell(spec, self.tasks[name, digit], seed, known)

    def on_features(self, extractor: DigitExtractor) -> Iterator[PaperCell]:
        """Declare f-AnoGAN and the detectors that stand beside it on the features of an extractor."""
        for (name, digit), task in self.tasks.items():
            if name == TOGETHER:
                continue
            known = {"set": name, "digit": digit, "extractor": extractor.title}
            yield self._measured(extractor, name, task, known)
            for method, spec in _SHALLOW.items():
                yield self._cell(spec, task, self.run.seed, {**known, "method": method}, extractor, name)
            if extractor.title == PIXELS:  # f-AnoGAN of these is that on images
                continue
            yield self._distilled(extractor, name, task, {**known, "method": "distillation"})
            for seed in self.seeds:
                for epochs in self.how.grid:
                    more = {"method": F_ANOGAN, "epochs": epochs}
                    yield self._cell(self.how.f_anogan(epochs), task, seed, {**known, **more}, extractor, name)

    def _some(self, side: dict[str, Dataset], count: int | None) -> dict[str, Dataset]:
        if count is None:
            return side
        return {name: part.sample(per_class=count, seed=self.run.seed) for name, part in side.items()}

    def _task(self, train: Dataset, test: Dataset, digit: int) -> DigitTask:
        """As the protocol has it, in rows of all images."""
        (made,) = by_reading([train], [test], "report", seed=self.run.seed, digits=[digit])
        places = {name: row for row, name in enumerate(self.whole.ids.tolist())}
        tested = np.array([places[name] for name in made.test.ids.tolist()])
        fitted = np.array([places[f"train/{name}"] for name in made.train.ids.tolist()])
        order = np.random.default_rng([self.run.seed, digit]).permutation(fitted)
        held, kept = np.split(order, [max(1, round(_HELD_OUT * len(order)))])
        names, sides = sets_of(made.test)
        split = Split(f"{digit} of {train.name}", np.sort(kept), tested, made.labels, classes=self.whole.labels[tested])
        return DigitTask(split, sides == names.index("test"), np.sort(held))

    def _cell(
        self,
        spec: Mapping[str, Any],
        task: DigitTask,
        seed: int,
        known: Row,
        extractor: DigitExtractor | None = None,
        target: str = "",
        given: Mapping[str, Any] | None = None,
    ) -> PaperCell:
        """The cell of a fit, which is judged by both readings; on images where no extractor or a network is given."""
        features = {} if extractor is None else self.extractors.decides(extractor, target)
        rows = [rows_digest(task.split), task.held.tolist()]
        decides = {"detector": dict(spec), "seed": seed, "features": features, "rows": rows, "version": _VERSION}
        decides["data"] = self.whole.fingerprint

        def compute() -> list[Row]:
            alone = extractor is None or given is not None
            x: Any = self.whole if alone else self.extractors.features(extractor, target)  # type: ignore[arg-type]
            more: dict[str, Any] = {"device": self.run.device, "progress": False}
            if given is not None:
                assert extractor is not None
                more |= {"teacher": self.extractors.open(extractor, target), **given}
            found = evaluate(dict(spec), task.split, x, x, given=more, seed=seed, clock=time.process_time)
            held = np.asarray(found.fitted.anomaly_score(take(x, task.held)))
            return _judged(found, task, held, seed)

        return PaperCell(decides, compute, known)

    def _distilled(self, extractor: DigitExtractor, target: str, task: DigitTask, known: Row) -> PaperCell:
        """Distillation into a small student, tested on official images alone."""
        spec = {"name": "distillation", "student": "lenet5", "epochs": self.how.distilled, "layers": extractor.layer}
        return self._cell(spec, task.on("official"), self.run.seed, known, extractor, target, given={})

    def _measured(self, extractor: DigitExtractor, target: str, task: DigitTask, known: Row) -> PaperCell:
        """The metrics of the features of the benign images that train."""
        from reprq.metrics import measure, names

        chosen = [*names(), *names("rows")]
        decides = {"measured": self.extractors.decides(extractor, target), "rows": task.split.train.tolist()}
        decides["metrics"] = chosen

        def compute() -> list[Row]:
            rows = self.extractors.features(extractor, target)[task.split.train].astype(np.float64)
            found = measure(rows, chosen)
            return [
                {
                    "metric": each.name,
                    "definition": each.definition,
                    "value": each.value,
                    "notes": "; ".join(each.notes),
                }
                for each in found.values()
            ]

        return PaperCell({**decides, "data": self.whole.fingerprint, "version": _VERSION}, compute, known)


def _judged(found: Detection, task: DigitTask, held: NDArray[np.float64], seed: int) -> list[Row]:
    """A row a reading that has rows of its own."""
    rows = []
    for reading in READINGS:
        kept = task.tested(reading)
        if reading == "report" and task.official.all():
            continue
        part = found.on(kept)
        figures = at_benign_threshold(part.labels, part.scores, held)
        rows.append({"reading": reading, **row_of(part, seed), **figures, **_spread(found.fitted)})
    return rows


def _spread(fitted: Any) -> Row:
    """Of a GAN, the share of the variance of benign samples that its own have; near 0 it has collapsed."""
    spread = getattr(fitted, "spread_", None)
    if not isinstance(spread, tuple) or not hasattr(fitted, "critic_steps"):
        return {}
    return {"spread": spread[0] / spread[1] if spread[1] else math.nan}


def _joined(tasks: list[DigitTask], digit: int) -> DigitTask:
    """The tasks of one digit of several sets as one."""
    splits = [task.split for task in tasks]
    train, test, labels, classes = (
        np.concatenate([getattr(split, name) for split in splits]) for name in ("train", "test", "labels", "classes")
    )
    split = Split(f"{digit} of {TOGETHER}", np.sort(train), test, labels, classes=classes)
    official, held = (np.concatenate([getattr(task, name) for task in tasks]) for name in ("official", "held"))
    return DigitTask(split, official, np.sort(held))


def _shares(train: Dataset, test: Dataset) -> dict[str, list[float]]:
    """The least and the largest share of anomalies over all digits, by reading."""
    found = {}
    for reading in READINGS:
        shares = [float(each.labels.mean()) for each in by_reading([train], [test], reading)]
        found[reading] = [min(shares), max(shares)]
    return found
