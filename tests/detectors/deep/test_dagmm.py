"""DAGMM: its mixture and energy against loops and SciPy, its objective against the equation, and what is singular."""

import logging

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from reprq.detectors import DAGMM
from reprq.detectors.deep.mixture import Mixture, check_regular, energy, mixture_of
from reprq.errors import InputError
from reprq.training import Examples

QUICK = {"epochs": 6, "batch_size": 16, "lr": 0.01}


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    memberships = rng.dirichlet(np.ones(3), size=40)
    return rng.normal(size=(40, 4)) @ rng.normal(size=(4, 4)), memberships


def slow_mixture(z, memberships):
    """Equation 5 as loops."""
    weights, means, covariances = [], [], []
    for k in range(memberships.shape[1]):
        total = sum(memberships[i, k] for i in range(len(z)))
        mean = sum(memberships[i, k] * z[i] for i in range(len(z))) / total
        spread = sum(memberships[i, k] * np.outer(z[i] - mean, z[i] - mean) for i in range(len(z)))
        weights.append(total / len(z))
        means.append(mean)
        covariances.append(spread / total)
    return np.array(weights), np.array(means), np.array(covariances)


def slow_energy(z, weights, means, covariances, ridge=0.0):
    """Equation 6 by SciPy's densities."""
    parts = list(zip(weights, means, covariances, strict=True))
    eye = ridge * np.eye(z.shape[1])
    return np.array([-np.log(sum(w * multivariate_normal(m, c + eye).pdf(row) for w, m, c in parts)) for row in z])


def test_mixture_and_energy_are_those_of_loops(drawn):
    z, memberships = drawn
    expected = slow_mixture(z, memberships)
    mixture = mixture_of(torch.from_numpy(z), torch.from_numpy(memberships))
    for own, slow in zip(mixture, expected, strict=True):
        np.testing.assert_allclose(own, slow, rtol=1e-10, atol=1e-12)
    for ridge in (0.0, 0.3):
        found = energy(torch.from_numpy(z), mixture, ridge)
        np.testing.assert_allclose(found, slow_energy(z, *expected, ridge), rtol=1e-9)


def test_far_out_the_energy_is_large_and_finite(drawn):
    mixture = mixture_of(*map(torch.from_numpy, drawn))
    found = energy(torch.full((1, 4), 1e6, dtype=torch.float64), mixture)
    assert 1e9 < float(found) < np.inf


def test_hard_memberships_give_the_moments_of_groups(drawn):
    z = drawn[0]
    hard = np.eye(2)[np.arange(40) % 2]
    mixture = mixture_of(torch.from_numpy(z), torch.from_numpy(hard))
    np.testing.assert_allclose(mixture.covariances[1], np.cov(z[1::2].T, bias=True))
    np.testing.assert_allclose(mixture.weights, [0.5, 0.5])


def test_a_singular_covariance_is_refused_with_its_eigenvalues_or_regularized():
    z = torch.arange(12.0, dtype=torch.float64).reshape(6, 2)  # on a line
    mixture = mixture_of(z, torch.ones(6, 1, dtype=torch.float64))
    with pytest.raises(InputError, match=r"component 1 of 1 of the mixture has a singular .* give a larger ridge"):
        energy(z, Mixture(mixture.weights, mixture.means, torch.zeros_like(mixture.covariances)))
    with pytest.raises(InputError, match="component 1 of 1 of the mixture has a singular covariance"):
        check_regular(mixture)
    check_regular(mixture, 1e-3)
    assert torch.isfinite(energy(z, mixture, 1e-3)).all()


def test_constant_samples_are_refused_without_a_ridge_and_told_with_one(caplog):
    rows = np.ones((40, 3))
    with pytest.raises(InputError, match="has a singular covariance, with eigenvalues from .* .ridge 0"):
        DAGMM(ridge=0.0, **QUICK).fit(rows)
    with caplog.at_level(logging.WARNING, "reprq"):
        DAGMM(**QUICK).fit(rows)
    assert "4 of 4 covariances are nearly singular and held up by the ridge of 1e-06" in caplog.text


@pytest.fixture
def fitted(table):
    return DAGMM(components=2, network="mlp:4-1", **QUICK).fit(table[0])


