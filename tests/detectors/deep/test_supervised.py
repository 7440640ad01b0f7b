"""The supervised classifier: its loss, that it needs anomalies, and that it knows those it was shown."""

import numpy as np
import pytest
import torch

from reprq.detectors import SupervisedClassifier
from reprq.errors import InputError
from reprq.evaluation import auroc
from reprq.training import Examples

QUICK = {"epochs": 20, "batch_size": 16, "lr": 0.01, "milestones": ()}


@pytest.fixture(scope="module")
def known():
    return (np.random.default_rng(5).normal(size=(30, 5)) * 0.1 + [3, 3.4, 3, 2.6, 3]).astype(np.float32)


def test_the_loss_is_the_cross_entropy_over_all_samples(table, known):
    labels = np.arange(30) % 3 > 0
    detector = SupervisedClassifier(held_out=0.0, **QUICK).fit(table[0], labelled=known, labels=labels)
    step = detector._step(detector.schedule())
    step.model.eval()
    both = Examples(torch.from_numpy(table[0])), Examples(torch.from_numpy(known), torch.from_numpy(labels).long())
    logits = detector.anomaly_score(np.concatenate([table[0], known]))
    truth = np.concatenate([np.zeros(60), labels])
    p = 1 / (1 + np.exp(-logits))
    slow = -np.mean(truth * np.log(p) + (1 - truth) * np.log1p(-p))
    assert float(step.loss(*both).detach()) == pytest.approx(slow, rel=1e-4)


def test_it_knows_anomalies_like_those_that_it_was_shown(table, known):
    detector = SupervisedClassifier(**QUICK).fit(table[0], labelled=known[:15])
    scores = detector.anomaly_score(np.concatenate([table[1][:20], known[15:]]))
    assert auroc(np.repeat([0, 1], [20, 15]), scores).value > 0.95


@pytest.mark.parametrize("besides", [{}, {"labelled": np.zeros((3, 5)), "labels": [0, 0, 0]}])
def test_it_needs_a_known_anomaly(table, besides):
    with pytest.raises(InputError, match="supervised learns from known anomalies, got none; give labelled"):
        SupervisedClassifier(**QUICK).fit(table[0], **besides)
