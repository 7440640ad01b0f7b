"""Deep SVDD: its objectives, center and radius against their definitions, and the three ways to collapse."""

import csv
import io
import logging

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from reprq import detectors
from reprq.cli import cli
from reprq.data import load_dataset
from reprq.detectors import DeepSVDD
from reprq.detectors.deep import svdd
from reprq.detectors.deep.networks import ARCHITECTURES, encoder
from reprq.detectors.deep.svdd import EPS, away_from_zero, order_statistic
from reprq.errors import InputError, UnknownNameError
from reprq.evaluation import auroc
from reprq.training import Examples, split_rows

QUICK = {"epochs": 6, "batch_size": 16, "lr": 0.01, "milestones": ()}


def test_the_score_is_the_squared_distance_to_the_center(table):
    benign, rows = table
    detector = DeepSVDD(**QUICK).fit(benign)
    slow = [sum((a - c) ** 2 for a, c in zip(z, detector.center_, strict=True)) for z in detector.embed(rows)]
    np.testing.assert_allclose(detector.anomaly_score(rows), slow, rtol=1e-4)
    soft = DeepSVDD(objective="soft-boundary", warm_up_epochs=1, **QUICK).fit(benign)
    slow = np.square(soft.embed(rows).astype(float) - soft.center_).sum(1) - soft.radius_**2
    np.testing.assert_allclose(soft.anomaly_score(rows), slow, rtol=1e-4, atol=1e-5)


def test_the_losses_are_their_equations(table):
    benign = torch.from_numpy(table[0])
    for objective in ("one-class", "soft-boundary"):
        detector = DeepSVDD(objective=objective, nu=0.2, warm_up_epochs=1, **QUICK).fit(table[0])
        step, sphere = detector._step(detector.schedule()), detector.network_.eval()
        d = np.square(detector.embed(table[0]).astype(float) - detector.center_).sum(1)
        r2 = detector.radius_**2
        slow = d.mean() if objective == "one-class" else r2 + sum(max(0, each - r2) for each in d) / (0.2 * len(d))
        assert float(step.loss(Examples(benign), None).detach()) == pytest.approx(slow, rel=1e-4)
        assert step.optimizers[0].param_groups[0]["weight_decay"] == 1e-6
        assert "center" not in dict(sphere.named_parameters())  # a free center would be the first way to collapse


@pytest.mark.parametrize("nu", [0.01, 0.1, 0.25, 0.5, 0.99])
@pytest.mark.parametrize("n", [1, 7, 20, 100])
def test_the_radius_has_the_nu_property(nu, n):
    for distances in (torch.rand(n), torch.randint(0, 3, (n,)).float()):  # the second has ties
        radius = order_statistic(distances, nu)
        assert (distances > radius).float().mean() <= nu
        assert (distances >= radius).float().mean() >= nu
        assert radius in distances


def test_the_fitted_radius_has_the_nu_property_on_its_training_samples(table):
    detector = DeepSVDD(objective="soft-boundary", nu=0.2, warm_up_epochs=3, **QUICK).fit(table[0])
    kept, _ = split_rows(60, 0)
    scores = detector.anomaly_score(table[0][kept])
    assert (scores > 1e-9).mean() <= 0.2 <= (scores >= -1e-9).mean()
    assert detector.radius_ > 0
    assert DeepSVDD(**QUICK).fit(table[0]).radius_ == 0


def test_the_center_is_the_mean_of_the_first_outputs_away_from_zero(table):
    assert away_from_zero(torch.tensor([0.3, -0.2, 0.05, -0.05, 0.0, -0.0])).tolist() == pytest.approx(
        [0.3, -0.2, 0.1, -0.1, 0.1, 0.1]
    )
    detector = DeepSVDD(held_out=0.0, epochs=1, lr=1e-30, batch_size=60).fit(table[0])
    assert np.abs(detector.center_).min() >= EPS
    phi = detector.network_.phi
    for layer in phi:  # undo what one epoch did to the batch normalization: the weights have not moved
        if isinstance(layer, nn.BatchNorm1d):
            layer.reset_running_stats()
    mean = detector.embed(table[0]).astype(float).mean(0)
    np.testing.assert_allclose(detector.center_, away_from_zero(torch.from_numpy(mean)), rtol=1e-4)


