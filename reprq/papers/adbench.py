"""Every array detector on the embeddings that ADBench (Han et al. 2022) extracted from images and texts.

ResNet18 features (512-d) of classes of CIFAR-10 and SVHN against the others and of the 15 categories of MVTec-AD, BERT
and RoBERTa features (768-d) of 20 Newsgroups. One-class, unlike ADBench's own transductive protocol: 70 % of the benign
rows train, the rest and all anomalies are scored. Default parameters, no label in any choice; a detector that
draws takes the seed of the split.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from reprq.data import Split
from reprq.data.image.named import data_root
from reprq.data.stratified import BENIGN_SHARE, benign_to_fit
from reprq.detectors import create, describe, names
from reprq.errors import DataError
from reprq.evaluation import mean_over_tasks, per_class_table
from reprq.evaluation.detection import evaluate
from reprq.papers.engine import Experiment, Paper, PaperCell, PaperRun
from reprq.papers.outcome import csv_text
from reprq.provenance import file_digest
from reprq.study.cells import Row

FOLDERS = {"CV_by_ResNet18": "ResNet18", "NLP_by_BERT": "BERT", "NLP_by_RoBERTa": "RoBERTa"}


@dataclass(frozen=True)
class AdbenchPreset:
    """How much to run.

    Attributes:
        sets: Names of the sets; None is every file that is there.
        seeds: How many splits of each set.
    """

    sets: tuple[str, ...] | None
    seeds: int


PRESETS = {
    "quick": AdbenchPreset(("ResNet18 MVTec-AD_bottle", "ResNet18 MVTec-AD_toothbrush", "BERT 20news_3"), 1),
    "full": AdbenchPreset(None, 3),
}


def experiments(how: AdbenchPreset, run: PaperRun) -> Iterator[Experiment]:
    """Declare the cells, `table.md` and `cells.csv`.

    `root` has ADBench's `CV_by_ResNet18/*.npz`, `NLP_by_BERT/*.npz` and `NLP_by_RoBERTa/*.npz`, or `embeddings/` that
    holds them.
    """
    sets = _sets(data_root(run.root), how.sets)
    seeds = list(range(run.seed, run.seed + how.seeds))
    methods = {name: describe(create(name)) for name in names()}
    files = {name: file_digest(path) for name, path in sorted(sets.items())}
    made = {"preset": run.preset, "files": files, "seeds": seeds, "benign share": BENIGN_SHARE, "detectors": methods}
    cells = []
    for name, seed, method in product(sets, seeds, methods):
        decides = {"set": name, "file": files[name], "seed": seed, "detector": methods[method], "share": BENIGN_SHARE}
        cells.append(PaperCell(decides, partial(_judge, sets[name], seed, method), {"set": name}))
    yield Experiment(
        name="adbench",
        made=made,
        cells=cells,
        tables=lambda rows: {"table.md": _page(rows, made), "cells.csv": csv_text(rows)},
    )


def _sets(folder: Path, wanted: tuple[str, ...] | None) -> dict[str, Path]:
    """The files by the name of network and data, small sets first."""
    base = folder / "embeddings" if (folder / "embeddings").is_dir() else folder
    found = {f"{short} {path.stem}": path for part, short in FOLDERS.items() for path in (base / part).glob("*.npz")}
    missing = [name for name in wanted or () if name not in found]
    if not found or missing:
        raise DataError(
            f"{base} must hold ADBench's embeddings as {', '.join(f'{part}/*.npz' for part in FOLDERS)}, got"
            f" {len(found)} files{f' and not {missing[0]}' if missing else ''}; download them from Minqi824/ADBench"
        )
    chosen = {name: path for name, path in found.items() if wanted is None or name in wanted}
    return dict(sorted(chosen.items(), key=lambda item: (item[1].stat().st_size, item[0])))


def _load(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["X"].astype(np.float32), file["y"].astype(np.int64)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path} must hold X and y, got {error!r}; download it again") from None


def _judge(path: Path, seed: int, method: str) -> list[Row]:
    """Fit on 70 % of the benign rows and score the rest; the time is the processor's, fit and score together."""
    x, y = _load(path)
    train = np.sort(benign_to_fit(np.flatnonzero(y == 0), np.random.default_rng(seed)))
    test = np.setdiff1d(np.arange(len(x)), train)
    split = Split("benign against the rest", train, test, y[test])
    found = evaluate(method, split, x, x, seed=seed, clock=time.process_time)
    values = {"auroc": found.auroc.value, "low": found.auroc.low, "high": found.auroc.high, "seconds": found.seconds}
    known = {"seed": seed, "detector": method, "definition": found.detector}
    return [{**known, **found.counts(), "d": x.shape[1], **values}]


