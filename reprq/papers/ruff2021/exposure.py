"""Outlier exposure on CIFAR-10 (Ruff 2021, section 2.3.6): HSC and BCE over the size of the corpus.

One class is benign, all others are anomalous at test and none of them trains. The corpus is tiny ImageNet without the
synsets that name classes of CIFAR-10 (the thesis: 80 million tiny images without CIFAR's); a smaller corpus is part of
a larger. Published are the values with all of the thesis' corpus (Table 2.4).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reprq.data import Dataset, load_dataset, select_tasks
from reprq.data.corpus import without_classes
from reprq.data.image.named import data_root
from reprq.data.splits import task_split
from reprq.papers.outcome import csv_text, record_text, refuse_other, write_texts
from reprq.papers.ruff2021.deep import CLASSES, load
from reprq.papers.ruff2021.judging import Bench
from reprq.plots.save import save
from reprq.progress import track
from reprq.study.cells import CellStore, Row

PUBLISHED = dict(zip(CLASSES["cifar10"], (96.3, 98.7, 92.7, 89.8, 96.6, 94.2, 97.9, 97.6, 98.2, 97.4), strict=True))
METHODS = {"HSC": "hsc", "BCE": "bce"}


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
        return {"name": METHODS[method], **given, "augmentations": list(self.augmentations), "corpus_size": size}


PRESETS = {
    "quick": ExposurePreset(("frog",), (1, None), (2, (1,)), ("HSC",), (), 32, 1, (60, 20)),
    "cpu": ExposurePreset(
        ("automobile", "frog", "ship"), (1, 16, 256, None), (8, (6,)), ("HSC",), ("flip",), 32, 1, (300, 50)
    ),
    "full": ExposurePreset(CLASSES["cifar10"], (1, 4, 16, 64, 256, 1024, 4096, None), (200, (100, 150)), seeds=3),
}


def run(
    preset: str,
    out: Path,
    *,
    root: Path | None,
    seed: int = 0,
    device: str = "cpu",
    force: bool = False,
    progress: bool = True,
) -> list[Path]:
    """Run a preset and write `exposure.png`, `exposure.svg`, `exposure.md`, `exposure.csv` and `made.json`.

    Args:
        preset: A name in `PRESETS`.
        out: The folder; finished fits stand in its `cells.jsonl` and are not computed again.
        root: The folder with torchvision's CIFAR-10 or `images/cifar10_jpeg/`, and the corpus, a folder a synset with
            `classes.tsv`, in `images/tiny_imagenet_32/`.
        seed: The first seed.
        device: Of the networks.
        force: Replace the results of another configuration.
        progress: Whether to show progress on stderr.

    Raises:
        DataError: A file is missing.
        OutputExistsError: `out` holds the results of another run.
    """
    how, folder = PRESETS[preset], data_root(root)
    corpus = without_classes(load_dataset(folder / "images" / "tiny_imagenet_32", whole=True), CLASSES["cifar10"])
    train, test = load("cifar10", folder, how.per_class, seed=seed)
    data = {"train": train.fingerprint, "test": test.fingerprint, "corpus": corpus.fingerprint}
    left = len(np.unique(corpus.labels))
    made = {"preset": preset, "seed": seed, "data": data, "training": asdict(how), "corpus": [len(corpus), left]}
    refuse_other(out, "made.json", made, force)
    bench = Bench(CellStore(out / "cells.jsonl"), device)
    fits = cells(train, test, corpus, data, how, bench, seed)
    rows = [*track(fits, desc="exposure", unit="fit", show=progress)]
    texts = {"exposure.md": _table(rows, how, len(corpus), left), "exposure.csv": csv_text(rows)}
    return [*save(_picture(rows, how), out / "exposure"), *write_texts(out, {**texts, "made.json": record_text(made)})]


def cells(
    train: Dataset, test: Dataset, corpus: Dataset, data: dict[str, str], how: ExposurePreset, bench: Bench, seed: int
) -> Iterator[Row]:
    """Fit and judge every method on every class with every size of the corpus, the methods one after the other."""
    sides = [data["train"], data["test"]]
    for number in range(seed, seed + how.seeds):
        for method in how.methods:
            for benign in how.classes:
                (task,) = select_tasks(train.classes, f"unimodal:{benign}")
                split = task_split(train, test, task)
                for size in how.sizes:
                    spec, digest = how.detector(method, size), data["corpus"]
                    row = bench.judge(
                        spec, split, train, test, data=sides, seed=number, auxiliary=corpus, corpus=digest
                    )
                    kept = {key: value for key, value in row.items() if key != "by_class"}
                    yield {"method": method, "task": benign, "corpus_size": size or len(corpus), **kept}


def _table(rows: list[Row], how: ExposurePreset, size: int, synsets: int) -> str:
    sizes = list(dict.fromkeys(row["corpus_size"] for row in rows))
    images = "all" if how.per_class is None else f"{how.per_class[0]} training and {how.per_class[1]} test"
    head = (
        "# Outlier exposure on CIFAR-10 over the size of the corpus (Ruff 2021, section 2.3.6)\n\n"
        f"AUROC in per cent, mean over {how.seeds} seed(s); {images} images a class, {how.epochs[0]} epochs,"
        f" augmentations {', '.join(how.augmentations) or 'none'}; the corpus has {size} images of {synsets} synsets."
        " Published: HSC, Table 2.4, 200 epochs, all training images, lossless files.\n"
    )
    lines = [["method", "benign class", *map(str, sizes), "HSC published"], ["---"] * 2 + ["---:"] * (len(sizes) + 1)]
    for method in how.methods:
        for benign in how.classes:
            values = [_mean(rows, method, benign, each) for each in sizes]
            lines.append([method, benign, *(f"{value:.1f}" for value in values), f"{PUBLISHED[benign]:.1f}"])
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
            if method == "HSC":
                ax.plot([sizes[-1] * 2], [PUBLISHED[benign]], marker="*", color=f"C{number}", linestyle="")
        ax.set_xscale("log")
        ax.set_xlabel("images of the corpus")
        ax.set_title(method + (" (star: published, whole corpus of the thesis)" if method == "HSC" else ""), fontsize=9)
    axes[0].set_ylabel("AUROC, per cent")
    axes[0].legend(fontsize=8)
    return fig
