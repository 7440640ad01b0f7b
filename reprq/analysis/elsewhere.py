"""What rules and layers did on the data sets of a study: what choosing so may be expected to lose on another."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import pandas as pd

from reprq.analysis.correlation import chosen_detectors
from reprq.analysis.left_out import predictions
from reprq.analysis.regret_over_datasets import regrets_by_dataset
from reprq.analysis.rivals import DEPTH, FIXED, LAST, RANDOM, dull_rules, frequent_depth
from reprq.analysis.rules import COMBINATION, StudyArrays, scaled_ranks, study_arrays
from reprq.analysis.runs import digests_of, modalities_of
from reprq.analysis.scenarios import in_scenario
from reprq.storage import write_text
from reprq.study.results import StudyResults

PACKAGED = "elsewhere.json"
RULES = (COMBINATION, FIXED, DEPTH, LAST, RANDOM)
AVERAGED = ("knn", "mahalanobis", "centroid")  # under which the packaged study judges every rule
REGRETS = ["level", "rule", "dataset", "modality", "detector", "regret"]
LAYERS = ["weights", "network", "layer", "place", "n_datasets", "modalities"]


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """What a study of several data sets says of rules and of layers.

    Attributes:
        regrets: One row a level, rule, data set and detector (its name): what choosing by a rule that was fitted on the
            other data sets lost there, of AUROC against the best in hindsight, and the modality.
        layers: The fixed ranking, one row a network (by the digest of its weights) and layer: its name, the mean of its
            ranks within data sets, from -1/2 to 1/2 and higher is better, on how many, and their modalities.
        depth: The relative depth at which networks had their best layer most often; None where unknown.
    """

    regrets: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=REGRETS))
    layers: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=LAYERS))
    depth: float | None = None

    @classmethod
    def of_study(
        cls, results: StudyResults, detector: str | None = None, regrets: pd.DataFrame | None = None
    ) -> "Elsewhere":
        """Learn it from a study; of one data set nothing but the depth is known.

        Args:
            results: A study, or several joined.
            detector: Which detector; all by default.
            regrets: What rules lost, where that is known already: level, rule, dataset, detector, regret.

        Raises:
            UnknownNameError: a detector that the study does not have.
        """
        results = in_scenario(results)
        laid = {name: study_arrays(results, name, "auroc") for name in chosen_detectors(results, detector)}
        studies = list(laid.values())
        depth = frequent_depth(studies[0])
        if len(studies[0]) < 2:
            return cls(depth=depth)
        modalities = modalities_of(results)
        lost = _regrets(laid) if regrets is None else regrets
        lost = lost[lost["rule"].isin(RULES)]
        lost = lost.assign(modality=[modalities.get(name, "") for name in lost["dataset"]])
        return cls(lost[REGRETS].reset_index(drop=True), _layers(studies, digests_of(results), modalities), depth)

    @classmethod
    def packaged(cls) -> "Elsewhere":
        """Return that which comes with reprq: the study of `figures/answer`."""
        record = json.loads((resources.files("reprq.analysis") / PACKAGED).read_text(encoding="utf-8"))
        by_detector = pd.DataFrame(record["regrets"])  # a column a detector
        regrets = by_detector.melt(_KEYS, var_name="detector", value_name="regret").dropna(subset="regret")
        layers = pd.DataFrame(record["layers"], columns=LAYERS)
        return cls(regrets.reset_index(drop=True), layers, record["depth"])

    def save(self, path: Path) -> None:
        """Write it as JSON, of four decimals; regrets stand in one row a level, rule and data set."""
        keys = self.regrets[_KEYS].drop_duplicates()
        wide = self.regrets.pivot_table("regret", _KEYS, "detector", sort=False)
        tables = {"regrets": wide.reindex(pd.MultiIndex.from_frame(keys)).reset_index(), "layers": self.layers}
        parts = [f'"depth": {json.dumps(self.depth)}']
        for name, table in tables.items():
            rows = [row.dropna().to_dict() for _, row in four_decimals(table).astype(object).iterrows()]
            parts.append(f'"{name}": [\n' + ",\n".join(f"    {json.dumps(row)}" for row in rows) + "\n  ]")
        write_text(path, "{\n  " + ",\n  ".join(parts) + "\n}\n")

    def under(self, detector: str | None) -> tuple[pd.DataFrame, str]:
        """Return what rules lost under a detector, and of which AUROC that is, in words.

        Where it was not studied, or none is named, these are the rows of `AVERAGED`, or where none of them was studied
        of all detectors, to be averaged within each data set.

        Args:
            detector: Its name, such as "knn".
        """
        of = self.regrets["detector"]
        if detector is not None and (of == detector).any():
            return self.regrets[of == detector], f"AUROC of {detector}"
        if of.isin(AVERAGED).any():
            names = [name for name in AVERAGED if (of == name).any()]
            return self.regrets[of.isin(AVERAGED)], f"AUROC, the mean over {', '.join(names)},"
        return self.regrets, "AUROC, the mean over detectors,"


def four_decimals(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its numbers rounded, and no minus before zero, which some releases of pandas keep.

    Example:
        >>> four_decimals(pd.DataFrame({"rule": ["last layer"], "regret": [-0.00001]}))["regret"].tolist()
        [0.0]
    """
    numbers = table.select_dtypes("float").round(4) + 0.0
    return table.assign(**{str(name): column for name, column in numbers.items()})


_NO_WEIGHTS = hashlib.sha256().hexdigest()[:16]  # which tells no network from another
_KEYS = ["level", "rule", "dataset", "modality"]


def _regrets(laid: Mapping[str, Sequence[StudyArrays]]) -> pd.DataFrame:
    """What rules lose, by the name of the detector: the mean over those that differ in settings alone."""
    tables = []
    for name, studies in laid.items():
        said = [{**ours, **dull} for ours, dull in zip(predictions(studies), dull_rules(studies), strict=True)]
        table = regrets_by_dataset(studies, [{k: v for k, v in s.items() if k in RULES} for s in said])
        tables.append(table.assign(detector=name.partition("[")[0]))
    every = pd.concat(tables, ignore_index=True)
    return every.groupby(["level", "rule", "dataset", "detector"], sort=False)["regret"].mean().reset_index()


def _layers(
    laid: Sequence[Sequence[StudyArrays]], digests: Mapping[str, str], modalities: Mapping[str, str]
) -> pd.DataFrame:
    """The mean ranks over detectors within each data set, then over data sets."""
    rows = [
        study.points[["backbone", "layer"]].assign(
            dataset=study.dataset, modality=modalities.get(study.dataset, ""), place=scaled_ranks(study.scores).mean(1)
        )
        for studies in laid
        for study in studies
    ]
    names = ["backbone", "layer"]
    within = pd.concat(rows).groupby([*names, "dataset", "modality"], sort=False)["place"].mean().reset_index()
    groups = within.groupby(names, sort=False)
    found = groups["place"].mean().reset_index().rename(columns={"backbone": "network"})
    found["n_datasets"] = groups.size().to_numpy()
    found["modalities"] = groups["modality"].agg(lambda own: " ".join(sorted(set(own)))).to_numpy()
    found["weights"] = [digests.get(name, "")[:16] for name in found["network"]]
    known = ~found["weights"].isin(["", _NO_WEIGHTS])
    table: pd.DataFrame = found[known][LAYERS]
    return table.reset_index(drop=True)
