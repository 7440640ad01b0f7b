import csv
import io
import struct
from pathlib import Path

import numpy as np
import pytest

from reprq.data.image.corruptions import CORRUPTIONS
from reprq.detectors import create
from reprq.errors import OutputExistsError
from reprq.evaluation import auroc, clever_hans_score, explanation_accuracy
from reprq.explain import relevance
from reprq.papers import reproduce
from reprq.papers.ruff2021 import unifying, unifying_tables
from reprq.papers.ruff2021.letters import LETTERS, drawn_letters, letters
from reprq.papers.ruff2021.unifying import UnifyingPreset
from reprq.papers.ruff2021.unifying_tables import CLEVER_HANS, METHODS, PUBLISHED


def test_the_published_columns_have_the_means_that_the_thesis_prints() -> None:
    assert all(tuple(PUBLISHED[method]) == tuple(CORRUPTIONS) for method in METHODS)
    means = [np.mean(list(PUBLISHED[method].values())) for method in METHODS]
    assert np.round(means, 1).tolist() == pytest.approx(
        [80.6, 62.8, 77.7, 57.5, 74.0, 72.1, 95.9, 69.2, 89.9], abs=0.051
    )
    assert all(set(CLEVER_HANS[method]) <= set(CORRUPTIONS) for method in CLEVER_HANS)


def test_letters_are_drawn_alike_by_a_seed_inside_the_frame_and_every_letter_as_often() -> None:
    drawn, again, other = drawn_letters(78), drawn_letters(78), drawn_letters(78, seed=1)
    assert drawn.fingerprint == again.fingerprint != other.fingerprint
    assert np.bincount(drawn.labels).tolist() == [3] * 26
    assert drawn.classes == tuple(LETTERS)
    pixels = np.stack([np.asarray(drawn.item(i))[..., 0] for i in range(78)]).astype(float)
    assert (pixels.max(axis=(1, 2)) > 128).all()
    assert pixels[:, 0].mean() < 5 < pixels.mean()


def test_letters_of_emnist_are_taken_where_they_are(tmp_path: Path) -> None:
    assert letters(26, tmp_path).fingerprint == drawn_letters(26).fingerprint
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8)
    for part, array in (("images-idx3", pixels), ("labels-idx1", np.arange(30, dtype=np.uint8) % 26 + 1)):
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        (raw / f"emnist-letters-train-{part}-ubyte").write_bytes(header + array.tobytes())
    found = letters(20, tmp_path)
    assert (found.name, len(found), found.classes) == ("emnist_letters", 20, tuple(LETTERS))


def test_average_precision_and_clever_hans_scores_stand_in_their_tables() -> None:
    rows = [
        {"method": "KDE", "task": kind, "ap": ap, "auroc": 0.9, "clever_hans": score, "cosine_absolute": 0.5}
        | {"cosine_squared": 0.4, "cosine_signed": 0.3, "pointing": 1.0}
        for kind, ap, score in (("zigzag", 0.8, 0.25), ("zigzag", 0.6, 0.35), ("stripe", 1.0, 0.1))
    ]
    precision = unifying_tables.table_of_precision(rows, ("zigzag", "stripe"), "Two seeds.")
    assert "| zigzag | 70.0 ± 14.1 |" in precision
    assert "| mean | 80.0 |" in precision
    clever = unifying_tables.table_of_clever_hans(rows, ("zigzag", "stripe"))
    assert "| KDE | zigzag | 31.4 | 30.0 | 84.0 | 90.0 |" in clever
    assert "| AE | shear | 44.2 | missing | 70.6 | missing |" in clever
    assert "| KDE | stripe | 90.0 | 10.0 | 50.0 | 40.0 | 30.0 | 100.0 |" in clever