def _page(rows: list[Row], made: dict[str, Any]) -> str:
    count = len(made["files"])
    return "\n".join(
        [
            "# Every array detector on ADBench's embeddings, one-class",
            "",
            f"Preset {made['preset']}: {count} sets, seeds {made['seeds']}, 70 % of the benign rows train, the rest and"
            " all anomalies are scored; default parameters, no choice on labels. AUROC in per cent. The interval is for"
            " sets and seeds like these (`reprq.evaluation.mean_over_tasks`, 95 %); the sets"
            " differ more than the detectors do, so compare detectors by their ranks on the same sets. CPU time is fit"
            " and score of one split, on one thread: the median over all splits, and the longest.",
            "",
            *_summary(rows),
            "",
            "## Per set, mean ± standard deviation over seeds",
            "",
            per_class_table(_columns(rows, "set"), rows="task").to_markdown(),
        ]
    )


def _columns(rows: list[Row], task: str) -> dict[str, list[Any]]:
    ordered = sorted(rows, key=lambda row: (row["set"], row["detector"]))
    return {
        "task": [row[task] for row in ordered],
        **{name: [row[name] for row in ordered] for name in ("detector", "seed", "auroc")},
    }


def _summary(rows: list[Row]) -> list[str]:
    """Per detector, the best mean first: mean with interval, the mean by kind of data, mean rank, time."""
    ranks = _mean_ranks(rows)
    lines = [
        "| detector | mean | images | texts | mean rank | CPU s, median | CPU s, longest |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    found = []
    for name in dict.fromkeys(row["detector"] for row in rows):
        of_name = [row for row in rows if row["detector"] == name]
        mean = mean_over_tasks(_columns(of_name, "set"))
        kinds = [np.mean([r["auroc"] for r in of_name if r["set"].startswith("ResNet18") == image] or [np.nan])
                 for image in (True, False)]  # fmt: skip
        seconds = [row["seconds"] for row in of_name]
        cells = [f"{100 * mean.value:.1f} [{100 * mean.low:.1f}, {100 * mean.high:.1f}]"]
        cells += ["-" if np.isnan(kind) else f"{100 * kind:.1f}" for kind in kinds]
        cells += [f"{ranks[name]:.1f}", f"{np.median(seconds):.2g}", f"{max(seconds):.2g}"]
        found.append((-mean.value, f"| `{of_name[0]['definition']}` | {' | '.join(cells)} |"))
    return lines + [line for _, line in sorted(found)]


def _mean_ranks(rows: list[Row]) -> dict[str, float]:
    """Rank 1 is the best detector of a set and seed, ties share; averaged over both."""
    ranks: dict[str, list[float]] = {}
    for cell in dict.fromkeys((row["set"], row["seed"]) for row in rows):
        here = [row for row in rows if (row["set"], row["seed"]) == cell]
        for row, rank in zip(here, rankdata([-row["auroc"] for row in here]), strict=True):
            ranks.setdefault(row["detector"], []).append(float(rank))
    return {name: float(np.mean(values)) for name, values in ranks.items()}


PAPER = Paper(PRESETS, experiments)
