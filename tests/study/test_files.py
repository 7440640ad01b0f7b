"""Embedding files as the backbones of a study."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reprq import detectors, metrics
from reprq.backbones import load_backbone
from reprq.data import load_dataset
from reprq.data.row_splits import row_split
from reprq.embeddings import extract
from reprq.errors import CacheError, ConfigError, InputError, ReprqError, UnknownNameError
from reprq.evaluation import auroc
from reprq.evaluation.detection import evaluate
from reprq.study import StudyResults, estimate_study, load_config, run_study
from reprq.study.files import group_sides

HOW: dict[str, Any] = {"metrics": ["rankme", "trace"], "detectors": ["centroid"]}


def save(path: Path, seed: int = 0, d: int = 6, **more: Any) -> Path:
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], [40, 12])
    x = (rng.normal(size=(52, d)) + 1.5 * y[:, None]).astype(np.float32)
    np.savez(path, X=x, y=y, **more)
    return path


def run(config: dict[str, Any], tmp_path: Path, **how: Any) -> StudyResults:
    return run_study({**HOW, **config}, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False, **how)


def test_a_file_alone_is_a_study_with_the_numbers_of_its_rows(tmp_path: Path) -> None:
    path = save(tmp_path / "mine.npz")
    results = run({"backbones": [{"embeddings": path}]}, tmp_path)
    point = results.detectors.loc[0, ["dataset", "backbone", "layer", "task"]].tolist()
    assert point == ["embeddings", "mine", "mine", "unimodal:benign"]
    x, y = np.load(path)["X"], np.load(path)["y"]
    train = np.sort(np.random.default_rng(0).permutation(40)[:28])
    test = np.setdiff1d(np.arange(52), train)
    scores = detectors.create("centroid").fit(x[train]).anomaly_score(x[test])
    assert results.detectors.loc[0, "auroc"] == auroc(y[test], scores).value
    assert results.metrics["value"].tolist() == [m.value for m in metrics.measure(x[train], HOW["metrics"]).values()]


def test_one_section_serves_several_data_sets_and_resumes(tmp_path: Path) -> None:
    for seed, name in enumerate(("screw", "nut")):
        save(tmp_path / f"set_{name}.npz", seed, d=4 + seed)
    config = {
        "data": [{"name": "embeddings", "label": name} for name in ("screw", "nut")],
        "backbones": [{"embeddings": tmp_path / "set_{dataset}.npz"}],
    }
    how: dict[str, Any] = {"cache_dir": tmp_path / "cache", "progress": False}
    before = estimate_study({**HOW, **config}, tmp_path / "run", **how)
    assert (before.cells, before.finished, before.disk_bytes) == (4, 0, 52 * (4 + 5) * 4)
    results = run(config, tmp_path)
    assert results.metrics.groupby("dataset")["d"].first().to_dict() == {"nut": 5, "screw": 4}
    stored = (tmp_path / "run" / "cells.jsonl").read_bytes()
    after = estimate_study({**HOW, **config}, tmp_path / "run", **how)
    assert (after.finished, after.disk_bytes) == (4, 0)
    again = run(config, tmp_path)
    pd.testing.assert_frame_equal(again.detectors, results.detectors)
    assert (tmp_path / "run" / "cells.jsonl").read_bytes() == stored


@pytest.mark.parametrize("how", ["files", "named", "arrays"])
def test_several_files_or_arrays_are_layers(tmp_path: Path, how: str) -> None:
    x = np.random.default_rng(3).normal(size=(52, 3)).astype(np.float32)
    one, two = save(tmp_path / "early.npz", late=x), save(tmp_path / "late.npz", 1)
    section: dict[str, Any] = {
        "files": {"embeddings": [one, two], "keys": ["X"]},
        "named": {"embeddings": {"early": one, "late": two}, "keys": ["X"]},
        "arrays": {"embeddings": one, "keys": ["X", "late"]},
    }[how]
    table = run({"backbones": [{"label": "mine", **section}]}, tmp_path).detectors
    assert table["layer"].tolist() == ["X" if how == "arrays" else "early", "late"]
    assert table["layer_number"].tolist() == [1, 2]


def test_data_says_what_the_labels_mean(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 4))
    np.savez(tmp_path / "a.npz", X=x, state=np.repeat(["good", "crack", "dent"], 20))
    section = {"embeddings": tmp_path / "a.npz", "labels": "state"}
    data = {"name": "embeddings", "label": "parts", "benign": ["good"]}
    judged = run({"backbones": [section], "data": data}, tmp_path).detectors
    assert judged[["task", "n_train", "n_test", "n_anomalies"]].to_numpy().tolist() == [["unimodal:good", 14, 46, 40]]
    every = run({"backbones": [section]}, tmp_path, force=True).detectors
    assert len(every) == 6
    assert set(every["n_test"]) == {18}
    with pytest.raises(UnknownNameError, match="godo"):
        run({"backbones": [section], "data": {**data, "benign": ["godo"]}}, tmp_path, force=True)


def test_files_stand_beside_networks_on_the_same_samples(tmp_path: Path) -> None:
    network = load_backbone("lenet", "random")
    pairs = [extract(network, load_dataset("digits", s), "pooled", cache_dir=tmp_path / "c") for s in ("train", "test")]
    x, ids = (np.concatenate([np.asarray(part) for part in parts]) for parts in zip(
        *((cache["pooled"].array, cache["pooled"].ids) for cache in pairs), strict=True
    ))  # fmt: skip
    shuffled = np.random.default_rng(0).permutation(len(x))
    np.savez(tmp_path / "mine.npz", X=x[shuffled], ids=ids[shuffled])
    config = {
        "data": {"name": "digits", "train_per_class": 9, "test_per_class": 5},
        "tasks": ["unimodal:3"],
        "backbones": [
            {"name": "lenet", "weights": "random", "layers": ["pooled"]},
            {"label": "mine", "embeddings": tmp_path / "mine.npz"},
        ],
    }
    results = run(config, tmp_path)
    assert results.detectors["auroc"].nunique() == 1
    assert results.metrics["value"].tolist()[:2] == results.metrics["value"].tolist()[2:]
    np.savez(tmp_path / "mine.npz", X=x[:900], ids=ids[:900])
    with pytest.raises(InputError, match="must have a row for every sample of digits"):
        run(config, tmp_path)


def test_mistakes_are_one_sentence_before_any_work(tmp_path: Path) -> None:
    good = save(tmp_path / "good.npz")
    np.savez(tmp_path / "short.npz", X=np.eye(5))
    (tmp_path / "empty.npz").touch()
    bad: list[tuple[type[ReprqError], str, dict[str, Any]]] = [
        (CacheError, "does not exist", {"embeddings": tmp_path / "none.npz"}),
        (CacheError, "is empty", {"embeddings": tmp_path / "empty.npz"}),
        (InputError, "must hold labels, got none", {"embeddings": tmp_path / "short.npz"}),
        (InputError, "must hold the same rows in the same order", {"embeddings": [good, tmp_path / "short.npz"]}),
        (UnknownNameError, "features", {"embeddings": good, "keys": ["features"]}),
        (ConfigError, "has no layer 'deep'", {"embeddings": good, "layers": ["deep"]}),
        (ConfigError, "remove its pretext, preprocessing and pooling", {"embeddings": good, "pooling": "max"}),
        (ConfigError, "keys, columns, labels and groups go with embeddings", {"name": "lenet", "keys": ["X"]}),
    ]
    for error, sentence, section in bad:
        with pytest.raises(error) as caught:
            run({"backbones": [section], **({} if "embeddings" in section else {"data": {"name": "digits"}})}, tmp_path)
        assert sentence in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(UnknownNameError, match="patient"):
        run({"backbones": [{"embeddings": good, "groups": "patient"}]}, tmp_path)
    with pytest.raises(ConfigError, match="'digits' has its own split; remove groups"):
        run({"backbones": [{"embeddings": good, "groups": "y"}], "data": {"name": "digits"}}, tmp_path)
    with pytest.raises(InputError, match="trains a network on samples"):
        run({"backbones": [{"embeddings": good}], "detectors": ["distillation"]}, tmp_path)
    with pytest.raises(ConfigError, match="no backbone runs on the data set 'embeddings'"):
        load_config({"data": {"name": "embeddings"}, "backbones": [{"name": "lenet"}]})
    assert not (tmp_path / "run").exists()


def test_groups_are_split_as_by_detect(tmp_path: Path) -> None:
    groups = np.array([f"patient {i // 4}" for i in range(52)])
    path = save(tmp_path / "a.npz", patient=groups)
    (row,) = run({"backbones": [{"embeddings": path, "groups": "patient"}]}, tmp_path).detectors.to_dict("records")
    held = np.load(path)
    split = row_split(held["y"], groups=np.unique(groups, return_inverse=True)[1])
    same = evaluate("centroid", split, held["X"], held["X"])
    assert {name: row[name] for name in ("n_train", "n_test", "n_anomalies")} == same.counts()
    assert row["auroc"] == same.auroc.value
    pd.DataFrame({"a": held["X"][:, 0], "b": held["X"][:, 1], "y": held["y"], "nurse": groups}).to_csv(
        tmp_path / "t.csv", index=False
    )
    table = {"embeddings": tmp_path / "t.csv", "groups": "nurse", "columns": "a,b", "labels": "y"}
    again = run({"backbones": [table]}, tmp_path, force=True).detectors
    assert again["n_train"].tolist() == [row["n_train"]]
    other = save(tmp_path / "b.npz", nurse=np.array([f"nurse {i // 2}" for i in range(52)]))
    both = [{"embeddings": path, "groups": "patient"}, {"embeddings": other, "groups": "nurse"}]
    with pytest.raises(InputError, match="'b' must have the groups of 'a', got others"):
        run({"backbones": both}, tmp_path, force=True)


@pytest.mark.parametrize("benign", [[0], [0, 1], []])
@pytest.mark.parametrize("anomalies", [False, True])
def test_no_group_is_on_both_sides(benign: list[int], anomalies: bool) -> None:
    rng = np.random.default_rng(4)
    groups = rng.integers(0, 60, 400)
    labels = np.where(rng.random(400) < 0.1, rng.integers(0, 4, 400), groups % 4)  # some groups of several classes
    train, test = group_sides(groups, labels, benign, np.random.default_rng(1), training_anomalies=anomalies)
    assert not set(groups[train]) & set(groups[test])
    assert len(train)
    for group in np.unique(groups[train]):
        found = set(labels[(groups == group)])
        trained = set(labels[train[groups[train] == group]])
        if not benign:
            assert len(found) == 1
        elif not anomalies:
            assert found <= set(benign)
        else:
            assert found <= set(benign) or trained == found - set(benign)
            assert len(found - set(benign)) <= 1


def test_a_detector_that_trains_takes_the_rows_of_every_layer(tmp_path: Path) -> None:
    one, two = save(tmp_path / "one.npz"), save(tmp_path / "two.npz", 1)
    spec = {"name": "deep_svdd", "epochs": 1}
    config = {"backbones": [{"label": "mine", "embeddings": [one, two]}], "detectors": [spec, "centroid"]}
    before = estimate_study({**HOW, **config}, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    found = run(config, tmp_path)
    assert found.failures.empty, found.failures
    assert before.cells == 2 * 3
    deep = found.detectors[found.detectors["detector"] == "deep_svdd"]
    assert deep["layer"].tolist() == ["one", "two"]
    for path, value in zip((one, two), deep["auroc"], strict=True):
        held = np.load(path)
        assert value == evaluate(spec, row_split(held["y"]), held["X"], held["X"]).auroc.value


def test_what_cannot_be_fitted_is_left_out_and_said(tmp_path: Path) -> None:
    path = save(tmp_path / "mine.npz")
    supervised = {"name": "supervised", "epochs": 1}
    config = {
        "backbones": [{"embeddings": path}],
        "detectors": [supervised, "centroid"],
        "splits": {"labelled": [0, 4]},
    }
    before = estimate_study({**HOW, **config}, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    said = [note for note in before.notes if note.startswith("supervised")]
    assert len(said) == 1
    assert said[0].endswith("is left out of unimodal:benign: it needs labelled anomalies")
    found = run(config, tmp_path)
    assert found.failures.empty, found.failures
    assert before.cells == 2 + 2 + 1
    tried = found.detectors.groupby("detector")["task"].apply(list).to_dict()
    assert tried["supervised"] == ["unimodal:benign, 4 labelled"]
    assert len(tried["centroid"]) == 2
    assert said[0] in found.study["data_notes"]
    with pytest.raises(InputError, match="supervised needs labelled anomalies"):
        run({**config, "splits": []}, tmp_path, force=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"metrics": ["brittleness"]},
            "no metric to measure, no brittleness of a on embeddings: no gradients of its input; name another",
        ),
        ({"splits": {"auxiliary": "digits"}}, "rows of files, whose external anomalies and corpora are found by"),
        ({"backbones": [{"embeddings": "a.npz", "pretext": {"task": "rotation", "data": "digits"}}]},
         "backbone 'a' is embedding files: remove its pretext"),
    ],
)  # fmt: skip
def test_what_files_cannot_have_is_said_before_any_work(tmp_path, change, message):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", X=rng.normal(size=(30, 4)), y=np.repeat([0, 1], 15))
    study = {"backbones": [{"embeddings": str(tmp_path / "a.npz"), "labels": "y"}], "detectors": ["knn"], **change}
    with pytest.raises(ConfigError, match=message):
        run_study(study, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
