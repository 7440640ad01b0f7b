"""Extractors under f-AnoGAN (Robledo Díaz 2023), on small made digits."""

import bz2
import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from reprq.backbones import build_network
from reprq.errors import DownloadError
from reprq.papers import reproduce
from reprq.papers.engine import PaperRun
from reprq.papers.robledo2023 import published
from reprq.papers.robledo2023.cells import DigitCells
from reprq.papers.robledo2023.claims import findings
from reprq.papers.robledo2023.metrics import _coefficients, _permuted, choices, metric_tests
from reprq.papers.robledo2023.presets import NEVER_SAW, PIXELS, PRESETS, DigitExtractor
from reprq.papers.robledo2023.thresholds import at_benign_threshold

LABEL = "classification"
SMALL = replace(
    PRESETS["quick"],
    extractors=(
        DigitExtractor(PIXELS),
        DigitExtractor("PCA", "pca:3", published="PCA"),
        DigitExtractor("ResNet18, never saw the set", "lenet5", LABEL, layer="conv3", epochs=1, leaves_out=True),
        DigitExtractor("ResNet18", "lenet5", LABEL, layer="conv3", epochs=1, published="ResNet18"),
    ),
    digits=(3,),
    images=(8, 3),
    grid=(1, 2),
    image_grid=(1,),
)


@pytest.fixture
def digit_root(mnist_root: Path) -> Path:
    """MNIST's files, and USPS's of the same making."""
    rng = np.random.default_rng(1)
    for name, count in (("usps.bz2", 12), ("usps.t.bz2", 6)):
        lines = []
        for label in np.tile(np.arange(10), count):
            pixels = rng.uniform(-1, -0.5, (16, 16))
            pixels[label : label + 3, 3:12] += 1.2
            lines.append(f"{label + 1} " + " ".join(f"{i + 1}:{value:.3f}" for i, value in enumerate(pixels.ravel())))
        (mnist_root / name).write_bytes(bz2.compress("\n".join(lines).encode()))
    return mnist_root


