"""f-AnoGAN and AnoGAN: the penalty in closed form, who learns when, the terms, and searches against plain loops."""

import copy
import logging

import numpy as np
import pytest
import torch
from torch import nn

from reprq.detectors import AnoGAN, FAnoGAN
from reprq.detectors.deep.gan import gradient_penalty
from reprq.errors import InputError
from reprq.training import Examples

QUICK = {"epochs": 4, "batch_size": 16, "lr": 0.005, "dim": 3, "critic_steps": 2}


@pytest.fixture(scope="module")
def of_rows(table):
    return FAnoGAN(encoder_lr=0.01, **QUICK).fit(table[0])


@pytest.fixture(scope="module")
def of_images(zeros):
    return FAnoGAN(encoder_lr=0.01, network="mnist", kappa=0.5, **QUICK).fit(zeros)


def test_of_a_linear_critic_the_penalty_is_in_closed_form():
    critic = nn.Linear(4, 1)
    real, made = torch.randn(6, 4), torch.randn(6, 4)
    found = gradient_penalty(critic, real, made, torch.rand(6))
    norm = critic.weight.norm()
    torch.testing.assert_close(found, ((norm - 1) ** 2).expand(6))
    (gradient,) = torch.autograd.grad(found.mean(), critic.weight)
    torch.testing.assert_close(gradient, 2 * (norm - 1) * critic.weight / norm)  # it can be learned from
    flat = gradient_penalty(lambda x: 0 * x.sum(1), real, made, torch.rand(6))
    torch.testing.assert_close(flat.detach(), torch.ones(6))


def test_the_penalty_is_between_each_pair_by_one_share():
    real, made, shares = torch.randn(5, 2, 3, 3), torch.randn(5, 2, 3, 3), torch.rand(5)
    found = gradient_penalty(lambda x: x.flatten(1).square().sum(1) / 2, real, made, shares)  # its gradient is x^
    slow = [((e * x + (1 - e) * y).norm() - 1) ** 2 for e, x, y in zip(shares, real, made, strict=True)]
    torch.testing.assert_close(found.detach(), torch.stack(slow))


def test_the_critics_loss_is_that_of_the_paper(table):
    detector = AnoGAN(search_steps=1, **QUICK).fit(table[0])
    step, gan, x = detector._step(detector.schedule()), detector.network_.eval(), torch.from_numpy(table[1])
    torch.manual_seed(5)
    loss = float(step.loss(Examples(x), None).detach())
    torch.manual_seed(5)
    real, made = gan.scaled(x), gan.generator(torch.randn(40, 3)).detach()
    e = torch.rand(40)
    apart = gan.critic(made).mean() - gan.critic(real).mean()
    expected = apart + 10 * gradient_penalty(gan.critic, real, made, e).mean()
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)


def test_the_generator_learns_after_so_many_batches_and_the_critic_at_each(table):
    detector = AnoGAN(search_steps=1, **QUICK).fit(table[0])
    gan = detector.network_
    assert int(gan.updates) == 4 * 4  # 54 rows in 4 batches, 4 epochs
    step = detector._step(detector.schedule())
    for moves in (False, True, False):
        before = [[w.clone() for w in part.parameters()] for part in (gan.critic, gan.generator)]
        step.update(Examples(torch.from_numpy(table[0])), None)
        parts = zip(before, (gan.critic, gan.generator), strict=True)
        moved = [any(not torch.equal(a, b) for a, b in zip(old, new.parameters(), strict=True)) for old, new in parts]
        assert moved == [True, moves]


def test_the_critic_has_no_normalization_and_the_encoder_leaves_the_gan_alone(of_images, zeros):
    net = of_images.network_
    assert not any(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) for layer in net.gan.critic.modules())
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in net.gan.generator.modules())
    net = copy.deepcopy(net)
    before = {name: value.clone() for name, value in net.gan.state_dict().items()}
    of_images.network_, kept = net, of_images.network_
    step = of_images._step(of_images.schedule())
    of_images.network_ = kept
    net.train()
    assert net.phi.training
    assert not any(layer.training for layer in net.gan.modules())
    phi = [weight.clone() for weight in net.phi.parameters()]
    step.update(Examples(of_images.inputs_[torch.arange(20)]), None)
    assert all(torch.equal(value, before[name]) for name, value in net.gan.state_dict().items())
    assert not all(torch.equal(a, b) for a, b in zip(phi, net.phi.parameters(), strict=True))