def constant(*_, **__):
    """A network with biases that has become constant: Propositions 2 and 3 say that training may lead there."""
    layer = nn.Linear(5, 8)
    nn.init.zeros_(layer.weight)
    return nn.Sequential(layer)


def test_a_collapse_is_told_with_numbers(table, monkeypatch, caplog):
    with caplog.at_level(logging.WARNING, "reprq"):
        detector = DeepSVDD(**QUICK).fit(table[0])
        assert not caplog.records
        assert detector.spread_[1] > 1e-2
        monkeypatch.setattr(svdd, "encoder", constant)
        detector = DeepSVDD(epochs=1, lr=1e-30).fit(table[0])
    assert detector.spread_ == (0.0, 0.0)
    first, second = caplog.records
    assert "the variance of its embeddings is 0 (before training 0)" in first.getMessage()
    assert "gives all 6 samples held out nearly the same score" in second.getMessage()


def test_proposition_1_zero_weights_are_no_optimum_for_a_fixed_center_that_is_not_zero():
    phi = encoder(ARCHITECTURES["mlp"], 5).eval()
    with torch.no_grad():
        for weight in phi.parameters():
            weight.zero_()
    outputs = phi(torch.randn(9, 5)).detach()
    assert float((outputs - outputs.mean(0)).square().sum()) == 0  # a free center follows, and the loss is 0
    center = away_from_zero(outputs.mean(0))
    assert float((outputs - center).square().sum(1).mean()) == pytest.approx(8 * EPS**2)


def test_proposition_2_a_bias_in_any_layer_makes_a_constant_network():
    x, center = torch.randn(9, 5), torch.full((8,), 0.3)
    phi = encoder(ARCHITECTURES["mlp"], 5, bias=True).eval()
    with torch.no_grad():
        phi[-1].weight.zero_()
        phi[-1].bias.copy_(center)
    assert float((phi(x) - center).square().sum().detach()) == 0
    plain = encoder(ARCHITECTURES["mlp"], 5).eval()
    assert (
        float(plain(torch.zeros(1, 5)).detach().abs().sum()) == 0
    )  # without, an input of zeros stays at 0, off the center


def test_proposition_3_a_bounded_activation_stands_for_a_bias():
    x = torch.rand(9, 1) + 0.1  # a feature of one sign saturates it
    hidden = torch.tanh(1e4 * x)
    assert float(hidden.std()) == 0
    leaky = nn.functional.leaky_relu(1e4 * x)
    assert float(leaky.std()) > 1


def test_the_autoencoder_learns_and_changes_the_start(zeros, mixed):
    plain = DeepSVDD(**QUICK).fit(zeros)
    started = DeepSVDD(pretrain_epochs=4, **QUICK).fit(zeros)
    assert plain.pretraining_ == []
    losses = [row["loss"] for row in started.pretraining_]
    assert losses[-1] < 0.8 * losses[0]
    assert not np.array_equal(plain.anomaly_score(mixed), started.anomaly_score(mixed))


def test_it_trains_to_the_last_epoch_whatever_the_hold_out_says(table):
    detector = DeepSVDD(**{**QUICK, "epochs": 9, "lr": 0.3}).fit(table[0])
    assert len(detector.history_) == 9
    assert not any("patience" in name for name in detector.get_params())


def test_without_a_hold_out_predict_asks_for_a_threshold(table):
    detector = DeepSVDD(held_out=0.0, **QUICK).fit(table[0])
    with pytest.raises(InputError, match="predict needs a threshold, because no sample was held out; give one"):
        detector.predict(table[1])
    assert set(detector.predict(table[1], threshold=0.0)) == {-1}


