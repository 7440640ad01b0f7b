"""The tidy tables of a study, in memory and on disk."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reprq.errors import InputError, ReprqError
from reprq.evaluation.localization import MAP_COLUMNS
from reprq.storage import write_text
from reprq.study.repeats import without_repeated_layers, without_repeated_tasks
from reprq.study.tables import has_table, read_table, save_table, write_table

HALVES = ("_half_1", "_half_2")  # of the test rows: the score on either
METRICS_FILE, DETECTORS_FILE, STUDY_FILE = "metrics.csv", "detectors.csv", "study.json"
CLASSES_FILE = "classes.csv"
BY_CLASS = "by_class"  # of a stored row: [auroc, low, high, anomalies] by the name of the anomalous class
TOP_WORDS = "top_words"  # of a detector with contexts of texts: words after commas, contexts after bars
MAPS_BY_CLASS = "maps_by_class"  # likewise a mapping of `MAP_COLUMNS`
FAILURES_FILE = "failures.csv"
_ROWS = "rows"  # of the record on disk: how many a table has
SCHEMA_VERSION = 1  # of all these files
POINT = ["backbone", "layer", "layer_number"]
CLUSTERS = ("backbone", "architecture")  # what may count as one independent observation
CELL_COLUMNS = ["seed", "dataset", "backbone", "network", "weights", "layer", "layer_number"]
CELL_COLUMNS += ["task", "task_kind", "scenario"]
METRIC_COLUMNS = [*CELL_COLUMNS, "metric", "definition", "value", "low", "high", "n", "d", "notes", "seconds"]
DETECTOR_COLUMNS = [*CELL_COLUMNS, "detector", "definition", "auroc", "auroc_low", "auroc_high"]
DETECTOR_COLUMNS += (
    [f"auroc{half}" for half in HALVES] + [*MAP_COLUMNS] + ["n_train", "n_test", "n_anomalies", "seconds", TOP_WORDS]
)
CLASS_COLUMNS = [*CELL_COLUMNS, "detector", "definition", "anomaly", "auroc", "auroc_low", "auroc_high"]
CLASS_COLUMNS += [*MAP_COLUMNS, "n_anomalies"]
FAILURE_COLUMNS = [*CELL_COLUMNS, "work", "error", "reason"]


@dataclass(frozen=True, eq=False)
class StudyResults:
    """What a study found.

    Attributes:
        metrics: One row a seed x data set x backbone x layer x task x metric: value, definition, n, d, notes, seconds.
        detectors: One row a seed x data set x backbone x layer x task x detector: auroc with its interval, and on
            either half of the test rows (none in older studies), definition, counts, seconds. Backbone and layer are
            missing where the detector needs none. Where a data set has masks and a detector anomaly maps, pixel_auroc
            (pooled), pixel_auroc_per_image and aupro with their intervals. Where a detector has contexts of texts,
            top_words: the words of each, "ship, port | cow, barn".
        study: How it was made: configuration, versions, weights digests, data fingerprints, failures.
        path: The folder it lives in.
        classes: One row a row of `detectors` and class of anomalies: its auroc against all benign test rows, and where
            there are any the figures of its maps. Cells of older studies have none.
    """

    metrics: pd.DataFrame
    detectors: pd.DataFrame
    study: Mapping[str, Any]
    path: Path
    classes: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=CLASS_COLUMNS))

    def __post_init__(self) -> None:
        for name in ("metrics", "detectors", "classes"):
            table = _with_scenario(_with_dataset(getattr(self, name), self.study))
            if "layer_number" in table and table["layer_number"].isna().any():
                table = table.astype({"layer_number": "Int64"})
            object.__setattr__(self, name, table)

    @property
    def without_backbones(self) -> bool:
        """Whether the study has no backbones, but only detectors that need none."""
        config = self.study.get("config", {})
        return self.metrics.empty and isinstance(config, Mapping) and config.get("backbones") == []

    @property
    def of_layers(self) -> "StudyResults":
        """The study without the detectors that need no layer: what a layer's metrics can be compared with."""
        whole = self.detectors["layer"].notna()
        if whole.all():
            return self
        detectors = self.detectors[whole].reset_index(drop=True).astype({"layer_number": "int64"})
        return replace(self, detectors=detectors)

    @property
    def failures(self) -> pd.DataFrame:
        """One row a cell that failed: which, `work` ("metrics" or the detector's definition), error and reason."""
        table = pd.DataFrame(self.study.get("failures", []), columns=FAILURE_COLUMNS)
        return table.assign(
            dataset=table["dataset"].fillna(_only_dataset(self.study)), scenario=table["scenario"].fillna("")
        )

    @classmethod
    def load(cls, path: Path | str, *, classes: bool = True) -> "StudyResults":
        """Read the tables of a finished study; a task or layer that repeats another under a second name is left out.

        Args:
            path: The folder that `run_study` wrote.
            classes: Whether to read the table of anomalous classes, often the largest, too.

        Raises:
            ReprqError: the folder is missing, or is not a finished study.
        """
        path = Path(path)
        try:
            study = json.loads((path / STUDY_FILE).read_text(encoding="utf-8"))
            if not isinstance(study, dict):
                raise ValueError(f"{STUDY_FILE} holds no record")
            metrics, detectors = (read_table(path / name, _TEXTS) for name in (METRICS_FILE, DETECTORS_FILE))
            _check_counts(study.pop(_ROWS, {}), {METRICS_FILE: metrics, DETECTORS_FILE: detectors})
            if lacking := [c for c in (*POINT, "task", "value") if c not in metrics] + [
                c for c in (*POINT, "task", "auroc") if c not in detectors
            ]:
                raise ValueError(f"lacks the column {lacking[0]!r}")
        except InputError:  # which package reads it
            raise
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ReprqError(
                f"{path} is not the folder of a finished study ({reason}); run `reprq study` first"
            ) from None
        found = without_repeated_layers(*without_repeated_tasks(metrics, detectors))
        return cls(
            *found, study, path, *([classes_of(found[1], _read_classes(path / CLASSES_FILE))] if classes else [])
        )

    def save(self) -> None:
        """Write the tables and the record of how they were made into the folder, each file whole or not at all."""
        save_table(self.metrics, self.path / METRICS_FILE)
        save_table(self.detectors, self.path / DETECTORS_FILE)
        if not self.classes.empty:
            save_table(self.classes, self.path / CLASSES_FILE)
        if self.failures.empty:
            (self.path / FAILURES_FILE).unlink(missing_ok=True)
        else:
            write_table(self.failures, self.path / FAILURES_FILE)
        rows = {METRICS_FILE: len(self.metrics), DETECTORS_FILE: len(self.detectors)}
        record = json.dumps({**self.study, _ROWS: rows}, indent=2, ensure_ascii=False)
        write_text(self.path / STUDY_FILE, record + "\n")


