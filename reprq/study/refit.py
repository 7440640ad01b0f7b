"""A detector of a finished study once more, with all its scores and its maps, which a study does not keep."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reprq.backbones import Backbone
from reprq.data import Dataset, Split
from reprq.errors import InputError
from reprq.evaluation.detection import Detection
from reprq.study.compute import CellRunner
from reprq.study.jobs import Cell
from reprq.study.loading import load_config
from reprq.study.plan import Plan
from reprq.study.results import StudyResults
from reprq.study.runner import StudyRun
from reprq.study.sources import Teachers, load_network

_COLUMNS = ("seed", "dataset", "backbone", "layer", "task", "scenario")


@dataclass(frozen=True, eq=False)
class Refit:
    """A detector that was fitted again as in its study.

    Attributes:
        found: Its scores, its AUROC, and the detector.
        split: What it was fitted and judged on.
        judged: The samples that have scores, in the order of these.
        backbone: The network, or None where the detector needs none or reads the rows of files.
        layer: Whose rows the detector reads, or "".
        pooling: How a layer became rows.
    """

    found: Detection
    split: Split
    judged: Dataset
    backbone: Backbone | None
    layer: str
    pooling: str


def refit(
    results: StudyResults, row: Mapping[str, Any], *, device: str = "cpu", cache_dir: Path | str | None = None
) -> Refit:
    """Fit and judge a detector again, on the samples of its study.

    Args:
        results: A finished study.
        row: A row of `results.detectors`.
        device: A torch device.
        cache_dir: The folder of the embedding caches; what is there is not extracted again.

    Raises:
        DataError: The samples are no longer there.
        InputError: They are not those of the study, or the study has no such row.
        ReprqError: Whatever else stops the detector.
    """
    return Refits(results, device=device, cache_dir=cache_dir).of(row)


class Refits:
    """Fits several detectors of a study again; those of one network on one data set read both once.

    Args:
        results: A finished study.
        device: A torch device.
        cache_dir: The folder of the embedding caches.
    """

    def __init__(self, results: StudyResults, *, device: str = "cpu", cache_dir: Path | str | None = None) -> None:
        self._results, self._device, self._cache_dir = results, device, cache_dir
        self._place: tuple[Any, ...] = ()
        self._plan: Plan
        self._runner: CellRunner

    def of(self, row: Mapping[str, Any]) -> Refit:
        """Fit and judge the detector of a row again, as `refit` does."""
        self._open(row)
        plan, results = self._plan, self._results
        wanted = [row[name] for name in _COLUMNS] + [row["definition"]]
        for part in plan.parts:
            for cell in plan.cells(part):
                if cell.detector is not None and _same(cell, wanted):
                    study = StudyRun(plan, results.path, self._device, self._cache_dir, progress=False)
                    found, scored = self._runner.evaluate(study.job(part, cell))
                    config = None if cell.network is None else cell.network.config  # of a teacher, its file
                    network = None if config is None else load_network(config, cell.seed, plan.benign_of(part))
                    pooling = "" if config is None else config.pooling
                    return Refit(found, cell.split, scored.select(cell.split.test), network, cell.layer, pooling)
        raise InputError(f"{results.path} has no {row['definition']} on {row['task']}; give a row of its detectors")

    def _open(self, row: Mapping[str, Any]) -> None:
        """Plan the one data set and network of a row, unless the last row was of these."""
        place = (row["dataset"], row["backbone"], row["seed"])
        if place != self._place:
            self._place = ()
            self._plan, self._runner = _plan(self._results, row, self._device), CellRunner()
            _check_samples(self._results, self._plan, row)
            self._place = place


def _plan(results: StudyResults, row: Mapping[str, Any], device: str) -> Plan:
    """The plan of the one data set and backbone of a row: others need not be there any more."""
    config = load_config(dict(results.study["config"]))
    narrow = {
        "data": next(data for data in config.datasets if data.dataset == row["dataset"]),
        "backbones": [each for each in config.backbones if each.label == row["backbone"]],
        "splits": [s for s in config.splits if s.datasets is None or row["dataset"] in s.datasets],
        "seeds": [int(row["seed"])],
    }
    config = config.model_copy(update=narrow)
    return Plan(config, Teachers(results.path / "teachers", config.datasets, device))


def _check_samples(results: StudyResults, plan: Plan, row: Mapping[str, Any]) -> None:
    recorded = results.study.get("data_fingerprints", {})
    for samples in plan.samples[int(row["seed"]), row["dataset"]]:
        name = f"{samples.split}, seed {row['seed']}"
        known = recorded.get(f"{row['dataset']} {name}", recorded.get(name))
        if known is not None and known != samples.fingerprint:
            raise InputError(f"{row['dataset']} {samples.split} has other samples than the study had; run it again")


def _same(cell: Cell, wanted: list[Any]) -> bool:
    columns = cell.columns()
    return all(
        own == other or (pd.isna(own) and pd.isna(other))
        for own, other in zip([*(columns[name] for name in _COLUMNS), cell.work], wanted, strict=True)
    )
