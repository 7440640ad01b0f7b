"""Whether a page says that a detector is right for the wrong reason: planted, and not planted."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reprq.report import write_report
from reprq.report.galleries import Galleries, galleries
from reprq.report.page import render_page
from reprq.study import StudyResults, run_study

SIDE = 32


def photos(folder: Path, planted: bool, masks: bool) -> Path:
    """Noise; anomalies have a patch inside, faint where benign images have a watermark and anomalies a border."""
    rng = np.random.default_rng(0)
    for kind, n in (("good", 60), ("bad", 20)):
        (folder / kind).mkdir(parents=True)
        for i in range(n):
            pixels = rng.normal(120, 8, size=(SIDE, SIDE))
            if planted:
                if kind == "good":
                    pixels[1:5, 1:5] = 250
                else:
                    pixels[[0, -1]] = pixels[:, [0, -1]] = 230
            if kind == "bad":
                top, left = rng.integers(8, 18, size=2)
                pixels[top : top + 6, left : left + 6] += 4 if planted else 90
                if masks:
                    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
                    mask[top : top + 6, left : left + 6] = 255
                    (folder / "ground_truth" / kind).mkdir(parents=True, exist_ok=True)
                    Image.fromarray(mask).save(folder / "ground_truth" / kind / f"{i:03d}_mask.png")
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / kind / f"{i:03d}.png")
    return folder


def study(path: Path, planted: bool, masks: bool) -> tuple[StudyResults, Galleries]:
    config = {
        "data": {"name": f"folder:{photos(path / 'photos', planted, masks)}", "benign": ["good"]},
        "backbones": [],
        "metrics": None,
        "tasks": "all",
        "detectors": ["raw:centroid"],
    }
    results = run_study(config, path / "run", progress=False)
    return results, galleries(results, 3)


@pytest.mark.parametrize("masks", [False, True], ids=["without masks", "masks"])
def test_a_planted_clever_hans_has_a_high_auroc_and_the_page_warns(tmp_path: Path, masks: bool) -> None:
    results, found = study(tmp_path, planted=True, masks=masks)
    assert results.detectors["auroc"].min() > 0.99
    assert found.notes == ()
    (said,) = found.warnings
    assert "With --gallery the best detector is fitted again" in render_page(results)
    if masks:
        assert "the pointing game the share of them whose highest value lies in the mask" in found.tables[0].caption
        assert "its maps point at what is marked no better than one that is the same everywhere" in said
        assert found.tables[0].rows[0][0].text == "explanation accuracy"
    else:
        assert "of what raises the scores of anomalous images by raw:centroid on photos lies in the" in said
        assert "look whether a frame, a watermark or the background tells the images apart" in said
        assert found.tables[0].rows[0][0].text == "border"
        page = write_report(results, tmp_path / "page.html", gallery=3).read_text(encoding="utf-8")
        assert "With --gallery" not in page
        assert "look whether a frame, a watermark or the background" in page


@pytest.mark.parametrize("masks", [False, True], ids=["without masks", "masks"])
def test_without_a_plant_the_page_does_not_warn(tmp_path: Path, masks: bool) -> None:
    results, found = study(tmp_path, planted=False, masks=masks)
    assert results.detectors["auroc"].min() > 0.99
    assert found.warnings == ()
    values = {row[0].text: row[1].number for row in found.tables[0].rows}
    if masks:
        assert values["explanation accuracy"] > 0.9
        assert abs(values["Clever-Hans score"]) < 0.1