def test_one_fit_of_each_method_is_judged_on_every_corruption(mnist_root: Path, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("zennit")
    how = UnifyingPreset(40, 8, 5, (1, 1), (52, 1), (1, 1, 1), corruptions=("stripe", "brightness"))
    monkeypatch.setitem(unifying.PRESETS, "quick", how)
    out = tmp_path / "out"
    paths = reproduce("ruff2021-unifying", "quick", out, root=mnist_root, progress=False)
    tables = ["table-4.2.md", "table-c.8.md", "table-4.4.md", "unifying.csv", "made.json"]
    assert [path.name for path in paths] == [*tables, "explanations.png", "explanations.svg"]
    rows = list(csv.DictReader(io.StringIO((out / "unifying.csv").read_text())))
    assert {(row["method"], row["task"]) for row in rows} == {
        (method, kind) for method in how.specs() for kind in how.corruptions
    }
    assert {*METHODS, "ensemble"} == set(how.specs())
    assert all(row["n_train"] == "40" and row["n_test"] == "16" for row in rows)
    assert all(float(row["low"]) <= float(row["auroc"]) <= float(row["high"]) for row in rows)
    explained = [row for row in rows if row["clever_hans"]]
    assert {row["method"] for row in explained} == {"Gaussian", "PCA", "KDE", "SVDD", "DSVDD", "AE"}
    for row in explained:
        assert float(row["clever_hans"]) == pytest.approx(float(row["auroc"]) - float(row["cosine_absolute"]), abs=1e-4)
    written = {path.name: path.read_bytes() for path in paths}
    reproduce("ruff2021-unifying", "quick", out, root=mnist_root, progress=False)
    assert {path.name: path.read_bytes() for path in paths} == written
    with pytest.raises(OutputExistsError, match="another run"):
        reproduce("ruff2021-unifying", "quick", out, root=mnist_root, seed=1, progress=False)


def test_clean_and_corrupted_images_are_the_same_digits(mnist_root: Path) -> None:
    from reprq.data.image.mnist_c import load_mnist_c

    how = UnifyingPreset(30, 5, 5, (1, 1), (26, 1), (1, 1, 1), corruptions=("scale", "zigzag"))
    train, test = (load_mnist_c(side, mnist_root, download=False) for side in ("train", "test"))
    benign, judged = unifying._samples(train, test, how, seed=3)
    names = [name.split("/") for name in judged.ids]
    assert [kind for _, kind, _ in names] == ["clean"] * 5 + ["scale"] * 5 + ["zigzag"] * 5
    assert [row for _, _, row in names[:5]] == [row for _, _, row in names[5:10]] == [row for _, _, row in names[10:]]
    assert len(benign) == 30
    assert benign.split == "train"


@pytest.mark.parametrize("spec", ["kde", "centroid", "knn", "mahalanobis", "ocsvm"])
def test_a_planted_clever_hans_has_a_high_auroc_and_an_explanation_that_warns(spec) -> None:
    """Anomalies have a bright border beside a faint defect: the border is what is found, and the score says so."""
    rng = np.random.default_rng(0)
    benign, seen, clean = (rng.normal(0.5, 0.02, size=(80, 12, 12)) for _ in range(3))
    defect = np.zeros((12, 12))
    defect[4:7, 4:7] = 0.02
    border = np.full((12, 12), 0.4)
    border[1:-1, 1:-1] = 0
    labels = np.repeat([0, 1], 80)
    found = {}
    for name, planted in (("border", defect + border), ("defect", 20 * defect)):
        detector = create(spec).fit(benign.reshape(80, -1))
        anomalous = (clean + planted).reshape(80, -1)
        area = auroc(labels, detector.anomaly_score(np.concatenate([seen.reshape(80, -1), anomalous]))).value
        truth = np.tile(defect.ravel(), (80, 1))
        accuracy = explanation_accuracy(truth, relevance(detector, anomalous), resamples=50).value
        found[name] = area, clever_hans_score(area, accuracy)
    assert found["border"][0] > 0.99
    assert found["border"][1] > 0.8
    assert found["defect"][0] > 0.99
    assert found["defect"][1] < 0.3
