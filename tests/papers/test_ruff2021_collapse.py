import csv
import io
from pathlib import Path

import pytest
import torch
from torch import nn

from reprq.errors import OutputExistsError
from reprq.papers import reproduce
from reprq.papers.ruff2021 import collapse
from reprq.papers.ruff2021.collapse import KINDS, METRICS, CollapsePreset, Sphere


def test_each_kind_breaks_one_rule() -> None:
    layers = {kind: list(Sphere(kind).phi) for kind in KINDS}
    free = {kind: Sphere(kind).center.requires_grad for kind in KINDS}
    biased = {kind: any(getattr(layer, "bias", None) is not None for layer in layers[kind]) for kind in KINDS}
    bounded = {kind: any(isinstance(layer, nn.Sigmoid) for layer in layers[kind]) for kind in KINDS}
    assert [kind for kind in KINDS if free[kind]] == ["learned centre"]
    assert [kind for kind in KINDS if biased[kind]] == ["biases"]
    assert [kind for kind in KINDS if bounded[kind]] == ["sigmoid"]
    x = torch.rand(3, 1, 28, 28)
    assert {type(layer) for layer in layers["sound"]} - {type(layer) for layer in Sphere("sound", False).phi} == {
        nn.BatchNorm2d
    }
    sphere = Sphere("sound").eval()
    torch.testing.assert_close(sphere(x), (sphere.embed(x) - sphere.center).square().sum(1))


def test_metrics_are_taken_along_the_training(mnist_root: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(
        collapse.PRESETS, "quick", CollapsePreset(("3",), 2, (0, 2), 1e-2, 8, (15, 8), normalized=(False,))
    )
    out = tmp_path / "out"
    paths = reproduce("ruff2021-collapse", "quick", out, root=mnist_root, progress=False)
    assert [path.name for path in paths] == ["collapse.png", "collapse.svg", "collapse.csv", "made.json"]
    rows = list(csv.DictReader(io.StringIO((out / "collapse.csv").read_text())))
    assert [(row["kind"], row["epoch"]) for row in rows] == [(kind, epoch) for kind in KINDS for epoch in ("0", "2")]
    assert all(float(row["trace"]) > 0 and row[name] for row in rows for name in METRICS)
    sound, learned = rows[0], rows[4]
    assert (sound["auroc"], sound["trace"]) == (learned["auroc"], learned["trace"])  # one start
    with pytest.raises(OutputExistsError, match="another run"):
        reproduce("ruff2021-collapse", "quick", out, root=mnist_root, seed=1, progress=False)