_TEXTS = (
    "dataset",
    "backbone",
    "network",
    "weights",
    "layer",
    "task",
    "task_kind",
    "scenario",
    "definition",
    "anomaly",
)


def _check_counts(recorded: Mapping[str, int], tables: Mapping[str, pd.DataFrame]) -> None:
    """Raise a ValueError where a table has other rows than the study wrote; records of older studies do not say."""
    for name, table in tables.items():
        if recorded.get(name, len(table)) != len(table):
            raise ValueError(f"{name} has {len(table)} rows, and {recorded[name]} were written")


def _read_classes(path: Path) -> pd.DataFrame:
    """The table of anomalous classes; an empty one for a study that has none."""
    return read_table(path, _TEXTS) if has_table(path) else pd.DataFrame(columns=CLASS_COLUMNS)


def classes_of(detectors: pd.DataFrame, classes: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table of anomalous classes that belong to rows of a table of detectors."""
    cell = ["seed", "dataset", "backbone", "layer", "task", "definition"]
    if classes.empty or any(column not in detectors for column in cell):
        return classes
    kept, every = _keys(detectors[cell]), _keys(classes[cell])
    return pd.DataFrame(classes.loc[every.isin(kept)].reset_index(drop=True))


def _keys(table: pd.DataFrame) -> pd.MultiIndex:
    """Rows as keys; what is missing is "", which equals itself."""
    return pd.MultiIndex.from_arrays(list(np.where(table.isna(), "", table.to_numpy(dtype=object)).T))


def _with_scenario(table: pd.DataFrame) -> pd.DataFrame:
    """A table with the column `scenario`, "" for plain tasks; those of older studies lack it."""
    if "task_kind" not in table:
        return table
    if "scenario" in table:
        return table.assign(scenario=table["scenario"].fillna(""))
    filled = table.copy()
    filled.insert(filled.columns.tolist().index("task_kind") + 1, "scenario", "")
    return filled


def _with_dataset(table: pd.DataFrame, study: Mapping[str, Any]) -> pd.DataFrame:
    """A table with the column `dataset`, which those of older studies lack: they had one data set."""
    if "dataset" in table:
        unnamed = table["dataset"].isna()
        return table.assign(dataset=table["dataset"].mask(unnamed, _only_dataset(study))) if unnamed.any() else table
    filled = table.copy()
    filled.insert(int("seed" in table), "dataset", _only_dataset(study))
    return filled


def _only_dataset(study: Mapping[str, Any]) -> str:
    """The data set of a study that has one, by the record of how it was made."""
    from reprq.study.sections import dataset_label  # loads pydantic, which reading newer studies does not take

    data = study.get("config", {}).get("data", {})
    return (data.get("label") or dataset_label(data.get("name", ""))) if isinstance(data, Mapping) else ""
