"""The autoencoder: its loss and score are one error, whose map sums to it; noise is in training alone."""

from itertools import product

import numpy as np
import pytest
import torch

from reprq.detectors import Autoencoder
from reprq.detectors.deep.networks import Scaling
from reprq.detectors.deep.reconstruction import Reconstruction, squared_jacobian
from reprq.detectors.rows.base import NotFittedError
from reprq.errors import InputError
from reprq.training import Examples

QUICK = {"epochs": 6, "batch_size": 16, "lr": 0.01}


def test_the_score_is_the_squared_error_of_the_scaled_sample(table):
    benign, rows = table
    detector = Autoencoder(**QUICK).fit(benign)
    scaling, mirror = detector.network_.scaling, detector.network_.mirror
    with torch.no_grad():
        scaled = scaling(torch.from_numpy(rows)).numpy()
        rebuilt = mirror(torch.from_numpy(detector.embed(rows))).numpy()
    slow = [sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) for x, y in zip(scaled, rebuilt, strict=True)]
    np.testing.assert_allclose(detector.anomaly_score(rows), slow, rtol=1e-4)
    step = detector._step(detector.schedule())
    detector.network_.eval()
    loss = float(step.loss(Examples(torch.from_numpy(rows)), None).detach())
    assert loss == pytest.approx(np.mean(slow), rel=1e-4)


@pytest.mark.parametrize(("network", "side"), [(None, 28), ("cifar10", 32)])
def test_the_map_sums_to_the_score(zeros, mixed, network, side):
    detector = Autoencoder(network=network, **QUICK).fit(zeros)
    maps = detector.anomaly_map(mixed)
    assert (maps.shape, maps.dtype) == ((40, side, side), np.float64)
    np.testing.assert_allclose(maps.sum((1, 2)), detector.anomaly_score(mixed), rtol=1e-6)


def test_the_map_is_large_where_the_image_was_changed(zeros):
    image = np.stack([np.asarray(zeros.item(i)) for i in range(len(zeros))])
    detector = Autoencoder(preprocessing="min-max", **{**QUICK, "epochs": 40}).fit(image)
    changed = image.copy()
    size = image.shape[1]
    changed[:, : size // 4, : size // 4] = 255
    gain = (detector.anomaly_map(changed) - detector.anomaly_map(image)).mean(0)
    corner = gain[:7, :7].mean()
    assert corner > 5 * np.abs(gain[14:, 14:]).mean()


def test_rows_have_no_map(table):
    detector = Autoencoder(**QUICK)
    with pytest.raises(NotFittedError, match="is not fitted"):
        detector.anomaly_map(table[1])
    with pytest.raises(InputError, match="was fitted on rows; use anomaly_score"):
        detector.fit(table[0]).anomaly_map(table[1])


def test_noise_is_in_training_alone_and_the_error_is_against_the_clean_input():
    x = torch.arange(12.0).reshape(4, 3)
    model = Reconstruction(Scaling("min-max", 3), torch.nn.Identity(), torch.nn.Identity(), noise=0.5)
    assert float(model.eval()(x).sum()) == 0
    torch.manual_seed(0)
    found = model.train()(x.repeat(2000, 1))
    assert float(found.mean()) == pytest.approx(3 * 0.5**2, rel=0.05)


def test_a_line_is_rebuilt_from_a_code_of_one_number_and_what_is_off_it_is_not():
    t = np.random.default_rng(0).uniform(-1, 1, 400)
    on = np.stack([t, 2 * t, -t], axis=1)
    detector = Autoencoder(network="mlp:8-1", epochs=60, batch_size=50, lr=0.01, milestones=(40,)).fit(on)
    off = on + np.array([0.0, 1.0, 1.0])
    assert np.median(detector.anomaly_score(on)) < 0.1 * np.median(detector.anomaly_score(off))
    assert detector.embed(on).shape == (400, 1)


def test_the_identifier_says_what_changes_scores():
    assert Autoencoder().describe() == "autoencoder[epochs=350,lr=0.0001]"
    said = Autoencoder(noise=0.2, dim=1, bias=True, milestones=[9]).describe()
    assert said == "autoencoder[epochs=350,lr=0.0001,bias=True,dim=1,milestones=9,noise=0.2]"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"noise": -1}, "noise must be a number of at least 0, got -1"),
        ({"noise": float("nan")}, "noise must be a number of at least 0, got nan"),
        ({"active": 0}, "active must be a positive integer, got 0"),
        ({"contraction": -1}, "contraction must be a number of at least 0, got -1"),
        ({"bias": 1}, "bias must be True or False, got 1"),
        ({"network": "nosuch"}, "nosuch"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
    ],
)
def test_parameters_that_cannot_be_used_are_one_sentence(table, settings, words):
    with pytest.raises((InputError, KeyError), match=words):
        Autoencoder(**settings).fit(table[0])


