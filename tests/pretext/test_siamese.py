"""BYOL and SimSiam: losses pair by pair, the moving average in closed form, collapse, and training that goes on."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

from reprq import pretext
from reprq.backbones import Preprocessing
from reprq.data import load_dataset
from reprq.pretext.siamese import BYOL, OnlineAndTarget, SimSiam, momentum
from reprq.pretext.task import Shapes
from reprq.training.checkpoint import Checkpoint

SHAPES = Shapes(8, Preprocessing().replace(size=32))
SCALE = {"byol": 8.0, "simsiam": 2.0}  # from the lowest loss to the highest


def made(task):
    return pretext.TASKS.find(task).load()(SHAPES)


def cosine(a, b):
    return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))


def history(path):
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["reprq"])["history"]


def test_the_losses_are_their_equations_pair_by_pair():
    n, d = 5, 6
    outputs = torch.from_numpy(np.random.default_rng(0).normal(size=(2 * n, 2 * d)))
    p, z = outputs[:, :d].numpy(), outputs[:, d:].numpy()
    byol = simsiam = 0.0
    for i in range(n):
        unit_p = [v / np.linalg.norm(v) for v in (p[i], p[n + i])]
        unit_z = [v / np.linalg.norm(v) for v in (z[i], z[n + i])]
        byol += (np.sum((unit_p[0] - unit_z[1]) ** 2) + np.sum((unit_p[1] - unit_z[0]) ** 2)) / n
        simsiam -= (cosine(p[i], z[n + i]) / 2 + cosine(p[n + i], z[i]) / 2) / n
    assert float(made("byol").loss(outputs, torch.zeros(2 * n))) == pytest.approx(byol, rel=1e-5)
    assert float(made("simsiam").loss(outputs, torch.zeros(2 * n))) == pytest.approx(simsiam, rel=1e-5)


@pytest.mark.parametrize(("task", "best", "worst"), [("byol", 0.0, 8.0), ("simsiam", -1.0, 1.0)])
def test_the_losses_reach_both_ends(task, best, worst):
    view = torch.eye(3)
    alike = torch.cat([torch.cat([view, view]), torch.cat([view, view])], dim=1)
    opposed = torch.cat([torch.cat([view, view]), -torch.cat([view, view])], dim=1)
    assert float(made(task).loss(alike, torch.zeros(6))) == pytest.approx(best, abs=1e-6)
    assert float(made(task).loss(opposed, torch.zeros(6))) == pytest.approx(worst, abs=1e-6)


def test_tau_goes_from_its_base_to_one_along_half_a_cosine():
    assert momentum(0.0, 0.9) == pytest.approx(0.9)
    assert momentum(1.0, 0.9) == 1.0
    assert momentum(0.25, 0.9) == pytest.approx(1 - 0.1 * (1 + math.sqrt(0.5)) / 2)
    values = [momentum(k / 50) for k in range(51)]
    assert values == sorted(values)


def test_the_target_is_the_moving_average_in_closed_form():
    model = OnlineAndTarget(nn.Linear(3, 2), nn.Linear(2, 2))
    first = model.online.weight.detach().clone()
    assert torch.equal(model.target.weight, first)
    with torch.no_grad():
        model.online.weight.copy_(torch.arange(6.0).view(2, 3))
    kept = 1.0
    for k in range(1, 11):
        made("byol").stepped(model, k / 10)
        kept *= momentum(k / 10)
    expected = kept * first + (1 - kept) * model.online.weight
    torch.testing.assert_close(model.target.weight, expected.detach(), rtol=1e-5, atol=1e-6)


def test_no_gradient_reaches_what_is_guessed():
    task = BYOL(SHAPES)
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(12, 8))
    model = task.model(trunk, task.head(load_dataset("digits")))
    images = torch.randn(6, 3, 2, 2)
    task.loss(model(images), torch.zeros(6)).backward()
    assert all(weight.grad is None for weight in model.target.parameters())
    assert float(trunk[1].weight.grad.abs().sum()) > 0
    siam = SimSiam(SHAPES).head(load_dataset("digits"))
    x = torch.randn(6, 8)
    projections = siam(x)[:, 512:]
    assert torch.allclose(projections, siam.projector(x))
    moved = torch.autograd.grad(projections.square().sum(), list(siam.parameters()))
    assert not any(each.any() for each in moved)
    assert siam.predictor[0].out_features < siam.predictor[-1].out_features  # a bottleneck


def test_spread_is_nought_where_all_is_one_and_one_of_gaussian_rows():
    task, d = made("simsiam"), 64
    same = torch.randn(1, d).repeat(40, 1)
    assert task.figures(torch.cat([same, same], dim=1), torch.zeros(40))["spread"] == pytest.approx(0.0, abs=1e-5)
    free = torch.from_numpy(np.random.default_rng(0).normal(size=(4000, d)))
    unit = free[:2000].numpy() / np.linalg.norm(free[:2000].numpy(), axis=1, keepdims=True)
    slow = np.mean([math.sqrt(np.mean((c - c.mean()) ** 2)) for c in unit.T]) * math.sqrt(d)
    found = task.figures(torch.cat([same.repeat(100, 1), free], dim=1), torch.zeros(4000))["spread"]
    assert found == pytest.approx(slow, rel=1e-5)
    assert found == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("task", ["byol", "simsiam"])
def test_it_learns_all_epochs_and_tells_of_its_spread(tmp_path, task):
    data = load_dataset("digits").sample(48)
    given = {"epochs": 5, "batch_size": 6, "patience": 1, "lr": 2e-3, "progress": False}
    rows = history(pretext.train_teacher(task, data, out=tmp_path / "t", **given))
    assert len(rows) == 5
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.03 * SCALE[task]
    assert all(0 < row["held_out_spread"] < 1.5 for row in rows)


def test_an_interrupted_moving_average_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    data = load_dataset("digits").sample(24)
    given = {"epochs": 3, "batch_size": 8, "progress": False}
    seen, stepped, save = [], BYOL.stepped, Checkpoint.save
    monkeypatch.setattr(BYOL, "stepped", lambda self, model, share: seen.append(share) or stepped(self, model, share))
    whole = pretext.train_teacher("byol", data, out=tmp_path / "whole", **given).read_bytes()
    assert seen == pytest.approx([k / 9 for k in range(1, 10)])

    def stop(self, state):
        save(self, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            pretext.train_teacher("byol", data, out=tmp_path / "cut", **given)
    assert not (tmp_path / "cut").exists()
    assert pretext.train_teacher("byol", data, out=tmp_path / "cut", **given).read_bytes() == whole
    assert seen == pytest.approx([k / 9 for k in (*range(1, 10), *range(1, 10))])  # the epoch that was done, not again
