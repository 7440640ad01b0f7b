"""Every command as a person types it: right answers on stdout, one plain line and the right status otherwise."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reprq.cli import cli

Reprq = Callable[..., Any]
LENET = ("--backbone", "lenet", "--weights", "random", "--quiet")


@pytest.mark.parametrize("command", [[], *[[name] for name in cli.commands]], ids=lambda c: "-".join(c) or "reprq")
def test_every_command_has_help(reprq: Reprq, command: list[str]) -> None:
    ran = reprq(*command, "--help")
    assert ran.status == 0
    assert ran.out.startswith("Usage: ")


def test_version(reprq: Reprq) -> None:
    assert reprq("--version").out.startswith("reprq, version ")


def test_backbones_can_be_searched(reprq: Reprq) -> None:
    names = [row["name"] for row in json.loads(reprq("backbones", "resnet", "--json").out)["rows"]]
    assert {"resnet50", "cifar_resnet20", "wide_resnet50_2"} <= set(names)
    assert "vgg11" not in names
    of_texts = json.loads(reprq("backbones", "--takes", "text", "--json").out)["rows"]
    assert {"tfidf", "bow", "lsa"} <= {row["name"] for row in of_texts}
    assert {row["takes"] for row in of_texts} == {"text"}


def test_datasets_are_listed(reprq: Reprq) -> None:
    out = reprq("datasets").out
    assert all(name in out for name in ("digits", "cifar10", "mnist", "usps", "folder:PATH"))


def test_layers_of_a_resnet_are_numbered_as_a_person_counts_stages(reprq: Reprq) -> None:
    rows = json.loads(reprq("layers", "resnet50", "--size", 64, "--json").out)["rows"]
    assert [(row["number"], row["name"], row["width"]) for row in rows] == [
        (0, "stem", 64),
        (1, "layer1", 256),
        (2, "layer2", 512),
        (3, "layer3", 1024),
        (4, "layer4", 2048),
        (5, "pooled", 2048),
    ]
    assert rows[3]["shape"] == "1024 x 4 x 4"


def test_measure_a_backbone_layer_states_its_sample(reprq: Reprq) -> None:
    ran = reprq("measure", *LENET, "--layer", 1, "--samples", 60)
    assert ran.status == 0
    assert "on 60 of " in ran.out.splitlines()[0]
    assert "rankme" in ran.out
    assert ran.err == ""


def test_measure_prints_progress_on_stderr_unless_quiet(reprq: Reprq, tmp_path: Path) -> None:
    assert "image" in reprq("measure", *LENET[:-1], "--layer", 1, "--samples", 61, "--cache", tmp_path).err


def test_measure_a_file_and_select_a_metric(reprq: Reprq, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(5))
    body = json.loads(reprq("measure", "--embeddings", tmp_path / "x.npy", "--metric", "rankme", "--json").out)
    (row,) = body["rows"]
    assert row["metric"] == "rankme"
    assert row["value"] == pytest.approx(5, rel=1e-4)
    assert row["definition"].startswith("rankme[")
    assert (row["n"], row["d"]) == (5, 5)


def test_measure_by_layer_name_number_and_negative_number_agree(reprq: Reprq) -> None:
    outs = {reprq("measure", *LENET, "--layer", layer, "--samples", 60).out for layer in (1, "conv2", -3)}
    assert len(outs) == 1


def test_extract_says_where_the_cache_is_and_the_second_run_reads_it(reprq: Reprq, tmp_path: Path) -> None:
    network, images = ("--backbone", "lenet", "--weights", "random"), ("--samples", 50, "--split", "test")
    command = ("extract", *network, *images, "--cache", tmp_path, "--json")
    first, second = reprq(*command), reprq(*command)
    assert first.out == second.out
    assert "image" in first.err
    assert second.err == ""
    body = json.loads(first.out)
    assert Path(body["path"]).is_dir()
    assert body["provenance"]["weights"].startswith("random")


def test_detect_on_a_backbone(reprq: Reprq) -> None:
    ran = reprq("detect", *LENET, "--samples", 100, "--task", "unimodal:3", "--detector", "knn:k=1", "--json")
    (row,) = json.loads(ran.out)["rows"]
    assert row["detector"].startswith("knn[k=1")
    assert 0 <= row["low"] <= row["auroc"] <= row["high"] <= 1


def test_detect_on_labelled_embeddings(reprq: Reprq, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(200, 4)), rng.normal(6, 1, size=(20, 4))])
    np.savez(tmp_path / "x.npz", X=x, y=np.repeat([0, 1], [200, 20]))
    rows = json.loads(reprq("detect", "--embeddings", tmp_path / "x.npz", "--json").out)["rows"]
    assert {row["detector"].split("[")[0] for row in rows} >= {"knn", "mahalanobis", "centroid"}
    assert all(
        row["auroc"] > 0.9 for row in rows if row["detector"].split("[")[0] in ("knn", "mahalanobis", "centroid")
    )
    assert all((row["n_train"], row["n_test"], row["n_anomalies"]) == (140, 80, 20) for row in rows)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("measure", "--backbone", "resnet51", "--layer", 3), "unknown backbone 'resnet51': did you mean 'resnet"),
        (("measure", *LENET, "--layer", "layer9"), "unknown layer of lenet 'layer9'"),
        (("measure", *LENET, "--data", "digit"), "unknown data set 'digit': did you mean 'digits'?"),
        (
            ("measure", *LENET, "--metric", "cka"),
            "layer each, and cka compares two; use reprq.metrics.cka, or --similarity cka",
        ),
        (("measure", *LENET, "--metric", "svcca"), "metrics measure one layer each, and svcca compares two"),
        (("measure", *LENET, "--metric", "rankmy"), "unknown metric 'rankmy': did you mean 'rankme'?"),
        (("measure", *LENET, "--pooling", "median"), "unknown pooling 'median'"),
        (("measure", *LENET, "--device", "gpu"), "--device must be a device of this machine, got 'gpu'"),
        (("detect", *LENET, "--task", "unimodal:cat"), "unknown task 'unimodal:cat'"),
        (("detect", *LENET, "--detector", "knm"), "unknown detector 'knm': did you mean 'knn'?"),
        (("measure", "--backbone", "lenet", "--weights", "none.pt"), "none.pt"),
        (("measure", *LENET, "--data", "folder:none"), "none"),
        (("measure", "--embeddings", "none.npy"), "the embeddings file none.npy does not exist; check the path"),
        (("study", "none.toml"), "the configuration none.toml does not exist; check the path"),
        (("study", "."), ". is a folder; give the TOML file of a configuration"),
        (("correlate", "none"), "none is not the folder of a finished study"),
        (("measure", *LENET, "--data", "cifar10"), "--download"),
    ],
)
def test_a_mistake_is_one_line_and_status_1(reprq: Reprq, arguments: tuple[object, ...], sentence: str) -> None:
    ran = reprq(*arguments)
    assert ran.status == 1
    assert ran.out == ""
    assert sentence in ran.err
    assert ran.err.startswith("reprq: ")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("measure",),
        ("measure", "--backbone", "lenet", "--embeddings", "x.npy"),
        ("measure", *LENET, "--samples", 0),
        ("measure", *LENET, "--mean", "a,b"),
        ("extract",),
        ("study",),
        ("measur",),
        ("measure", *LENET, "--seed", -1),
        ("train", "rotation", "--out", "t", "--seed", 2**32),
        ("figures", "--seed", -1),
        ("report", "run", "--seed", -1),
        ("correlate", "run", "--seed", 2**32),
        ("recommend", "run", "--seed", -1),
    ],
)
def test_wrong_usage_is_status_2(reprq: Reprq, arguments: tuple[object, ...]) -> None:
    ran = reprq(*arguments)
    assert ran.status == 2
    assert ran.out == ""
    assert "Error: " in ran.err
    assert "Traceback" not in ran.err


def test_default_weights_without_a_network_are_one_line_that_names_the_ways_out(reprq: Reprq) -> None:
    ran = reprq("measure", "--backbone", "resnet50", "--layer", 3)
    assert ran.status == 1
    assert "--weights random" in ran.err
    assert "--weights PATH" in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.array([[0.0, 1.0], [np.nan, 2.0]]), "must be finite, got nan at row 1, column 0"),
        (np.array([[0.0, 1.0], [np.inf, 2.0]]), "must be finite, got inf at row 1, column 0"),
        (np.ones(4), "must be an (n, d) array, got shape (4,)"),
        (np.ones((0, 4)), "must have at least 1 row"),
    ],
)
def test_embeddings_that_cannot_be_measured_are_named(
    reprq: Reprq, tmp_path: Path, array: np.ndarray[Any, Any], sentence: str
) -> None:
    np.save(tmp_path / "x.npy", array)
    ran = reprq("measure", "--embeddings", tmp_path / "x.npy")
    assert ran.status == 1
    assert sentence in ran.err


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    command = f"{sys.executable} -m reprq backbones | head -n 1"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "Traceback" not in ran.stderr
    assert "Exception" not in ran.stderr
