"""The variational autoencoder: its terms against closed forms, its scores against the exact density of a linear one."""

import logging
import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm
from torch import nn

from reprq.detectors import VAE
from reprq.detectors.deep.networks import Scaling
from reprq.detectors.deep.vae import VariationalAutoencoder
from reprq.detectors.deep.variational import Likelihood, divergence
from reprq.errors import InputError
from reprq.training import Examples, split_rows

QUICK = {"epochs": 6, "batch_size": 16, "lr": 0.01}
WEIGHTS = np.array([[1.5, 0.0], [0.0, 0.7], [0.0, 0.0]])  # orthogonal columns: a diagonal posterior
SHIFT, VARIANCE = np.array([0.3, -1.0, 2.0]), 0.4


def linear(rng, draws, widen=1.0):
    """p(x | z) = N(W z + b, v I), whose posterior is Gaussian; `widen` spoils the variance of q."""
    precision = 1 + (WEIGHTS**2).sum(0) / VARIANCE
    back = WEIGHTS.T / VARIANCE / precision[:, None]
    phi, mirror = nn.Linear(3, 4), nn.Linear(2, 3)
    with torch.no_grad():
        phi.weight.copy_(torch.from_numpy(np.concatenate([back, np.zeros((2, 3))])))
        phi.bias.copy_(torch.from_numpy(np.concatenate([-back @ SHIFT, np.log(widen / precision)])))
        mirror.weight.copy_(torch.from_numpy(WEIGHTS))
        mirror.bias.copy_(torch.from_numpy(SHIFT))
    e = torch.from_numpy(rng.normal(size=(draws, 2)).astype(np.float32))
    return VariationalAutoencoder(Scaling("min-max", 3), phi, mirror, Likelihood(False, VARIANCE), e).eval()


@pytest.fixture
def rows():
    return np.random.default_rng(1).normal(size=(50, 3)) * 2


@pytest.fixture
def exact(rows):
    density = multivariate_normal(SHIFT, WEIGHTS @ WEIGHTS.T + VARIANCE * np.eye(3))
    return -density.logpdf(rows)


@torch.no_grad()
def test_with_the_true_posterior_every_draw_gives_the_exact_likelihood(rows, exact):
    model = linear(np.random.default_rng(0), draws=3)
    np.testing.assert_allclose(model.importance(torch.from_numpy(rows).float()), exact, rtol=2e-3)


@torch.no_grad()
def test_the_bound_tightens_with_draws(rows, exact):
    x = torch.from_numpy(rows).float()
    means = {}
    for draws in (1, 10, 400):
        found = [linear(np.random.default_rng(seed), draws, widen=6.0).importance(x).mean() for seed in range(20)]
        means[draws] = float(np.mean(found))
    assert means[1] > means[10] + 0.1 > means[400] + 0.1
    assert means[400] == pytest.approx(exact.mean(), abs=0.02)


@torch.no_grad()
def test_the_closed_divergence_gives_the_same_bound_as_one_draw_in_the_mean(rows, exact):
    x = torch.from_numpy(rows).float()
    model = linear(np.random.default_rng(0), draws=20_000, widen=2.0)
    # E_q of the squares of z in closed form: -log p(x | z) = squared error / 2 v + a constant
    mean, log_variance = (each.double().numpy() for each in model.posterior(x))
    error = ((rows - mean @ WEIGHTS.T - SHIFT) ** 2).sum(1) + (np.exp(log_variance) * (WEIGHTS**2).sum(0)).sum(1)
    expected = error / (2 * VARIANCE) + 1.5 * math.log(2 * math.pi * VARIANCE)
    np.testing.assert_allclose(model.reconstruction(x), expected, rtol=0.02)
    kl = divergence(torch.from_numpy(mean), torch.from_numpy(log_variance)).numpy()
    np.testing.assert_allclose(model.elbo(x), expected + kl, rtol=0.02)
    assert (model.elbo(x).numpy() > exact).all()


