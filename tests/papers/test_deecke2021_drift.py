"""Drift along fine-tuning, on small made images: what is measured against the functions themselves."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from reprq.data import load_dataset
from reprq.errors import OutputExistsError
from reprq.metrics import cka, rankme
from reprq.papers import reproduce
from reprq.papers.deecke2021 import drift
from reprq.papers.deecke2021.drift import OTHERS, TINY, WAYS, DriftPreset, Sides
from reprq.papers.ruff2021.deep import CLASSES

SMALL = DriftPreset(("lenet", "random"), 32, ("cat",), tuple(WAYS), 2, (0, 2), (6, 6, 5, 3, 3), 4)


@pytest.fixture
def images(image_root: Path):
    jpeg, tiny = image_root / "images/cifar10_jpeg", image_root / "images/tiny_imagenet_32"
    return load_dataset(jpeg, "train"), load_dataset(jpeg, "test"), load_dataset(tiny, whole=True)


@pytest.mark.parametrize("corpus", ["", TINY, OTHERS])
def test_no_image_is_on_two_sides_and_anomalies_are_seen_or_unseen(images, corpus) -> None:
    sides = Sides.of(*images, "ship", corpus, SMALL.images, 0)
    parts = [sides.benign, sides.measured, sides.corpus, sides.tested, sides.unseen, sides.seen]
    known = [part for part in parts if part is not None]
    assert not any(a.copies_of(b).any() for i, a in enumerate(known) for b in known[:i])
    assert [len(sides.benign), len(sides.measured), len(sides.tested)] == [6, 6, 3]
    shown = {"truck", "airplane", "automobile"} if corpus == OTHERS else set()
    assert {sides.unseen.classes[i] for i in sides.unseen.labels} == set(CLASSES["cifar10"]) - {"ship"} - shown
    if corpus == OTHERS:
        assert {sides.corpus.classes[i] for i in sides.corpus.labels} == shown
        assert {sides.seen.classes[i] for i in sides.seen.labels} == shown
    assert (sides.corpus is None) == (sides.seen is None) == (corpus == "")
    assert [len(sides.corpus or ()), len(sides.seen or ())] == {"": [0, 0], TINY: [5, 7], OTHERS: [36, 9]}[corpus]


def test_layers_are_compared_with_the_first_look(images) -> None:
    class Fitted:
        def __init__(self, scale: float) -> None:
            rng = np.random.default_rng(0)
            self.layers = {"one": rng.standard_normal((20, 5)), "two": rng.standard_normal((20, 3))}
            self.layers["one"] = self.layers["one"] + scale * rng.standard_normal((20, 5))
            self.layers["two"] = np.ones((20, 3)) if scale > 5 else self.layers["two"]

        def embed_layers(self, X):
            return self.layers

    first: dict = {}
    begun = drift.drifted(Fitted(0.0), images[0], first)
    moved = drift.drifted(Fitted(1.0), images[0], first)
    assert begun["cka_one"] == pytest.approx(1.0)
    assert moved["cka_one"] == pytest.approx(cka(Fitted(0.0).layers["one"], Fitted(1.0).layers["one"], debiased=True))
    assert moved["cka_mean"] == pytest.approx((moved["cka_one"] + 1) / 2)
    assert moved["rankme"] == pytest.approx(rankme(Fitted(1.0).layers["two"]))
    constant = drift.drifted(Fitted(9.0), images[0], first)
    assert (constant["cka_two"], constant["cka_mean"]) == (None, constant["cka_one"])


def test_a_preset_is_run_and_tables_follow_from_its_rows(image_root: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(drift.PRESETS, "quick", SMALL)
    out = tmp_path / "out"
    paths = reproduce("deecke2021-drift", "quick", out, root=image_root, progress=False)
    pictures = [f"{name}.{kind}" for name in ("drift", "layers", "stopping") for kind in ("png", "svg")]
    texts = ["drift.csv", "stopping.csv", "warnings.csv", "drift.md", "made.json"]
    assert [path.name for path in paths] == pictures + texts
    rows = list(csv.DictReader(io.StringIO((out / "drift.csv").read_text())))
    assert [(row["way"], row["epoch"]) for row in rows] == [(way, epoch) for way in WAYS for epoch in ("0", "2")]
    assert all(float(row["cka_mean"]) == 1 for row in rows[::2])
    assert all(float(row["cka_mean"]) < 1 for row in rows[1::2])
    assert [row["auroc_seen"] != "" for row in rows] == [way != "DSVDD" for way in WAYS for _ in range(2)]
    assert all(float(row["auroc_unseen_low"]) <= float(row["auroc_unseen"]) for row in rows)
    stopped = list(csv.DictReader(io.StringIO((out / "stopping.csv").read_text())))
    last = [row for row in stopped if row["rule"] == "last epoch"]
    assert next((row["way"], row["over_last"], row["n_runs"]) for row in last) == ("all", "0", "4")
    assert "## Warnings" in (out / "drift.md").read_text()
    with pytest.raises(OutputExistsError, match="another run"):
        reproduce("deecke2021-drift", "quick", out, root=image_root, seed=1, progress=False)
