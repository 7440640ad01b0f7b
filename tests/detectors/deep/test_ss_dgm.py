"""Semi-supervised deep generative models: the objective against its equations, and what labels teach."""

import numpy as np
import pytest
import torch

from reprq.detectors import SSDGM
from reprq.errors import InputError
from reprq.evaluation import auroc
from reprq.training import Examples

QUICK = {"epochs": 3, "batch_size": 16, "milestones": ()}


@pytest.fixture(scope="module")
def known():
    rng = np.random.default_rng(5)
    return (rng.normal(size=(30, 5)) * 0.3 + [3, 6, 3, 0, 3]).astype(np.float32)


def gaussian_log_density(x, mean, variance):
    return -0.5 * (np.log(2 * np.pi * variance) + (x - mean) ** 2 / variance).sum(-1)


@pytest.mark.parametrize("kind", ["images", "rows"])
def test_the_loss_is_its_equations(table, known, zeros, corpora, kind):
    alpha, prior, labels = 0.3, 0.2, np.arange(10) % 3 > 0
    benign, labelled = {"images": (zeros, corpora["labelled"]["images"]), "rows": (table[0], known)}[kind]
    labelled = labelled.select(np.arange(10)) if kind == "images" else labelled[:10]
    detector = SSDGM(alpha=alpha, prior=prior, held_out=0.0, **QUICK).fit(benign, labelled=labelled, labels=labels)
    net, step = detector.network_.eval(), detector._step(detector.schedule())
    m2, posterior = net.m2, net.m2.posterior
    x = detector.inputs_[torch.arange(60)]
    others = detector._inputs(labelled)[torch.arange(10)]
    torch.manual_seed(0)
    both = Examples(x), Examples(others, torch.from_numpy(labels).long())
    found = step.loss(*both).item()
    torch.manual_seed(0)
    noise = torch.randn(130, 8).numpy()

    def lost(x, y, noise):
        """log q(z | x, y) at the draw, and not its divergence in closed form."""
        scaled = net.scaling(x)
        y = torch.full((len(x), 1), float(y))
        h = torch.cat([m2.inference(scaled), y], 1)
        mean, log_variance = (each(h) for each in (posterior.mean, posterior.log_variance))
        z = mean + (log_variance / 2).exp() * torch.from_numpy(noise)
        rebuilt = m2.mirror(m2.widen(torch.cat([z, y], 1))).double().numpy()
        mean, variance, scaled = mean.double().numpy(), log_variance.exp().double().numpy(), scaled.double().numpy()
        divergence = 0.5 * (mean**2 + variance - 1 - np.log(variance)).sum(1)
        if kind == "images":
            scaled, rebuilt = scaled.clip(0, 1), rebuilt.clip(1e-6, 1 - 1e-6)
            log_p = (scaled * np.log(rebuilt) + (1 - scaled) * np.log(1 - rebuilt)).reshape(len(x), -1).sum(1)
        else:
            log_p = gaussian_log_density(scaled, rebuilt, 1.0)
        return -log_p + divergence - np.log(prior if y[0, 0] else 1 - prior)

    with torch.no_grad():
        q = 1 / (1 + np.exp(-detector.anomaly_score(benign)))
        by_class = [lost(x, y, noise[60 * y : 60 * (y + 1)]) for y in (0, 1)]
        entropy = -(q * np.log(q) + (1 - q) * np.log(1 - q))
        u = (1 - q) * by_class[0] + q * by_class[1] - entropy
        rows = [lost(others[[i]], y, noise[[120 + i]])[0] for i, y in enumerate(labels)]
        odds = detector.anomaly_score(labelled)
        classified = np.logaddexp(0, np.where(labels, -odds, odds)).mean()
    expected = (u.sum() + sum(rows)) / 70 + alpha * classified
    assert found == pytest.approx(expected, rel=1e-4)


def test_the_divergence_is_the_mean_of_its_log_ratio(table, known):
    posterior = SSDGM(**QUICK).fit(table[0], labelled=known).network_.m2.posterior
    torch.manual_seed(0)
    with torch.no_grad():
        h = torch.randn(1, 9).expand(40_000, 9)
        z, divergence = posterior(h)
        mean, variance = posterior.mean(h[:1]).numpy(), posterior.log_variance(h[:1]).exp().numpy()
    ratio = gaussian_log_density(z.numpy(), mean, variance) - gaussian_log_density(z.numpy(), 0.0, np.ones(8))
    assert float(divergence[0]) == pytest.approx(ratio.mean(), abs=5 * ratio.std() / 200)


@pytest.mark.parametrize("variant", ["m2", "m1+m2"])
def test_it_knows_the_anomalies_that_it_was_shown(table, known, variant):
    benign, rows = table
    settings = {"epochs": 40, "pretrain_epochs": 10, "batch_size": 16, "lr": 0.005, "milestones": ()}
    detector = SSDGM(variant=variant, **settings).fit(benign, labelled=known[:15])
    scores = detector.anomaly_score(np.concatenate([rows[:20], known[15:]]))
    assert auroc(np.repeat([0, 1], [20, 15]), scores).value > 0.95
    assert detector.embed(rows).shape == (40, 8)


def test_m1_is_trained_first_and_then_left_alone(table, known):
    settings = {"variant": "m1+m2", "pretrain_epochs": 2, **QUICK}
    once, more = (SSDGM(**{**settings, "epochs": n}).fit(table[0], labelled=known).network_.m1 for n in (1, 3))
    for a, b in zip(once.state_dict().values(), more.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"variant": "m1"}, r"variant must be one of m2, m1\+m2, got 'm1'"),
        ({"latent": 0}, "latent must be a positive integer, got 0"),
        ({"alpha": 0}, "alpha must be a positive number, got 0"),
        ({"prior": 1}, r"prior must be in \(0, 1\), got 1"),
    ],
)
def test_wrong_parameters_are_refused(table, known, parameters, message):
    with pytest.raises(InputError, match=message):
        SSDGM(**parameters).fit(table[0], labelled=known)


@pytest.mark.parametrize("besides", [{}, {"labelled": np.ones((3, 5)), "labels": [0, 0, 0]}])
def test_without_known_anomalies_it_is_refused(table, besides):
    with pytest.raises(InputError, match="ss_dgm learns from known anomalies, got none; give labelled, some with"):
        SSDGM(**QUICK).fit(table[0], **besides)