def test_the_divergence_is_the_integral():
    mean, deviation = 0.7, 1.3
    grid = np.linspace(-15, 15, 200_001)
    q, p = norm(mean, deviation), norm(0, 1)
    integral = np.trapezoid(q.pdf(grid) * (q.logpdf(grid) - p.logpdf(grid)), grid)
    found = divergence(torch.tensor([[mean]]), torch.tensor([[2 * math.log(deviation)]]))
    assert float(found) == pytest.approx(integral, rel=1e-6)


@pytest.mark.parametrize("variance", [0.3, None])
def test_the_likelihood_is_that_of_scipy(variance):
    rng = np.random.default_rng(0)
    x, rebuilt = rng.normal(size=(2, 4, 3))
    made = Likelihood(False, variance).eval()
    made.learn(torch.tensor([0.5, 0.9]))  # only where it is learned
    v = 0.7 if variance is None else variance
    expected = -norm(rebuilt, math.sqrt(v)).logpdf(x)
    values = made.values(torch.from_numpy(x), torch.from_numpy(rebuilt)).detach()
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    np.testing.assert_allclose(made(torch.from_numpy(x), torch.from_numpy(rebuilt)).detach(), expected.sum(1))


def test_the_variance_that_is_learned_is_the_mean_squared_error(table):
    x, rebuilt = torch.zeros(2, 3), torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 1.0]], requires_grad=True)
    made = Likelihood(False, None).train()
    total = made(x, rebuilt).sum()
    assert float(total.detach()) == pytest.approx(6 / 2 * (1 + math.log(2 * math.pi)), rel=1e-6)  # the error is 1
    (gradient,) = torch.autograd.grad(total, rebuilt)
    (best,) = torch.autograd.grad(3 * rebuilt.square().mean().log(), rebuilt)  # of the likelihood at its best variance
    torch.testing.assert_close(gradient, best)
    model = VAE(dim=2, **QUICK).fit(table[0]).network_
    kept, _ = split_rows(60, 0, 0.1)
    with torch.no_grad():
        errors = model.squares(torch.from_numpy(table[0][kept]))
    assert float(model.likelihood.learned) == pytest.approx(float(errors.mean()), rel=1e-6)


def test_bernoulli_is_the_cross_entropy():
    x, p = torch.tensor([[0.0, 1.0, 0.25]]), torch.tensor([[0.1, 0.9, 0.5]])
    expected = -math.log(0.9) - math.log(0.9) + math.log(2)
    assert float(Likelihood(True).eval()(x, p)) == pytest.approx(expected, rel=1e-6)


def test_the_objective_is_that_of_the_capacity(table):
    detector = VAE(gamma=0.8, capacity=0.2, variance=0.5, dim=1, **QUICK).fit(table[0])
    step, model = detector._step(detector.schedule()), detector.network_
    x = torch.from_numpy(table[1])
    torch.manual_seed(3)
    loss = float(step.loss(Examples(x), None).detach())
    torch.manual_seed(3)
    with torch.no_grad():
        scaled = model.scaling(x)
        mean, log_variance = model.posterior(scaled)
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        square = (scaled - model.mirror(z)).square().sum(1)
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
    constant = 5 / 2 * math.log(math.pi)
    assert loss == pytest.approx(float((square + constant + 0.8 * (kl - 0.2).abs()).mean()), rel=1e-5)


@pytest.mark.parametrize("score", ["reconstruction", "likelihood", "elbo"])
def test_a_score_is_the_same_alone_and_from_a_file(table, score, tmp_path):
    detector = VAE(score=score, samples=5, dim=2, **QUICK).fit(table[0])
    scores = detector.anomaly_score(table[1])
    alone = np.concatenate([detector.anomaly_score(row[None]) for row in table[1]])
    np.testing.assert_allclose(alone, scores, rtol=1e-5)
    detector.save(tmp_path / "vae")
    again = VAE.load(tmp_path / "vae")
    np.testing.assert_array_equal(again.anomaly_score(table[1]), scores)
    assert again.active_ == detector.active_ > 0


