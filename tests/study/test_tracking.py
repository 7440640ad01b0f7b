"""Studies in MLflow: in the real one's files where it is installed, else in a stand-in of the calls that are made."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from reprq.errors import ReprqError
from reprq.study import StudyResults, log_to_mlflow


class StandIn:
    """Keeps what an MlflowClient is told."""

    def __init__(self) -> None:
        self.runs: dict[str, Any] = {}

    def get_experiment_by_name(self, name: str) -> None:
        return None

    def create_experiment(self, name: str) -> str:
        return name

    def create_run(self, where: str, run_name: str, tags: dict[str, str] | None = None) -> Any:
        run = f"run {len(self.runs)}"
        self.runs[run] = SimpleNamespace(name=run_name, tags=tags or {}, params={}, metrics={}, files=[], ended=False)
        return SimpleNamespace(info=SimpleNamespace(run_id=run))

    def log_param(self, run: str, key: str, value: str) -> None:
        self.runs[run].params[key] = value

    def log_batch(self, run: str, metrics: list[Any]) -> None:
        self.runs[run].metrics |= {metric.key: metric.value for metric in metrics}

    def log_artifact(self, run: str, path: str) -> None:
        self.runs[run].files.append(Path(path).name)

    def set_terminated(self, run: str) -> None:
        self.runs[run].ended = True


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    module: Any = ModuleType("mlflow")
    made = StandIn()
    module.MlflowClient = lambda uri: made
    module.entities = SimpleNamespace(Metric=lambda key, value, timestamp, step: SimpleNamespace(key=key, value=value))
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return made


def means(results: StudyResults, backbone: str, layer: str) -> dict[str, float]:
    """What the run of a layer must hold."""
    found = {}
    for table, method, value, kind in (
        (results.metrics, "metric", "value", "quality"),
        (results.detectors, "detector", "auroc", "auroc"),
    ):
        own = table[(table["backbone"] == backbone) & (table["layer"] == layer)]
        found |= {f"{kind}.{name}": float(rows[value].mean()) for name, rows in own.groupby(method)}
    return found


def test_a_layer_is_a_run_with_its_means_inside_the_run_of_the_study(results: StudyResults, client: StandIn) -> None:
    outer = log_to_mlflow(results, "digits")
    study, *layers = client.runs.values()
    assert client.runs[outer] is study
    assert {"metrics.csv", "detectors.csv", "study.json"} <= set(study.files)
    assert "cells.jsonl" not in study.files
    assert (study.params["title"], study.params["seeds"], study.params["failures"]) == ("small", "0", "0")
    assert study.params["metrics"] == "rankme, aucev"
    assert "torch" in " ".join(study.params)
    points = results.metrics[["backbone", "layer"]].drop_duplicates()
    assert [(run.params["backbone"], run.params["layer"]) for run in layers] == [*points.itertuples(index=False)]
    for run in layers:
        assert run.tags == {"mlflow.parentRunId": outer}
        assert run.ended
        assert run.params["weights"].startswith("random")
        expected = means(results, run.params["backbone"], run.params["layer"])
        assert run.metrics == pytest.approx(expected)
        assert set(run.metrics) >= {"quality.rankme", "auroc.centroid", "auroc.knn"}


def test_what_goes_wrong_is_one_sentence(results: StudyResults, client: StandIn, monkeypatch: Any) -> None:
    monkeypatch.setattr(client, "log_artifact", lambda run, path: 1 / 0)
    with pytest.raises(
        ReprqError, match="MLflow must take the study .*, got ZeroDivisionError: .*; its tables are kept"
    ):
        log_to_mlflow(results)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ReprqError, match=r"a study in MLflow needs mlflow, which is not installed; run pip install"):
        log_to_mlflow(results)


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="mlflow is an optional extra")
@pytest.mark.filterwarnings("ignore")
def test_the_files_of_the_real_one(results: StudyResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = tmp_path.as_uri()
    outer = log_to_mlflow(results, "digits", tracking_uri=uri)
    client = mlflow.MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
    inner = [run for run in runs if run.info.run_id != outer]
    assert len(inner) == len(results.metrics[["backbone", "layer"]].drop_duplicates())
    for run in inner:
        assert run.data.metrics == pytest.approx(means(results, run.data.params["backbone"], run.data.params["layer"]))
    assert {"metrics.csv", "study.json"} <= {file.path for file in client.list_artifacts(outer)}
