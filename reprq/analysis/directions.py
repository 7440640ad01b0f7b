"""Which way each metric points, and how surely: from a study, or from the one that is packaged."""

import json
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd

from reprq.analysis.correlation import chosen_detectors, correlate
from reprq.analysis.rivals import frequent_depth
from reprq.analysis.rules import study_arrays, weights
from reprq.analysis.scenarios import in_scenario
from reprq.storage import write_text
from reprq.study.results import StudyResults

PACKAGED = "directions.json"
COLUMNS = ["detector", "metric", "coefficient", "low", "high", "p_holm", "weight"]
EXPECTED = ["level", "rule", "regret", "low", "high", "n_datasets"]


@dataclass(frozen=True, eq=False)
class Directions:
    """What a study says of each metric.

    Attributes:
        table: One row a detector and metric: Spearman's correlation with the score over all tasks, its interval,
            p-value (Holm), and the weight of the metric's rank in the ridge combination.
        source: Which study, in words.
        expected: What choosing by a rule lost over its data sets, each left out of what the rule had learned: level,
            rule, regret (of AUROC, against the best in hindsight), low, high, n_datasets. Empty where it was not
            judged.
        depth: The relative depth at which networks had their best layer most often, in [0, 1]; None where unknown.
    """

    table: pd.DataFrame
    source: str
    expected: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=EXPECTED))
    depth: float | None = None

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
        depth = None
        for definition in chosen_detectors(results, detector):
            found = correlate(results, detector=definition, method="spearman", seed=seed)
            studies = study_arrays(results, definition, "auroc")
            weight = pd.Series(weights(studies), index=list(studies[0].metrics), name="weight")
            tables.append(found.join(weight, on="metric")[COLUMNS])
            depth = frequent_depth(studies) if depth is None else depth
        backbones, tasks = (results.metrics[name].nunique() for name in ("backbone", "task"))
        title = results.study.get("config", {}).get("title") or results.path.name
        source = f"{title} ({backbones} networks, {tasks} tasks)"
        return cls(pd.concat(tables, ignore_index=True), source, depth=depth)

    @classmethod
    def packaged(cls) -> "Directions":
        """Return those that come with reprq: `figures/answer`, 13 data sets of four modalities."""
        record = json.loads((resources.files("reprq.analysis") / PACKAGED).read_text(encoding="utf-8"))
        table, expected = (
            pd.DataFrame(record[name], columns=names) for name, names in (("table", COLUMNS), ("expected", EXPECTED))
        )
        return cls(table, record["source"], expected, record["depth"])

    def save(self, path: Path) -> None:
        """Write them as JSON, of four decimals."""
        parts = []
        for name, table in (("expected", self.expected), ("table", self.table)):
            rows = table.round(4).replace({np.nan: None}).to_dict("records")
            parts.append(f'"{name}": [\n' + ",\n".join(f"    {json.dumps(row)}" for row in rows) + "\n  ]")
        said = [f'"source": {json.dumps(self.source)}', f'"depth": {json.dumps(self.depth)}', *parts]
        write_text(path, "{\n  " + ",\n  ".join(said) + "\n}\n")
