"""Deep SAD: its objective against the equation, Deep SVDD as the case without labels, and what labels change."""

import numpy as np
import pytest
import torch

from reprq.detectors import DeepSAD, DeepSVDD, create, load
from reprq.detectors.deep.sad import anomaly_penalty
from reprq.errors import InputError
from reprq.evaluation import auroc
from reprq.training import Examples

QUICK = {"epochs": 6, "batch_size": 16, "lr": 0.01, "milestones": ()}


@pytest.fixture(scope="module")
def known():
    """Anomalies a little off the plane of the benign rows, on one side of their mean."""
    rng = np.random.default_rng(5)
    return (rng.normal(size=(30, 5)) * 0.1 + [3, 3.4, 3, 2.6, 3]).astype(np.float32)


def test_without_labels_it_is_one_class_deep_svdd_to_the_bit(table, zeros, mixed):
    settings = {**QUICK, "pretrain_epochs": 2}
    for benign, samples in (table, (zeros, mixed)):
        sad, svdd = (kind(**settings).fit(benign) for kind in (DeepSAD, DeepSVDD))
        np.testing.assert_array_equal(sad.anomaly_score(samples), svdd.anomaly_score(samples))
        np.testing.assert_array_equal(sad.center_, svdd.center_)
        assert sad.history_ == svdd.history_
        assert sad.labelled_share_ == 0


def test_center_and_constants_know_no_labelled_sample(table, known):
    with_labels = DeepSAD(**QUICK).fit(table[0], labelled=1000 * known)
    plain = DeepSVDD(**QUICK).fit(table[0])
    np.testing.assert_array_equal(with_labels.center_, plain.center_)
    for name in ("shift", "scale"):
        assert torch.equal(getattr(with_labels.network_.scaling, name), getattr(plain.network_.scaling, name))
    assert not np.array_equal(with_labels.embed(table[1]), plain.embed(table[1]))


