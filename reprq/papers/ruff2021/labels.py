"""Few known anomalies on MNIST (Ruff 2021, section 2.3): Deep SAD and a supervised classifier over their share.

A digit is benign; known anomalies, polluting ones and those that nothing names are of separate digits. The AUROC stands
against the known digit and against the digits that neither are known nor pollute: the classifier learns what it was
shown, and Deep SAD what is benign besides (the scenarios i and ii there).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from reprq.data import Dataset, select_tasks
from reprq.data.image.named import data_root
from reprq.data.splits import task_split
from reprq.papers.outcome import csv_text, record_text, refuse_other, write_texts
from reprq.papers.ruff2021.deep import load
from reprq.papers.ruff2021.judging import Bench
from reprq.plots.save import save
from reprq.progress import track
from reprq.study.cells import CellStore, Row

Case = tuple[str, str, str]  # benign, known, polluting
GAMMAS = (0.0, 0.01, 0.05, 0.1, 0.2)
METHODS = {"Deep SAD": "deep_sad", "supervised": "supervised"}
KNOWN, UNKNOWN = "the known digit", "digits that nothing names"


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
    """Run a preset and write `labels.png`, `labels.svg`, `labels.md`, `labels.csv` and `made.json`.

    Args:
        preset: A name in `PRESETS`.
        out: The folder; finished fits stand in its `cells.jsonl` and are not computed again.
        root: The folder with `MNIST/raw` or `torchvision/MNIST/raw`.
        seed: The first seed.
        device: Of the networks.
        force: Replace the results of another configuration.
        progress: Whether to show progress on stderr.

    Raises:
        DataError: A file is missing.
        OutputExistsError: `out` holds the results of another run.
    """
    how = PRESETS[preset]
    train, test = load("mnist", data_root(root), how.per_class, seed=seed)
    data = {side.split: side.fingerprint for side in (train, test)}
    made = {"preset": preset, "seed": seed, "data": data, "training": asdict(how)}
    refuse_other(out, "made.json", made, force)
    bench = Bench(CellStore(out / "cells.jsonl"), device)
    rows = [*track(cells(train, test, how, bench, seed), desc="labels", unit="fit", show=progress)]
    texts = {"labels.md": _table(rows, how), "labels.csv": csv_text(rows), "made.json": record_text(made)}
    return [*save(_picture(rows, how), out / "labels"), *write_texts(out, texts)]


def cells(train: Dataset, test: Dataset, how: LabelsPreset, bench: Bench, seed: int) -> Iterator[Row]:
    """Fit and judge every detector in every case at every share of known anomalies."""
    data = [train.fingerprint, test.fingerprint]
    for number in range(seed, seed + how.seeds):
        for benign, known, polluting in how.cases:
            (task,) = select_tasks(train.classes, f"unimodal:{benign}")
            for pollution in how.pollution:
                for gamma in GAMMAS:
                    dirty, named = [polluting], [known]
                    given = {"pollution": pollution, "polluting": dirty, "labelled": gamma, "labelled_from": named}
                    split = task_split(train, test, task, **given, seed=number)  # type: ignore[arg-type]
                    for method, name in METHODS.items():
                        if gamma or name != "supervised":
                            row = bench.judge(how.detector(name), split, train, test, data=data, seed=number)
                            yield _row(row, method, (benign, known, polluting), pollution, gamma)


def _row(row: Row, method: str, case: Case, pollution: float, gamma: float) -> Row:
    benign, known, polluting = case
    by_class = row["by_class"]
    unknown = [value for name, value in by_class.items() if name not in case]
    kept = {key: value for key, value in row.items() if key != "by_class"}
    where = {"benign": benign, "known": known, "polluting": polluting, "pollution": pollution, "gamma": gamma}
    return {"method": method, **where, KNOWN: by_class[known], UNKNOWN: float(np.mean(unknown)), **kept}


def _means(rows: list[Row], how: LabelsPreset, method: str, pollution: float, judged: str) -> list[tuple[float, float]]:
    """The mean over cases and seeds, in per cent, at each share."""
    found = []
    for gamma in GAMMAS:
        values = [
            100.0 * row[judged]
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
            for judged in ("auroc", KNOWN, UNKNOWN):
                found = dict(_means(rows, how, method, pollution, judged))
                said = "all other digits" if judged == "auroc" else judged
                values = [f"{found[gamma]:.1f}" if gamma in found else "-" for gamma in GAMMAS]
                lines.append([method, f"{100 * pollution:g} %", said, *values])
    return head + "\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _picture(rows: list[Row], how: LabelsPreset) -> Any:
    """Two panels, the known digit and the unnamed ones: a line a method and pollution."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(9, 3.6), layout="constrained")
    axes = fig.subplots(1, 2, sharex=True, sharey=True)
    for ax, judged in zip(axes, (KNOWN, UNKNOWN), strict=True):
        for method, color in zip(METHODS, ("#1b6ca8", "#c8553d"), strict=True):
            for pollution, style in zip(how.pollution, ("-", "--"), strict=False):
                found = _means(rows, how, method, pollution, judged)
                label = f"{method}, {100 * pollution:g} % polluted"
                ax.plot(*zip(*found, strict=True), style, marker="o", markersize=4, color=color, label=label)
        ax.set_title(f"against {judged}", fontsize=10)
        ax.set_xticks([0.0, 0.05, 0.1, 0.15, 0.2])
        ax.set_xlabel("share of known anomalies in training")
    axes[0].set_ylabel("AUROC, per cent")
    axes[0].legend(fontsize=8, loc="lower right")
    return fig
