"""Maps are judged by the masks of the split, in the one evaluation, by `reprq detect` and in studies."""

import json
import sys
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from reprq.backbones import load_backbone
from reprq.cli import main
from reprq.data import Masks, as_dataset, load_dataset, select_tasks, task_split
from reprq.detectors import FCDD
from reprq.errors import InputError
from reprq.evaluation import auroc, pixel_auroc
from reprq.evaluation.detection import evaluate
from reprq.evaluation.localization import judge_maps
from reprq.study import run_study

QUICK = {"network": "fashion_mnist", "size": 12, "epochs": 1, "batch_size": 8}
FCDD_QUICK = {"name": "fcdd", **QUICK}


@pytest.fixture
def folder(tmp_path):
    """Flat parts, cracked ones with a bright square, and its masks; the last crack has none."""
    rng = np.random.default_rng(0)
    for kind, n in (("train/good", 12), ("train/crack", 3), ("test/good", 5), ("test/crack", 5)):
        (tmp_path / kind).mkdir(parents=True)
        for i in range(n):
            pixels = rng.integers(90, 110, (24, 16), dtype=np.uint8)
            mask = np.zeros((24, 16), dtype=np.uint8)
            if kind.endswith("crack"):
                mask[4 + i : 14 + i, 3:12] = 255
                pixels[mask > 0] = 240
                target = tmp_path / ("ground_truth" if "test" in kind else "train/ground_truth") / "crack"
                target.mkdir(parents=True, exist_ok=True)
                if i < 4:
                    Image.fromarray(mask).save(target / f"{i}_mask.png")
            Image.fromarray(pixels).save(tmp_path / kind / f"{i}.png")
    return tmp_path


def sides(folder, **how):
    train, test = (load_dataset(f"folder:{folder}", side) for side in ("train", "test"))
    return task_split(train, test, select_tasks(test.classes, "unimodal:good")[0], **how), train, test


class Bright:
    """Maps that are the brightness of the whole image, without a transform."""

    def anomaly_map(self, X):
        return np.stack([np.asarray(X.item(i).convert("L"), dtype=np.float64) for i in range(len(X))])


def test_maps_of_a_detector_are_judged_image_by_image_and_what_has_no_mask_is_left_out(folder):
    split, _, test = sides(folder)
    scored = test.select(split.test)
    found = judge_maps(Bright(), scored, split.masks, split.labels).auroc
    kept = [i for i in range(10) if split.labels[i] == 0 or split.masks[i] is not None]
    maps = Bright().anomaly_map(scored)[kept]
    expected = pixel_auroc([split.masks[i] for i in kept], maps)
    assert (len(kept), found.pooled.value, found.per_image.value) == (9, 1.0, 1.0)
    assert found.pooled.low == expected.pooled.low
    assert found.pooled.notes == (
        "only 4 images with anomalous pixels",
        "1 anomalous image without a marked pixel left out",
    )


def test_the_one_evaluation_lays_masks_over_what_the_detector_saw(folder):
    split, train, test = sides(folder)
    found = evaluate(FCDD_QUICK, split, train, test)
    maps = FCDD(**QUICK).fit(train.select(split.train)).anomaly_map(test.select(split.test))
    drawn = [split.masks[i] for i in range(10)]
    images = [None if mask is None else Image.fromarray(mask.astype(np.uint8)) for mask in drawn]
    nearest = [None if image is None else np.asarray(image.resize((12, 12), 0)) for image in images]
    kept = [i for i in range(10) if split.labels[i] == 0 or nearest[i] is not None]
    marked = np.concatenate([np.zeros(144) if nearest[i] is None else nearest[i].ravel() for i in kept])
    assert found.pixels.auroc.pooled.value == pytest.approx(auroc(marked, maps[kept].ravel()).value, abs=1e-6)
    assert found.pixels.auroc.pooled.low <= found.pixels.auroc.pooled.value <= found.pixels.auroc.pooled.high
    assert evaluate(FCDD_QUICK, split, train, test, pixels=False).pixels is None
    assert found.on(np.arange(10)).pixels is None