def test_a_preset_is_run_and_ends_in_tables(digit_root: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(PRESETS, "quick", SMALL)
    out = tmp_path / "out"
    paths = reproduce("robledo2023", "quick", out, root=digit_root, progress=False)
    names = {path.name for path in paths}
    tables = {"table-5.1.md", "table-5.2.md", "table-5.3.md", "detectors.md", "digits.md", "epochs.md", "metrics.md"}
    assert tables | {"accuracy.png", "digits.png", "metrics.png", "claims.md"} <= names
    rows = list(csv.DictReader(io.StringIO((out / "features.csv").read_text())))
    assert {row["set"] for row in rows} == {"mnist", "drawn_digits", "usps"}
    official, report = ([row for row in rows if row["reading"] == reading] for reading in ("official", "report"))
    assert {(row["n_test"], row["n_anomalies"]) for row in official} == {("30", "27")}
    assert {(row["n_test"], row["n_anomalies"]) for row in report} == {
        ("104", "99")
    }  # and the 2 of 8 that do not train
    assert {row["method"] for row in report} == {row["method"] for row in official} - {"distillation"}
    assert "CEILING: saw these images' labels" in (out / "table-5.3.md").read_text()
    assert "mnist -2.9, svhn +28.9, usps -3.7; it is worse on mnist and usps" in (out / "table-5.3.md").read_text()


def test_what_trains_what_sets_thresholds_and_what_is_tested_are_apart(digit_root: Path, tmp_path: Path) -> None:
    made = DigitCells(SMALL, digit_root, PaperRun("quick", tmp_path, root=digit_root, progress=False))
    for (name, digit), task in made.tasks.items():
        parts = [set(task.split.train.tolist()), set(task.held.tolist()), set(task.split.test.tolist())]
        assert sum(map(len, parts)) == len(set.union(*parts))
        assert set(made.whole.labels[[*parts[0], *parts[1]]].tolist()) == {digit}
        assert (made.whole.labels[task.split.test] != digit).tolist() == task.split.labels.tolist()
        official = made.whole.ids[task.split.test[task.official]]
        assert all(each.startswith("test/" + (name if name != "all three" else "")) for each in official)
    blind = next(each for each in SMALL.extractors if each.leaves_out)
    learned = made.extractors.learned_from(blind, "usps")
    assert not [each for each in learned.ids.tolist() if each.startswith("usps")]
    assert len(learned) == 160


def test_what_an_extractor_saw_is_said() -> None:
    taught, blind = DigitExtractor("a", "lenet5", LABEL), DigitExtractor("a", "lenet5", LABEL, leaves_out=True)
    assert taught.saw("report").startswith("CEILING")
    assert taught.saw("official") == "saw the labels of others of the set"
    assert blind.saw("report") == DigitExtractor("a", "mobilenet_v2").saw("report") == ""
    assert DigitExtractor("a", "lenet5", "rotation").saw("report") == "saw these images"
    assert DigitExtractor("a", "pca:3").saw("official") == "saw others of the set"


def test_figures_at_the_threshold_are_those_of_called_labels() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    scores, held = rng.normal(size=80) + labels, rng.normal(size=19)
    found = at_benign_threshold(labels, scores, held)
    called = scores > np.sort(held)[17]  # the 18th of 19, which a new one exceeds with a chance of 2 in 20
    assert found["recall"] == pytest.approx(recall_score(labels, called))
    assert found["precision"] == pytest.approx(precision_score(labels, called))
    assert found["macro_recall"] == pytest.approx(roc_auc_score(labels, called))
    assert found["macro_precision"] == pytest.approx(precision_score(labels, called, average="macro"))
    none = at_benign_threshold([0, 1], [1.0, 2.0], [3.0])
    assert (none["recall"], none["precision"], none["macro_precision"]) == (0.0, 0.0, 0.25)


def _fits(values: dict[str, float], method: str = "f-AnoGAN", sets: tuple[str, ...] = ("mnist", "usps")) -> list[dict]:
    return [
        {"method": method, "extractor": name, "set": each, "digit": digit, "seed": 0, "reading": "official", "auroc": v}
        | {"recall": v, "epochs": 1}
        for name, v in values.items()
        for each in sets
        for digit in (1, 3)
    ]


def test_a_claim_is_held_where_the_interval_leaves_zero_out() -> None:
    rows = _fits({PIXELS: 0.7, "ResNet18": 0.9, "LeNet-5": 0.9}) + _fits({PIXELS: 0.5}, "VAE")
    rows[0]["auroc"] = rows[0]["recall"] = 0.72
    verdicts = {each.quantity: each.verdict for each in findings(rows, ("mnist", "usps"))}
    assert verdicts["AUROC less that of VAE"] == "held"
    assert verdicts["recall with ResNet18 less that of images"] == "held"
    assert verdicts["ResNet18 less LeNet-5"] == "open"
    assert verdicts["ResNet18 less PCA"] == "cannot be said"


def test_every_extractor_that_never_saw_the_set_is_held_against_its_twin() -> None:
    values = {PIXELS: 0.6, "PCA": 0.8, f"PCA{NEVER_SAW}": 0.7, "LeNet-5": 0.9, "LeNet-5, rotation": 0.5}
    rows = _fits(values)
    found = {each.quantity: each for each in findings(rows, ("mnist", "usps"))}
    assert found[f"PCA less PCA{NEVER_SAW}"].value == pytest.approx(0.1)
    assert found[f"PCA{NEVER_SAW} less images, f-AnoGAN"].value == pytest.approx(0.1)
    assert found["LeNet-5 less LeNet-5, rotation"].value == pytest.approx(0.4)
    assert not [quantity for quantity in found if quantity.startswith("LeNet-5 less LeNet-5, never")]


def test_what_learns_has_a_twin_that_never_saw_the_set() -> None:
    titles = {each.title for each in PRESETS["full"].extractors}
    for each in PRESETS["full"].extractors:
        assert (f"{each.title}{NEVER_SAW}" in titles) == (each.learns and not each.leaves_out), each.title
    for preset in PRESETS.values():
        assert len({each.title for each in preset.extractors}) == len(preset.extractors)
    new = {each.title for each in PRESETS["imagenet"].extractors} - {each.title for each in PRESETS["cpu"].extractors}
    assert new == {f"{name}, {how}" for name in ("ResNet18", "ResNet50") for how in ("from ImageNet", "ImageNet alone")}


def test_weights_that_are_not_to_be_had_are_told_before_any_work(digit_root: Path, tmp_path: Path, monkeypatch) -> None:
    (given,) = (each for each in PRESETS["imagenet"].extractors if each.title == "ResNet18, ImageNet alone")
    monkeypatch.setitem(PRESETS, "quick", replace(SMALL, extractors=(DigitExtractor(PIXELS), given)))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    def unreachable(*_: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    path = digit_root / "weights" / "resnet18-imagenet.safetensors"
    said = f"network is unreachable; put them there, or others in {path}, or run another preset"
    with pytest.raises(DownloadError, match=re.escape(said)):
        reproduce("robledo2023", "quick", tmp_path / "out", root=digit_root, progress=False)
    assert not list(tmp_path.glob("out/*"))


def test_an_extractor_starts_from_a_file_beside_the_data(digit_root: Path, tmp_path: Path) -> None:
    given = DigitExtractor("given", "lenet5", weights="mine.safetensors", layer="conv3")
    how = replace(SMALL, extractors=(given,), images=(2, 1))
    (digit_root / "weights").mkdir()
    network = build_network("lenet5", seed=7)
    save_file(network.state_dict(), digit_root / "weights" / "mine.safetensors")
    made = DigitCells(how, digit_root, PaperRun("quick", tmp_path, root=digit_root, progress=False))
    made.extractors.find_weights(how.extractors)  # downloads nothing
    assert "start" not in made.extractors.decides(given, "")
    stem = made.extractors.open(given, "").network.conv1[0].weight
    torch.testing.assert_close(stem, network.conv1[0].weight.sum(1, keepdim=True))  # gray: summed over the channels


def test_the_residual_network_is_that_of_the_report() -> None:
    network = build_network("resnet18", in_channels=1).eval()
    shapes = []
    network.layer4.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape)))
    network(torch.zeros(2, 1, 28, 28))
    assert shapes == [(2, 512, 1, 1)]  # nothing is left to pool: 512 numbers, as without average pooling


