"""A detector that trains a network has rows like any other: its teacher and layer are those of the row."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reprq.data import load_dataset, select_tasks
from reprq.detectors import Distillation
from reprq.errors import InputError
from reprq.evaluation import auroc
from reprq.study import estimate_study, run_study
from reprq.study.sections import BackboneConfig
from reprq.study.sources import load_network


@pytest.fixture
def config(small: dict[str, Any]) -> dict[str, Any]:
    return {
        **small,
        "backbones": [{**small["backbones"][0], "layers": "conv1,pooled"}],
        "tasks": ["unimodal:1"],
        "seeds": [3],
        "detectors": ["centroid", {"name": "distillation", "epochs": 1}],
    }


def test_its_rows_look_like_any_other_and_are_what_the_detector_gives(config: dict[str, Any], tmp_path: Path) -> None:
    found = run_study(config, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    assert found.failures.empty
    rows = found.detectors[found.detectors["detector"] == "distillation"]
    assert list(rows["layer"]) == ["conv1", "pooled"]
    assert set(rows["definition"]) == {"distillation[layers=own,own pooling,epochs<=1,batch=32,lr=0.001]"}
    assert not found.detectors.isna().any(axis=None)

    train, test = (
        load_dataset("digits", split, seed=3).restrict(["0", "1", "2"]).sample(per_class=n, seed=3)
        for split, n in (("train", 30), ("test", 20))
    )
    (task,) = select_tasks(train.classes, ["unimodal:1"])
    teacher = load_network(BackboneConfig.model_validate(config["backbones"][0]), 3)
    detector = Distillation(teacher, layers=["conv1"], epochs=1, seed=3).fit(
        train.select(task.benign_rows(train.labels))
    )
    expected = auroc(task.anomaly_labels(test.labels), detector.anomaly_score(test))
    assert rows["auroc"].iloc[0] == pytest.approx(expected.value, abs=1e-12)
    assert (rows["n_train"].iloc[0], rows["n_test"].iloc[0], rows["n_anomalies"].iloc[0]) == (30, 60, 40)


def test_what_the_row_decides_cannot_be_given(config: dict[str, Any], tmp_path: Path) -> None:
    wrong = {**config, "detectors": [{"name": "distillation", "teacher": "lenet"}]}
    with pytest.raises(InputError, match="detector distillation in a study takes no 'teacher'"):
        run_study(wrong, tmp_path / "run", progress=False)


def test_layers_that_a_detector_names_itself_are_read_once_a_network(config: dict[str, Any], tmp_path: Path) -> None:
    named = {"name": "distillation", "layers": ["conv1", "pooled"], "epochs": 1}
    found = run_study({**config, "detectors": [named]}, tmp_path / "run", progress=False)
    assert found.failures.empty
    (row,) = found.detectors.to_dict("records")
    assert "layers=conv1,pooled" in row["definition"]
    assert pd.isna(row["layer"]) or row["layer"] == ""


def test_its_time_is_not_counted_before_one_is_finished(config: dict[str, Any], tmp_path: Path) -> None:
    found = estimate_study(config, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    assert (found.cells, found.todo) == (6, 6)
    assert any("the time of distillation[" in note for note in found.notes)
