"""Few known anomalies on MNIST (Ruff 2021, section 2.3): Deep SAD and a supervised classifier over their share.

A digit is benign; known anomalies, polluting ones and those that nothing names are of separate digits. The AUROC stands
against the known digit and against the digits that neither are known nor pollute: the classifier learns what it was
shown, and Deep SAD what is benign besides (the scenarios i and ii there).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import permutations, product
from typing import Any

import numpy as np

from reprq.data import Dataset, select_tasks
from reprq.data.image.named import data_root
from reprq.data.splits import task_split
from reprq.papers.engine import Experiment, Paper, PaperCell, PaperRun
from reprq.papers.fits import fit_cell
from reprq.papers.outcome import csv_text
from reprq.papers.ruff2021.deep import load
from reprq.study.cells import Row

Case = tuple[str, str, str]  # benign, known, polluting
GAMMAS = (0.0, 0.01, 0.05, 0.1, 0.2)
METHODS = {"Deep SAD": "deep_sad", "supervised": "supervised"}
KNOWN, UNKNOWN = "the known digit", "digits that nothing names"
_JUDGED = (KNOWN, UNKNOWN)


@dataclass(frozen=True)
class LabelsPreset:
    """How much of the scenarios to run.

    Attributes:
        cases: Benign, known and polluting digit of each.
        epochs: Of the networks, and after how many the rate falls to a tenth.
        pretraining: Epochs of Deep SAD's autoencoder.
        lr: The learning rate.
        batch_size: Images a step.
        pollution: Shares of the training images that are anomalies.
        seeds: How many.
        per_class: Training and test images a class, a seeded sample; None is all.
    """

    cases: tuple[Case, ...]
    epochs: tuple[int, int]
    pretraining: int
    lr: float
    batch_size: int
    pollution: tuple[float, ...]
    seeds: int
    per_class: tuple[int, int] | None = None

    def detector(self, name: str) -> dict[str, Any]:
        """Return a detector."""
        epochs, milestone = self.epochs
        more = {"pretrain_epochs": self.pretraining} if name == "deep_sad" and self.pretraining else {}
        common = {"name": name, "preprocessing": "min-max", "lr": self.lr, "batch_size": self.batch_size}
        return {**common, "held_out": 0.0, "epochs": epochs, "milestones": [milestone], **more}


_ALL = tuple((str(a), str(b), str((b + (2 if (b + 1) % 10 == a else 1)) % 10)) for a, b in permutations(range(10), 2))
PRESETS = {
    "quick": LabelsPreset((("3", "5", "8"),), (3, 2), 0, 1e-3, 64, (0.0,), 1, (100, 30)),
    "cpu": LabelsPreset(
        (("3", "5", "8"), ("8", "1", "9"), ("0", "6", "2")), (30, 20), 0, 1e-3, 64, (0.0, 0.1), 1, (500, 100)
    ),
    "full": LabelsPreset(_ALL, (150, 50), 100, 1e-4, 200, (0.0, 0.1), 1),
}


def experiments(how: LabelsPreset, run: PaperRun) -> Iterator[Experiment]:
    """Declare the fits, `labels.png`, `labels.svg`, `labels.md` and `labels.csv`; `root` has `MNIST/raw`."""
    train, test = load("mnist", data_root(run.root), how.per_class, seed=run.seed)
    data = {side.split: side.fingerprint for side in (train, test)}
    yield Experiment(
        name="labels",
        made={"preset": run.preset, "seed": run.seed, "data": data, "training": asdict(how)},
        cells=cells(train, test, how, run),
        tables=lambda rows: {
            "labels.md": _table(rows, how),
            "labels.csv": csv_text([{**row, **{judged: _auroc(row, judged) for judged in _JUDGED}} for row in rows]),
        },
        figures=lambda rows: {"labels": _picture(rows, how)},
    )


def cells(train: Dataset, test: Dataset, how: LabelsPreset, run: PaperRun) -> Iterator[PaperCell]:
    """Declare every detector in every case at every share of known anomalies."""
    data = [train.fingerprint, test.fingerprint]
    shares = product(how.cases, how.pollution, GAMMAS)
    for seed, ((benign, known, polluting), pollution, gamma) in product(range(run.seed, run.seed + how.seeds), shares):
        (task,) = select_tasks(train.classes, f"unimodal:{benign}")
        dirty: dict[str, Any] = {"pollution": pollution, "polluting": [polluting]}
        split = task_split(train, test, task, **dirty, labelled=gamma, labelled_from=[known], seed=seed)
        where = {"benign": benign, "known": known, "polluting": polluting, "pollution": pollution, "gamma": gamma}
        for method, name in METHODS.items():
            if gamma or name != "supervised":
                row = {"method": method, **where}
                yield fit_cell(run, how.detector(name), split, train, test, data=data, seed=seed, known=row)


def _auroc(row: Row, judged: str) -> float:
    """Against all other digits ("auroc"), the known one, or the mean over those that nothing names."""
    if judged == "auroc":
        return float(row["auroc"])
    by_class = row["by_class"]
    named = (row["benign"], row["known"], row["polluting"])
    digits = [row["known"]] if judged == KNOWN else [digit for digit in by_class if digit not in named]
    return float(np.mean([by_class[digit] for digit in digits]))


def _means(rows: list[Row], method: str, pollution: float, judged: str) -> list[tuple[float, float]]:
    """The mean over cases and seeds, in per cent, at each share."""
    found = []
    for gamma in GAMMAS:
        values = [
            100.0 * _auroc(row, judged)
            for row in rows
            if (row["method"], row["pollution"], row["gamma"]) == (method, pollution, gamma)
        ]
        if values:
            found.append((gamma, float(np.mean(values))))
    return found


def _table(rows: list[Row], how: LabelsPreset) -> str:
    cases = "; ".join(f"{a} benign, {b} known, {c} polluting" for a, b, c in how.cases[:4])
    more = f" and {len(how.cases) - 4} more" if len(how.cases) > 4 else ""
    images = "all" if how.per_class is None else f"{how.per_class[0]} training and {how.per_class[1]} test"
    head = (
        "# Known anomalies on MNIST: Deep SAD and a supervised classifier (Ruff 2021, section 2.3)\n\n"
        f"Mean AUROC in per cent over {len(how.cases)} cases ({cases}{more}) and {how.seeds} seed(s); {images} images a"
        f" class, {how.epochs[0]} epochs, {how.pretraining} of pretraining; the share is that of known anomalies among"
        " all that trains. The thesis has 90 cases; its values are drawn, not printed.\n"
    )
    lines = [["method", "polluted", "judged on", *(f"{gamma:g}" for gamma in GAMMAS)]]
    lines.append(["---"] * 3 + ["---:"] * len(GAMMAS))
    for method in METHODS:
        for pollution in how.pollution:
            for judged in ("auroc", *_JUDGED):
                found = dict(_means(rows, method, pollution, judged))
                said = "all other digits" if judged == "auroc" else judged
                values = [f"{found[gamma]:.1f}" if gamma in found else "-" for gamma in GAMMAS]
                lines.append([method, f"{100 * pollution:g} %", said, *values])
    return head + "\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _picture(rows: list[Row], how: LabelsPreset) -> Any:
    """Two panels, the known digit and the unnamed ones: a line a method and pollution."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(9, 3.6), layout="constrained")
    axes = fig.subplots(1, 2, sharex=True, sharey=True)
    for ax, judged in zip(axes, _JUDGED, strict=True):
        for method, color in zip(METHODS, ("#1b6ca8", "#c8553d"), strict=True):
            for pollution, style in zip(how.pollution, ("-", "--"), strict=False):
                found = _means(rows, method, pollution, judged)
                label = f"{method}, {100 * pollution:g} % polluted"
                ax.plot(*zip(*found, strict=True), style, marker="o", markersize=4, color=color, label=label)
        ax.set_title(f"against {judged}", fontsize=10)
        ax.set_xticks([0.0, 0.05, 0.1, 0.15, 0.2])
        ax.set_xlabel("share of known anomalies in training")
    axes[0].set_ylabel("AUROC, per cent")
    axes[0].legend(fontsize=8, loc="lower right")
    return fig


PAPER = Paper(PRESETS, experiments)
