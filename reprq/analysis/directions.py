"""Which way each metric points, and how surely: from a study, or from the one that is packaged."""

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd

from reprq.analysis.correlation import chosen_detectors, correlate
from reprq.analysis.elsewhere import four_decimals
from reprq.analysis.rules import study_arrays, weights
from reprq.analysis.scenarios import in_scenario
from reprq.storage import write_text
from reprq.study.results import StudyResults

PACKAGED = "directions.json"
COLUMNS = ["detector", "metric", "coefficient", "low", "high", "p_holm", "weight"]


@dataclass(frozen=True, eq=False)
class Directions:
    """What a study says of each metric.

    Attributes:
        table: One row a detector and metric: Spearman's correlation with the score over all tasks, its interval,
            p-value (Holm), and the weight of the metric's rank in the ridge combination.
        source: Which study, in words.
    """

    table: pd.DataFrame
    source: str

    @classmethod
    def of_study(cls, results: StudyResults, detector: str | None = None, *, seed: int = 0) -> "Directions":
        """Learn them from a study: all its backbones and tasks.

        Args:
            results: A study.
            detector: Which detector; all by default.
            seed: Seeds the intervals.

        Raises:
            UnknownNameError: a detector that the study does not have.
        """
        tables, results = [], in_scenario(results)
        for definition in chosen_detectors(results, detector):
            found = correlate(results, detector=definition, method="spearman", seed=seed)
            studies = study_arrays(results, definition, "auroc")
            weight = pd.Series(weights(studies), index=list(studies[0].metrics), name="weight")
            tables.append(found.join(weight, on="metric")[COLUMNS])
        backbones, tasks = (results.metrics[name].nunique() for name in ("backbone", "task"))
        title = results.study.get("config", {}).get("title") or results.path.name
        source = f"{title} ({backbones} networks, {tasks} tasks)"
        return cls(pd.concat(tables, ignore_index=True), source)

    @classmethod
    def packaged(cls) -> "Directions":
        """Return those that come with reprq: `figures/answer`, 14 data sets of four modalities."""
        record = json.loads((resources.files("reprq.analysis") / PACKAGED).read_text(encoding="utf-8"))
        return cls(pd.DataFrame(record["table"], columns=COLUMNS), record["source"])

    def save(self, path: Path) -> None:
        """Write them as JSON, of four decimals."""
        rows = four_decimals(self.table).replace({np.nan: None}).to_dict("records")
        table = ",\n".join(f"    {json.dumps(row)}" for row in rows)
        write_text(path, f'{{\n  "source": {json.dumps(self.source)},\n  "table": [\n{table}\n  ]\n}}\n')
