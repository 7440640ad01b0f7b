"""What `reprq detect` takes beyond a task: pollution, named and external anomalies, seeds, an oracle, parcels."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from reprq import plots
from reprq.cli.specifications import specification

Reprq = Callable[..., Any]
LENET = ("--backbone", "lenet", "--weights", "random", "--quiet", "--samples", 100, "--layer", 1)
KNN = ("--detector", "knn:k=1")
HSC = ("--detector", "hsc:epochs=1", "--auxiliary")


def rows(ran: Any) -> list[dict[str, Any]]:
    assert ran.status == 0, ran.err
    found: list[dict[str, Any]] = json.loads(ran.out)["rows"]
    return found


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(200, 4)), rng.normal(2, 1, size=(40, 4))])
    np.savez(tmp_path / "x.npz", X=x, y=np.repeat([0, 1], [200, 40]))
    return tmp_path / "x.npz"


def test_pollution_and_a_named_anomaly_class(reprq: Reprq) -> None:
    (clean,) = rows(reprq("detect", *LENET, *KNN, "--task", "unimodal:3", "--anomaly", "8", "--json"))
    assert clean["task"] == "unimodal:3 vs 8"
    assert (clean["n_test"], clean["n_anomalies"]) == (20, 10)
    more = ("--task", "multimodal:3", "--pollution", 0.05, "--json")
    (dirty,) = rows(reprq("detect", *LENET, *KNN, *more))
    assert dirty["task"] == "multimodal:3, 5 % polluted"
    (pure,) = rows(reprq("detect", *LENET, *KNN, "--task", "multimodal:3", "--json"))
    assert dirty["n_train"] == pure["n_train"] + round(0.05 / 0.95 * pure["n_train"])
    assert dirty["auroc"] < pure["auroc"]


def test_a_named_anomaly_class_keeps_the_tasks_in_which_it_is_anomalous(reprq: Reprq) -> None:
    names = [row["task"] for row in rows(reprq("detect", *LENET, *KNN, "--anomaly", "8", "--json"))]
    assert len(names) == 10
    assert "unimodal:8 vs 8" not in names
    assert "multimodal:8 vs 8" in names


def test_external_anomalies_with_all_classes_benign(reprq: Reprq, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for i in range(3):
            path = tmp_path / f"noise/{split}/static/{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    external = ("--external", f"folder:{tmp_path / 'noise'}", "--json")
    (row,) = rows(reprq("detect", *LENET, *KNN, *external))
    assert row["task"].startswith("all classes vs folder:")
    assert (row["n_train"], row["n_test"], row["n_anomalies"]) == (100, 103, 3)
    assert row["auroc"] > 0.9
    (row,) = rows(reprq("detect", *LENET, *KNN, *external, "--task", "unimodal:3"))
    assert row["n_anomalies"] == 3
    assert row["n_test"] < 20


def test_known_anomalies_and_groups_of_a_file(reprq: Reprq, tmp_path: Path, labelled: Path) -> None:
    file = ("detect", "--embeddings", labelled, "--json")
    (plain,), (known,) = (rows(reprq(*file, *KNN, "--labelled", n)) for n in (0, 10))
    assert known["n_train"] == plain["n_train"]
    assert known["n_anomalies"] == plain["n_anomalies"] - 10
    with np.load(labelled) as found:
        patients = np.array([f"patient {i // 4}" for i in range(240)])
        np.savez(tmp_path / "g.npz", X=found["X"], y=found["y"], patient=patients)
    grouped = ("detect", "--embeddings", tmp_path / "g.npz", "--json", *KNN, "--groups", "patient")
    (row,) = rows(reprq(*grouped))
    assert (row["n_train"], row["n_test"], row["n_anomalies"]) == (140, 100, 40)
    assert (ran := reprq(*grouped[:-1], "nurse")).status == 1
    assert "nurse" in ran.err
    assert reprq("detect", *LENET, *KNN, "--groups", "patient").status == 2
    deep = ("--detector", "deep_sad:epochs=1")
    (without,), (some,) = (rows(reprq(*file, *deep, "--labelled", n, "--quiet")) for n in (0, 10))
    assert without["detector"] == some["detector"]
    assert without["auroc"] != some["auroc"]


def test_seeds_repeat_and_are_averaged(reprq: Reprq, labelled: Path) -> None:
    command = ("detect", "--embeddings", labelled, *KNN, "--detector", "iforest:trees=5", "--seeds", 3)
    body = json.loads(reprq(*command, "--json").out)
    assert [row["seed"] for row in body["rows"]] == [0, 0, 1, 1, 2, 2]
    assert len({row["auroc"] for row in body["rows"] if row["detector"].startswith("iforest")}) == 3
    for mean in body["mean"]:
        of_method = [row["auroc"] for row in body["rows"] if row["detector"] == mean["detector"]]
        assert mean["auroc"] == pytest.approx(np.mean(of_method))
        assert (mean["low"] <= mean["auroc"] <= mean["high"], mean["n_cells"]) == (True, 3)
    text = reprq(*command).out
    assert "mean over tasks and seeds" in text
    table = list(csv.DictReader(io.StringIO(reprq(*command, "--csv").out)))
    assert len(table) == 6


def test_one_task_and_seed_have_no_mean(reprq: Reprq, labelled: Path) -> None:
    ran = reprq("detect", "--embeddings", labelled, *KNN)
    assert "mean over" not in ran.out


def test_pollution_of_a_labelled_file(reprq: Reprq, labelled: Path) -> None:
    (row,) = rows(reprq("detect", "--embeddings", labelled, *KNN, "--pollution", 0.1, "--json"))
    assert (row["n_train"], row["n_anomalies"], row["n_test"]) == (156, 24, 84)
    ran = reprq("detect", "--embeddings", labelled, *KNN, "--pollution", 0.5)
    assert ran.status == 1
    assert "x.npz has 40 anomalies, 140 of them would pollute; lower --pollution" in ran.err


def test_an_oracle_is_marked_and_judged_on_other_rows(reprq: Reprq, labelled: Path) -> None:
    command = ("detect", "--embeddings", labelled, "--detector", "ocsvm:nu=0.1", *KNN, "--oracle", "--seeds", 2)
    body = json.loads(reprq(*command, "--json").out)
    assert all(row["oracle"] and row["detector"].endswith(",oracle]") for row in body["rows"])
    assert body["rows"][0]["n_test"] == 100 - 10
    assert [mean["detector"] for mean in body["mean"]] == ["ocsvm[oracle]", "knn[oracle]"]
    (plain,) = rows(reprq("detect", "--embeddings", labelled, *KNN, "--json"))
    assert plain["oracle"] is False
    assert "oracle" not in plain["detector"]


def test_parcels_are_scored_by_the_maximum_over_both_views(reprq: Reprq, tmp_path: Path) -> None:
    for kind in ("benign", "threat"):
        for i in range(4):
            for view in "ab":
                path = tmp_path / f"{kind}/{i}_{view}.png"
                path.parent.mkdir(exist_ok=True)
                rng = np.random.default_rng([i, len(kind), ord(view)])
                Image.fromarray(rng.integers(0, 200, (224, 230, 3), dtype=np.uint8)).save(path)
    ran = reprq("detect", *LENET, *KNN, "--data", "xray-parcels", "--root", tmp_path, "--json")
    (row,) = rows(ran)
    assert (row["task"], row["n_test"], row["n_anomalies"]) == ("unimodal:benign", 5, 4)
    assert row["n_train"] == 3 * 2 * 2
    refused = reprq("detect", *LENET, *KNN, "--data", "xray-parcels", "--root", tmp_path, "--oracle")
    assert (refused.status, "cannot hold out whole objects" in refused.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((*LENET, "--data", "xray-parcels", "--root", "none"), 1, "none/benign is not a folder; xray-parcels expects"),
        ((*LENET, "--data", "xray-parcels", "--pollution", 0.1), 2, "--pollution goes with plain data sets"),
        ((*LENET, "--anomaly", "cow"), 1, "unknown class of digits 'cow'"),
        (
            (*LENET, "--task", "unimodal:8", "--anomaly", "8"),
            1,
            "anomaly must be a class that unimodal:8 does not train",
        ),
        ((*LENET, "--external", "digit"), 1, "unknown data set 'digit': did you mean 'digits'?"),
        ((*LENET, "--pollution", 1), 2, "--pollution"),
        ((*LENET, "--seeds", 0), 2, "--seeds"),
        ((*LENET, *KNN, *KNN), 1, "--detector must name each detector once, got knn["),
        ((*LENET, "--detector", "knn", "--detector", "knn:k=5"), 1, "got knn[k=5,kth,euclidean] twice; leave one out"),
        ((*LENET, "--oracle", "--detector", "kde", "--detector", "kde"), 1, "got kde[oracle] twice"),
        ((*LENET, "--seed", 2**32 - 2, "--seeds", 3), 2, "--seed and --seeds must end at 4294967295 at most"),
        ((*LENET, "--small-mode", "3=2"), 2, "--small-mode must be CLASS=SHARE with a share from 0 to 1, got '3=2'"),
        ((*LENET, "--small-mode", "3"), 2, "--small-mode must be CLASS=SHARE"),
        ((*LENET, "--small-mode", "3=0", "--anomaly", "8"), 2, "--anomaly goes without --small-mode"),
        (("--embeddings", "x.npy", "--small-mode", "3=0"), 2, "--small-mode goes with plain data sets of --data"),
        (("--embeddings", "x.npy", "--anomaly", "8"), 2, "--anomaly goes with plain data sets of --data"),
        (
            ("--embeddings", "x.npy", "--detector", "raw:knn"),
            1,
            "raw:knn reads samples, not --embeddings; give --data i",
        ),
        (("--detector", "raw:knn", "--oracle"), 1, "--oracle chooses parameters of detectors of rows, got raw:knn"),
        (("--detector", "raw:knn", "--detector", "knn"), 2, "detector knn needs rows: give either --backbone NAME"),
        (("--detector", "fanogn"), 1, "unknown detector 'fanogn': did you mean 'fanogan'?"),
        (("--detector", "patchcore"), 2, "detector patchcore trains on samples with a network: give --backbone NAME"),
        (
            ("--detector", "knn", "--data", "table:x.csv"),
            2,
            "--backbone identity takes the rows of a table as they are",
        ),
        (("--detector", "patchcore", "--data", "table:x.csv"), 2, "such as knn, with --backbone identity"),
        (("--detector", "hsc"), 1, "has none; name one (--auxiliary DATA)"),
        (("--detector", "supervised"), 1, "has none; give some (--labelled)"),
        (("--detector", "raw:knn", "--layer", "3"), 2, "--layer goes with --backbone, and there is none"),
        (
            ("--detector", "raw:knn", "--sound", "seconds=1"),
            1,
            "drawing is of items that are drawn as images, and image",
        ),
        ((*LENET, "--polluting", "7"), 2, "--polluting says of which classes, --pollution how many; give both"),
        ((*LENET, "--labelled-from", "7"), 2, "--labelled-from says of which classes, --labelled how many"),
    ],
)
def test_what_cannot_be_is_one_line(reprq: Reprq, arguments: tuple[object, ...], status: int, said: str) -> None:
    ran = reprq("detect", *arguments)
    assert ran.status == status
    assert said in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("n", [1, 20])
def test_a_file_without_two_benign_rows_is_told_so(reprq: Reprq, tmp_path: Path, n: int) -> None:
    np.savez(tmp_path / "x.npz", X=np.ones((n, 3)), y=np.ones(n, dtype=int))
    ran = reprq("detect", "--embeddings", tmp_path / "x.npz")
    assert (ran.status, f"must have at least 2 benign rows, one to fit and one to score, got 0 of {n}" in ran.err) == (
        1,
        True,
    )


def test_protocols_are_listed(reprq: Reprq) -> None:
    out = reprq("datasets").out
    assert all(name in out for name in ("cifar100", "cats-vs-dogs", "plant-pathology-2020", "xray-parcels"))


def test_a_detector_of_images_learns_from_the_layer_of_the_backbone(reprq: Reprq) -> None:
    source = ("--backbone", "lenet", "--weights", "random", "--layer", "2,-1", "--data", "digits", "--samples", 60)
    asked = (*source, "--task", "unimodal:3", "--detector", "distillation:epochs=1", "--quiet")
    done = reprq("detect", *asked, "--json")
    assert done.status == 0
    rows = json.loads(done.out)["rows"]
    assert [row["detector"].split(",")[0] for row in rows] == [
        "distillation[layers=conv3",
        "distillation[layers=pooled",
    ]
    assert all(row["low"] <= row["auroc"] <= row["high"] for row in rows)
    again = json.loads(reprq("detect", *asked, "--json").out)["rows"]
    assert again == rows
    assert json.loads(reprq("detect", *asked, "--json", "--seed", 1).out)["rows"] != rows
    refused = reprq("detect", *asked, "--oracle")
    assert refused.status == 1
    assert "--oracle chooses parameters of detectors of rows, got distillation; leave one out" in refused.err


def test_known_anomalies_of_each_class_and_the_auroc_of_each_class(reprq: Reprq) -> None:
    scenario = ("--labelled", 0.1, "--labelled-from", "each", "--pollution", 0.1, "--polluting", "7")
    found = rows(reprq("detect", *LENET, *KNN, "--task", "unimodal:3", *scenario, "--json"))
    assert len(found) == 9
    assert found[0]["task"] == "unimodal:3, 10 % polluted from 7, 10 % labelled from 0"
    assert [row["anomaly"] for row in found[0]["by_class"]] == [name for name in "0123456789" if name != "3"]
    ran = reprq("detect", *LENET, *KNN, "--task", "unimodal:3", "--pollution", 0.1, "--polluting", "3")
    assert (ran.status, "does not train on, got '3'" in ran.err) == (1, True)


def test_a_corpus_goes_without_the_classes_of_the_task(reprq: Reprq, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pets = [f"pets/{side}/{name}" for side in ("train", "test") for name in ("cat", "dog")]
    for name in (*pets, "corpus/Persian cat", "corpus/pail"):
        (tmp_path / name).mkdir(parents=True)
        for i in range(8):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    asked = ("detect", "--data", f"folder:{tmp_path / 'pets'}", "--task", "unimodal:cat", "--quiet")
    quick = ("--detector", "hsc:epochs=1,batch_size=4")
    ran = reprq(*asked, *quick, "--auxiliary", f"folder:{tmp_path / 'corpus'}", "--json")
    said = "corpus goes without 1 of its 2 classes, which name classes of the task: Persian cat"
    assert len(rows(ran)) == 1
    assert said in ran.err
    assert any(said in note for note in json.loads(ran.out)["notes"])
    none = reprq(*asked, *quick)
    assert (none.status, none.out) == (1, "")
    assert "detector hsc needs an auxiliary corpus" in none.err
    same = reprq(*asked, *quick, "--auxiliary", f"folder:{tmp_path / 'pets'}")
    assert same.status == 1
    assert "names a class of the task; give another corpus" in same.err


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("knn:k=1,aggregation=mean", {"name": "knn", "k": 1, "aggregation": "mean"}),
        ("deep_svdd:milestones=[50,100],epochs=2", {"name": "deep_svdd", "milestones": [50, 100], "epochs": 2}),
        ("hsc:augmentations=[crop, flip],seed=1", {"name": "hsc", "augmentations": ["crop", "flip"], "seed": 1}),
        ("pyod:ECOD:contamination=0.05", {"name": "pyod:ECOD", "contamination": 0.05}),
        (
            'hybrid:knn:of={"name": "flow", "epochs": 1},k=2',
            {"name": "hybrid:knn", "of": {"name": "flow", "epochs": 1}, "k": 2},
        ),
        ('knn:metric="a,b",k=3', {"name": "knn", "metric": "a,b", "k": 3}),
        ("knn:metric=2x", {"name": "knn", "metric": "2x"}),
        ("knn:metric=", {"name": "knn", "metric": ""}),
        ("knn:flags=[]", {"name": "knn", "flags": []}),
    ],
)
def test_values_of_a_detector_are_json_or_text(text: str, spec: dict[str, Any]) -> None:
    assert specification(text) == spec


@pytest.mark.parametrize("text", ["knn:k", "knn:k=1,mean", "knn:=1", "knn:a=[1,2"])
def test_a_value_without_a_name_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected NAME:PARAMETER=VALUE"):
        specification(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "ensemble:of=knn,pca",
            r"got 'ensemble:of=knn,pca'; join the detectors of an ensemble by \+, as in ensemble:of=",
        ),
        ("ensemble:combine=fisher,of=knn,pca", r"join the detectors of an ensemble by \+, as in ensemble:of=knn\+pca"),
        ("deep_svdd:milestones=50,100", r"write several values in brackets, as in milestones=\[50,100\]"),
        ("knn:k", r"got 'knn:k'$"),
    ],
)
def test_values_after_a_comma_are_told_how_to_be_joined(text: str, said: str) -> None:
    with pytest.raises(click.BadParameter, match=said):
        specification(text)


def test_known_anomalies_of_a_file_are_of_the_classes_named(reprq: Reprq, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(90, 4))
    state = np.repeat(["good", "crack", "dent"], [60, 18, 12])
    np.savez(tmp_path / "a.npz", X=x, state=state)
    file = ("detect", "--embeddings", tmp_path / "a.npz", "--labels", "state", "--benign", "good", "--json", *KNN)
    found = rows(reprq(*file, "--labelled", 5, "--labelled-from", "each"))
    assert [row["task"] for row in found] == ["5 labelled from crack", "5 labelled from dent"]
    assert {row["n_anomalies"] for row in found} == {25}
    assert len(rows(reprq(*file, "--labelled", 5, "--labelled-from", 2))) == 1
    for option, said in (
        (("--labelled", 13, "--labelled-from", "dent"), "12 anomalies of the classes to label, and 13 would be known"),
        (("--labelled", 3, "--labelled-from", "good"), "unknown class of anomalies 'good'"),
        (("--labelled", 3, "--labelled-from", 3), "must be from 1 to 2"),
    ):
        ran = reprq(*file, *option)
        assert ran.status == 1
        assert said in ran.err
    np.savez(tmp_path / "b.npz", X=x, y=np.repeat([0, 1], [60, 30]))
    ran = reprq("detect", "--embeddings", tmp_path / "b.npz", "--labelled", 3, "--labelled-from", "1")
    assert ran.status == 1
    assert "give labels of three values or more" in ran.err
    (row,) = rows(
        reprq(
            "detect",
            "--embeddings",
            tmp_path / "b.npz",
            "--json",
            "--detector",
            "hsc:epochs=1",
            "--quiet",
            "--auxiliary",
            corpus(tmp_path, 4),
        )
    )
    assert row["detector"].startswith("hsc")
    ran = reprq("detect", "--embeddings", tmp_path / "b.npz", "--quiet", *HSC, corpus(tmp_path, 3))
    assert "auxiliary must have 4 columns as X has, got 3" in ran.err


def corpus(folder: Path, width: int) -> Path:
    path = folder / f"corpus{width}.npz"
    np.savez(path, X=np.random.default_rng(1).normal(size=(30, width)))
    return path


def test_networks_of_a_file_have_preprocessing_layers_and_pooling_of_their_own(reprq: Reprq, tmp_path: Path) -> None:
    own = tmp_path / "networks.toml"
    own.write_text(
        """
        [[backbones]]
        name = "lenet"
        label = "whole"
        layers = "conv1"
        preprocessing = { squash = true }

        [[backbones]]
        name = "lenet"
        label = "larger"
        weights = "random"
        layers = "2,3"
        pooling = "max"
        preprocessing = { resize = 40, size = 32 }
        """
    )
    asked = ("--config", own, "--weights", "random", "--quiet", "--samples", 60, "--task", "unimodal:3")
    body = json.loads(reprq("detect", *asked, *KNN, "--seeds", 2, "--json").out)
    points = [("whole", "conv1"), ("larger", "conv3@max"), ("larger", "pooled@max")]
    assert [(row["backbone"], row["layer"]) for row in body["rows"]] == points * 2
    assert [(row["backbone"], row["layer"]) for row in body["mean"]] == points
    student = ("--detector", "distillation:epochs=1", "--json")
    assert [row["layer"] for row in rows(reprq("detect", *asked, *student))] == [layer for _, layer in points]
    for wrong, said in (
        (("--backbone", "lenet"), "give either --backbone NAME or --config FILE.toml"),
        (("--embeddings", "x.npy"), "give either --backbone NAME or --embeddings FILE"),
    ):
        ran = reprq("detect", *asked, *wrong)
        assert (ran.status, said in ran.err) == (2, True)


def test_the_curve_of_few_benign_samples(reprq: Reprq, tmp_path: Path, labelled: Path) -> None:
    asked = ("detect", "--embeddings", labelled, "--shots", "8, 2,32", "--seeds", 3, *KNN, "--detector", "mahalanobis")
    body = json.loads(reprq(*asked, "--json").out)
    assert [(row["shots"], row["n_train"]) for row in body["rows"][:6:2]] == [(2, 2), (8, 8), (32, 32)]
    means = {(row["detector"], row["shots"]): row for row in body["mean"]}
    nearest = [means["knn[k=1,kth,euclidean]", n] for n in (2, 8, 32)]
    assert nearest[0]["auroc"] < nearest[1]["auroc"] < nearest[2]["auroc"]
    assert all(row["low"] <= row["auroc"] <= row["high"] and row["n_cells"] == 3 for row in nearest)
    ran = reprq(*asked, "--plot", tmp_path / "curve.png")
    assert ran.status == 0, ran.err
    assert "AUROC with so many benign samples, means over tasks and seeds" in ran.out
    assert sorted(path.name for path in tmp_path.glob("curve.*")) == ["curve.png", "curve.svg"]
    assert "--force" in reprq(*asked, "--plot", tmp_path / "curve.png").err
    assert reprq(*asked, "--csv").out.startswith("layer,shots,seed,detector")
    one = reprq("detect", "--embeddings", labelled, "--shots", "1,2", *KNN, "--detector", "knn:k=2").out
    assert "one draw, so intervals are of the test samples alone" in one
    assert "note: knn is left out with 1 benign: k must be at most the number of benign rows" in one


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--shots", "1,x"), 2, "expected different numbers from 1 on with commas, got '1,x'"),
        (("--shots", "2,2"), 2, "expected different numbers"),
        (("--shots", "0"), 2, "expected different numbers"),
        (("--plot", "x.png"), 2, "--plot draws the curve of --shots"),
        (("--shots", "1000"), 1, "shots must be from 1 to 140, the training rows of"),
        (("--shots", "1,2", "--detector", "knn"), 1, "k must be at most the number of benign rows"),
    ],
)
def test_mistakes_about_shots(reprq: Reprq, labelled: Path, arguments: tuple[str, ...], status: int, said: str) -> None:
    ran = reprq("detect", "--embeddings", labelled, *arguments)
    assert (ran.status, said in ran.err) == (status, True), ran.err


def test_a_detector_without_maps_has_no_gallery_and_that_is_said(reprq: Reprq, tmp_path: Path) -> None:
    asked = ("--backbone", "lenet", "--weights", "random", "--samples", 60, "--task", "unimodal:3")
    ran = reprq("detect", *asked, "--detector", "centroid", "--gallery", tmp_path / "pictures")
    assert ran.status == 0
    assert "note: no gallery of centroid, which has no maps of images" in ran.out
    assert not (tmp_path / "pictures").exists()


@pytest.mark.parametrize("detector", ["centroid", "deep_svdd:epochs=1"])
def test_a_gallery_by_a_method_is_of_any_detector(reprq: Reprq, tmp_path: Path, detector: str) -> None:
    pytest.importorskip("zennit")
    rows = ("--backbone", "lenet", "--weights", "random", "--layer", 1) if detector == "centroid" else ()
    asked = ("--data", "digits", *rows, "--samples", 60, "--task", "unimodal:3", "--quiet")
    folder = tmp_path / "pictures"
    ran = reprq("detect", *asked, "--detector", detector, "--gallery", folder, "--map-method", "relevance")
    assert ran.status == 0, ran.err
    (picture,) = folder.iterdir()
    assert ran.out.splitlines()[-1] == str(picture)
    ran = reprq("detect", *asked, "--detector", detector, "--map-method", "relevance")
    assert (ran.status, "--map-method says by what the maps of --gallery are made" in ran.err) == (2, True)


def test_a_gallery_names_classes_and_files_and_says_where_it_is(
    reprq: Reprq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles = []
    monkeypatch.setattr(plots, "overlay_gallery", lambda *_, **how: titles.extend(how["titles"]) or plt.figure())
    asked = ("--backbone", "lenet", "--weights", "random", "--task", "unimodal:3", "--layer", 1, "--quiet")
    ran = reprq("detect", *asked, "--detector", "padim:channels=4", "--gallery", tmp_path / "pictures")
    assert ran.status == 0, ran.err
    (picture,) = (tmp_path / "pictures").iterdir()
    assert ran.out.splitlines()[-1] == str(picture)
    assert len(titles) == 12
    assert all(re.fullmatch(r"\d \d+: [\d.]+", title) for title in titles), titles
    (row,) = rows(reprq("detect", *asked, "--detector", "padim:channels=4", "--gallery", picture.parent, "--json"))
    assert row["gallery"] == str(picture)


def test_doc_takes_a_labelled_reference_set_by_name(reprq: Reprq, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("cup", "pen"):
        (tmp_path / "things" / name).mkdir(parents=True)
        for i in range(6):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "things" / name / f"{i}.png")
    asked = ["detect", "--backbone", "lenet", "--weights", "random", "--data", "digits", "--task", "unimodal:3"]
    asked += ["--detector", "doc:epochs=1,lr=0.001", "--json", "--quiet", "--auxiliary"]
    ran = reprq(*asked, f"folder:{tmp_path / 'things'}")
    assert ran.status == 0, ran.err
    assert "doc[epochs=1,lr=0.001]" in ran.out
    (tmp_path / "things/pen").rename(tmp_path / "pen")
    ran = reprq(*asked, f"folder:{tmp_path / 'things'}")
    assert (ran.status, "doc tells the classes of auxiliary apart, got images of one" in ran.err) == (1, True)


def test_a_gallery_of_texts_by_rows_has_the_texts_unmarked(reprq: Reprq, tmp_path: Path) -> None:
    for label, said in (("a", "the cat sat here"), ("b", "stocks of <b>firms</b> fell")):
        (tmp_path / "texts" / label).mkdir(parents=True)
        for i in range(12):
            (tmp_path / "texts" / label / f"{i}.txt").write_text(f"{said} {i}")
    data = ("--backbone", "tfidf", "--data", f"text:{tmp_path / 'texts'}", "--benign", "a", "--detector", "knn:k=1")
    (row,) = rows(reprq("detect", *data, "--gallery", tmp_path / "gallery", "--json"))
    page = Path(row["gallery"])
    assert (page.parent, page.with_suffix(".png").exists()) == (tmp_path / "gallery", True)
    shown = page.read_text(encoding="utf-8")
    assert shown.count("stocks of &lt;b&gt;firms&lt;/b&gt; fell") == 4
    assert ("<mark" in shown, "strongest" in shown, shown.index("firms") < shown.index("the cat")) == (False,) * 2 + (
        True,
    )


def table_of(tmp_path: Path, missing: str = "") -> str:
    cells = [(str(i % 7), str(i % 5), "xyz"[i % 3], "odd" if i > 30 else "fine") for i in range(40)]
    cells[0] = (missing or cells[0][0], *cells[0][1:])
    lines = "".join(",".join(row) + "\n" for row in cells)
    (tmp_path / "t.csv").write_text(f"width,height,kind,label\n{lines}")
    return f"table:{tmp_path}/t.csv"


@pytest.mark.parametrize("detector", ["deep_svdd", "autoencoder", "vae", "flow"])
def test_a_detector_that_takes_rows_reads_a_table(reprq: Reprq, tmp_path: Path, detector: str) -> None:
    data = ("--data", table_of(tmp_path), "--benign", "fine", "--quiet")
    spec = f"{detector}:epochs=1"
    (row,) = rows(reprq("detect", *data, "--detector", spec, "--gallery", tmp_path / "gallery", "--json"))
    assert (row["n_anomalies"], row["gallery"]) == (3, None)
    of_images = reprq("detect", *data, "--detector", "odin")
    assert (of_images.status, "must hold images here, got rows" in of_images.err) == (1, True)
    model = tmp_path / "model"
    ran = reprq("fit", *data, "--detector", spec, "--false-alarms", 0.1, "--out", model)
    assert ran.status == 0, ran.err
    scored = reprq("score", model, data[1], "--csv", "--quiet")
    assert (scored.status, len(scored.out.splitlines())) == (0, 41), scored.err
    (tmp_path / "t.csv").write_text("height,label\n1,fine\n2,odd\n3,fine\n4,fine\n")
    ran = reprq("score", model, data[1], "--split", "train", "--csv", "--quiet")
    assert (ran.status, "must have the column 'kind'" in ran.err) == (1, True), ran.err


def test_cells_that_are_missing_are_refused_or_filled_in_without_a_backbone(reprq: Reprq, tmp_path: Path) -> None:
    data = ("--data", table_of(tmp_path, missing="nan"), "--benign", "fine", "--detector", "deep_svdd:epochs=1")
    ran = reprq("detect", *data, "--quiet")
    assert (ran.status, "column 'width' must have a value in every row" in ran.err) == (1, True)
    (row,) = rows(reprq("detect", *data, "--impute", "median", "--scaler", "quantile", "--quiet", "--json"))
    assert "drawing=impute:median-scaler:quantile" in row["detector"]


def test_maps_that_no_method_makes_are_said_to_be_the_detectors_own(reprq: Reprq, tmp_path: Path) -> None:
    asked: tuple[object, ...] = (*LENET, "--data", "digits", "--task", "unimodal:0")
    asked += ("--detector", "patchcore:coreset=0.1", "--gallery", tmp_path / "g", "--map-method", "gradient")
    ran = reprq("detect", *asked)
    assert ran.status == 0, ran.err
    assert "note: patchcore has maps of its own, which its gallery shows" in ran.out