@pytest.mark.parametrize("anomaly_loss", ["inverse", "negative", "hampel", "hinge"])
def test_the_loss_is_its_equation(table, known, anomaly_loss):
    eta, eps, scale, labels = 0.7, 1e-3, 0.5, np.arange(30) % 3 > 0
    detector = DeepSAD(eta=eta, eps=eps, scale=scale, anomaly_loss=anomaly_loss, held_out=0.0, **QUICK)
    detector.fit(table[0], labelled=known, labels=labels)
    assert detector.labelled_share_ == 30 / 90
    step = detector._step(detector.schedule())
    step.model.eval()
    both = Examples(torch.from_numpy(table[0])), Examples(torch.from_numpy(known), torch.from_numpy(labels).long())

    def penalty(d):
        r = d**0.5
        if anomaly_loss == "hampel":
            a, b, c = scale, 2 * scale, 4 * scale
            slope = lambda r: r if r < a else a if r < b else max(0.0, a * (c - r) / (c - b))  # noqa: E731
            grid = (np.arange(20_000) + 0.5) * r / 20_000
            return -sum(map(slope, grid)) * r / 20_000  # the integral of its slope
        return {"inverse": 1 / (d + eps), "negative": -d, "hinge": max(0.0, scale - d)}[anomaly_loss]

    unlabelled, labelled = (detector.anomaly_score(x).astype(float) for x in (table[0], known))
    of_labelled = [penalty(d) if y else d for d, y in zip(labelled, labels, strict=True)]
    slow = (sum(unlabelled) + eta * sum(of_labelled)) / 90
    assert float(step.loss(*both).detach()) == pytest.approx(slow, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("anomaly_loss", ["inverse", "negative", "hampel", "hinge"])
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_the_gradient_is_finite_at_the_center_and_falls_away_from_it(anomaly_loss, scale):
    penalty = anomaly_penalty(anomaly_loss, scale=scale)
    z = torch.cat([torch.zeros(1, 4), 1e-20 * torch.ones(1, 4), torch.logspace(-6, 6, 40)[:, None] * torch.ones(1, 4)])
    z.requires_grad_()
    penalty(z.square().sum(1)).sum().backward()
    assert torch.isfinite(z.grad).all()
    assert (z.grad[0] == 0).all()
    assert (z.grad <= 0).all()  # no distance is too far


def test_labels_make_hard_anomalies_score_higher(table, known):
    benign, rows = table
    seen, new = known[:15], known[15:]
    labels = np.repeat([0, 1], [20, 15])

    def judged(**besides):
        detector = DeepSAD(**{**QUICK, "epochs": 20}).fit(benign, **besides)
        return auroc(labels, detector.anomaly_score(np.concatenate([rows[:20], new]))).value

    assert judged(labelled=seen) > judged() + 0.05
    assert judged(labelled=seen, labels=np.zeros(15)) < judged(labelled=seen)  # told that they are benign


def test_every_step_has_labelled_samples_in_their_share(table, known, monkeypatch):
    from reprq.detectors.deep.labelled import LabelledStep

    seen, real = [], LabelledStep.loss

    def loss(self, batch, other):
        seen.append((len(batch.inputs), None if other is None else len(other.inputs)))
        return real(self, batch, other)

    monkeypatch.setattr(LabelledStep, "loss", loss)
    DeepSAD(**{**QUICK, "epochs": 1}).fit(table[0], labelled=known)
    assert seen == [(14, 9), (14, 9), (13, 9), (13, 9), (6, None)]  # 16 * 30 / 54, rounded up; then the hold-out
    seen.clear()
    DeepSAD(**{**QUICK, "epochs": 1}).fit(table[0], labelled=known[:1])
    assert {other for _, other in seen} == {1, None}


def test_a_labelled_fit_is_the_same_again_and_goes_on_and_is_saved(table, known, tmp_path, monkeypatch):
    from reprq.training.checkpoint import Checkpoint

    labels = np.arange(30) % 2
    benign, rows = table
    whole = DeepSAD(**QUICK).fit(benign, labelled=known, labels=labels)
    scores = whole.anomaly_score(rows)
    np.testing.assert_array_equal(
        whole.fit(benign).anomaly_score(rows), DeepSAD(**QUICK).fit(benign).anomaly_score(rows)
    )
    whole.fit(benign, labelled=known, labels=labels).save(tmp_path / "d")
    again = load(tmp_path / "d")
    np.testing.assert_array_equal(again.anomaly_score(rows), scores)
    assert again.labelled_share_ == whole.labelled_share_ == 30 / 84
    real = Checkpoint.save

    def stop(self, state):
        real(self, state)
        raise KeyboardInterrupt

    went_on = DeepSAD(checkpoint=tmp_path / "c", **QUICK)
    monkeypatch.setattr(Checkpoint, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        went_on.fit(benign, labelled=known, labels=labels)
    monkeypatch.setattr(Checkpoint, "save", real)
    went_on.fit(benign, labelled=known, labels=labels)
    np.testing.assert_array_equal(went_on.anomaly_score(rows), scores)


def test_images_take_labelled_images(zeros, mixed):
    detector = DeepSAD(**QUICK).fit(zeros, labelled=mixed.select(np.arange(20, 30)))
    assert detector.anomaly_score(mixed).shape == (40,)
    assert detector.labelled_share_ == 10 / 64


@pytest.mark.parametrize(
    ("besides", "message"),
    [
        (
            {"labelled": "known", "labels": [1, 0]},
            "labels must be one for each of the 30 labelled samples",
        ),
        ({"labelled": "known", "labels": np.full(30, -1)}, "labels must be 1 for anomalous and 0 for benign samples"),
        ({"labelled": "known", "labels": ["bad"] * 30}, "labels must be 1 for anomalous and 0 for benign samples"),
        ({"labels": [1]}, "labels are those of labelled samples, and none are given; give labelled too"),
        ({"labelled": np.full((3, 5), np.nan)}, "labelled"),
        ({"labelled": np.zeros((3, 4))}, "labelled must have 5 columns as X has, got 4"),
        ({"auxiliary": np.zeros((3, 5))}, "got auxiliary; leave it out"),
    ],
)
def test_wrong_labelled_samples_are_refused(table, known, besides, message):
    given = {name: known if isinstance(x, str) else x for name, x in besides.items()}
    with pytest.raises(InputError, match=message):
        DeepSAD(**QUICK).fit(table[0], **given)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"eta": 0}, "eta must be a positive number, got 0"),
        ({"eps": 0.0}, "eps must be a positive number, got 0.0"),
        ({"scale": float("inf")}, "scale must be a positive number, got inf"),
        ({"anomaly_loss": "robust"}, "anomaly_loss must be one of inverse, negative, hampel, hinge, got 'robust'"),
    ],
)
def test_wrong_parameters_are_refused(table, parameters, message):
    with pytest.raises(InputError, match=message):
        DeepSAD(**parameters).fit(table[0])


@pytest.mark.parametrize("name", ["objective", "nu", "warm_up_epochs"])
def test_the_soft_boundary_of_deep_svdd_is_not_among_its_parameters(name):
    with pytest.raises(InputError, match=f"deep_sad has no parameter '{name}'"):
        create({"name": "deep_sad", name: getattr(DeepSVDD(), name)})
