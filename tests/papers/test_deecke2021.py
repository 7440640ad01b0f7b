"""The tables of Deecke et al. 2021, on small made images."""

import csv
import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reprq.backbones import load_backbone
from reprq.data import load_dataset
from reprq.detectors import DOC, create
from reprq.detectors.deep.transfer import _WEIGHTS
from reprq.papers import reproduce
from reprq.papers.beside import beside
from reprq.papers.deecke2021 import published, tables
from reprq.papers.deecke2021.claims import findings
from reprq.papers.deecke2021.paradigms import convolutions
from reprq.papers.deecke2021.presets import (
    ABLATION,
    METHODS,
    OWN_NETWORK,
    PRESETS,
    SAID,
    STILL,
    Pretraining,
    Start,
)
from reprq.papers.deecke2021.starts import synsets
from reprq.papers.deecke2021.study import experiments
from reprq.papers.engine import PaperRun
from reprq.papers.ruff2021.deep import CLASSES
from reprq.training import Inputs

SMALL = replace(
    PRESETS["smoke"],
    starts=(Start("lenet", "random", 32), Start("resnet26", "pretrain", 8)),
    pretraining=Pretraining(None, 1, 4, 8),
    images=(6, 1, 4, 2),
    paradigms=Pretraining(None, 1, 4, 32, "lenet"),
)


def test_published_means_are_those_of_their_classes() -> None:
    for name, values in published.ONE_VS_REST.items():
        assert sum(values.values()) / 10 == pytest.approx(published.MEAN_ONE_VS_REST[name], abs=0.1)


def test_every_row_of_the_ablation_has_a_detector_and_words() -> None:
    assert set(SAID) == set(ABLATION) == set(published.ABLATION)
    assert {method for method, _ in ABLATION.values()} <= set(METHODS)


def test_every_start_of_a_preset_is_a_network() -> None:
    pytest.importorskip("timm")
    starts = {start.network: start.size for preset in PRESETS.values() for start in preset.starts}
    for name, size in starts.items():
        network = load_backbone(name, "random", preprocessing={"size": size, "resize": size})
        assert network.preprocessing.size == size


def test_the_synsets_of_the_task_are_left_out_and_listed(image_root: Path) -> None:
    train, test, left_out = synsets(image_root)
    assert left_out == "n01641577\tbullfrog\n"
    for side in (train, test):
        assert "n01641577" not in {side.classes[number] for number in side.labels}
    assert not train.copies_of(test).any()


def test_what_was_not_printed_is_a_dash() -> None:
    rows = [{"task": "a", "method": "HSC", "auroc": 0.5}]
    assert beside(rows, {"HSC": {"a": math.nan}}).count("50.0 (-)") == 2


def test_the_rows_of_table_1_are_its_layers_averaged_over_places() -> None:
    images = load_dataset("digits").restrict(["0"]).sample(8)
    fitted = create({"name": "geometric", "network": "lenet", "epochs": 1, "batch_size": 4}).fit(images)
    found = convolutions(fitted, images)
    assert [rows.shape for rows in found.values()] == [(8, 32), (8, 64), (8, 128)]
    shown = Inputs(images, fitted.transform_)[range(8)]
    first = fitted.network_.phi.conv1(fitted.network_.scaling(shown))
    np.testing.assert_allclose(found["conv1"], first.mean((2, 3)).detach(), rtol=1e-4, atol=1e-5)
    again = convolutions(fitted, images)
    assert all(np.array_equal(rows, again[name]) for name, rows in found.items())  # no hook is left


def test_improvement_over_chance_is_printed_in_points_and_relative_to_it() -> None:
    rows = [
        {"paradigm": name, "layer": layer, "auroc": 0.52}
        for name in published.PARADIGMS
        for layer in ("conv1", "conv2", "conv3")
    ]
    assert "| self-supervision | 2.00 | 4.00 | 1.44 |" in tables.paradigms(rows, SMALL)