def test_known_anomalies_come_with_their_masks(folder):
    split, train, test = sides(folder, labelled=3)
    known = train.select(split.labelled)
    found = evaluate(FCDD_QUICK, split, train, test, pixels=False).scores
    fitted = FCDD(**QUICK).fit(train.select(split.train), labelled=known, masks=split.labelled_masks)
    np.testing.assert_array_equal(found, fitted.anomaly_score(test.select(split.test)))
    laid = np.stack([split.labelled_masks.over(i, fitted.transform_) for i in range(3)])
    by_hand = FCDD(**QUICK).fit(train.select(split.train), labelled=known, masks=laid)
    np.testing.assert_array_equal(found, by_hand.anomaly_score(test.select(split.test)))
    without = FCDD(**QUICK).fit(train.select(split.train), labelled=known)
    assert (found != without.anomaly_score(test.select(split.test))).any()
    whole = FCDD(**QUICK).fit(train.select(split.train), labelled=known, masks=Masks([None] * 3))
    ones = FCDD(**QUICK).fit(train.select(split.train), labelled=known, masks=np.ones((3, 12, 12)))
    np.testing.assert_array_equal(*(each.anomaly_score(known) for each in (whole, ones)))


def test_who_asks_for_pixels_is_told_why_there_are_none(folder):
    split, train, test = sides(folder)
    with pytest.raises(
        InputError, match="detector raw:knn has no anomaly maps to judge by pixel; name one such as fcdd"
    ):
        evaluate("raw:knn", split, train, test, pixels=True)
    assert evaluate("raw:knn", split, train, test).pixels is None
    for file in (folder / "ground_truth" / "crack").iterdir():
        file.unlink()
    bare, train, test = sides(folder)
    with pytest.raises(InputError, match="the split unimodal:good has no masks of its anomalies to judge maps by"):
        evaluate(FCDD_QUICK, bare, train, test, pixels=True)


def test_benign_images_with_marked_pixels_give_no_figure(folder):
    split, _, test = sides(folder)
    masks = Masks([np.eye(12)] * 10)
    with pytest.raises(InputError, match=r"5 benign images of the split, such as \d, have some marked too"):
        judge_maps(Bright(), test.select(split.test), masks, split.labels)
    with pytest.raises(InputError, match="masks mark no pixel of what the detector sees"):
        judge_maps(Bright(), test.select(split.test), Masks([np.zeros((9, 9))] * 10), split.labels)
    images = as_dataset(np.zeros((2, 8, 8), dtype=np.uint8))
    assert judge_maps(Bright(), images, Masks([np.eye(8), None]), np.array([1, 0])).auroc.pooled.value == 0.5


def run(capsys, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["reprq", "detect", "--quiet", *arguments])
    with suppress(SystemExit):
        main()
    return capsys.readouterr()


def test_detect_prints_pixel_figures_where_there_are_masks(folder, capsys, monkeypatch):
    detector = "fcdd:" + ",".join(f"{name}={value}" for name, value in QUICK.items())
    how = ("--data", f"folder:{folder}", "--task", "unimodal:good", "--detector", detector)
    (row,) = json.loads(run(capsys, monkeypatch, *how, "--json").out)["rows"]
    split, train, test = sides(folder)
    assert row["pixel_auroc"] == pytest.approx(evaluate(FCDD_QUICK, split, train, test).pixels.auroc.pooled.value)
    assert row["pixel_auroc_per_image_low"] <= row["pixel_auroc_per_image"]
    assert "pixels: 1 anomalous image without a marked pixel left out" in row["notes"]
    lines = run(capsys, monkeypatch, *how, "--by-class").out.partition("by class of anomalies\n")[2].splitlines()
    assert [word in lines[0].split() for word in ("anomaly", "auroc", "aupro", "aupro_high")] == [True] * 4
    assert lines[1].split()[2:4] == [row["detector"], "crack"]
    knn = ("--data", f"folder:{folder}", "--task", "unimodal:good", "--detector", "raw:knn")
    (row,) = json.loads(run(capsys, monkeypatch, *knn, "--json").out)["rows"]
    assert "pixel_auroc" not in row
    assert "raw:knn has no anomaly maps to judge by pixel" in run(capsys, monkeypatch, *knn, "--pixels").err
    (folder / "ground_truth" / "crack" / "0_mask.png").write_bytes(b"no")
    assert "0_mask.png does not decode: not an image" in run(capsys, monkeypatch, *how).err


