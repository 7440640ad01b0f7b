"""The adversarial autoencoder: its three steps move what they should, and its codes come to be spread as N(0, I)."""

import logging
import math

import numpy as np
import pytest
import torch

from reprq.detectors import AdversarialAutoencoder, Autoencoder
from reprq.detectors.deep import aae
from reprq.errors import InputError
from reprq.training import Examples

QUICK = {"epochs": 6, "batch_size": 16, "lr": 0.01}


def test_codes_come_to_be_spread_as_the_prior():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(600, 2)) @ rng.normal(size=(2, 6)) + 0.05 * rng.normal(size=(600, 6))
    settings = {"network": "mlp:32-2", "epochs": 60, "batch_size": 50, "lr": 0.002, "milestones": ()}
    detector = AdversarialAutoencoder(**settings).fit(rows)
    codes = detector.embed(rows)
    assert detector.code_spread_ == pytest.approx(1, abs=0.5)
    np.testing.assert_allclose(codes.mean(0), 0, atol=0.4)
    assert abs(np.corrcoef(codes.T)[0, 1]) < 0.6
    plain = Autoencoder(**settings).fit(rows).embed(rows)
    assert abs(plain.var(0).mean() - 1) > abs(codes.var(0).mean() - 1)


def test_each_step_moves_its_own_weights(table):
    detector = AdversarialAutoencoder(**QUICK).fit(table[0])
    step, net = detector._step(detector.schedule()), detector.network_
    moved = []
    real = step.descend

    def descend(loss, optimizer):
        parts = {"phi": net.phi, "mirror": net.mirror, "discriminator": net.discriminator}
        before = {name: [w.clone() for w in part.parameters()] for name, part in parts.items()}
        real(loss, optimizer)
        after = {name: list(part.parameters()) for name, part in parts.items()}
        pairs = {name: zip(before[name], after[name], strict=True) for name in parts}
        moved.append({name for name, pair in pairs.items() if any(not torch.equal(a, b) for a, b in pair)})

    step.descend = descend
    net.train()
    step.update(Examples(torch.from_numpy(table[0])), None)
    assert moved == [{"phi", "mirror"}, {"discriminator"}, {"phi"}]


def test_a_discriminator_that_cannot_tell_says_log_2(table):
    detector = AdversarialAutoencoder(**QUICK).fit(table[0])
    with torch.no_grad():
        for weight in detector.network_.discriminator.parameters():
            weight.zero_()
        found = detector._step(detector.schedule()).judge(Examples(torch.from_numpy(table[1])))
    assert found["discriminator"] == pytest.approx(math.log(2))
    assert found["loss"] == pytest.approx(detector.anomaly_score(table[1]).mean(), rel=1e-5)


def test_collapsed_codes_are_told_with_numbers(table, caplog, monkeypatch, tmp_path):
    monkeypatch.setattr(aae, "_COLLAPSED", 1e9)
    with caplog.at_level(logging.WARNING, "reprq"):
        detector = AdversarialAutoencoder(**QUICK).fit(table[0])
    assert f"the mean variance of its numbers is {detector.code_spread_:.3g}, and that of N(0, I) is 1" in caplog.text
    detector.save(tmp_path / "aae")
    assert AdversarialAutoencoder.load(tmp_path / "aae").code_spread_ == detector.code_spread_


def test_what_it_says_and_refuses():
    assert AdversarialAutoencoder(dim=2).describe() == "aae[epochs=350,lr=0.0001,dim=2]"
    with pytest.raises(InputError, match="hidden must be a positive integer, got 0"):
        AdversarialAutoencoder(hidden=0).check_parameters()