def test_full_has_the_settings_of_the_paper() -> None:
    full = PRESETS["full"]
    assert full.classes == full.semantic == CLASSES["cifar10"]
    assert (full.images, full.seeds, full.few) == ((None,) * 4, 5, ())
    assert full.starts[0] == Start("resnet26", "pretrain", 32)
    assert (full.shares[0], full.shares[-1], len(full.shares)) == (1, 0, 8)  # r from 1 to 0
    assert full.pairs == (("ship", "truck"), ("truck", "ship"))
    schedule = {"epochs": 100, "milestones": [60, 80], "batch_size": 64, "held_out": 0.0}
    augmented = {"augmentations": ["flip", "crop"]}
    for method in ("ADIB", "ADRA", "a2"):
        assert full.detector(method) == {**METHODS[method], **schedule, **augmented, "lr": 0.1}
    fitted = {name: create({**full.detector(name), "backbone": "lenet"}) for name in METHODS if name not in OWN_NETWORK}
    assert {(each.momentum, each.weight_decay) for each in fitted.values()} == {(0.9, 1e-4)}
    weights = {name: (each._parts().regularizer, each._parts().alpha) for name, each in fitted.items() if name != "a4"}
    assert weights["ADIB"] == weights["a3"] == ("l2_sp", None)
    assert weights["a5"] == ("ewc", None)
    assert _WEIGHTS == {"l2_sp": 0.01, "ewc": 400.0}  # what None is
    # Where the rate of the paper's code is not the loss's own
    others = {name: each.lr for name, each in fitted.items() if each.lr != 0.1}
    assert others == {"HSC": 1e-3, "a3": 1e-3, "a4": DOC.lr, "a5": 1e-5, "DSVDD": 1e-5, STILL: 1e-5}


@pytest.mark.parametrize("preset", ["cpu", "full"])
def test_every_cell_of_a_preset_is_planned(
    image_root: Path, mnist_root: Path, tmp_path: Path, monkeypatch, preset: str
) -> None:
    opened = load_backbone("lenet", "random")
    monkeypatch.setattr("reprq.papers.deecke2021.starts.Starts.open", lambda self, start, *, random=False: opened)
    how = replace(PRESETS[preset], images=(6, 1, 4, 2), shares=(1.0, 0.5, 0.0))
    how = replace(how, pretraining=SMALL.pretraining, paradigms=SMALL.paradigms)
    run = PaperRun(preset, tmp_path, image_root, progress=False)
    count: dict[str, int] = {}
    for experiment in experiments(how, run):
        cells = list(experiment.cells)
        count[experiment.name] = len(cells)
        for cell in cells:
            if "detector" in cell.decides:
                create(cell.decides["detector"])  # refuses what it does not know
    few, seeds = len(how.few or how.classes), how.seeds
    classes, semantic, nine = len(how.classes), len(how.semantic), len(how.limited(how.semantic))
    own = [start.network for start in how.starts[1:] if start.file == "pretrain"]
    assert count == {
        "one against the rest": 4 * classes * seeds,
        "semantic": (8 * semantic + 3 * nine) * seeds,
        "corpora": 9 * few * seeds,
        "small modes": 2 * 2 * len(how.shares) * seeds,
        "paradigms": 3 * few * seeds,
        "pre-training": 1,
        **{f"one against the rest, from {name}": 4 * classes * seeds for name in own},
        "starts": 2 * (len(how.starts) - 1 - len(own)) * few * seeds,
    }


