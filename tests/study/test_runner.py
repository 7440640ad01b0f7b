import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import reprq.study.compute as compute
import reprq.study.sources as sources
from reprq.backbones import load_backbone
from reprq.data import load_dataset
from reprq.detectors import KNN
from reprq.embeddings import extract
from reprq.errors import (
    ConfigError,
    DataError,
    InputError,
    OutputExistsError,
    ReprqError,
    UnknownNameError,
    WeightsError,
)
from reprq.evaluation import auroc
from reprq.evaluation.detection import halves_of
from reprq.metrics import rankme
from reprq.study import StudyResults, run_study

DATA = {"name": "digits", "classes": ["0", "1", "2"], "train_per_class": 30, "test_per_class": 20}


def count_work(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many cells are measured and detected from here on."""
    done = {"measure": 0, "detect": 0}
    for name in done:
        original = getattr(compute, name)

        def counted(*arguments: Any, original: Any = original, name: str = name) -> Any:
            done[name] += 1
            return original(*arguments)

        monkeypatch.setattr(compute, name, counted)
    return done


def same_numbers(first: Path, second: Path) -> None:
    """Hold that two runs wrote the same bytes, how long the cells took apart."""
    for name in ("metrics.csv", "detectors.csv"):
        tables = (pd.read_csv(folder / name, dtype=str).drop(columns="seconds") for folder in (first, second))
        pd.testing.assert_frame_equal(*tables)
    assert (first / "study.json").read_bytes() == (second / "study.json").read_bytes()


def test_there_is_one_row_a_backbone_layer_task_and_metric_or_detector(results: StudyResults) -> None:
    cells = 3 * 4 * 6  # backbones, layers, tasks
    assert len(results.metrics) == cells * 2
    assert len(results.detectors) == cells * 2
    key = ["seed", "backbone", "layer", "task"]
    assert not results.metrics.duplicated([*key, "metric"]).any()
    assert not results.detectors.duplicated([*key, "definition"]).any()


def test_metrics_see_the_benign_training_rows_and_detectors_are_judged_on_all_test_rows(
    results: StudyResults, tmp_path: Path
) -> None:
    backbone = load_backbone("lenet", "random", preprocessing={"resize": 32, "size": 32})
    images = [load_dataset("digits", split).restrict(["0", "1", "2"]) for split in ("train", "test")]
    images = [x.sample(per_class=n, seed=0) for x, n in zip(images, (30, 20), strict=True)]
    train, test = (extract(backbone, x, "conv2", cache_dir=tmp_path, progress=False)["conv2"] for x in images)
    assert train.labels is not None
    assert test.labels is not None
    benign = train.array[train.labels != 1]

    def row(table: pd.DataFrame, **values: str) -> pd.Series:
        chosen = table[
            (table["backbone"] == "lenet 32") & (table["layer"] == "conv2") & (table["task"] == "multimodal:1")
        ]
        for column, value in values.items():
            chosen = chosen[chosen[column] == value]
        (found,) = chosen.itertuples()
        return found

    measured = row(results.metrics, metric="rankme")
    assert (measured.n, measured.d) == (60, 64)
    assert measured.value == pytest.approx(rankme(benign), rel=1e-9)
    judged = row(results.detectors, detector="knn")
    expected = auroc(test.labels == 1, KNN(k=1).fit(benign).anomaly_score(test.array))
    assert judged.auroc == pytest.approx(expected.value, abs=1e-12)
    assert (judged.auroc_low, judged.auroc_high) == pytest.approx((expected.low, expected.high))
    assert (judged.n_train, judged.n_test, judged.n_anomalies) == (60, 60, 20)
    scores, first = KNN(k=1).fit(benign).anomaly_score(test.array), halves_of(test.labels)
    halves = [auroc(test.labels[rows] == 1, scores[rows]).value for rows in (first, ~first)]
    assert [judged.auroc_half_1, judged.auroc_half_2] == pytest.approx(halves, abs=1e-12)


def test_the_record_says_how_the_study_was_made(results: StudyResults) -> None:
    study = json.loads((results.path / "study.json").read_text())
    assert study["schema_version"] == 1
    assert study["config"]["data"]["name"] == "digits"
    assert set(study["versions"]) >= {"reprq", "torch", "faiss-cpu"}
    assert study["weights_digests"]["lenet 32, seed 0"] == load_backbone("lenet", "random").weights_digest
    assert set(study["data_fingerprints"]) == {"train, seed 0", "test, seed 0"}


def test_the_tables_are_read_back_as_they_were(results: StudyResults) -> None:
    again = StudyResults.load(results.path)
    pd.testing.assert_frame_equal(again.detectors, results.detectors, check_dtype=False)
    assert again.metrics["value"].tolist() == results.metrics["value"].tolist()
    assert again.study == results.study


def test_a_second_run_computes_nothing_and_writes_the_same_bytes(
    results: StudyResults, cache: Path, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(results.path, tmp_path / "run")
    done = count_work(monkeypatch)
    run_study(small, tmp_path / "run", cache_dir=cache, progress=False)
    assert done == {"measure": 0, "detect": 0}
    for name in ("metrics.csv", "detectors.csv", "study.json", "cells.jsonl"):
        assert (tmp_path / "run" / name).read_bytes() == (results.path / name).read_bytes()


@pytest.mark.parametrize("stop_after", [0, 1, 40])
def test_an_interrupted_study_goes_on_and_ends_with_the_same_tables(
    stop_after: int,
    results: StudyResults,
    cache: Path,
    small: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = compute.detect
    calls = []

    def interrupted(*arguments: Any) -> Any:
        if len(calls) == stop_after:
            raise KeyboardInterrupt
        calls.append(1)
        return original(*arguments)

    monkeypatch.setattr(compute, "detect", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_study(small, tmp_path / "run", cache_dir=cache, progress=False)
    assert not (tmp_path / "run" / "detectors.csv").exists()
    monkeypatch.setattr(compute, "detect", original)
    done = count_work(monkeypatch)
    run_study(small, tmp_path / "run", cache_dir=cache, progress=False)
    assert done["detect"] == len(results.detectors) - stop_after
    same_numbers(tmp_path / "run", results.path)


def test_another_study_in_the_folder_is_kept_unless_forced_and_a_change_redoes_what_it_touches(
    results: StudyResults, cache: Path, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(results.path, tmp_path / "run")
    changed = {**small, "detectors": ["centroid", {"name": "knn", "k": 2}]}
    with pytest.raises(
        OutputExistsError, match="holds the tables of another configuration; give another --out, or --force"
    ):
        run_study(changed, tmp_path / "run", cache_dir=cache, progress=False)
    done = count_work(monkeypatch)
    found = run_study(changed, tmp_path / "run", cache_dir=cache, force=True, progress=False)
    assert done == {"measure": 0, "detect": 72}
    assert set(found.detectors["definition"].str.split("[").str[0]) == {"centroid", "knn"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"title": "another"}, {"measure": 0, "detect": 0}),
        ({"metrics": ["rankme", "aucev", "trace"]}, {"measure": 72, "detect": 0}),
        ({"metrics": ["aucev"]}, {"measure": 0, "detect": 0}),
        ({"data": {**DATA, "test_per_class": 10}}, {"measure": 0, "detect": 144}),
        ({"tasks": "unimodal"}, {"measure": 0, "detect": 0}),
        ({"seeds": [0, 1], "tasks": ["unimodal:1"]}, {"measure": 12, "detect": 24}),
    ],
    ids=["title", "a metric more", "a metric less", "test images", "tasks", "a seed more"],
)
def test_changing_one_line_redoes_only_what_it_touches(
    change: dict[str, Any],
    expected: dict[str, int],
    results: StudyResults,
    cache: Path,
    small: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(results.path, tmp_path / "run")
    done = count_work(monkeypatch)
    found = run_study({**small, **change}, tmp_path / "run", cache_dir=cache, force=True, progress=False)
    assert done == expected
    assert not found.metrics["value"].isna().any()


def test_finished_cells_need_no_embeddings(results: StudyResults, small: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(results.path, tmp_path / "run")
    run_study(small, tmp_path / "run", cache_dir=tmp_path / "none", progress=False)
    assert not (tmp_path / "none").exists()
    same_numbers(tmp_path / "run", results.path)


def test_another_pooling_is_another_cell(
    results: StudyResults, cache: Path, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(results.path, tmp_path / "run")
    first, *others = small["backbones"]
    done = count_work(monkeypatch)
    changed = {**small, "backbones": [{**first, "pooling": "max"}, *others]}
    found = run_study(changed, tmp_path / "run", cache_dir=cache, force=True, progress=False)
    assert done == {"measure": 24, "detect": 48}
    assert set(found.metrics["layer"]) == {"conv1", "conv2", "conv3", "pooled"}


def test_each_seed_draws_its_own_images_and_its_own_random_weights(small: dict[str, Any], tmp_path: Path) -> None:
    config = {**small, "seeds": [0, 1], "tasks": ["unimodal:1"], "backbones": small["backbones"][:1]}
    found = run_study(config, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    assert sorted(found.metrics["seed"].unique()) == [0, 1]
    assert len(set(found.study["weights_digests"].values())) == 2
    assert len(set(found.study["data_fingerprints"].values())) == 4


def test_a_teacher_is_trained_once_and_never_sees_the_study_classes(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretext = {"task": "classification", "data": "digits", "classes": ["3", "4"], "epochs": 1}
    config = {**small, "backbones": [{"name": "lenet", "label": "classification", "pretext": pretext}]}
    found = run_study(config, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    (teacher,) = (tmp_path / "run" / "teachers").glob("*.safetensors")
    assert "classification" in found.metrics["weights"].iloc[0]
    assert set(found.metrics["network"]) == {"lenet"}
    monkeypatch.setattr(sources.pretext, "train_teacher", lambda *_, **__: pytest.fail("trained again"))
    run_study(config, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    assert load_backbone(f"teacher:{teacher}").weights_digest in found.study["weights_digests"].values()


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"metrics": ["rankmy"]}, UnknownNameError, "unknown metric 'rankmy': did you mean 'rankme'?"),
        ({"detectors": ["knm"]}, UnknownNameError, "unknown detector 'knm': did you mean 'knn'?"),
        ({"detectors": [{"name": "knn", "kk": 3}]}, InputError, "kk"),
        ({"tasks": "unimodel"}, UnknownNameError, "unknown task 'unimodel'"),
        ({"tasks": ["unimodal:9"]}, UnknownNameError, "unknown task 'unimodal:9'"),
        ({"data": {"name": "digit"}}, UnknownNameError, "unknown data set 'digit': did you mean 'digits'?"),
        ({"data": {"name": "digits", "classes": ["0", "x"]}}, UnknownNameError, "'x'"),
        ({"data": {"name": "digits", "train_per_class": 999}}, DataError, "999"),
        ({"backbones": [{"name": "lenett", "weights": "random"}]}, UnknownNameError, "did you mean 'lenet'?"),
        ({"backbones": [{"name": "lenet", "weights": "random", "layers": "conv7"}]}, UnknownNameError, "'conv7'"),
        ({"backbones": [{"name": "lenet", "weights": "random", "pooling": "gems"}]}, UnknownNameError, "'gem'"),
        ({"backbones": [{"name": "lenet", "weights": "random", "pooling": "cls"}]}, InputError, "a class token"),
        ({"dtype": "float8"}, ConfigError, "dtype: input should be 'float32' or 'float16', got 'float8'"),
        ({"backbones": [{"name": "lenet", "weights": "none.safetensors"}]}, WeightsError, "none.safetensors"),
        ({"backbones": [{"name": "lenet", "weights": "random", "preprocessing": {"sise": 3}}]}, InputError, "sise"),
        ({"backbones": []}, ConfigError, "metrics measure the layers of [[backbones]], and there is none"),
        (
            {"backbones": [{"name": "lenet", "pretext": {"task": "rotatoin", "data": "digits"}}]},
            UnknownNameError,
            "did you mean 'rotation'?",
        ),
    ],
)
def test_a_mistake_is_found_before_any_work_and_leaves_no_folder(
    change: dict[str, Any], error: type[ReprqError], sentence: str, small: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(error) as caught:
        run_study({**small, **change}, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    assert sentence in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_does_not_decode_stops_the_run_by_name_and_a_repair_goes_on(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            folder = tmp_path / "images" / split / name
            folder.mkdir(parents=True)
            for i in range(8):
                Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / f"{i}.png")
    bad = tmp_path / "images" / "test" / "dog" / "7.png"
    good = bad.read_bytes()
    bad.write_bytes(good[:60])
    config = {
        "data": {"name": f"folder:{tmp_path / 'images'}"},
        "backbones": [{"name": "lenet", "weights": "random"}],
        "detectors": ["centroid"],
        "metrics": ["rankme"],
    }
    with pytest.raises(DataError, match=r"dog.7\.png"):
        run_study(config, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    bad.write_bytes(good)
    assert len(run_study(config, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False).detectors) == 8


def test_a_folder_that_is_no_study_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReprqError, match=r"is not the folder of a finished study \(No such file or directory\)"):
        StudyResults.load(tmp_path)
