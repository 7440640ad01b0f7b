"""Table C.1 of Ruff (2021): detectors of rows and deep ones on cardio, satellite and thyroid, few anomalies known.

60 % of the benign rows train, and of 60 % of the anomalies as many are known as make 1 % of what trains; the others are
scored. Rows are standardized by the benign training rows. The networks, 50 + 100 epochs at 1e-4 and 1e-5, batches of
200 and lambda = 1e-6 are those of appendix B.1; Deep SVDD and Deep SAD start from an autoencoder of 150 epochs.

The kernel methods choose gamma in {2^-7, ..., 2^2}, and OC-SVM nu in {0.01, 0.05, 0.1, 0.2, 0.5}, on a tenth of the
test labels, which is an oracle, and are judged on the other rows. Hybrids are the same methods on the codes of the
autoencoder.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.data import Split
from reprq.detectors import create
from reprq.detectors.entries import DETECTORS
from reprq.evaluation.detection import evaluate
from reprq.papers.beside import LEGEND, beside
from reprq.papers.engine import Experiment, PaperCell, PaperRun
from reprq.papers.fits import VERSION, fit_cell, row_of, rows_digest
from reprq.papers.outcome import csv_text
from reprq.papers.ruff2021.shallow import TABULAR_GAMMAS, TABULAR_NUS, oracle_row
from reprq.study.cells import Row

Array = NDArray[np.float64]
NETWORKS = {"cardio": "mlp:32-16-8", "satellite": "mlp:32-16-8", "thyroid": "mlp:32-16-4"}
PUBLISHED = {  # cardio, satellite, thyroid: AUROC in per cent
    "OC-SVM raw": (98.5, 95.1, 98.3),
    "OC-SVM hybrid": (82.8, 68.6, 91.2),
    "AE": (94.3, 80.0, 75.2),
    "Deep SVDD": (84.8, 79.8, 72.0),
    "SSAD raw": (98.8, 96.2, 97.9),
    "SSAD hybrid": (86.3, 86.9, 95.3),
    "SS-DGM": (66.2, 57.4, 72.7),
    "Deep SAD": (95.0, 91.5, 98.6),
    "supervised": (83.2, 87.2, 97.8),
}
LABELLED = 0.01
_SSAD = {"name": "ssad", "kappa": 1.0, "eta_u": 1.0, "eta_l": 1.0}


@dataclass(frozen=True)
class TabularPreset:
    """How long networks train and how many splits are drawn; by default as the thesis has it.

    Attributes:
        epochs: Of every network, and after how many the rate falls to a tenth.
        seeds: How many.
    """

    epochs: tuple[int, int] = (150, 50)
    seeds: int = 10

    def network(self, name: str, of: str, **more: Any) -> dict[str, Any]:
        """Return a deep detector on a set."""
        epochs, milestone = self.epochs
        given = {"name": of, "network": NETWORKS[name], "epochs": epochs, "milestones": [milestone]}
        return {**given, "held_out": 0.0, **more}


def experiment(
    how: TabularPreset, sets: Mapping[str, tuple[Array, NDArray[np.int64]]], files: Mapping[str, str], run: PaperRun
) -> Experiment:
    """Declare the fits and the table.

    Args:
        how: How long and how often.
        sets: Rows and labels of each set.
        files: The digest of each set's file.
        run: What is asked.
    """
    return Experiment(
        name="Table C.1",
        made={"files": dict(files), "seed": run.seed, "training": asdict(how), "labelled": LABELLED},
        cells=cells(sets, files, how, run),
        tables=lambda rows: {"table-c.1.md": _table(rows, how, run.seed), "table-c.1.csv": csv_text(rows)},
        record="table-c.1.json",
    )


def _table(rows: list[Row], how: TabularPreset, seed: int) -> str:
    published = {name: dict(zip(NETWORKS, values, strict=True)) for name, values in PUBLISHED.items()}
    columns = {
        setting: {name: published[name] for name in PUBLISHED if ("raw" in name or "hybrid" in name) == bool(setting)}
        for setting in ("", "oracle", "rule", "best of the grid")
    }
    epochs, milestone = how.epochs
    parts = [
        "# Table C.1 of Ruff (2021): cardio, satellite and thyroid, 60:40 splits, 1 % known anomalies",
        f"Seeds {seed} to {seed + how.seeds - 1}; networks {epochs} epochs, a tenth of the rate after {milestone}."
        f" {LEGEND}",
        "## Networks",
        beside(rows, columns[""]),
    ]
    for setting, said in (
        ("oracle", "gamma (and nu) chosen on a tenth of the test labels, judged on the others; as the thesis"),
        ("rule", "gamma = 1 / (d variance), nu = 0.1: no label is used"),
        ("best of the grid", "the best of all test labels, above which no choice from the grid can come"),
    ):
        of_setting = [row for row in rows if row.get("setting") == setting]
        parts += [f"## Kernel methods: {said}", beside(of_setting, columns[setting])]
    return "\n\n".join(parts) + "\n"


def cells(
    sets: Mapping[str, tuple[Array, NDArray[np.int64]]], files: Mapping[str, str], how: TabularPreset, run: PaperRun
) -> Iterator[PaperCell]:
    """Declare every method on every set, seed by seed."""
    for seed, (name, (x, y)) in product(range(run.seed, run.seed + how.seeds), sets.items()):
        split = sixty_forty(y, seed)
        rows = standardised(x, split.train)
        data = [files[name]]
        known = {"table": "C.1", "task": name}
        for method, spec in _networks(name, how):
            yield fit_cell(run, spec, split, rows, rows, data=data, seed=seed, known={**known, "method": method})
        for method, candidates, codes in _kernels():
            of = how.network(name, "autoencoder") if codes else None
            decides = {"candidates": candidates, "of": of, "seed": seed, "data": data, "rows": rows_digest(split)}
            decides["version"] = VERSION
            compute = partial(_grid, candidates, of, split, rows, seed, run, decides)
            yield PaperCell(decides, compute, {**known, "method": f"{method} {'hybrid' if codes else 'raw'}"})


def sixty_forty(y: NDArray[np.int64], seed: int) -> Split:
    """Return a split of 60 % of either kind, of which known anomalies make 1 % of what trains, and 40 % to score.

    Example:
        >>> split = sixty_forty(np.repeat([0, 1], [990, 100]), seed=0)
        >>> len(split.train), len(split.labelled), len(split.test), int(split.labels.sum())
        (594, 6, 436, 40)
    """
    rng = np.random.default_rng(seed)
    benign, anomalous = (rng.permutation(np.flatnonzero(y == label)) for label in (0, 1))
    train, left = np.split(benign, [round(0.6 * len(benign))])
    known, scored = np.split(anomalous, [round(0.6 * len(anomalous))])
    test = np.concatenate([left, scored])
    count = round(LABELLED / (1 - LABELLED) * len(train))
    return Split("60:40", np.sort(train), test, y[test], labelled=np.sort(known[:count]))


def standardised(x: Array, train: NDArray[np.int64]) -> Array:
    """Return all rows, less the mean of some and divided by their standard deviation where there is any."""
    scale = x[train].std(axis=0)
    rows: Array = (x - x[train].mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    return rows


def _networks(name: str, how: TabularPreset) -> Iterator[tuple[str, dict[str, Any]]]:
    pretrained = {"pretrain_epochs": how.epochs[0]}
    yield "AE", how.network(name, "autoencoder")
    yield "Deep SVDD", how.network(name, "deep_svdd", **pretrained)
    yield "Deep SAD", how.network(name, "deep_sad", **pretrained)
    yield "supervised", how.network(name, "supervised")
    if "ss_dgm" in DETECTORS:
        yield "SS-DGM", how.network(name, "ss_dgm")


def _kernels() -> Iterator[tuple[str, list[dict[str, Any]], bool]]:
    for codes in (False, True):
        yield "SSAD", [{**_SSAD, "gamma": gamma} for gamma in TABULAR_GAMMAS], codes
        grid = product(TABULAR_NUS, TABULAR_GAMMAS)
        yield "OC-SVM", [{"name": "ocsvm", "nu": nu, "gamma": gamma} for nu, gamma in grid], codes


def _grid(
    candidates: list[dict[str, Any]],
    of: dict[str, Any] | None,
    split: Split,
    rows: Array,
    seed: int,
    run: PaperRun,
    decides: dict[str, Any],
) -> list[Row]:
    """The rows of a grid: gamma by the rule 1 / (d variance), the best of all and the oracle's choice."""
    began, found = time.process_time(), rows
    if of is not None:
        given = {"seed": seed, "device": run.device, "checkpoint": run.file(decides, "pt")}
        found = create({**of, **given}).fit(rows[split.train]).embed(rows).astype(np.float64)
    trained = time.process_time() - began
    train = found[split.train]
    variance = float(np.mean((train - train.mean(axis=0)) ** 2)) or 1.0  # gamma is in units of rows scaled to 1
    scaled = [{**spec, "gamma": spec["gamma"] * variance} for spec in candidates]
    rule = {key: value for key, value in candidates[0].items() if key not in ("gamma", "nu")}
    scored = [evaluate(spec, split, found, found, seed=seed, clock=time.process_time) for spec in scaled]
    by_rule = evaluate(rule, split, found, found, seed=seed, clock=time.process_time)
    best = max(scored, key=lambda each: each.auroc.value)
    seconds = trained + sum(each.seconds for each in scored)
    chosen = [replace(by_rule, seconds=trained + by_rule.seconds), replace(best, seconds=seconds)]
    named = zip(("rule", "best of the grid"), chosen, strict=True)
    oracle = {**oracle_row(scored, seed), "seconds": seconds}
    return [{**row_of(each, seed), "setting": setting} for setting, each in named] + [oracle]
