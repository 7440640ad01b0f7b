"""Table 2.1 of Ruff (2021): Deep SVDD and the autoencoder, one class of MNIST or CIFAR-10 against the others.

Networks, L1 contrast normalization, batches of 200 and lambda = 1e-6 are the thesis'; a preset says how long and how
fast they train. Deep SVDD starts from the encoder of the autoencoder that stands beside it. All benign training images
train; all test images are scored.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from reprq.data import Dataset, Split, load_dataset, select_tasks
from reprq.data.splits import task_split
from reprq.detectors import create, describe
from reprq.detectors.deep.autoencoder import Autoencoder
from reprq.detectors.deep.svdd import DeepSVDD
from reprq.errors import DataError
from reprq.evaluation.detection import judge
from reprq.papers.beside import LEGEND, beside, far
from reprq.papers.engine import Experiment, PaperCell, PaperRun
from reprq.papers.fits import VERSION, row_of, rows_digest
from reprq.papers.outcome import csv_text
from reprq.study.cells import Row
from reprq.training import Epoch, Schedule

AE, ONE_CLASS, SOFT = "AE", "Deep SVDD, one-class", "Deep SVDD, soft-boundary"
METHODS = (AE, SOFT, ONE_CLASS)
PUBLISHED: dict[str, dict[str, tuple[float, ...]]] = {
    "mnist": {
        AE: (97.6, 98.3, 85.4, 86.7, 86.5, 78.2, 94.6, 92.3, 86.5, 90.4),
        SOFT: (97.8, 99.6, 89.5, 90.3, 93.8, 85.8, 98.0, 92.7, 92.9, 94.9),
        ONE_CLASS: (98.0, 99.7, 91.7, 91.9, 94.9, 88.5, 98.3, 94.6, 93.9, 96.5),
    },
    "cifar10": {
        AE: (59.1, 57.4, 48.9, 58.4, 54.0, 62.2, 51.2, 58.6, 76.8, 67.3),
        SOFT: (61.7, 64.8, 49.5, 56.0, 59.1, 62.1, 67.8, 65.2, 75.6, 71.0),
        ONE_CLASS: (61.7, 65.9, 50.8, 59.1, 60.9, 65.7, 67.7, 67.3, 75.9, 73.1),
    },
}
CLASSES = {
    "mnist": tuple(map(str, range(10))),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
}


@dataclass(frozen=True)
class NetworkTraining:
    """How long and how fast the networks train, and on what.

    Attributes:
        autoencoder: Epochs of the autoencoder, and after how many the rate falls to a tenth.
        svdd: The same of Deep SVDD, which starts from it.
        lr: The learning rate.
        nus: Of the soft boundary; the thesis prints the better of 0.01 and 0.1, which takes the test labels.
        seeds: How many.
        classes: The benign classes; None is all ten.
        per_class: NetworkTraining and test images a class, a seeded sample; None is all.
    """

    autoencoder: tuple[int, int]
    svdd: tuple[int, int]
    lr: float
    nus: tuple[float, ...] = (0.1,)
    seeds: int = 1
    classes: tuple[str, ...] | None = None
    per_class: tuple[int, int] | None = None

    def first(self) -> dict[str, Any]:
        """Return the autoencoder."""
        epochs, milestone = self.autoencoder
        return {"name": "autoencoder", "lr": self.lr, "held_out": 0.0, "epochs": epochs, "milestones": [milestone]}

    def after(self) -> dict[str, dict[str, Any]]:
        """Return the parameters of what starts from it, by method."""
        epochs, milestone = self.svdd
        common = {"lr": self.lr, "held_out": 0.0, "epochs": epochs, "milestones": [milestone]}
        soft = {"objective": "soft-boundary", "warm_up_epochs": min(10, epochs // 3)}
        named = {SOFT if nu == self.nus[0] else f"{SOFT}, nu={nu:g}": {**soft, "nu": nu} for nu in self.nus}
        return {ONE_CLASS: common} | {name: {**common, **own} for name, own in named.items()}

    def said(self) -> str:
        """Return it in a sentence."""
        (ae, ae_fall), (svdd, fall) = self.autoencoder, self.svdd
        images = "all" if self.per_class is None else f"{self.per_class[0]} training and {self.per_class[1]} test"
        return (
            f"AE {ae} epochs, then Deep SVDD {svdd}, learning rate {self.lr:g}, a tenth of it after {ae_fall} and"
            f" {fall} epochs; soft boundary with nu = {' and '.join(f'{nu:g}' for nu in self.nus)}; {images} images a"
            f" class; {self.seeds} seed{'s' if self.seeds > 1 else ''}. The thesis: AE 250 epochs at 1e-4 and 100 at"
            " 1e-5, Deep SVDD 150 and 100, the better nu of two, ten seeds."
        )


def starting_from(autoencoder: Autoencoder, **parameters: Any) -> DeepSVDD:
    """Return a Deep SVDD whose network starts as the encoder of a fitted autoencoder of the same network.

    Args:
        autoencoder: Fitted on the samples that Deep SVDD will be fitted on.
        **parameters: Of `DeepSVDD`.
    """
    detector = DeepSVDD(**parameters)

    def pretrain(schedule: Schedule) -> list[Epoch]:
        encoders: list[Any] = [each.network_.phi for each in (autoencoder, detector)]
        encoders[1].load_state_dict(encoders[0].state_dict())
        return autoencoder.history_

    detector._pretrain = pretrain  # type: ignore[method-assign]
    return detector


def load(name: str, folder: Path, per_class: tuple[int, int] | None = None, *, seed: int = 0) -> list[Dataset]:
    """Return both sides of a data set: torchvision's files, or for CIFAR-10 a folder of JPEG files.

    Args:
        name: "mnist" or "cifar10".
        folder: With `MNIST/raw` or `cifar-10-batches-py`, in it or in its `torchvision/`; or `images/cifar10_jpeg/`.
        per_class: Training and test images a class; None is all.
        seed: Of the sample.

    Raises:
        DataError: They are not in the folder.
    """
    jpeg, inside = folder / "images" / "cifar10_jpeg", folder / "torchvision"
    asked: Path | str = jpeg if name == "cifar10" and jpeg.is_dir() else name
    root = inside if inside.is_dir() else folder
    sides = [load_dataset(asked, side, root=root) for side in ("train", "test")]
    counts = per_class or (None, None)
    return [side.sample(per_class=count, seed=seed) for side, count in zip(sides, counts, strict=True)]


def experiment(name: str, how: NetworkTraining, folder: Path, run: PaperRun) -> Experiment:
    """Declare the fits on a data set and their table; where CIFAR-10 is not in the folder, the table says so.

    Raises:
        DataError: MNIST is not in the folder.
    """
    files = f"table-2.1-deep-{name}"
    try:
        train, test = load(name, folder, how.per_class, seed=run.seed)
    except DataError as error:
        if name == "mnist":
            raise
        text = f"{_heading(name)}\n\nmissing: {error}\n"
        return Experiment(name=name, cells=(), tables=lambda rows: {f"{files}.md": text}, record="")
    data = {side.split: side.fingerprint for side in (train, test)}
    return Experiment(
        name=name,
        made={"data": data, "seed": run.seed, "training": asdict(how)},
        cells=cells(name, train, test, how, run),
        tables=lambda rows: {f"{files}.md": _table(name, rows, how), f"{files}.csv": csv_text(rows)},
        record=f"{files}.json",
    )


def cells(name: str, train: Dataset, test: Dataset, how: NetworkTraining, run: PaperRun) -> Iterator[PaperCell]:
    """Declare every detector on every class, seed by seed: the autoencoder, then what starts from it."""
    data, spec = [train.fingerprint, test.fingerprint], how.first()
    for seed, benign in product(range(run.seed, run.seed + how.seeds), how.classes or CLASSES[name]):
        (task,) = select_tasks(train.classes, f"unimodal:{benign}")
        split = task_split(train, test, task)
        decides = {"detector": spec, "seed": seed, "data": data, "rows": rows_digest(split), "version": VERSION}
        known = {"table": "2.1", "data": name, "task": benign}
        fitted = _Fitted(train, test, split, seed, run, run.file(decides, "safetensors"))
        yield PaperCell(decides, partial(fitted.first, spec, decides), {**known, "method": AE})
        for method, own in how.after().items():
            later = {**decides, "after": own}
            yield PaperCell(later, partial(fitted.after, own, later), {**known, "method": method})


@dataclass(frozen=True)
class _Fitted:
    """An autoencoder in its file, and what starts from it, on one split."""

    train: Dataset
    test: Dataset
    split: Split
    seed: int
    run: PaperRun
    file: Path

    def first(self, spec: dict[str, Any], decides: dict[str, Any]) -> list[Row]:
        began = time.process_time()
        detector = create({**spec, **self._given(decides)}).fit(self._benign)
        row = self._judged(detector, describe(detector), began)
        detector.save(self.file, force=True)
        return [row]

    def after(self, own: dict[str, Any], decides: dict[str, Any]) -> list[Row]:
        began = time.process_time()
        start = Autoencoder.load(self.file, device=self.run.device)
        detector = starting_from(start, **own, **self._given(decides))
        name = f"{describe(create({'name': 'deep_svdd', **own}))} from {describe(start)}"
        return [self._judged(detector.fit(self._benign), name, began)]

    @property
    def _benign(self) -> Dataset:
        return self.train.select(self.split.train)

    def _given(self, decides: dict[str, Any]) -> dict[str, Any]:
        return {"seed": self.seed, "device": self.run.device, "checkpoint": self.run.file(decides, "pt")}

    def _judged(self, detector: Any, name: str, began: float) -> Row:
        scores = detector.anomaly_score(self.test.select(self.split.test))
        n, seconds = len(self.split.train), time.process_time() - began
        return row_of(judge(name, scores, self.split.labels, n_train=n, seconds=seconds), self.seed)


def _heading(name: str) -> str:
    shown = {"mnist": "MNIST", "cifar10": "CIFAR-10"}[name]
    return f"# Table 2.1 of Ruff (2021), deep methods on {shown}: one class is benign, all others are anomalous"


def _table(name: str, rows: list[Row], how: NetworkTraining) -> str:
    published = {method: dict(zip(CLASSES[name], PUBLISHED[name][method], strict=True)) for method in METHODS}
    return f"{_heading(name)}\n\n{how.said()}\n\n{LEGEND}\n\n{beside(rows, published)}\n\n{far(rows, published)}\n"