def test_patches_are_judged_by_detect_and_in_studies_on_a_layer_or_on_several_that_they_name(
    folder, tmp_path, capsys, monkeypatch
):
    patchcore, layers = {"name": "patchcore", "layers": [0, 1], "coreset": 20}, ("conv1", "conv2")
    split, train, test = sides(folder)
    lenet = load_backbone("lenet", "random", seed=0)
    expected = evaluate(patchcore, split, train, test, given={"backbone": lenet})
    assert expected.pixels.auroc.pooled.value > 0.9
    how = ("--data", f"folder:{folder}", "--backbone", "lenet", "--weights", "random", "--task", "unimodal:good")
    how += ("--detector", "patchcore:layers=[0,1],coreset=20", "--detector", "padim", "--layer", "0,1", "--json")
    how += ("--gallery", str(tmp_path / "pictures"))
    rows = json.loads(run(capsys, monkeypatch, *how).out)["rows"]
    names = ["patchcore[layers=0,1,coreset=20,neighbors=9]", *(f"padim[layers={name},channels=100]" for name in layers)]
    assert [row["detector"] for row in rows] == names
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "padim-layers=conv1,channels=100_conv1_unimodal-good_seed-0.png",
        "padim-layers=conv2,channels=100_conv2_unimodal-good_seed-0.png",
        "patchcore-layers=0,1,coreset=20,neighbors=9_unimodal-good_seed-0.png",
    ]
    assert [row["layer"] for row in rows] == ["", *layers]
    assert rows[0]["pixel_auroc"] == pytest.approx(expected.pixels.auroc.pooled.value, abs=1e-6)
    assert rows[0]["aupro"] == pytest.approx(expected.pixels.aupro.value, abs=1e-6)
    ((crack,),) = [row["by_class"] for row in rows[:1]]
    assert (crack["anomaly"], crack["aupro"]) == ("crack", pytest.approx(rows[0]["aupro"]))
    config = {
        **{"title": "parts", "data": {"name": f"folder:{folder}"}, "tasks": ["unimodal:good"]},
        "backbones": [{"name": "lenet", "weights": "random", "layers": "0,1"}],
        "detectors": [patchcore, "padim"],
    }
    found = run_study(config, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    table = found.detectors
    assert table["layer"].fillna("").tolist() == ["conv1", "conv2", ""]
    assert found.classes["aupro"].tolist() == pytest.approx(table["aupro"].tolist())
    assert table["pixel_auroc"].iloc[2] == pytest.approx(expected.pixels.auroc.pooled.value, abs=1e-6)


def test_a_study_has_pixel_columns_and_computes_anew_where_masks_change(folder, tmp_path):
    config = {
        "title": "parts",
        "data": {"name": f"folder:{folder}"},
        "tasks": ["unimodal:good"],
        "detectors": [FCDD_QUICK, "raw:knn"],
    }
    how = {"cache_dir": tmp_path / "cache", "progress": False}
    first = run_study(config, tmp_path / "run", **how)
    assert first.failures.empty
    table = first.detectors.set_index("detector")
    split, train, test = sides(folder)
    assert table.loc["fcdd", "pixel_auroc"] == pytest.approx(
        evaluate(FCDD_QUICK, split, train, test).pixels.auroc.pooled.value
    )
    assert np.isnan(table.loc["raw:knn", "pixel_auroc"])
    stored = (tmp_path / "run" / "cells.jsonl").read_text()
    (folder / "ground_truth" / "crack" / "1_mask.png").unlink()
    second = run_study(config, tmp_path / "run", **how).detectors.set_index("detector")
    assert second.loc["fcdd", "pixel_auroc"] != table.loc["fcdd", "pixel_auroc"]
    added = (tmp_path / "run" / "cells.jsonl").read_text()
    assert added.startswith(stored)
    assert added.count("\n") == stored.count("\n") + 1


def test_classes_of_anomalies_are_judged_apart():
    rng = np.random.default_rng(0)
    pixels = rng.integers(90, 110, (9, 8, 8), dtype=np.uint8)
    masks = np.zeros((9, 8, 8), dtype=bool)
    masks[3:, 2:5, 2:5] = True
    pixels[3:6, 2:5, 2:5] = 255  # class 1 is seen, class 2 is not
    kinds = np.repeat([0, 1, 2], 3)
    kept = Masks([None] * 3 + [*masks[3:]])
    found = judge_maps(Bright(), as_dataset(pixels), kept, (kinds > 0).astype(int), classes=kinds)
    assert (found.by_class[1].auroc.pooled.value, found.by_class[1].aupro.value) == (1.0, 1.0)
    assert found.by_class[2].auroc.pooled.value < 0.7
    expected = pixel_auroc([None] * 3 + [*masks[6:]], pixels[[0, 1, 2, 6, 7, 8]].astype(float))
    assert found.by_class[2].auroc == expected
    assert 0.5 < found.aupro.value < 1