def test_a_preset_is_run_and_ends_in_tables(image_root: Path, mnist_root: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("reprq.papers.deecke2021.study.PRESETS", {"smoke": SMALL})
    monkeypatch.setitem(PRESETS, "smoke", SMALL)
    out = tmp_path / "out"
    paths = reproduce("deecke2021", "smoke", out, root=image_root, progress=False)
    names = {path.name for path in paths}
    assert {
        "table-1.md",
        "table-2.md",
        "table-4.md",
        "table-5.md",
        "table-6.md",
        "figure-5.png",
        "table-5-resnet26.md",
        "starts.md",
        "claims.md",
    } <= names
    semantic = list(csv.DictReader(io.StringIO((out / "table-4.csv").read_text())))
    assert {int(row["n_test"]) / int(row["n_anomalies"]) for row in semantic} == {10.0}  # 1 : 9
    assert all(0 < float(row["ap"]) <= 1 for row in semantic)
    assert {"MSP", "ODIN", "GT"} <= {row["row"] for row in semantic}
    held = list(csv.DictReader(io.StringIO((out / "table-1.csv").read_text())))
    assert [row["layer"] for row in held] == ["conv1", "conv2", "conv3"] * 3
    points = list(csv.DictReader(io.StringIO((out / "figure-5.csv").read_text())))
    assert all(float(point["relative"]) == 1 for point in points if point["share"] == "1")
    assert {point["mode"] for point in points} == {"large", "small"}
    again = [path.read_bytes() for path in paths if path.suffix in (".md", ".csv")]
    reproduce("deecke2021", "smoke", out, root=image_root, progress=False)
    assert [path.read_bytes() for path in paths if path.suffix in (".md", ".csv")] == again


def _rows(scores: dict[str, tuple[float, ...]], corpus: str = "tiny ImageNet") -> list[dict]:
    common = {"protocol": "unimodal", "corpus": corpus, "start": "a", "seed": 0}
    return [
        {**common, "method": method, "task": str(task), "auroc": value}
        for method, values in scores.items()
        for task, value in enumerate(values)
    ]


def test_a_claim_is_held_where_the_interval_leaves_zero_out() -> None:
    rows = _rows(
        {"ADIB": (0.9, 0.91, 0.92), "kNN": (0.7, 0.72, 0.71), "HSC": (0.95, 0.5, 0.92), "ADRA": (0.1, 0.1, 0.1)}
    )
    verdicts = {(each.claim, each.quantity.split(" that of ")[-1]): each.verdict for each in findings(rows, [])}
    assert verdicts["ADIB beats the frozen network", "kNN, one against the rest"] == "held"
    assert verdicts["ADRA beats the frozen network", "kNN, one against the rest"] == "contradicted"
    assert verdicts["ADIB beats learning without keeping", "HSC"] == "open"
    assert verdicts["a pretrained start helps", "a1"] == "cannot be said"


def test_every_start_has_claims_of_its_own() -> None:
    scores = {"ADIB": (0.9, 0.91), "kNN": (0.7, 0.72), "HSC": (0.5, 0.5), "ADRA": (0.6, 0.5)}
    rows = _rows(scores) + [
        {**row, "start": "b", "auroc": 1 - row["auroc"]} for row in _rows(scores) if row["method"] in ("ADIB", "kNN")
    ]
    found = [each for each in findings(rows, []) if each.claim == "ADIB beats the frozen network"]
    assert [(each.note, each.value) for each in found] == [
        ("2 classes, from a", pytest.approx(0.195)),
        ("2 classes, from b", pytest.approx(-0.195)),
    ]
    others = [each.note for each in findings(rows, []) if each.claim == "ADRA beats the frozen network"]
    assert others == ["2 classes, from a"]  # what was not run from b says nothing


def test_a_corpus_that_fits_less_is_compared_by_class() -> None:
    rows = _rows({"ADIB": (0.9, 0.9), "HSC": (0.8, 0.81)}, "MNIST") + _rows({"ADIB": (0.9, 0.9), "HSC": (0.9, 0.89)})
    found = next(each for each in findings(rows, []) if each.claim.startswith("transfer gains"))
    assert found.value == pytest.approx(((0.1 - 0.0) + (0.09 - 0.01)) / 2)


def test_the_accuracy_of_every_epoch_of_the_pretraining_is_shown() -> None:
    rows = [{"epoch": 1, "loss": 5.1, "held_out_loss": 5.0, "held_out_accuracy": 0.018}]
    rows.append({"epoch": "held out", "accuracy": 0.04, "n": 500, "chance": 1 / 174})
    text = tables.pretraining(rows, SMALL)
    assert "| 1 | 5.100 | 5.000 | 0.018 |" in text
    assert "On 500 images of the test side it is right on 4.0 %, by chance on 0.6 %." in text


def test_rows_of_two_tables_count_once() -> None:
    rows = _rows({"ADIB": (0.9, 0.8)})
    assert tables.unique([*rows, *rows]) == rows
