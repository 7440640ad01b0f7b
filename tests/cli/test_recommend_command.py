"""`reprq recommend`: of a study, and for images of one's own."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reprq.cli.recommend import _ties
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
    assert "note: one study on digits: 8 layers of 2 backbones of 1 architecture, 6 tasks about 3 classes" in ran.out
    assert "note: the best in hindsight was chosen on one half of the test rows and scored on the other" in ran.out
    assert "note: all networks are of one architecture" in ran.out
    assert reprq("recommend", run, "--cluster", "backbone", "--json").status == 0
    body = json.loads(reprq("recommend", run, "--json").out)
    assert {row["detector"] for row in body["rows"]} == {"centroid", "knn[k=5,kth,euclidean]"}
    assert body["ranking"][0]["rank"] == 1
    assert reprq("recommend", run, "--csv").out.startswith("dataset,detector,rule,auroc,regret,regret_low")


def test_images_are_ranked_with_how_far_to_trust_it(reprq: Reprq, run: Path) -> None:
    images = ["--data", "digits", "--backbones", "lenet", "--weights", "random", "--samples", "40", "--quiet"]
    ran = reprq("recommend", *images, "--from", run, "--detector", "knn")
    assert (ran.status, ran.err) == (0, "")
    assert "The first layers for knn[k=5,kth,euclidean], by all metrics together" in ran.out
    assert ran.out.startswith("First by the combination; cannot tell what choosing the layer of a network so loses")
    assert "lenet     random(seed=0)  32 x 32 pixels" in ran.out
    assert "In that study, on architectures and classes left out, the combination lost" in ran.out
    assert "note: no anomaly was seen" in ran.out
    packaged = json.loads(reprq("recommend", *images, "--json").out)
    assert "14 data sets of four modalities" in packaged["notes"][0]
    assert packaged["regret"] == []
    assert {row["layer"] for row in packaged["rows"]} == {"conv1", "conv2", "conv3", "pooled"}
    for top in (1, 3):
        lines = reprq("recommend", *images, "--csv", "--top", str(top)).out.splitlines()
        assert len(lines) == 1 + top
        assert all(f'"knn[k=5,kth,euclidean]",{packaged["rule"]},lenet' in line for line in lines[1:])
    assert packaged["verdict"].startswith(
        f"first by the {packaged['rule']}: choosing the layer of a network by it lost"
    )
    assert {row["rule"] for row in packaged["expected"]} >= {"combination", "most frequent depth", "fixed ranking"}
    assert packaged["networks"][0]["weights"] == "random(seed=0)"
    other = reprq("recommend", *images, "--detector", "knn:k=10").out
    assert "note: knn[k=10,kth,euclidean] is judged as knn[k=5,kth,euclidean], with whose settings" in other
    few = ["4" if word == "40" else word for word in images]
    assert "only 4 benign samples were measured" in reprq("recommend", *few).out


def test_several_studies_are_learned_from_and_tried_on_each_other(
    reprq: Reprq, run: Path, several_runs: list[Path]
) -> None:
    sources = [part for path in several_runs for part in ("--from", path)]
    ran = reprq("recommend", *sources, "--detector", "knn")
    assert (ran.status, ran.err) == (0, "")
    assert "note: one study on 2 data sets (digits, small)" in ran.out
    assert {row["dataset"] for row in json.loads(reprq("recommend", *sources, "--json").out)["rows"]} == {
        "all",
        "digits",
        "small",
    }
    judged = json.loads(reprq("recommend", several_runs[1], "--from", run, "--json").out)
    assert {row["dataset"] for row in judged["rows"]} == {"small"}
    images = ["--data", "digits", "--backbones", "lenet", "--weights", "random", "--samples", "40", "--quiet"]
    assert "data sets left out (small), the combination lost" in reprq("recommend", *images, *sources).out
    assert reprq("recommend", "--from", run).status == 2


@pytest.fixture(scope="module")
def several_runs(run: Path) -> list[Path]:
    """The study, and one of the same networks on other digits."""
    backbones = [
        {"name": "lenet", "label": f"lenet {n}", "weights": "random", "preprocessing": {"resize": n, "size": 32}}
        for n in (32, 40)
    ]
    data = {"name": "digits", "label": "small", "classes": ["7", "8", "9"], "train_per_class": 20}
    data |= {"test_per_class": 10}
    config = {"data": data, "backbones": backbones, "metrics": ["rankme", "aucev"], "detectors": ["centroid", "knn"]}
    run_study(config, run.parent / "small", cache_dir=run.parent / "cache", progress=False)
    return [run, run.parent / "small"]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ([], 2, "give either the folder of a study, or --data with --backbones"),
        (["RUN", "--data", "digits"], 2, "give either the folder of a study"),
        (["RUN", "--cluster", "networks"], 1, "unknown cluster 'networks'"),
        (["RUN", "--weights", "random"], 2, "--weights does not go with RUN"),
        (["RUN", "--squash"], 2, "--squash does not go with RUN"),
        (["--data", "digits", "--backbones", "lenet, lenet"], 2, "--backbones must name each backbone once, got lenet"),
        (["--data", "digits"], 2, "--data needs either --backbones"),
        (["--data", "digits", "--backbones", "lenet", "--config", "nets.toml"], 2, "--data needs either --backbones"),
        (["--data", "digits", "--backbones", "lenet", "--out", "x"], 2, "--out does not go with --data without --fit"),
        (["--data", "digits", "--backbones", "lenet=random", "--fit", "--samples", "50"], 1, "needs at least 99"),
        (["RUN", "--fit"], 2, "--fit does not go with RUN"),
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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REPRQ_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    (tmp_path / "images" / "good").mkdir(parents=True)
    for i in range(12):
        pixels = rng.integers(0, 256, (20, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / "good" / f"{i}.png")
    return tmp_path / "images"


def _rows(ran: Any) -> Any:
    assert ran.status == 0, ran.err
    return json.loads(ran.out)


@pytest.fixture
def networks(tmp_path: Path) -> Path:
    """Two networks of one name, each with preprocessing, layers and pooling of its own."""
    own = tmp_path / "networks.toml"
    own.write_text(
        """
        [[backbones]]
        name = "lenet"
        label = "whole"
        weights = "random"
        layers = "conv1"
        preprocessing = { squash = true }

        [[backbones]]
        name = "lenet"
        label = "cropped"
        weights = "random"
        pooling = "max"
        """
    )
    return own


def test_the_first_layer_becomes_a_model_in_one_command(reprq: Reprq, networks: Path, tmp_path: Path) -> None:
    asked = ["recommend", "--data", "digits", "--config", networks, "--samples", "120", "--quiet", "--fit"]
    ran = reprq(*asked, "--detector", "knn:k=1", "--false-alarms", "0.05", "--out", tmp_path / "model")
    assert ran.status == 0, ran.err
    first = ran.out.splitlines()[4].split()
    assert f"1: {first[2]}" in ran.out.split("Their metrics on digits")[1].splitlines()[1]
    layer, _, pooling = first[2].partition("@")
    assert f"knn[k=1,kth,euclidean] on {layer} of lenet, fitted on 120 benign images of digits" in ran.out
    record = json.loads((tmp_path / "model" / "model.json").read_text())
    assert (record["layers"], record["pooling"]) == ([layer], pooling or "avg")
    assert record["backbone"]["preprocessing"]["squash"] == (first[1] == "whole")
    assert reprq("score", tmp_path / "model", "digits", "--quiet").status == 0
    assert "--force" in reprq(*asked, "--out", tmp_path / "model").err
    body = _rows(reprq(*asked, "--false-alarms", "0.05", "--out", tmp_path / "model", "--force", "--json"))
    assert body["fitted"]["model"]["layers"] == [layer]


def test_each_network_has_weights_and_preprocessing_of_its_own(reprq: Reprq, folder: Path, networks: Path) -> None:
    body = _rows(reprq("recommend", "--data", f"folder:{folder}", "--backbones", networks, "--json", "--quiet"))
    points = {(row["backbone"], row["layer"]) for row in body["rows"]}
    cropped = {("cropped", f"{layer}@max") for layer in ("conv1", "conv2", "conv3")}
    assert points >= {("whole", "conv1"), *cropped}
    assert {layer for name, layer in points if name == "whole"} == {"conv1"}
    assert (
        len([note for note in body["notes"] if note.startswith("cropped: the crop drops about 50% of the area")]) == 1
    )
    assert not any(note.startswith("whole: the crop") for note in body["notes"])


def test_weights_stand_behind_a_name_and_options_hold_for_all(reprq: Reprq, folder: Path) -> None:
    asked = ["recommend", "--data", f"folder:{folder}", "--json", "--quiet"]
    body = _rows(reprq(*asked, "--backbones", "lenet=random", "--squash", "--mean", "0.1,0.2,0.3"))
    assert {row["backbone"] for row in body["rows"]} == {"lenet random"}
    assert not any("the crop drops" in note for note in body["notes"])
    ran = reprq(*asked, "--backbones", "lenet=none.pt")
    assert ran.status == 1
    assert "none.pt" in ran.err
    assert "must be NAME or NAME=WEIGHTS, got 'lenet='" in reprq(*asked, "--backbones", "lenet=").err
    assert "unknown key" in _wrong_toml(reprq, asked, folder, "wieghts = 'random'")
    assert "has a pretext" in _wrong_toml(reprq, asked, folder, "pretext = { task = 'random', data = 'digits' }")


def _wrong_toml(reprq: Reprq, asked: list[str], folder: Path, line: str) -> str:
    file = folder.parent / "wrong.toml"
    file.write_text(f"[[backbones]]\nname = 'lenet'\n{line}\n")
    ran = reprq(*asked, "--backbones", file)
    assert ran.status == 1
    return str(ran.err)


def test_broken_and_deep_files_are_read_as_in_the_other_commands(reprq: Reprq, folder: Path) -> None:
    asked = ["recommend", "--data", f"folder:{folder}", "--json", "--quiet", "--backbones", "lenet=random", "--squash"]
    (folder / "good" / "3.png").write_bytes(b"")
    ran = reprq(*asked)
    assert ran.status == 1
    assert "3.png does not decode" in ran.err
    body = _rows(reprq(*asked, "--skip-broken"))
    assert any("1 of 12 images of folder:" in note and "left out: good/3.png" in note for note in body["notes"])
    (folder / "good" / "3.png").unlink()
    for path in folder.glob("*/*.png"):
        Image.fromarray(np.random.default_rng(int(path.stem)).integers(0, 4096, (20, 20)).astype(np.uint16)).save(path)
    assert "has more than 8 bits a channel" in reprq(*asked).err
    assert _rows(reprq(*asked, "--intensity-range", "0,4095"))["rows"]


def test_layers_that_share_a_rank_are_called_so() -> None:
    ranks = pd.DataFrame({"dataset": "a", "rule": "combination", "backbone": "x", "layer": list("bcde")})
    found: Any = SimpleNamespace(ranking=ranks.assign(layer_number=0, rank=[1, 2, 2, 4]))
    assert _ties(found, None) == ["2 layers share rank 2 on a: the combination cannot tell them apart"]
    assert _ties(found, 1) == []
