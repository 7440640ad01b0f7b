"""The results of a study in MLflow: parameters, metrics and artefacts, beside those of other work."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reprq.errors import ReprqError, one_line
from reprq.optional import require
from reprq.study.results import StudyResults

_POINT = ["dataset", "scenario", "backbone", "layer"]
_AT_ONCE = 500  # values a call; a server takes 1,000
_KEPT = (".csv", ".parquet", ".json", ".png", ".svg", ".html")
_LONGEST = 250  # characters of a name or value that every version takes


def log_to_mlflow(results: StudyResults, experiment: str = "reprq", *, tracking_uri: str | None = None) -> str:
    """Write a finished study to MLflow, as a run with one run inside it for each layer of each backbone.

    The outer run has what decides the study as parameters, and its files as artefacts: tables, figures and
    `study.json`. An inner run has data set, scenario, backbone, weights and layer as parameters, and as metrics the
    mean over tasks and seeds of each measure of quality (`quality.rankme`) and of each detector's AUROC (`auroc.knn`,
    with the settings behind the name where several are of one name). Every call writes new runs.

    Args:
        results: A study.
        experiment: The experiment, which is made where it is not there.
        tracking_uri: Where MLflow keeps its runs; its own setting by default, `MLFLOW_TRACKING_URI`.

    Returns:
        The identifier of the outer run.

    Raises:
        ReprqError: MLflow is not installed, cannot be reached, or refuses what it is given.
    """
    mlflow = require("mlflow", "mlflow", "a study in MLflow", error=ReprqError)
    try:
        client = mlflow.MlflowClient(tracking_uri)
        found = client.get_experiment_by_name(experiment)
        where = client.create_experiment(experiment) if found is None else found.experiment_id
        run = client.create_run(where, run_name=results.path.name).info.run_id
        for name, value in _parameters(results).items():
            client.log_param(run, name, value)
        for path in _files(results.path):
            client.log_artifact(run, str(path))
        for name, parameters, metrics in _layers(results):
            tags = {"mlflow.parentRunId": run}
            inner = client.create_run(where, run_name=name, tags=tags).info.run_id
            for key, value in parameters.items():
                client.log_param(inner, key, value)
            _log_metrics(mlflow, client, inner, metrics)
            client.set_terminated(inner)
        client.set_terminated(run)
    except Exception as error:  # of MLflow, its store or its server
        raise ReprqError(
            f"MLflow must take the study {results.path}, got {one_line(error, kind=True)}; its tables are kept, see"
            " MLFLOW_TRACKING_URI"
        ) from error
    return str(run)


def _parameters(results: StudyResults) -> dict[str, str]:
    """What decides the study, in few words; the whole of it is in its `study.json`."""
    config: Mapping[str, Any] = results.study["config"]
    said = {"title": config.get("title", ""), "datasets": _names(results, "dataset"), "seeds": _names(results, "seed")}
    said |= {"backbones": _names(results, "backbone"), "detectors": _names(results, "detector")}
    said |= {"metrics": ", ".join(results.metrics["metric"].unique()), "failures": len(results.failures)}
    said |= {f"version.{name}": version for name, version in results.study["versions"].items()}
    return {name: str(value)[:_LONGEST] for name, value in said.items()}


def _names(results: StudyResults, column: str) -> str:
    return ", ".join(map(str, results.detectors[column].dropna().unique()))


def _files(folder: Path) -> list[Path]:
    """Tables, figures and the record; not the cells, from which they are made."""
    return sorted(path for path in folder.iterdir() if path.suffix in _KEPT)


def _layers(results: StudyResults) -> Iterator[tuple[str, dict[str, str], dict[str, float]]]:
    """The name, parameters and metrics of every layer; a detector without a layer stands under no layer."""
    detectors = results.detectors.fillna({"backbone": "", "layer": ""})
    means = [
        _means(results.metrics, "metric", "value", "quality"),
        _means(detectors, "detector", "auroc", "auroc"),
    ]
    weights = detectors[[*_POINT, "weights"]].drop_duplicates(_POINT).set_index(_POINT)["weights"].to_dict()
    for point, metrics in pd.concat(means).groupby(_POINT, sort=False):
        said = dict(zip(_POINT, map(str, point), strict=True)) | {"weights": str(weights.get(point, ""))}
        name = " ".join(word for word in map(str, point) if word)
        known = {column: word[:_LONGEST] for column, word in said.items() if word}
        yield name, known, dict(zip(metrics["name"], metrics["mean"], strict=True))


def _means(table: pd.DataFrame, column: str, value: str, kind: str) -> pd.DataFrame:
    """The mean of each point and method, by the name that MLflow takes."""
    of_methods = table.groupby([*_POINT, column, "definition"], sort=False)[value].mean().rename("mean").reset_index()
    several = of_methods.groupby([*_POINT, column])["definition"].transform("nunique") > 1
    names = of_methods[column].where(~several, of_methods["definition"])
    allowed = [re.sub(r"[^\w./ -]+", "_", f"{kind}.{name}").strip("_")[:_LONGEST] for name in names]
    return of_methods.assign(name=allowed)[np.isfinite(of_methods["mean"].astype(float))]


def _log_metrics(mlflow: Any, client: Any, run: str, metrics: Mapping[str, float]) -> None:
    found = [mlflow.entities.Metric(name, float(value), 0, 0) for name, value in metrics.items()]
    for start in range(0, len(found), _AT_ONCE):
        client.log_batch(run, metrics=found[start : start + _AT_ONCE])
