"""Geometric transformations: each against torch's own operations, scores and losses against their equations."""

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from reprq.data import load_dataset
from reprq.detectors import Geometric
from reprq.detectors.deep.transformations import ALL, UNMIRRORED, pixel_sources, transformed
from reprq.errors import DataError, InputError
from reprq.evaluation import auroc
from reprq.numerics.dirichlet import fit_dirichlet
from reprq.training import Examples

QUICK = {"epochs": 2, "batch_size": 16, "network": "mnist"}


def slow(x, flip, across, down, turns):
    by = x.shape[-1] // 4
    x = torch.flip(x, [3]) if flip else x
    wide = pad(x, [by] * 4, mode="reflect")
    side = x.shape[-1]
    top, left = (by + {0: 0, 1: by, 2: -by}[way] for way in (down, across))
    return torch.rot90(wide[..., top : top + side, left : left + side], turns, (2, 3))


@pytest.mark.parametrize("side", [8, 28, 32])
def test_there_are_72_different_transformations(side):
    assert (len(ALL), len(UNMIRRORED), ALL[0], UNMIRRORED) == (72, 36, (0, 0, 0, 0), ALL[:36])
    x = torch.randn(3, 2, side, side)
    sources = pixel_sources(ALL, side)
    for each, source in zip(ALL, sources, strict=True):
        assert torch.equal(transformed(x, source), slow(x, *each))
    assert len({source.numpy().tobytes() for source in sources}) == 72
    drawn = torch.tensor([5, 0, 71])
    mixed = transformed(x, sources[drawn])
    for i, t in enumerate(drawn):
        assert torch.equal(mixed[i : i + 1], slow(x[i : i + 1], *ALL[t]))


def log_softmax(logits):
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def outputs(detector, x):
    """(T, n, K) log-probabilities of every head, by a literal loop."""
    net = detector.network_.eval()
    known = UNMIRRORED if detector.heads == "separate" else ALL
    found = []
    with torch.no_grad():
        for each in known:
            logits = net.head(net.phi(slow(net.scaling(x), *each))).double().numpy()
            parts = np.split(logits, [3, 6], axis=1) if detector.heads == "separate" else [logits]
            found.append(np.concatenate([log_softmax(part) for part in parts], axis=1))
    return np.stack(found)


@pytest.mark.parametrize("heads", ["joint", "separate"])
@pytest.mark.parametrize("score", ["dirichlet", "softmax"])
def test_scores_are_their_equations(zeros, mixed, heads, score):
    detector = Geometric(heads=heads, score=score, held_out=0.0, **QUICK).fit(zeros)
    benign = outputs(detector, detector.inputs_[torch.arange(60)])
    logs = outputs(detector, detector._inputs(mixed)[torch.arange(40)])
    if score == "softmax":
        right = [
            np.exp(logs[t][:, [t]] if heads == "joint" else logs[t][:, [each[1], 3 + each[2], 6 + each[3]]]).sum(1)
            for t, each in enumerate(ALL[: len(logs)])
        ]
        expected = -np.mean(right, axis=0)
        assert expected.min() >= (-3 if heads == "separate" else -1)
    else:
        cuts = [3, 6] if heads == "separate" else []
        expected = 0
        for t in range(len(logs)):
            parts = zip(np.split(benign[t], cuts, axis=1), np.split(logs[t], cuts, axis=1), strict=True)
            for train, test in parts:
                alpha = fit_dirichlet(np.exp(train).mean(0), train.mean(0))
                expected = expected - ((alpha - 1) * test).sum(1) / len(logs)
    np.testing.assert_allclose(detector.anomaly_score(mixed), expected, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("heads", ["joint", "separate"])
def test_the_loss_is_cross_entropy_and_that_of_uniform_outputs_on_a_corpus(zeros, corpora, heads):
    detector = Geometric(heads=heads, exposure_weight=0.3, **QUICK).fit(zeros, auxiliary=corpora["auxiliary"]["images"])
    step = detector._step(detector.schedule())
    step.model.eval()
    x = detector.inputs_[torch.arange(12)]
    torch.manual_seed(4)
    found = step.loss(Examples(x[:8]), Examples(x[8:])).item()
    torch.manual_seed(4)
    drawn = torch.randint(len(step.net.sources), (12,)).tolist()
    logs = outputs(detector, x)
    expected = 0.0
    for i, t in enumerate(drawn):
        each, row = ALL[t], logs[t, i]
        heads_of_row = np.split(row, [3, 6]) if heads == "separate" else [row]
        right = (each.across, each.down, each.turns) if heads == "separate" else (t,)
        for logs_of_head, place in zip(heads_of_row, right, strict=True):
            expected -= logs_of_head[place] / 8 if i < 8 else 0.3 * logs_of_head.mean() / 4
    assert found == pytest.approx(expected, rel=1e-4)


def test_it_learns_what_stands_upright():
    sevens = load_dataset("digits").restrict(["7"])
    test = load_dataset("digits", "test").restrict(["7", "0", "8"]).sample(80)
    labels = np.array([test.classes[label] != "7" for label in test.labels])
    detector = Geometric(heads="separate", epochs=40, network="mnist", lr=0.005).fit(sevens)
    assert detector.history_[-1]["loss"] < 0.7 * detector.history_[0]["loss"]
    assert auroc(labels, detector.anomaly_score(test)).value > 0.75


def test_a_corpus_makes_outputs_on_it_more_uniform(zeros, corpora):
    corpus, settings = corpora["auxiliary"]["images"], {"heads": "separate", **QUICK, "epochs": 6, "exposure_weight": 5}
    plain, exposed = Geometric(**settings).fit(zeros), Geometric(**settings).fit(zeros, auxiliary=corpus)
    unsure = [np.exp(outputs(each, each._inputs(corpus)[torch.arange(20)])).max(-1).mean() for each in (plain, exposed)]
    assert unsure[1] < unsure[0]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"heads": "both"}, "heads must be one of joint, separate, got 'both'"),
        ({"score": "sum"}, "score must be one of dirichlet, softmax, got 'sum'"),
        ({"exposure_weight": 0}, "exposure_weight must be a positive number, got 0"),
        ({"corpus_size": 0}, "corpus_size must be"),
        ({"network": "mlp"}, "network mlp takes rows of numbers, got images; name another"),
        ({"preprocessing": "z-score"}, "preprocessing z-score is not for images; leave it out"),
    ],
)
def test_wrong_parameters_are_refused(zeros, parameters, message):
    with pytest.raises(InputError, match=message):
        Geometric(**{**QUICK, **parameters}).fit(zeros)


def test_rows_and_a_corpus_of_benign_images_are_refused(zeros, table):
    with pytest.raises(InputError, match="X must hold samples such as images, got rows of numbers; give such, or use"):
        Geometric(**QUICK).fit(table[0])
    with pytest.raises(DataError, match="auxiliary holds 60 images of X, to the byte"):
        Geometric(**QUICK).fit(zeros, auxiliary=zeros)