@pytest.mark.parametrize("preprocessing", ["contrast", "min-max"])
def test_both_preprocessings_and_a_color_network(zeros, mixed, preprocessing):
    detector = DeepSVDD(network="cifar10", preprocessing=preprocessing, epochs=1, dim=4).fit(zeros)
    assert detector.embed(mixed).shape == (40, 4)
    assert np.isfinite(detector.anomaly_score(mixed)).all()


def test_it_is_registered_and_says_what_is_not_at_its_default():
    made = detectors.create({"name": "deep_svdd", "objective": "soft-boundary", "milestones": [9], "seed": 4})
    assert detectors.describe(made) == "deep_svdd[soft-boundary,epochs=150,lr=0.0001,milestones=9]"
    assert detectors.describe(DeepSVDD(milestones=[50])) == "deep_svdd[one-class,epochs=150,lr=0.0001]"


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"objective": "soft"}, InputError, "objective must be one of one-class, soft-boundary, got 'soft'"),
        ({"nu": 1}, InputError, r"nu must be in \(0, 1\), got 1"),
        ({"network": "mnits"}, UnknownNameError, "did you mean 'mnist'"),
        ({"network": 3}, InputError, "network must be a name, got 3"),
        ({"network": "mnist"}, InputError, "network mnist takes images, got rows; name another"),
        ({"preprocessing": "contrast"}, InputError, "preprocessing contrast is not for rows; leave it out"),
        ({"preprocessing": "gcn"}, InputError, "preprocessing must be one of contrast, min-max, z-score, got 'gcn'"),
        ({"pretrain_epochs": -1}, InputError, "pretrain_epochs must be a whole number of at least 0, got -1"),
        ({"leakiness": -0.1}, InputError, "leakiness must be a number of at least 0, got -0.1"),
        ({"milestones": 3}, InputError, "milestones must be a list of epochs, got 3"),
        ({"dim": 0}, InputError, "dim must be a positive integer, got 0"),
        ({"held_out": 1.0}, InputError, r"held_out must be a share in \[0, 1\), got 1.0"),
        ({"epochs": 0}, InputError, "epochs must be a whole number of at least 1, got 0"),
    ],
)
def test_wrong_parameters_are_refused(table, parameters, error, message):
    with pytest.raises(error, match=message):
        DeepSVDD(**parameters).fit(table[0])


def test_values_too_large_are_refused(table):
    with pytest.raises(InputError, match="X must have values that float32 can hold, got 1e\\+60; rescale it"):
        DeepSVDD(**QUICK).fit(table[0].astype(float)).anomaly_score(np.full((2, 5), 1e60))


def detect(*arguments):
    done = CliRunner().invoke(cli, ["detect", "--csv", "--quiet", *arguments])
    assert done.exit_code == 0, done.output
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    return row


def test_the_command_line_runs_it_without_a_backbone():
    row = detect("--data", "digits", "--detector", "deep_svdd:epochs=2", "--task", "unimodal:3")
    assert row["detector"] == "deep_svdd[one-class,epochs=2,lr=0.0001]"
    train, test = (load_dataset("digits", side).sample(256, seed=0) for side in ("train", "test"))
    detector = DeepSVDD(epochs=2).fit(train.select(np.flatnonzero(train.labels == 3)))
    assert float(row["auroc"]) == pytest.approx(auroc(test.labels != 3, detector.anomaly_score(test)).value)


def test_the_command_line_runs_it_on_a_file_of_rows(table, tmp_path):
    rows = np.concatenate([table[0], table[1][20:]])
    np.savez(tmp_path / "rows.npz", X=rows, y=np.repeat([0, 1], [60, 20]))
    row = detect("--embeddings", str(tmp_path / "rows.npz"), "--detector", "deep_svdd:epochs=5,lr=0.01")
    assert (row["n_train"], row["n_anomalies"]) == ("42", "20")
    assert float(row["auroc"]) > 0.9