@pytest.mark.parametrize("outputs", [2, 3])
def test_the_penalty_is_in_the_mean_the_squared_norm_of_the_jacobian(outputs):
    torch.manual_seed(0)
    function = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, outputs))
    x = torch.randn(5, 4)
    every = [torch.tensor(signs).expand(5, outputs) for signs in product([-1.0, 1.0], repeat=outputs)]
    found = torch.stack([squared_jacobian(function, x, signs) for signs in every]).mean(0)
    jacobians = [torch.autograd.functional.jacobian(function, row) for row in x]
    exact = torch.stack([jacobian.square().sum() for jacobian in jacobians])
    torch.testing.assert_close(found.detach(), exact)


def test_the_contractive_loss_adds_the_penalty_with_the_statistics_that_scores_have(table):
    detector = Autoencoder(contraction=0.3, **QUICK).fit(table[0])
    model, x = detector.network_, torch.from_numpy(table[1][:4])
    plain = model.eval()(x)
    rebuilt = lambda row: model.rebuilt(row[None])[0]  # noqa: E731
    jacobians = [torch.autograd.functional.jacobian(rebuilt, row) for row in model.scaling(x)]
    expected = torch.stack([jacobian.square().sum() for jacobian in jacobians])
    torch.manual_seed(0)
    found = torch.stack([model._squared_jacobian(model.scaling(x)).detach() for _ in range(3000)]).mean(0)
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0)
    assert model.training  # as it trains
    model.mirror.eval()
    model.phi.eval()
    total = model(x).double().detach()
    assert (total > plain).all()


def test_contraction_makes_what_is_rebuilt_move_less(table):
    def slope(contraction):
        detector = Autoencoder(contraction=contraction, **{**QUICK, "epochs": 30}).fit(table[0])
        model, x = detector.network_, detector.network_.scaling(torch.from_numpy(table[0]))
        basis = torch.eye(5)
        return sum(float(squared_jacobian(model.rebuilt, x, e.expand(60, 5)).detach().mean()) for e in basis)

    assert slope(3.0) < 0.5 * slope(0.0)


def test_a_sparse_code_has_so_many_active_numbers(table):
    detector = Autoencoder(active=2, **QUICK).fit(table[0])
    codes = detector.embed(table[1])
    assert codes.shape == (40, 8)
    assert ((codes != 0).sum(1) == 2).all()
    full = detector.network_.phi(detector.network_.scaling(torch.from_numpy(table[1]))).detach().numpy()
    for code, whole in zip(codes, full, strict=True):
        np.testing.assert_array_equal(np.flatnonzero(code), np.sort(np.argsort(-whole)[:2]))
    plain = Autoencoder(active=99, **QUICK).fit(table[0]).anomaly_score(table[1])
    np.testing.assert_array_equal(plain, Autoencoder(**QUICK).fit(table[0]).anomaly_score(table[1]))
