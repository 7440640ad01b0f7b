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

from reprq.models import load_model

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
    assert "a map of each of 4 images, and most_anomalous.png" in ran.err
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
        ([*FIT, "--out", "MODEL"], 1, "--force"),
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