@torch.no_grad()
def test_the_score_is_the_sum_of_terms_as_the_paper_writes_them(of_images, mixed):
    net = of_images.network_.eval()
    x = of_images._inputs(mixed)[torch.arange(40)]
    scaled = 2 * net.gan.scaling(x) - 1
    rebuilt = net.gan.generator(net.phi(scaled))
    f, g = net.gan.critic[:-1](scaled), net.gan.critic[:-1](rebuilt)
    image = [(a - b).square().sum() / 784 for a, b in zip(scaled, rebuilt, strict=True)]
    features = [0.5 * (a - b).square().sum() / f.shape[1] for a, b in zip(f, g, strict=True)]
    terms = of_images.terms(mixed)
    np.testing.assert_allclose(terms.image, image, rtol=1e-4)
    np.testing.assert_allclose(terms.features, features, rtol=1e-4)
    np.testing.assert_allclose(of_images.anomaly_score(mixed), terms.image + terms.features, rtol=1e-9)
    maps = of_images.anomaly_map(mixed)
    assert maps.shape == (40, 28, 28)
    np.testing.assert_allclose(maps.sum((1, 2)), terms.image, rtol=1e-6)


def test_benign_training_samples_lie_between_minus_1_and_1(of_rows, table):
    kept = of_rows.network_.gan.scaled(torch.from_numpy(table[0]))
    assert -1.5 < float(kept.min()) <= -1 < 1 <= float(kept.max()) < 1.5


@pytest.mark.parametrize("network", ["mnist:12", "cifar10:16"])
def test_images_of_any_size_that_the_network_says(zeros, mixed, network):
    detector = FAnoGAN(network=network, **{**QUICK, "epochs": 1}).fit(zeros)
    side = int(network.partition(":")[2])
    assert detector.anomaly_map(mixed).shape == (40, side, side)


def test_a_file_holds_both_histories(of_rows, table, tmp_path):
    of_rows.save(tmp_path / "f")
    again = FAnoGAN.load(tmp_path / "f")
    assert again.gan_history_ == of_rows.gan_history_
    assert (again.spread_, len(again.gan_history_), len(again.history_)) == (of_rows.spread_, 4, 4)
    row = again.history_[-1]
    assert row["held_out_loss"] == pytest.approx(row["held_out_image"] + row["held_out_features"], rel=1e-5)


def test_epochs_of_the_encoder_are_its_own(table):
    detector = FAnoGAN(encoder_epochs=2, **QUICK).fit(table[0])
    assert (len(detector.gan_history_), len(detector.history_)) == (4, 2)


@pytest.mark.parametrize("kind", [FAnoGAN, AnoGAN])
def test_a_generator_that_makes_one_sample_is_told_with_numbers(table, caplog, monkeypatch, kind):
    settings = {**QUICK, "epochs": 1, "lr": 1e-30, **({"search_steps": 1} if kind is AnoGAN else {})}
    real = kind._build_gan

    def constant(self):
        gan = real(self)
        with torch.no_grad():
            for weight in gan.generator.parameters():
                weight.zero_()
        return gan

    monkeypatch.setattr(kind, "_build_gan", constant)
    with caplog.at_level(logging.WARNING, "reprq"):
        detector = kind(**settings).fit(table[0])
    assert detector.spread_[0] < 1e-20 < detector.spread_[1]
    assert "the variance of 256 of its samples, summed over their values, is " in caplog.text
    assert f"and that of benign samples {detector.spread_[1]:.3g}" in caplog.text


def test_training_that_diverges_is_refused(table):
    with pytest.raises(InputError, match=r"the loss is not finite in epoch \d+; give an lr below"):
        FAnoGAN(**{**QUICK, "lr": 1e12, "epochs": 30}).fit(table[0])


def test_values_that_are_too_far_apart_are_refused_and_not_blamed_on_the_learning_rate():
    rows = np.array([[-3e38, 0.0], [3e38, 1.0]] * 10)
    with pytest.raises(InputError, match=r"X has values too far apart for float32 \(6e\+38\); rescale it"):
        FAnoGAN(**QUICK).fit(rows)


