"""FCDD with outlier exposure on CIFAR-10 (Ruff 2021, Tables 3.1 and C.6): AUROC beside HSC's, and maps.

Both learn one benign class against tiny ImageNet without the synsets that name classes of CIFAR-10; see
`reprq.papers.ruff2021.exposure`. CIFAR-10 has no masks, so its maps are looked at and not judged.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from reprq.data import Dataset
from reprq.errors import DataError
from reprq.papers.beside import LEGEND, beside, far
from reprq.papers.engine import Experiment, PaperCell, PaperRun
from reprq.papers.outcome import csv_text
from reprq.papers.ruff2021 import exposure
from reprq.papers.ruff2021.deep import CLASSES
from reprq.papers.ruff2021.exposure import PUBLISHED, ExposurePreset
from reprq.study.cells import Row

_BOTH = ("FCDD", "HSC")
PRESETS = {
    "quick": ExposurePreset(("frog",), (None,), (1, ()), _BOTH, (), 32, 1, (40, 10)),
    "cpu": ExposurePreset(("automobile", "frog", "ship"), (None,), (8, (6,)), _BOTH, ("flip",), 32, 1, (300, 50)),
    "full": ExposurePreset(CLASSES["cifar10"], (None,), (600, (400, 500)), _BOTH, seeds=5),
}
_SHOWN = (2, 4)  # images of the benign class and of others, of one benign class
_SIGMA = 4.0  # in pixels, for the picture: the stride of outputs, which the thesis' 1.2 leaves apart as dots
_HEADING = "# FCDD with outlier exposure on CIFAR-10, beside HSC (Ruff 2021, Tables 3.1 and C.6)"


def experiment(how: ExposurePreset, run: PaperRun) -> Experiment:
    """Declare the fits, `cifar10.md`, `cifar10.csv` and `cifar10.png`; without the data, the table says so."""
    try:
        train, test, corpus = exposure.given(how, run)
    except DataError as error:
        text = f"{_HEADING}\n\nmissing: {error}\n"
        return Experiment(name="cifar10", cells=(), tables=lambda rows: {"cifar10.md": text}, record="")
    data = {"train": train.fingerprint, "test": test.fingerprint, "corpus": corpus.fingerprint}
    size = [len(corpus), len(np.unique(corpus.labels))]
    cells = list(exposure.cells(train, test, corpus, how, run, keep=True))
    return Experiment(
        name="cifar10",
        made={"preset": run.preset, "seed": run.seed, "data": data, "training": asdict(how), "corpus": size},
        cells=cells,
        tables=lambda rows: {"cifar10.md": _table(rows, how, *size), "cifar10.csv": csv_text(rows)},
        figures=lambda rows: {"cifar10": _picture(cells, test, how, run)},
        record="cifar10.json",
    )


def _table(rows: list[Row], how: ExposurePreset, size: int, synsets: int) -> str:
    images = "all" if how.per_class is None else f"{how.per_class[0]} training and {how.per_class[1]} test"
    said = (
        f"{images} images a class, {how.epochs[0]} epochs, a tenth of the rate after"
        f" {' and '.join(map(str, how.epochs[1])) or 'none'}, {how.batch_size} benign images a step,"
        f" augmentations {', '.join(how.augmentations) or 'none'}, contrast normalization, {how.seeds}"
        f" seed{'s' if how.seeds > 1 else ''}; the corpus has {size} images of {synsets} synsets, none of which names a"
        " class of CIFAR-10. The thesis: all images, 600 epochs of FCDD and 200 of HSC, a corpus of millions, and"
        " two digits of FCDD printed."
    )
    published = {name: PUBLISHED[name] for name in _BOTH}
    return f"{_HEADING}\n\n{said}\n\n{LEGEND}\n\n{beside(rows, published)}\n\n{far(rows, published)}\n"


def _picture(cells: Sequence[PaperCell], test: Dataset, how: ExposurePreset, run: PaperRun) -> Any:
    """Maps of FCDD, of the first seed: the first test images of each benign class and of the classes after it."""
    from reprq.detectors import load
    from reprq.plots import overlay_gallery

    images, maps, titles = [], [], []
    for benign in how.classes:
        found = next(cell for cell in cells if (cell.known["method"], cell.known["task"]) == ("FCDD", benign))
        shown = test.select(_rows(test, test.classes.index(benign)))
        detector = load(run.file(found.decides, "safetensors"), device=run.device).set_params(sigma=_SIGMA)
        scores = detector.anomaly_score(shown)
        maps += list(detector.anomaly_map(shown))
        images += [np.asarray(shown.item(i)) for i in range(len(shown))]
        names = [test.classes[number] for number in shown.labels]
        titles += [f"{name}, {score:.1f} (benign: {benign})" for name, score in zip(names, scores, strict=True)]
    return overlay_gallery(images, maps, titles=titles, columns=sum(_SHOWN) // 2)


def _rows(test: Dataset, benign: int) -> list[int]:
    """Return the first images of a class, and the first of each of the classes that follow it."""
    count, others = _SHOWN
    numbers = [(benign + 1 + i) % len(test.classes) for i in range(others)]
    first = [int(np.flatnonzero(test.labels == number)[0]) for number in numbers]
    return [*np.flatnonzero(test.labels == benign)[:count].tolist(), *first]
