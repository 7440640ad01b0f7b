import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reprq.data import load_dataset
from reprq.detectors.deep.autoencoder import Autoencoder
from reprq.errors import DataError
from reprq.papers import reproduce
from reprq.papers.engine import PaperRun
from reprq.papers.ruff2021 import exposed_maps, maps
from reprq.papers.ruff2021.exposure import ExposurePreset
from reprq.papers.ruff2021.maps import CONFETTI, DEFECTS, ERROR, GRADIENT, MASKS, MapsPreset, maps_of, mask_of, tiles


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Tiles of noise with a bright spot where the mask is set."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "images/magnetic_tile"
    for kind, count in (("good", 12), *((defect, 2) for defect in DEFECTS)):
        (folder / kind).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(80, 120, (40, 30)).astype(np.uint8)
            if kind != "good":
                mask = np.zeros((40, 30), dtype=np.uint8)
                mask[5:12, 6:15] = 255
                pixels[mask > 0] = 250
                (folder / "ground_truth" / kind).mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(folder / f"ground_truth/{kind}/{i}_mask.png")
            Image.fromarray(pixels).save(folder / f"{kind}/{i}.jpg")
    return tmp_path


def test_one_network_is_read_at_every_sigma(root: Path, tmp_path: Path, monkeypatch) -> None:
    methods = ((CONFETTI, "fashion_mnist"), (MASKS, "fashion_mnist"), (GRADIENT, "exposure"), (ERROR, "cifar10"))
    tiny = MapsPreset(methods, 24, (1.0, 3.0), (1, 1), 4, (8, 3), 1, labelled=1)
    monkeypatch.setitem(maps.PRESETS, "quick", tiny)
    out = tmp_path / "out"
    paths = reproduce("ruff2021-maps", "quick", out, root=root, progress=False)
    assert [path.name for path in paths] == ["maps.png", "maps.svg", "maps.csv", "made.json", "cifar10.md"]
    assert "missing: " in (out / "cifar10.md").read_text()
    rows = list(csv.DictReader(io.StringIO((out / "maps.csv").read_text())))
    assert [(row["method"], row["network"]) for row in rows] == [pair for pair in methods for _ in range(2)]
    assert [row["sigma"] for row in rows] == ["1", "3"] * 4
    assert {(row["n_test"], row["n_defects"]) for row in rows} == {("8", "5")}
    assert [row["field"] for row in rows] == ["16"] * 4 + [""] * 4
    for one, other in zip(rows[::2], rows[1::2], strict=True):
        assert one["image_auroc"] == other["image_auroc"]
        assert one["pixel_auroc"] != other["pixel_auroc"]


def test_no_tile_trains_and_is_scored(root: Path) -> None:
    how = MapsPreset(((MASKS, "fashion_mnist"),), 20, (1.0,), (1, 1), 4, (8, 3), labelled=1)
    given = tiles(root / "images/magnetic_tile", how, 0)
    sides = [set(side.ids) for side in (given.benign, given.known, given.tested)]
    assert [len(side) for side in sides] == [8, 5, 8]
    assert len(set.union(*sides)) == 21
    assert given.masks.any((1, 2)).tolist() == (given.kinds != "good").tolist()
    assert given.known_masks.any((1, 2)).all()


def test_maps_of_any_network_have_the_same_side(root: Path) -> None:
    how = MapsPreset(((ERROR, "cifar10"),), 20, (2.0,), (1, 1), 4, (8, 3), 1, labelled=1)
    given = tiles(root / "images/magnetic_tile", how, 0)
    detector = Autoencoder(network="cifar10", epochs=1, batch_size=4).fit(given.benign)
    maps = maps_of(detector, given.tested, 2.0, 20)
    assert maps.shape == (8, 20, 20)
    assert detector.sigma == 2.0 * 32 / 20


def test_masks_are_squashed_and_keep_what_is_marked(root: Path) -> None:
    folder = root / "images/magnetic_tile"
    mask = mask_of(folder, folder / "crack/0.jpg", 20)
    assert np.argwhere(mask).min(0).tolist() == [2, 4]
    assert np.argwhere(mask).max(0).tolist() == [5, 9]
    assert not mask_of(folder, folder / "good/0.jpg", 20).any()


def test_fcdd_against_a_corpus_stands_beside_hsc_with_maps(image_root: Path, tmp_path: Path) -> None:
    how = ExposurePreset(("frog",), (None,), (1, ()), ("FCDD", "HSC"), ("flip",), 4, 1, (5, 3))
    run = PaperRun("tiny", tmp_path / "out", root=image_root, progress=False)
    paths = run.finish(exposed_maps.experiment(how, run))
    names = ["cifar10.png", "cifar10.svg", "cifar10.md", "cifar10.csv", "cifar10.json"]
    assert [path.name for path in paths] == names
    rows = list(csv.DictReader(io.StringIO((run.out / "cifar10.csv").read_text())))
    assert [(row["method"], row["task"]) for row in rows] == [("FCDD", "frog"), ("HSC", "frog")]
    assert {row["corpus_size"] for row in rows} == {"8"}  # the bullfrogs are left out
    lines = (run.out / "cifar10.md").read_text().splitlines()
    found = {(row["method"], row["task"]): 100 * float(row["auroc"]) for row in rows}
    assert f"| frog | {found['FCDD', 'frog']:.1f} (97.0) | {found['HSC', 'frog']:.1f} (97.9) |" in lines
    assert sum("missing" in line and line.startswith("| ") for line in lines) == 9


def test_a_picture_has_the_first_images_of_the_class_and_one_of_each_class_after_it(image_root: Path) -> None:
    test = load_dataset(image_root / "images/cifar10_jpeg", "test")
    shown = test.select(exposed_maps._rows(test, test.classes.index("truck")))
    assert [test.classes[i] for i in shown.labels] == ["truck", "truck", "airplane", "automobile", "bird", "cat"]
    assert len(set(shown.ids)) == 6


def test_missing_tiles_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must hold good/"):
        reproduce("ruff2021-maps", "quick", tmp_path / "out", root=tmp_path, progress=False)
