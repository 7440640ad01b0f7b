import csv
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reprq.detectors import Mahalanobis, create
from reprq.errors import DataError, DownloadError
from reprq.evaluation import auroc, explanation_accuracy
from reprq.explain import relevance
from reprq.papers import reproduce, weights
from reprq.papers.ruff2021 import unifying, unifying_folder, unifying_methods
from reprq.papers.ruff2021.unifying_folder import FolderPreset
from reprq.papers.ruff2021.unifying_tables import METHODS

HOW = FolderPreset(16, 4, (1, 1), (1, 1, 1), ("lenet", "random", "pooled", 32))


@pytest.fixture(scope="module")
def category(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise of 24 x 20 pixels, not square; a bright spot inside is the defect."""
    folder = tmp_path_factory.mktemp("folder") / "made"
    rng = np.random.default_rng(0)
    for where, n in (("train/good", 30), ("test/good", 8), ("test/spot", 8)):
        (folder / where).mkdir(parents=True)
        for i in range(n):
            pixels = rng.normal(120, 8, size=(20, 24, 3))
            if where == "test/spot":
                pixels[8:13, 9:15] += 80
                mask = np.zeros((20, 24), dtype=np.uint8)
                mask[8:13, 9:15] = 255
                (folder / "ground_truth" / "spot").mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(folder / "ground_truth" / "spot" / f"{i:03d}_mask.png")
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / where / f"{i:03d}.png")
    return folder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("zennit")
    monkeypatch.setitem(unifying.PRESETS, "folder", HOW)


@pytest.mark.usefixtures("small")
def test_nine_methods_are_judged_on_a_folder_with_what_explains_them(category: Path, tmp_path: Path) -> None:
    paths = reproduce("ruff2021-unifying", "folder", tmp_path, root=category, progress=False)
    assert [path.name for path in paths] == ["maps.png", "maps.svg", "methods.md", "methods.csv", "made.json"]
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO((tmp_path / "methods.csv").read_text()))}
    assert tuple(rows) == METHODS
    for row in rows.values():
        found = {name: float(value) for name, value in row.items() if name not in ("method", "detector")}
        assert found["low"] <= found["auroc"] <= found["high"]
        assert found["ap_low"] <= found["ap"] <= found["ap_high"]
        assert found["clever_hans"] == pytest.approx(found["auroc"] - found["cosine"], abs=1e-5)
    given = unifying_folder.read(category, HOW)
    pixels = unifying_folder._pixels(16, given.tested)
    kde = create("kde").fit(unifying_folder._pixels(16, given.benign))
    assert float(rows["KDE"]["auroc"]) == pytest.approx(auroc(given.labels, kde.anomaly_score(pixels)).value)
    maps = relevance(kde, pixels).reshape(16, 3, 16, 16).sum(1)
    assert float(rows["KDE"]["cosine"]) == pytest.approx(explanation_accuracy(given.masks, maps).value, abs=1e-5)
    assert float(rows["KDE"]["cosine"]) > 0.8
    text = (tmp_path / "methods.md").read_text()
    assert "30 benign images train, 8 benign and 8 anomalous ones are judged" in text
    assert len([line for line in text.splitlines() if line.startswith("| ")]) == 2 + len(METHODS)


@pytest.mark.parametrize(("n", "seen"), [(5, 2), (40, 19), (41, 20), (60, 20)])
def test_the_covariance_of_mve_has_rows_enough_in_a_small_folder(n: int, seen: int) -> None:
    rows = np.random.default_rng(0).normal(size=(n, 48))
    reduced = unifying_folder._reduced(rows, 20, 0)(rows)
    assert reduced.shape == (n, seen)
    assert np.isfinite(Mahalanobis(covariance="mcd").fit(reduced).anomaly_score(reduced)).all()


@pytest.mark.usefixtures("small")
def test_without_masks_methods_are_judged_and_not_explained(
    category: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "made"
    shutil.copytree(category, folder, ignore=shutil.ignore_patterns("ground_truth"))
    monkeypatch.setattr(unifying_folder.unifying_tables, "METHODS", ("PCA", "kPCA"))
    paths = reproduce("ruff2021-unifying", "folder", tmp_path / "out", root=f"folder:{folder}", progress=False)
    assert [path.name for path in paths] == ["methods.md", "methods.csv", "made.json"]
    assert "| method | AUROC | average precision |\n" in paths[0].read_text()


def test_masks_mark_a_pixel_of_maps_where_a_box_filter_finds_some(category: Path) -> None:
    given = unifying_folder.read(category, HOW)
    assert given.masks is not None
    assert not given.masks[given.labels == 0].any()
    marked = np.argwhere(given.masks[np.flatnonzero(given.labels)[0]])
    assert (marked.min(0).tolist(), marked.max(0).tolist()) == ([6, 6], [9, 9])  # of 8:13 and 9:15 in 20 x 24


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: shutil.rmtree(f / "test"), r"must hold train/good/, test/good/ and test/DEFECT/, as one category"),
        (lambda f: shutil.rmtree(f / "test" / "spot"), r"test must hold 2 or more images of good and of other classes"),
        (
            lambda f: shutil.copytree(f / "test/spot", f / "train/spot"),
            r"must hold one class, the benign one, got good",
        ),
    ],
    ids=["one side", "no defect", "two classes train"],
)
@pytest.mark.usefixtures("small")
def test_a_folder_of_another_layout_is_told_before_work_is_done(change, said, category: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    shutil.copytree(category, folder)
    change(folder)
    with pytest.raises(DataError, match=said):
        reproduce("ruff2021-unifying", "folder", tmp_path / "out", root=folder, progress=False)
    assert not (tmp_path / "out").exists()


def test_weights_that_are_nowhere_are_told_where_to_put(
    category: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_, **__) -> None:
        raise DownloadError("the default weights of lenet are not here; give --weights random or --weights PATH")

    monkeypatch.setattr(weights, "load_backbone", failing)
    with pytest.raises(DownloadError, match=r"lenet are not here; put them as .*made/weights/a.safetensors$"):
        weights.pretrained("lenet", "a.safetensors", category, tmp_path)
    found = {}
    monkeypatch.setattr(weights, "load_backbone", lambda *given, **_: found.setdefault("given", given))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.safetensors").touch()
    weights.pretrained("lenet", "a.safetensors", category, tmp_path)
    assert found["given"] == ("lenet", tmp_path / "weights" / "a.safetensors")


def test_hiding_a_square_tells_what_it_adds_to_any_score() -> None:
    rng = np.random.default_rng(0)
    images, weights = rng.normal(size=(3, 2, 8, 8)), rng.normal(size=(2, 8, 8))
    blank = rng.normal(size=(2, 8, 8))
    found = unifying_methods.occluded(lambda x: np.tensordot(x, weights, 3), images, blank, 4)
    added = ((images - blank) * weights).sum(1).reshape(3, 2, 4, 2, 4).sum((2, 4))
    np.testing.assert_allclose(found, added.repeat(4, 1).repeat(4, 2))
