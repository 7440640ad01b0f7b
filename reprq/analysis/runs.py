"""Several studies as one over all of their data sets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from reprq.analysis.datasets import by_dataset, check_measured
from reprq.analysis.scenarios import in_scenario, scenarios_of
from reprq.errors import InputError
from reprq.study.results import StudyResults

Run = StudyResults | Path | str


def joined(runs: Run | Sequence[Run], scenario: str | None = None) -> StudyResults:
    """Return studies as one, with what all of them measured; detectors that need no layer are left out.

    Data sets of one name are one where their samples are the same, and otherwise called "NAME (FOLDER)"; so are
    backbones of one name whose weights differ. A cell that is in several studies is taken from the first.

    Args:
        runs: Studies, or their folders; one is itself.
        scenario: Under which one; a study without it is taken as by `reprq.analysis.scenarios.in_scenario`.

    Raises:
        InputError: no study, one without backbones, or studies without a metric or a detector in common.
        ReprqError: a folder is not a finished study.
    """
    listed = [runs] if isinstance(runs, StudyResults | Path | str) else list(runs)
    if not listed:
        raise InputError("runs must hold at least one study, got none")
    read = [run if isinstance(run, StudyResults) else StudyResults.load(run) for run in listed]
    for study in read:
        check_measured(study, judged=True)
    studies = [in_scenario(study, scenario if scenario in scenarios_of(study) else None).of_layers for study in read]
    if len(studies) == 1:
        return studies[0]
    metrics = _in_all("metric", [study.metrics["metric"] for study in studies])
    detectors = _in_all("detector", [study.detectors["definition"] for study in studies])
    names: dict[str, object] = {}
    prints: dict[str, str] = {}
    kinds: dict[str, str] = {}
    digests: dict[str, str] = {}
    tables: dict[str, list[pd.DataFrame]] = {"metrics": [], "detectors": []}
    for study in studies:
        renamed = {}
        for label, part in by_dataset(study).items():
            own = part.results.study.get("data_fingerprints", {})
            renamed[label] = _called(f"data set {label}", label, dict(own), study.path, names)
            prints |= {f"{renamed[label]} {key}": value for key, value in own.items()}
        kinds |= {renamed.get(label, label): kind for label, kind in modalities_of(study).items()}
        networks = _networks(study, names)
        digests |= {networks.get(label, label): digest for label, digest in digests_of(study).items()}
        for name, table in tables.items():
            rows = getattr(study, name)
            table.append(rows.assign(dataset=rows["dataset"].map(renamed), backbone=rows["backbone"].map(networks)))
    cell = ["dataset", "seed", "backbone", "layer", "task"]
    measured, judged = (pd.concat(tables[name], ignore_index=True) for name in ("metrics", "detectors"))
    title = " and ".join(_title(study) for study in studies)
    return replace(
        studies[0],
        metrics=_once(measured[measured["metric"].isin(metrics)], [*cell, "metric"]),
        detectors=_once(judged[judged["definition"].isin(detectors)], [*cell, "definition"]),
        study={
            "config": {"title": title},
            "data_fingerprints": prints,
            "modalities": kinds,
            "weights_digests": digests,
        },
    )


def modalities_of(study: StudyResults) -> dict[str, str]:
    """Return the modality of each data set of a study, as far as its configuration says."""
    if "modalities" in study.study:
        return dict(study.study["modalities"])
    from reprq.data.registry import DATASETS  # reads what decodes samples, which tables alone do not take
    from reprq.study.sections import dataset_label

    sections = study.study.get("config", {}).get("data", [])
    listed = [sections] if isinstance(sections, Mapping) else sections
    prefixes = {known.partition(":")[0] for known in DATASETS.names()}
    named = {str(each.get("label") or dataset_label(each.get("name", ""))): each.get("name", "") for each in listed}
    entries = {label: DATASETS.find(name) for label, name in named.items() if name.partition(":")[0] in prefixes}
    return {label: entry.inputs for label, entry in entries.items() if entry.inputs}


def digests_of(study: StudyResults) -> dict[str, str]:
    """Return the digest of the weights of each backbone of a study, of its first seed."""
    found: dict[str, str] = {}
    for name, digest in study.study.get("weights_digests", {}).items():
        found.setdefault(str(name).rpartition(", seed ")[0] or str(name), str(digest))
    return found


def _title(study: StudyResults) -> str:
    return str(study.study.get("config", {}).get("title") or study.path.name)


def _in_all(what: str, columns: Sequence["pd.Series[str]"]) -> set[str]:
    common = set.intersection(*(set(column) for column in columns))
    if not common:
        each = "; ".join(", ".join(map(str, column.unique())) for column in columns)
        raise InputError(f"studies must have a {what} in common to be joined, got {each}")
    return common


def _networks(study: StudyResults, names: dict[str, object]) -> dict[str, str]:
    """What each backbone of a study is called among all."""
    table = pd.concat([study.metrics, study.detectors]).drop_duplicates("backbone")
    known = table.reindex(columns=["backbone", "network", "weights"]).fillna("").itertuples(index=False, name=None)
    return {label: _called(f"backbone {label}", label, what, study.path, names) for label, *what in known}


def _called(key: str, label: str, what: object, folder: Path, names: dict[str, object]) -> str:
    """The label, or one with the folder where another study has something else under it."""
    return label if names.setdefault(key, what) == what else f"{label} ({folder.name})"


def _once(table: pd.DataFrame, cell: list[str]) -> pd.DataFrame:
    return table.drop_duplicates([name for name in cell if name in table]).reset_index(drop=True)