def test_the_number_of_draws_changes_no_weight(table):
    few, many = (VAE(samples=samples, dim=2, **QUICK).fit(table[0]).network_ for samples in (2, 9))
    assert torch.equal(few.phi[0].weight, many.phi[0].weight)
    assert len(many.draws) == 9


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
@pytest.mark.parametrize(("network", "side"), [("mnist", 28), ("mnist:12", 12), ("cifar10:24", 24)])
def test_the_map_sums_to_the_reconstruction_score(zeros, mixed, network, side, likelihood):
    settings = {
        "score": "reconstruction",
        "network": network,
        "likelihood": likelihood,
        "samples": 3,
        **QUICK,
        "epochs": 2,
    }
    detector = VAE(**settings).fit(zeros)
    maps = detector.anomaly_map(mixed)
    assert (maps.shape, maps.dtype) == ((40, side, side), np.float64)
    np.testing.assert_allclose(maps.sum((1, 2)), detector.anomaly_score(mixed), rtol=1e-6)


def test_a_code_that_says_nothing_is_said_with_numbers(table, caplog):
    with caplog.at_level(logging.WARNING, "reprq"):
        detector = VAE(gamma=1e4, dim=3, **{**QUICK, "epochs": 30}).fit(table[0])
    assert detector.active_ == 0
    assert "vae has a code that says nothing of its sample: over training samples none of the 3" in caplog.text
    kept, _ = split_rows(len(table[0]), detector.seed, detector.held_out)
    model = detector.network_
    with torch.no_grad():
        held = divergence(*model.posterior(model.scaling(detector.inputs_[torch.from_numpy(kept)]))).mean()
    assert f"and it holds {float(held):.3g} nats, which is posterior collapse" in caplog.text


def test_constant_samples_are_said(caplog):
    with caplog.at_level(logging.WARNING, "reprq"):
        detector = VAE(dim=2, **QUICK).fit(np.ones((40, 4)))
    assert np.isfinite(detector.anomaly_score(np.ones((3, 4)))).all()
    assert "vae gives all 4 samples held out nearly the same score" in caplog.text


def test_the_history_has_both_terms(table):
    row = VAE(**QUICK).fit(table[0]).history_[-1]
    assert row["held_out_loss"] == pytest.approx(row["held_out_reconstruction"] + row["held_out_kl"], rel=1e-5)


def test_the_identifier_says_what_changes_scores():
    assert VAE().describe() == "vae[likelihood,epochs=200,lr=0.001]"
    said = VAE(samples=8, gamma=0.8, capacity=0.2, variance=0.5).describe()
    assert said == "vae[likelihood,epochs=200,lr=0.001,capacity=0.2,gamma=0.8,samples=8,variance=0.5]"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"score": "nosuch"}, "score must be one of likelihood, reconstruction, elbo, got 'nosuch'"),
        ({"samples": 0}, "samples must be a positive integer, got 0"),
        ({"gamma": -1}, "gamma must be a number of at least 0, got -1"),
        ({"capacity": float("inf")}, "capacity must be a number of at least 0, got inf"),
        ({"variance": 0}, "variance must be a positive number, or None to learn it, got 0"),
        ({"bias": 1}, "bias must be True or False, got 1"),
        ({"sigma": -1}, "sigma must be a number of pixels of at least 0, got -1"),
        ({"likelihood": "bernoulli"}, "bernoulli is of pixels in .0, 1., and these are rows; give gaussian"),
        ({"network": "resnet18"}, "network resnet18 takes images, got rows"),
    ],
)
def test_parameters_that_cannot_be_used_are_one_sentence(table, settings, words):
    with pytest.raises((InputError, KeyError), match=words):
        VAE(**settings).fit(table[0])
