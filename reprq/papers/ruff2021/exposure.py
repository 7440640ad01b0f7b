"""Outlier exposure on CIFAR-10 (Ruff 2021, sections 2.3.6 and 3.1): HSC, BCE and FCDD over the size of the corpus.

One class is benign, all others are anomalous at test and none of them trains. The corpus is tiny ImageNet without the
synsets that name classes of CIFAR-10 (the thesis: 80 million tiny images without CIFAR's); a smaller corpus is part of
a larger. Published are the values with all of the thesis' corpus (Tables 2.4 and C.6).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from reprq.data import Dataset, load_dataset, select_tasks
from reprq.data.corpus import without_classes
from reprq.data.image.named import data_root
from reprq.data.splits import task_split
from reprq.papers.engine import Experiment, Paper, PaperCell, PaperRun
from reprq.papers.fits import fit_cell
from reprq.papers.outcome import csv_text
from reprq.papers.ruff2021.deep import CLASSES, load
from reprq.study.cells import Row

METHODS = {"HSC": "hsc", "BCE": "bce", "FCDD": "fcdd"}
_PRINTED = {
    "HSC": (96.3, 98.7, 92.7, 89.8, 96.6, 94.2, 97.9, 97.6, 98.2, 97.4),
    "FCDD": (95.0, 96.0, 91.0, 90.0, 94.0, 93.0, 97.0, 96.0, 97.0, 96.0),  # two digits are printed
}
PUBLISHED = {method: dict(zip(CLASSES["cifar10"], values, strict=True)) for method, values in _PRINTED.items()}


@dataclass(frozen=True)
class ExposurePreset:
    """How much to run.

    Attributes:
        classes: The benign classes.
        sizes: Of the corpus; None is all of it.
        epochs: And after how many the rate falls to a tenth.
        methods: Of `METHODS`.
        augmentations: Of training images.
        batch_size: Benign images a step, and as many of the corpus.
        seeds: How many.
        per_class: Training and test images a class, a seeded sample; None is all.
    """

    classes: tuple[str, ...]
    sizes: tuple[int | None, ...]
    epochs: tuple[int, tuple[int, ...]]
    methods: tuple[str, ...] = ("HSC", "BCE")
    augmentations: tuple[str, ...] = ("flip", "crop", "noise")
    batch_size: int = 128
    seeds: int = 1
    per_class: tuple[int, int] | None = None

    def detector(self, method: str, size: int | None) -> dict[str, Any]:
        """Return a detector."""
        epochs, milestones = self.epochs
        given = {"epochs": epochs, "milestones": list(milestones), "batch_size": self.batch_size, "held_out": 0.0}
        own = {"preprocessing": "contrast"} if method == "FCDD" else {}  # that of the others where none is said
        return {"name": METHODS[method], **given, **own, "augmentations": list(self.augmentations), "corpus_size": size}


PRESETS = {
    "quick": ExposurePreset(("frog",), (1, None), (2, (1,)), ("HSC",), (), 32, 1, (60, 20)),
    "cpu": ExposurePreset(
        ("automobile", "frog", "ship"), (1, 16, 256, None), (8, (6,)), ("HSC",), ("flip",), 32, 1, (300, 50)
    ),
    "full": ExposurePreset(CLASSES["cifar10"], (1, 4, 16, 64, 256, 1024, 4096, None), (200, (100, 150)), seeds=3),
}


def experiments(how: ExposurePreset, run: PaperRun) -> Iterator[Experiment]:
    """Declare the fits, `exposure.png`, `exposure.svg`, `exposure.md` and `exposure.csv`.

    `root` has torchvision's CIFAR-10 or `images/cifar10_jpeg/`, and the corpus in `images/tiny_imagenet_32/`, a folder
    a synset with `classes.tsv`.
    """
    train, test, corpus = given(how, run)
    data = {"train": train.fingerprint, "test": test.fingerprint, "corpus": corpus.fingerprint}
    size = [len(corpus), len(np.unique(corpus.labels))]
    yield Experiment(
        name="exposure",
        made={"preset": run.preset, "seed": run.seed, "data": data, "training": asdict(how), "corpus": size},
        cells=cells(train, test, corpus, how, run),
        tables=lambda rows: {"exposure.md": _table(rows, how, *size), "exposure.csv": csv_text(rows)},
        figures=lambda rows: {"exposure": _picture(rows, how)},
    )


def given(how: ExposurePreset, run: PaperRun) -> tuple[Dataset, Dataset, Dataset]:
    """Return what trains, what is scored, and the corpus without the synsets that name a class of CIFAR-10.

    Raises:
        DataError: They are not in the folder.
    """
    folder = data_root(run.root)
    corpus = without_classes(load_dataset(folder / "images" / "tiny_imagenet_32", whole=True), CLASSES["cifar10"])
    train, test = load("cifar10", folder, how.per_class, seed=run.seed)
    return train, test, corpus


def cells(
    train: Dataset, test: Dataset, corpus: Dataset, how: ExposurePreset, run: PaperRun, *, keep: bool = False
) -> Iterator[PaperCell]:
    """Declare every method on every class with every size of the corpus, the methods one after the other.

    Args:
        train: Both sides.
        test: Both sides.
        corpus: Without the classes of the task.
        how: How much.
        run: For its seed, device and files.
        keep: Whether the fitted detectors stay, in `run.file(cell.decides, "safetensors")`.
    """
    data: dict[str, Any] = {"data": [train.fingerprint, test.fingerprint], "corpus": corpus.fingerprint, "keep": keep}
    for seed in range(run.seed, run.seed + how.seeds):
        for method in how.methods:
            for benign in how.classes:
                (task,) = select_tasks(train.classes, f"unimodal:{benign}")
                split = task_split(train, test, task)
                for size in how.sizes:
                    known = {"method": method, "task": benign, "corpus_size": size or len(corpus)}
                    spec = how.detector(method, size)
                    yield fit_cell(run, spec, split, train, test, seed=seed, known=known, auxiliary=corpus, **data)


def _table(rows: list[Row], how: ExposurePreset, size: int, synsets: int) -> str:
    sizes = list(dict.fromkeys(row["corpus_size"] for row in rows))
    images = "all" if how.per_class is None else f"{how.per_class[0]} training and {how.per_class[1]} test"
    head = (
        "# Outlier exposure on CIFAR-10 over the size of the corpus (Ruff 2021, section 2.3.6)\n\n"
        f"AUROC in per cent, mean over {how.seeds} seed(s); {images} images a class, {how.epochs[0]} epochs,"
        f" augmentations {', '.join(how.augmentations) or 'none'}; the corpus has {size} images of {synsets} synsets."
        " Published: HSC, Table 2.4, 200 epochs, all training images, lossless files.\n"
    )
    lines = [["method", "benign class", *map(str, sizes), "published"], ["---"] * 2 + ["---:"] * (len(sizes) + 1)]
    for method in how.methods:
        for benign in how.classes:
            values = [_mean(rows, method, benign, each) for each in sizes]
            printed = f"{PUBLISHED[method][benign]:.1f}" if method in PUBLISHED else "-"
            lines.append([method, benign, *(f"{value:.1f}" for value in values), printed])
    return head + "\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _mean(rows: list[Row], method: str, benign: str, size: int) -> float:
    wanted = (method, benign, size)
    return 100.0 * float(
        np.mean([row["auroc"] for row in rows if (row["method"], row["task"], row["corpus_size"]) == wanted])
    )


def _picture(rows: list[Row], how: ExposurePreset) -> Any:
    """One panel a method: a line a class over the size of the corpus, the published value at the right."""
    from matplotlib.figure import Figure

    sizes = list(dict.fromkeys(row["corpus_size"] for row in rows))
    fig = Figure(figsize=(4.5 * len(how.methods), 3.6), layout="constrained")
    axes = fig.subplots(1, len(how.methods), sharey=True, squeeze=False)[0]
    for ax, method in zip(axes, how.methods, strict=True):
        for number, benign in enumerate(how.classes):
            values = [_mean(rows, method, benign, size) for size in sizes]
            ax.plot(sizes, values, marker="o", markersize=4, color=f"C{number}", label=benign)
            if method in PUBLISHED:
                ax.plot([sizes[-1] * 2], [PUBLISHED[method][benign]], marker="*", color=f"C{number}", linestyle="")
        ax.set_xscale("log")
        ax.set_xlabel("images of the corpus")
        star = " (star: published, whole corpus of the thesis)" if method in PUBLISHED else ""
        ax.set_title(method + star, fontsize=9)
    axes[0].set_ylabel("AUROC, per cent")
    axes[0].legend(fontsize=8)
    return fig


PAPER = Paper(PRESETS, experiments)
