"""`reprq recommend`: of a study, and for images of one's own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprq.study import run_study

Reprq = Callable[..., Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recommend")
    backbones = [
        {"name": "lenet", "label": f"lenet {n}", "weights": "random", "preprocessing": {"resize": n, "size": 32}}
        for n in (32, 40)
    ]
    data = {"name": "digits", "classes": ["0", "1", "2"], "train_per_class": 20, "test_per_class": 10}
    config = {"data": data, "backbones": backbones, "metrics": ["rankme", "aucev"], "detectors": ["centroid", "knn"]}
    run_study(config, folder / "run", cache_dir=folder / "cache", progress=False)
    return folder / "run"


def test_a_study_prints_its_regrets_and_its_first_layers(reprq: Reprq, run: Path) -> None:
    ran = reprq("recommend", run, "--detector", "centroid", "--top", "2")
    assert (ran.status, ran.err) == (0, "")
    for rule in ("combination", "rankme", "aucev", "best elsewhere", "last layer", "random"):
        assert f"centroid  {rule}" in ran.out
    assert ran.out.count("centroid  lenet") == 2
    assert "note: one study on digits: 8 layers of 2 backbones, 6 tasks about 3 classes, 1 seed" in ran.out
    body = json.loads(reprq("recommend", run, "--json").out)
    assert {row["detector"] for row in body["rows"]} == {"centroid", "knn[k=5,kth,euclidean]"}
    assert body["ranking"][0]["rank"] == 1
    assert reprq("recommend", run, "--csv").out.startswith("detector,rule,auroc,regret,regret_low")


def test_images_are_ranked_with_how_far_to_trust_it(reprq: Reprq, run: Path) -> None:
    images = ["--data", "digits", "--backbones", "lenet", "--weights", "random", "--samples", "40", "--quiet"]
    ran = reprq("recommend", *images, "--from", run, "--detector", "knn")
    assert (ran.status, ran.err) == (0, "")
    assert "The first layers for knn[k=5,kth,euclidean], by all metrics together" in ran.out
    assert "In that study, on backbones and classes left out, the combination lost" in ran.out
    assert "note: no anomaly was seen" in ran.out
    packaged = json.loads(reprq("recommend", *images, "--json").out)
    assert "one study on one data set" in packaged["notes"][0]
    assert packaged["regret"] == []
    assert {row["layer"] for row in packaged["rows"]} == {"conv1", "conv2", "conv3", "pooled"}
    for top in (1, 3):
        lines = reprq("recommend", *images, "--csv", "--top", str(top)).out.splitlines()
        assert len(lines) == 1 + top
        assert all(line.startswith('"knn[k=5,kth,euclidean]",combination,lenet') for line in lines[1:])


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ([], 2, "give either the folder of a study, or --data with --backbones"),
        (["RUN", "--data", "digits"], 2, "give either the folder of a study"),
        (["RUN", "--weights", "random"], 2, "--weights does not go with RUN"),
        (["--data", "digits", "--backbones", "lenet, lenet"], 2, "--backbones must name each backbone once, got lenet"),
        (["--data", "digits"], 2, "--data needs --backbones"),
        (["--data", "digits", "--backbones", "lenet", "--exclude", "a"], 2, "--exclude does not go with --data"),
        (["--data", "digits", "--backbones", "lenett"], 1, "did you mean 'lenet'?"),
        (["--data", "folder:none", "--backbones", "lenet", "--weights", "random"], 1, "none does not exist"),
        (["none"], 1, "none is not the folder of a finished study"),
    ],
)
def test_a_mistake_is_said_plainly(reprq: Reprq, run: Path, arguments: list[str], status: int, sentence: str) -> None:
    ran = reprq("recommend", *[str(run) if argument == "RUN" else argument for argument in arguments])
    assert (ran.status, ran.out) == (status, "")
    assert sentence in ran.err