def slow_search(gan, x, start, steps, lr, weight):
    """One sample, from one start."""
    z = start.double().clone().requires_grad_()
    optimizer = torch.optim.Adam([z], lr=lr)

    def loss():
        made = gan.generator(z[None])
        far = (gan.critic[:-1](x) - gan.critic[:-1](made)).abs().sum()
        return (1 - weight) * (x - made).abs().sum() + weight * far

    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    return float(loss().detach())


def slow_adapted(gan, x, start, steps, lr, own_lr):
    """One sample, from one start, with a copy of the generator."""
    z, generator = start.double().clone().requires_grad_(), copy.deepcopy(gan.generator).requires_grad_(True)
    optimizer = torch.optim.Adam([{"params": [z]}, {"params": list(generator.parameters()), "lr": own_lr}], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        (x - generator(z[None])).square().sum().backward()
        optimizer.step()
    return float((x - generator(z[None])).square().sum().detach())


@pytest.mark.parametrize("kind", ["rows", "images"])
@pytest.mark.parametrize("adapted", [False, True])
def test_searches_are_those_of_plain_loops_and_of_one_sample_each(table, zeros, mixed, kind, adapted):
    benign, samples = table if kind == "rows" else (zeros, mixed.select(np.arange(16, 24)))
    how = {"restarts": 3, "search_steps": 6, "search_lr": 0.1, "feature_weight": 0.3, "adapted_lr": 0.01}
    network = None if kind == "rows" else "mnist:12"
    detector = AnoGAN(adapted=adapted, network=network, **how, **QUICK).fit(benign)
    scores = detector.anomaly_score(samples)
    gan = copy.deepcopy(detector.network_).double().eval()
    inputs = detector._inputs(samples) if kind == "images" else torch.from_numpy(samples)
    for i in (0, 3, 7):
        x = gan.scaled(inputs[torch.tensor([i])].double()).detach()
        if adapted:
            expected = np.mean([slow_adapted(gan, x, z, 6, 0.1, 0.01) for z in gan.starts])
        else:
            expected = min(slow_search(gan, x, z, 6, 0.1, 0.3) for z in gan.starts)
        assert scores[i] == pytest.approx(expected, rel=1e-7)
        one = samples[[i]] if kind == "rows" else samples.select([i])
        assert detector.anomaly_score(one)[0] == pytest.approx(scores[i], rel=1e-9)
    if kind == "images":
        share = detector.anomaly_map(samples).sum((1, 2)) / scores
        assert (share <= 1 + 1e-9).all()
        assert np.allclose(share, 1) is adapted  # AnoGAN's has features besides


def test_longer_searches_come_nearer(table):
    def mean(**how):
        return AnoGAN(**{"restarts": 1, "search_steps": 2, **how}, **QUICK).fit(table[0]).anomaly_score(table[0]).mean()

    assert mean() > mean(search_steps=60)
    assert mean() > mean(search_steps=60, restarts=5)


def test_identifiers_say_what_changes_scores():
    assert FAnoGAN().describe() == "fanogan[epochs=100,lr=0.0001]"
    said = AnoGAN(adapted=True, restarts=2, dim=8).describe()
    assert said == "anogan[epochs=100,lr=0.0001,adapted=True,dim=8,restarts=2]"


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        (FAnoGAN, {"kappa": -1}, "kappa must be a number of at least 0, got -1"),
        (FAnoGAN, {"critic_steps": 0}, "critic_steps must be a positive integer, got 0"),
        (FAnoGAN, {"penalty": float("nan")}, "penalty must be a number of at least 0, got nan"),
        (FAnoGAN, {"encoder_epochs": 0}, "encoder_epochs must be a positive integer, got 0"),
        (FAnoGAN, {"encoder_lr": 0}, "lr must be a positive number, got 0"),
        (FAnoGAN, {"preprocessing": "z-score"}, "preprocessing must be one of contrast, min-max, got 'z-score'"),
        (FAnoGAN, {"preprocessing": None}, "preprocessing must be one of contrast, min-max, got None"),
        (AnoGAN, {"restarts": 0}, "restarts must be a positive integer, got 0"),
        (AnoGAN, {"feature_weight": 2}, "feature_weight must be at most 1, got 2"),
        (AnoGAN, {"adapted": 1}, "adapted must be True or False, got 1"),
        (AnoGAN, {"network": "resnet18"}, "network resnet18 takes images, got rows"),
    ],
)
def test_parameters_that_cannot_be_used_are_one_sentence(table, kind, settings, words):
    with pytest.raises(InputError, match=words):
        kind(**settings).fit(table[0])
