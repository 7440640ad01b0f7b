"""`reprq fit` and `reprq score`."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reprq.errors import InputError
from reprq.models import load_model
from reprq.models.fitting import check_enough

Run = Callable[..., Any]
FIT = ["fit", "--backbone", "lenet", "--weights", "random", "--layer", "2", "--benign", "0,1,2", "--quiet"]


@pytest.fixture
def model(reprq: Run, tmp_path: Path) -> Path:
    ran = reprq(*FIT, "--false-alarms", "0.02", "--out", tmp_path / "model")
    assert ran.status == 0, ran.err
    assert "knn[k=5,kth,euclidean] on conv3 of lenet, fitted on 376 benign images of digits" in ran.out
    return tmp_path / "model"


def test_scores_as_csv_json_table_and_file(reprq: Run, model: Path, tmp_path: Path) -> None:
    printed = reprq("score", model, "digits", "--csv", "--quiet")
    lines = printed.out.splitlines()
    assert lines[0] == "id,score,p_value,anomalous"
    assert len(lines) == 540
    assert "above the threshold" in printed.err
    body = json.loads(reprq("score", model, "digits", "--json", "--monitor", "--quiet").out)
    assert body["n"] == 539
    assert body["anomalous"] == sum(line.endswith("True") for line in lines)
    assert body["drift"]["changed"]
    table = reprq("score", model, "digits", "--quiet").out
    assert "the 10 most anomalous" in table
    ran = reprq("score", model, "digits", "--out", tmp_path / "scores.csv", "--quiet")
    assert ran.status == 0
    found = pd.read_csv(tmp_path / "scores.csv", dtype={"id": str})
    assert [f"{row.id}" for row in found.itertuples()] == [line.split(",")[0] for line in lines[1:]]


def test_paths_of_files_for_other_tools(reprq: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "good").mkdir()
    for i in range(20):
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(tmp_path / f"good/{i:02d}.png")
    monkeypatch.chdir(tmp_path)
    asked = ["--backbone", "lenet", "--weights", "random", "--data", "folder:good", "--false-alarms", "0.1", "--quiet"]
    assert reprq("fit", *asked, "--out", "model").status == 0
    expected = [str(tmp_path / f"good/{i:02d}.png") for i in range(20)]
    score = ["score", "model", "folder:good", "--quiet", "--filepath"]
    printed = pd.read_csv(io.StringIO(reprq(*score, "--csv").out))
    assert list(printed) == ["id", "score", "p_value", "anomalous", "filepath"]
    assert reprq(*score, "--out", "scores.csv").status == 0
    assert json.loads(Path("scores.csv.json").read_text())["columns"][-1] == "filepath"
    for found in (printed, pd.read_csv("scores.csv")):
        assert found["filepath"].tolist() == expected
    table = pd.DataFrame({"filepath": expected[3:5]}, index=["a", "b"])
    scores = load_model("model").score(table)
    assert scores.index.tolist() == ["a", "b"]
    np.testing.assert_allclose(scores["score"], printed["score"][3:5], rtol=1e-5)
    ran = reprq("score", "model", "digits", "--filepath", "--any-kind", "--quiet")
    assert (ran.status, "digits has images that are no files" in ran.err) == (1, True)
    ran = reprq("score", "model", "--embeddings", "x.npy", "--filepath")
    assert (ran.status, "--filepath goes with DATA" in ran.err) == (2, True)


def test_rows_of_a_file(reprq: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "good.npy", rng.standard_normal((120, 3)))
    np.save(tmp_path / "new.npy", rng.standard_normal((10, 3)) * 9)
    np.save(tmp_path / "wide.npy", rng.standard_normal((10, 4)))
    ran = reprq("fit", "--embeddings", tmp_path / "good.npy", "--detector", "mahalanobis", "--out", tmp_path / "model")
    assert ran.status == 0, ran.err
    ran = reprq("score", tmp_path / "model", "--embeddings", tmp_path / "new.npy", "--csv")
    assert ran.status == 0, ran.err
    assert ran.out.count("True") >= 5
    ran = reprq("score", tmp_path / "model", "--embeddings", tmp_path / "wide.npy")
    assert (ran.status, "must have 3 columns" in ran.err) == (1, True)


def test_maps_of_photos_and_a_picture_of_the_most_anomalous(reprq: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind, n in (("good", 40), ("new", 4)):
        (tmp_path / kind).mkdir()
        for i in range(n):
            pixels = rng.integers(100, 110, (32, 48), dtype=np.uint8)
            pixels[12:20, 16:24] = 10 if (kind, i) == ("new", 3) else 100
            Image.fromarray(pixels).save(tmp_path / kind / f"{i}.png")
    how = ["--backbone", "lenet", "--weights", "random", "--layer", "0,1", "--false-alarms", "0.1", "--quiet"]
    how += ["--detector", "padim:sigma=1", "--data", f"folder:{tmp_path / 'good'}", "--out", tmp_path / "model"]
    assert reprq("fit", *how).status == 0
    new, maps = f"folder:{tmp_path / 'new'}", tmp_path / "maps"
    ran = reprq("score", tmp_path / "model", new, "--maps", maps, "--csv", "--quiet")
    assert ran.status == 0, ran.err
    assert len(ran.out.splitlines()) == 5
    assert f"{maps}: a map of 4 images, and {maps / 'most_anomalous.png'}" in ran.err
    files = sorted(file.name for file in maps.iterdir())
    assert files == ["0.tiff", "1.tiff", "2.tiff", "3.tiff", "maps.json", "most_anomalous.png"]
    with Image.open(maps / "3.tiff") as image:
        assert (image.mode, image.size) == ("F", (48, 32))
        row, column = np.unravel_index(np.nanargmax(np.asarray(image)), (32, 48))
    assert 10 <= row < 22
    assert 14 <= column < 26
    assert "maps are of photos" not in ran.err
    assert "is no folder of maps" in reprq("score", tmp_path / "model", new, "--maps", tmp_path / "good").err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["score", "MODEL"], 2, "give either DATA"),
        (["score", "MODEL", "digits", "--embeddings", "x.npy"], 2, "give either DATA"),
        (["score", "nowhere", "digits"], 1, "must be a model that `reprq fit` wrote"),
        (["score", "MODEL", "nothing"], 1, "unknown data set"),
        (["score", "MODEL", "digits", "--out", "scores.txt"], 1, ".csv, .parquet"),
        (
            ["score", "MODEL", "digits", "--out", "none/scores.csv"],
            1,
            "none/scores.csv cannot be written: none is no folder",
        ),
        (
            ["score", "MODEL", __file__],
            1,
            "is a file and no name of a data set; put it into a folder, and write 'folder:'",
        ),
        ([*FIT, "--detector", "patchcore:kk=1", "--out", "other"], 1, "valid: layers, average, normalize, grid, sigma"),
        ([*FIT, "--out", "MODEL"], 1, "exists; give another path, or --force to replace it"),
        ([*FIT, "--samples", "50", "--out", "other"], 1, "0.01 needs at least 99 different benign images, got 50"),
        ([*FIT, "--detector", "nothing", "--out", "other"], 1, "unknown detector"),
        ([*FIT, "--embeddings", "x.npy", "--out", "other"], 2, "goes with --backbone"),
    ],
)
def test_mistakes_are_one_line(
    reprq: Run,
    model: Path,
    arguments: list[str],
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = reprq(*[str(model) if word == "MODEL" else word for word in arguments])
    assert ran.status == status
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "other").exists()


def test_files_that_do_not_decode_do_not_count_and_are_told_how_to_leave_out(reprq: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folder = tmp_path / "good"
    folder.mkdir()
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(folder / f"{i:02d}.png")
    how = ["--backbone", "lenet", "--weights", "random", "--data", f"folder:{folder}", "--quiet"]
    fit = ["fit", *how, "--out", tmp_path / "model"]
    assert reprq(*fit, "--detector", "knn:k=1", "--false-alarms", "0.1").status == 0
    (folder / "03.png").write_bytes((folder / "03.png").read_bytes()[:60])
    refused = reprq("score", tmp_path / "model", f"folder:{folder}", "--quiet")
    assert refused.status == 1
    assert "03.png does not decode" in refused.err
    assert refused.err.rstrip().endswith("repair or remove it, or leave it out with --skip-broken")
    few = reprq(*fit, "--detector", "knn:k=9", "--false-alarms", "0.01", "--force").err
    assert "got 11 and 1 that cannot be read; give more, or ask for 0.0834, which 11 can promise" in few
    assert few.rstrip().endswith("with a k of at most 8")
    again = reprq(*fit, "--skip-broken", "--detector", "knn:k=8", "--false-alarms", "0.0834", "--force")
    assert again.status == 0, again.err
    assert "1 of 12 images" in again.err


@pytest.mark.parametrize(("n", "rate"), [(4, 0.2), (10, 0.091), (13, 0.0715), (99, 0.01), (2, 0.3334)])
def test_the_rate_that_is_advised_is_one_that_is_taken(n: int, rate: float) -> None:
    with pytest.raises(InputError, match=f"or ask for {rate:g}, which {n} can promise"):
        check_enough(n, 0.001, "image", deep=False)
    check_enough(n, rate, "image", deep=False)


def test_a_network_of_a_file(reprq: Run, tmp_path: Path) -> None:
    nets = tmp_path / "nets.toml"
    one = '[[backbones]]\nname = "lenet"\nlabel = "small"\nweights = "random"\nlayers = "1"\npooling = "max"\n'
    nets.write_text(one)
    how = ["fit", "--config", nets, "--benign", "0,1,2", "--quiet", "--false-alarms", "0.02"]
    assert reprq(*how, "--out", tmp_path / "model").status == 0
    record = load_model(tmp_path / "model").record
    assert (record["layers"], record["pooling"]) == (["conv2"], "max")
    nets.write_text(one + one.replace("small", "other").replace("max", "avg"))
    assert "must say one network, got small, other; choose one by --backbone LABEL" in reprq(*how, "--out", "x").err
    assert reprq(*how, "--backbone", "other", "--out", tmp_path / "other").status == 0
    assert load_model(tmp_path / "other").record["pooling"] == "avg"
    assert "unknown backbone 'third'" in reprq(*how, "--backbone", "third", "--out", "x").err


def test_what_is_typed_comes_before_what_a_file_says_of_its_networks(reprq: Run, tmp_path: Path) -> None:
    nets = tmp_path / "nets.toml"
    own = 'layers = "1"\npooling = "max"\npreprocessing = { size = 32, squash = false }\n'
    nets.write_text(f'[[backbones]]\nname = "lenet"\nlabel = "small"\nweights = "random"\n{own}')
    how = ["fit", "--config", nets, "--benign", "0,1,2", "--quiet", "--false-alarms", "0.02"]
    typed = ["--layer", "2", "--pooling", "avg", "--squash"]
    assert reprq(*how, *typed, "--out", tmp_path / "model").status == 0
    record = load_model(tmp_path / "model").record
    assert (record["layers"], record["pooling"]) == (["conv3"], "avg")
    assert (record["backbone"]["preprocessing"]["squash"], record["backbone"]["preprocessing"]["size"]) == (True, 32)
    assert "unknown layer of lenet 'nosuchlayer'" in reprq(*how, "--layer", "nosuchlayer", "--out", "x").err
    ran = reprq(*how, "--weights", "random", "--out", "x")
    assert ran.status == 2
    assert f"--weights is for networks that say none, and all of {nets} do; leave it out" in " ".join(
        ran.err.replace("│", " ").split()
    )


@pytest.mark.parametrize("typed", [("--size", 32), ("--layer", 2), ("--crop", "none")], ids=lambda typed: typed[0])
def test_what_is_said_of_a_network_needs_one_to_fit(reprq: Run, tmp_path: Path, typed: tuple[str, object]) -> None:
    ran = reprq("fit", "--data", "digits", "--detector", "deep_svdd:epochs=1", *typed, "--out", tmp_path / "model")
    assert (ran.status, f"{typed[0]} goes with --backbone, and there is none; leave it out" in ran.err) == (2, True)
    assert not (tmp_path / "model").exists()


def test_maps_by_a_method_explain_the_score(reprq: Run, tmp_path: Path) -> None:
    pytest.importorskip("zennit")
    how = ["--backbone", "lenet", "--weights", "random", "--layer", "0", "--false-alarms", "0.1", "--quiet"]
    model, maps = tmp_path / "model", tmp_path / "maps"
    ran = reprq("fit", *how, "--data", "digits", "--benign", "3", "--detector", "centroid", "--out", model)
    assert ran.status == 0, ran.err
    score = ["score", model, "digits", "--csv", "--quiet", "--any-kind"]
    ran = reprq(*score, "--maps", maps, "--map-method", "gradient")
    assert ran.status == 0, ran.err
    assert json.loads((maps / "maps.json").read_text())["method"] == "gradient"
    with Image.open(next(maps.rglob("*.tiff"))) as image:
        assert image.size == (8, 8)
        assert np.nanmax(np.asarray(image)) > 0
    assert "has the maps of another model" in reprq(*score, "--maps", maps).err
    ran = reprq(*score, "--map-method", "gradient")
    assert (ran.status, "--map-method says by what the maps of --maps are made; give both" in ran.err) == (2, True)