def test_a_metric_that_ranks_as_auroc_does_is_found_and_chosen_by() -> None:
    scores = {f"e{i}": 0.5 + 0.04 * i for i in range(8)}
    rows = _fits(scores)
    places = [(name, each, digit) for name in scores for each in ("mnist", "usps") for digit in (1, 3)]
    right = [{"metric": "right", "extractor": n, "set": s, "digit": d, "value": -scores[n]} for n, s, d in places]
    flat = [{"metric": "flat", "extractor": n, "set": s, "digit": d, "value": 1.0} for n, s, d in places]
    none = [{"metric": "none", "extractor": n, "set": s, "digit": d, "value": None} for n, s, d in places]
    tests = {row["metric"]: row for row in metric_tests(rows, [*right, *flat, *none])}
    assert tests["right"]["coefficient"] == pytest.approx(-1.0)
    assert tests["right"]["p_holm"] < 0.01
    assert (tests["flat"]["coefficient"], tests["flat"]["p"]) == (0.0, 1.0)
    assert tests["none"]["coefficient"] is None
    lost = {row["rule"]: row["lost"] for row in choices(rows, [*right, *flat, *none])}
    assert lost["right"] == lost["the best on the other sets"] == pytest.approx(0.0)
    assert lost["any, in the mean"] == pytest.approx(0.14)
    assert "none" not in lost


def test_published_values_are_those_that_the_text_contradicts() -> None:
    less = {s: published.EXTRACTORS["ResNet18"][s] - published.IMAGES["f-AnoGAN"][s].auroc for s in published.SETS}
    assert [round(value, 1) for value in less.values()] == [-2.9, 28.9, -3.7]


def test_orders_of_the_extractors_are_the_same_in_every_task(monkeypatch) -> None:
    monkeypatch.setattr("reprq.papers.robledo2023.metrics._DRAWS", 20)
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(4, 6)), rng.normal(size=(4, 6))
    orders = np.random.default_rng(0).permuted(np.tile(np.arange(6), (20, 1)), axis=1)
    expected = [_coefficients(x[:, order], y).mean() for order in orders]
    np.testing.assert_allclose(_permuted(x, y), expected, atol=1e-12)
