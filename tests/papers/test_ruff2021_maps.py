import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reprq.errors import DataError
from reprq.papers import reproduce
from reprq.papers.ruff2021 import maps
from reprq.papers.ruff2021.maps import DEFECTS, MapsPreset, mask_of


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
    tiny = MapsPreset(("fashion_mnist",), 24, (1.0, 3.0), (1, 1), 4, (8, 3), 1)
    monkeypatch.setitem(maps.PRESETS, "quick", tiny)
    out = tmp_path / "out"
    paths = reproduce("ruff2021-maps", "quick", out, root=root, progress=False)
    assert [path.name for path in paths] == ["maps.png", "maps.svg", "maps.csv", "made.json"]
    rows = list(csv.DictReader(io.StringIO((out / "maps.csv").read_text())))
    assert [row["sigma"] for row in rows] == ["1", "3"]
    assert {(row["image_auroc"], row["n_test"], row["n_defects"], row["field"]) for row in rows} == {
        (rows[0]["image_auroc"], "8", "5", "16")
    }
    assert rows[0]["pixel_auroc"] != rows[1]["pixel_auroc"]


def test_masks_are_squashed_and_keep_what_is_marked(root: Path) -> None:
    folder = root / "images/magnetic_tile"
    mask = mask_of(folder, folder / "crack/0.jpg", 20)
    assert np.argwhere(mask).min(0).tolist() == [2, 4]
    assert np.argwhere(mask).max(0).tolist() == [5, 9]
    assert not mask_of(folder, folder / "good/0.jpg", 20).any()


def test_missing_tiles_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must hold good/"):
        reproduce("ruff2021-maps", "quick", tmp_path / "out", root=tmp_path, progress=False)