def by_hand(detector, rows):
    """z and the memberships, as the paper writes them."""
    net = detector.network_.eval()
    with torch.no_grad():
        scaled = net.scaling(torch.from_numpy(rows))
        code = net.phi(scaled)
        rebuilt = net.mirror(code).numpy()
    scaled, z = scaled.numpy(), []
    for x, y, c in zip(scaled, rebuilt, code.numpy(), strict=True):
        cosine = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
        z.append([*c, np.linalg.norm(x - y) / np.linalg.norm(x), cosine])
    z = np.array(z)
    with torch.no_grad():
        logits = net.members(torch.from_numpy(z).float()).double().numpy()
    memberships = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return z, memberships, ((scaled - rebuilt) ** 2).sum(1)


def test_the_score_is_the_energy_under_the_mixture_of_the_training_rows(fitted, table):
    from reprq.training import split_rows

    kept, _ = split_rows(len(table[0]), 0, 0.1)
    z, memberships, _ = by_hand(fitted, table[0][kept])
    mixture = slow_mixture(z, memberships)
    for own, slow in zip(fitted.mixture_, mixture, strict=True):
        np.testing.assert_allclose(own, slow, rtol=1e-3, atol=1e-5)
    scored, _, _ = by_hand(fitted, table[1])
    frozen = [each.numpy() for each in fitted.mixture_]
    expected = slow_energy(scored, *frozen, ridge=1e-6)
    near = np.isfinite(expected)
    assert near.sum() > 20
    np.testing.assert_allclose(fitted.anomaly_score(table[1])[near], expected[near], rtol=2e-3, atol=1e-2)
    np.testing.assert_allclose(fitted.embed(table[1]), scored, rtol=1e-3, atol=1e-5)


def test_the_mixture_is_frozen(fitted, table, tmp_path):
    before = [each.clone() for each in fitted.mixture_]
    scores = fitted.anomaly_score(table[1])
    fitted.anomaly_score(100 * table[1])
    assert all(torch.equal(a, b) for a, b in zip(before, fitted.mixture_, strict=True))
    fitted.save(tmp_path / "dagmm")
    again = DAGMM.load(tmp_path / "dagmm")
    np.testing.assert_array_equal(again.anomaly_score(table[1]), scores)
    assert all(torch.equal(a, b) for a, b in zip(before, again.mixture_, strict=True))


def test_the_objective_is_equation_7(fitted, table):
    step = fitted._step(fitted.schedule())
    z, memberships, square = by_hand(fitted, table[1])
    weights, means, covariances = slow_mixture(z, memberships)
    inverse = sum(1 / (covariances[k, j, j] + 1e-6) for k in range(2) for j in range(3))
    mean_energy = slow_energy(z, weights, means, covariances, 1e-6).mean()
    expected = square.mean() + 0.1 * mean_energy + 0.005 * inverse
    loss = float(step.loss(Examples(torch.from_numpy(table[1])), None).detach())
    assert loss == pytest.approx(expected, rel=1e-3)


def test_a_row_of_zeros_after_scaling_has_a_finite_score(fitted, table):
    scaling = fitted.network_.scaling
    assert np.isfinite(fitted.anomaly_score(scaling.shift[None].numpy())).all()


def test_the_identifier_says_what_changes_scores():
    assert DAGMM().describe() == "dagmm[4,epochs=200,lr=0.001]"
    assert DAGMM(components=2, ridge=0, dim=2).describe() == "dagmm[2,epochs=200,lr=0.001,dim=2,ridge=0]"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"components": 0}, "components must be a positive integer, got 0"),
        ({"ridge": -1}, "ridge must be a number of at least 0, got -1"),
        ({"energy_weight": True}, "energy_weight must be a number of at least 0, got True"),
        ({"dropout": 1}, "dropout must be in .0, 1., got 1"),
        ({"hidden": 2.5}, "hidden must be a positive integer, got 2.5"),
        ({"network": "mnist"}, "network mnist takes images, got rows"),
    ],
)
def test_parameters_that_cannot_be_used_are_one_sentence(table, settings, words):
    with pytest.raises(InputError, match=words):
        DAGMM(**settings).fit(table[0])
