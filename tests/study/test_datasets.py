"""A study on several data sets."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reprq.errors import ConfigError, UnknownNameError
from reprq.study import StudyResults, estimate_study, load_config, run_study

LENET: dict[str, Any] = {"name": "lenet", "weights": "random", "layers": [-2, -1]}
DIGITS: dict[str, Any] = {"name": "digits", "train_per_class": 12, "test_per_class": 6, "tasks": ["unimodal:3"]}
HOW: dict[str, Any] = {"metrics": ["rankme", "trace"], "detectors": ["centroid"]}


def parts(folder: Path, seed: int = 0) -> Path:
    """A folder of MVTec's shape: training images of one class."""
    rng = np.random.default_rng(seed)
    for where, count in (("train/good", 8), ("test/good", 4), ("test/crack", 4), ("test/dent", 3)):
        (folder / where).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 255, (28, 28), dtype=np.uint8)).save(folder / where / f"{i}.png")
    return folder


def several(tmp_path: Path) -> dict[str, Any]:
    data = [DIGITS, {"name": parts(tmp_path / "screws")}, {"name": parts(tmp_path / "nuts", 1), "label": "small parts"}]
    return {"data": data, "backbones": [LENET], **HOW}


def run(config: dict[str, Any], tmp_path: Path, out: str = "run", **how: Any) -> StudyResults:
    return run_study(config, tmp_path / out, cache_dir=tmp_path / "cache", progress=False, **how)


def test_every_table_names_the_data_set_and_classes_may_differ(tmp_path: Path) -> None:
    results = run(several(tmp_path), tmp_path)
    for table in (results.metrics, results.detectors):
        found = table[["dataset", "task"]].drop_duplicates().to_numpy().tolist()
        assert found == [["digits", "unimodal:3"], ["screws", "unimodal:good"], ["small parts", "unimodal:good"]]
    assert (results.metrics.groupby("dataset").size() == 4).all()
    assert results.detectors["auroc"].between(0, 1).all()
    again = StudyResults.load(tmp_path / "run")
    assert again.metrics[["dataset", "value"]].equals(results.metrics[["dataset", "value"]])
    assert "small parts train, seed 0" in results.study["data_fingerprints"]


def test_a_data_set_alone_and_among_others_has_the_same_cells(tmp_path: Path) -> None:
    config = several(tmp_path)
    alone = run({**config, "data": config["data"][1]}, tmp_path)
    finished = (tmp_path / "run" / "cells.jsonl").read_text()
    assert estimate_study(config, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False).finished == 4
    both = run(config, tmp_path, force=True)
    assert (tmp_path / "run" / "cells.jsonl").read_text().startswith(finished)
    among = both.metrics[both.metrics["dataset"] == "screws"].reset_index(drop=True)
    pd.testing.assert_frame_equal(among, alone.metrics)


def test_tables_of_an_older_study_are_filled_with_its_data_set(tmp_path: Path) -> None:
    made = run({"data": DIGITS, "backbones": [LENET], **HOW}, tmp_path)
    for name in ("metrics.csv", "detectors.csv"):
        table = pd.read_csv(tmp_path / "run" / name, dtype=str).drop(columns="dataset")
        table.to_csv(tmp_path / "run" / name, index=False)
    older = StudyResults.load(tmp_path / "run")
    assert older.metrics.columns.tolist() == made.metrics.columns.tolist()
    assert set(older.detectors["dataset"]) == set(older.metrics["dataset"]) == {"digits"}
    record = json.loads((tmp_path / "run" / "study.json").read_text())
    assert not {"label", "benign"} & set(record["config"]["data"])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ([{"name": "digits"}, {"name": "digits"}], "two data sets are called 'digits'; give each its own label"),
        ([{"name": "digits"}, {"name": "usps", "lable": "u"}], "unknown key data[1].lable; did you mean 'label'?"),
        ([{"name": "digits"}, {"root": "u"}], "the key data[1].name is missing"),
        ([{"name": "digits", "benign": ["3"], "tasks": "all"}], "data.benign and tasks both say what is benign"),
    ],
)
def test_a_mistake_in_one_of_them_is_one_sentence(data: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({"data": data, "backbones": [LENET]})
    assert sentence in str(caught.value)


def test_a_task_that_one_of_them_lacks_is_told_before_any_work(tmp_path: Path) -> None:
    config = several(tmp_path)
    with pytest.raises(UnknownNameError, match="unimodal:3"):
        run({**config, "data": config["data"][1:], "tasks": ["unimodal:3"]}, tmp_path)
    assert not (tmp_path / "run").exists()
