"""Remedies against a collapse and warm starts: their terms against the equations, and what they change."""

import re
import shutil

import numpy as np
import pytest
import torch

from reprq.data import load_dataset
from reprq.detectors import Autoencoder, DeepSAD, DeepSVDD, load
from reprq.detectors.deep.svdd import order_statistic
from reprq.errors import InputError
from reprq.training import Examples, Inputs, split_rows

QUICK = {"epochs": 3, "batch_size": 16, "lr": 0.01, "milestones": ()}
TERMS = {"reconstruction": 0.3, "inverse_variance": 0.7, "artificial_negatives": 0.2}


@pytest.mark.parametrize("objective", ["one-class", "soft-boundary"])
@pytest.mark.parametrize("name", TERMS)
def test_each_term_is_its_equation(table, objective, name):
    weight, benign = TERMS[name], torch.from_numpy(table[0])
    settings = {"objective": objective, "nu": 0.2, "warm_up_epochs": 1, **QUICK}
    detector = DeepSVDD(**{name: weight}, **settings).fit(table[0])
    step, sphere = detector._step(detector.schedule()), detector.network_.eval()
    torch.manual_seed(0)
    found = step.loss(Examples(benign), None).item()
    torch.manual_seed(0)
    x = table[0].astype(float)
    d = np.square(detector.embed(table[0]).astype(float) - detector.center_).sum(1)
    r2 = detector.radius_**2
    plain = d.mean() if objective == "one-class" else r2 + np.maximum(0, d - r2).mean() / 0.2
    if name == "reconstruction":
        rebuilt = sphere.mirror(sphere.phi(sphere.scaling(benign))).detach().numpy()
        added = np.square(rebuilt - sphere.scaling(benign).numpy()).sum(1).mean()
    elif name == "inverse_variance":
        added = 1 / (detector.embed(table[0]).astype(float).var(0).sum() + 1e-6)
    else:
        noise = x.min(0) + (x.max(0) - x.min(0)) * torch.rand(60, 5).numpy()
        far = np.square(detector.embed(noise).astype(float) - detector.center_).sum(1)
        added = (1 / (far + 1e-6)).mean()
    assert found == pytest.approx(plain + weight * added, rel=1e-3)


def test_pseudo_labels_are_the_cross_entropy_of_quarter_turns():
    images = load_dataset("digits").restrict(["3"]).sample(12)
    plain, told = (DeepSVDD(network="mnist", pseudo_labels=w, **QUICK).fit(images) for w in (0.0, 0.4))
    assert plain.network_.turns is None
    assert "pseudo_labels=0.4" in told.describe()
    net = told.network_.eval()
    x = Inputs(images, told.transform_)[range(12)]
    found = told._step(told.schedule()).loss(Examples(x), None).item()
    turned = [torch.from_numpy(np.rot90(x.numpy(), k, (2, 3)).copy()) for k in range(4)]
    logits = [net.turns(net.phi(net.scaling(each))).double().detach().numpy() for each in turned]
    lost = [np.log(np.exp(each).sum(1)) - each[:, k] for k, each in enumerate(logits)]
    assert found == pytest.approx(told.anomaly_score(images).mean() + 0.4 * np.mean(lost), rel=1e-3)


def test_pseudo_labels_are_learned_saved_and_keep_embeddings_apart(tmp_path):
    images = load_dataset("digits").restrict(["3"]).sample(24)
    settings = {**QUICK, "network": "mnist", "epochs": 25}
    plain, told = (DeepSVDD(pseudo_labels=w, **settings).fit(images) for w in (0.0, 100.0))
    assert told.spread_[1] > 2 * plain.spread_[1]
    told.save(tmp_path / "t.safetensors")
    np.testing.assert_array_equal(load(tmp_path / "t.safetensors").anomaly_score(images), told.anomaly_score(images))


def test_rows_have_no_turns(table):
    with pytest.raises(InputError, match="pseudo_labels tell how images were turned, got rows of numbers"):
        DeepSVDD(pseudo_labels=1.0, **QUICK).fit(table[0])
    with pytest.raises(InputError, match="pseudo_labels must be a number of at least 0, got -1"):
        DeepSVDD(pseudo_labels=-1, **QUICK).fit(table[0])


def test_terms_keep_embeddings_apart_that_would_fall_together(table):
    settings = {**QUICK, "epochs": 60, "lr": 0.02}
    plain = DeepSVDD(**settings).fit(table[0])
    for name in ("inverse_variance", "artificial_negatives"):
        assert DeepSVDD(**{name: 1.0}, **settings).fit(table[0]).spread_[1] > 2 * plain.spread_[1]


def test_the_soft_boundary_keeps_its_nu_property(table):
    detector = DeepSVDD(objective="soft-boundary", nu=0.2, warm_up_epochs=1, inverse_variance=0.1, **QUICK)
    detector.fit(table[0])
    kept, _ = split_rows(60, 0)
    d = np.square(detector.embed(table[0][kept]).astype(float) - detector.center_).sum(1)
    assert detector.radius_**2 == pytest.approx(float(order_statistic(torch.from_numpy(d), 0.2)), rel=1e-4)


def test_a_frozen_embedding_learns_its_last_layer_alone(table, tmp_path):
    Autoencoder(**QUICK).fit(table[0]).save(tmp_path / "ae")
    frozen = DeepSVDD(frozen=True, start_from=str(tmp_path / "ae"), **QUICK).fit(table[0])
    first = load(tmp_path / "ae").network_.phi
    *before, last = frozen.network_.phi
    for layer, other in zip(before, first, strict=False):
        assert all(
            torch.equal(a, b) for a, b in zip(layer.state_dict().values(), other.state_dict().values(), strict=True)
        )
    assert not torch.equal(last.weight, first[-1].weight)


def test_a_fit_starts_from_the_weights_of_another(table, tmp_path):
    first = DeepSVDD(**QUICK).fit(table[0])
    first.save(tmp_path / "first")
    still = {**QUICK, "epochs": 1, "lr": 1e-30, "start_from": str(tmp_path / "first")}
    for kind in (DeepSVDD, DeepSAD):
        again = kind(**still, seed=5).fit(table[0])
        for name, weight in first.network_.phi.named_parameters():
            assert torch.equal(weight, dict(again.network_.phi.named_parameters())[name])
        assert not np.array_equal(again.center_, first.center_)  # it is that of the network as it starts
        again.save(tmp_path / kind.__name__)
    unfitted = DeepSVDD(**still)
    shutil.copy(tmp_path / "first", tmp_path / "moved")
    named = unfitted.describe()
    assert named == DeepSVDD(**{**still, "start_from": str(tmp_path / "moved")}).describe()
    assert re.search(r"start_from=[0-9a-f]{12},?", named)
    DeepSVDD(**QUICK, seed=3).fit(table[0]).save(tmp_path / "moved", force=True)
    assert named != DeepSVDD(**{**still, "start_from": str(tmp_path / "moved")}).describe()
    (tmp_path / "first").unlink()
    assert load(tmp_path / "DeepSVDD").describe() == named
    assert load(tmp_path / "DeepSVDD").anomaly_score(table[1]).shape == (40,)
    with pytest.raises(InputError, match="start_from must be a deep detector that reprq saved, got .*first"):
        DeepSVDD(**still).fit(table[0])


def test_weights_of_another_network_or_another_file_are_refused(table, tmp_path):
    DeepSVDD(**QUICK).fit(table[0][:, :4]).save(tmp_path / "narrow")
    with pytest.raises(InputError, match="start_from must be of the same network, dim and number of columns, got"):
        DeepSVDD(start_from=str(tmp_path / "narrow"), **QUICK).fit(table[0])
    (tmp_path / "text").write_text("weights")
    with pytest.raises(InputError, match="start_from must be a deep detector that reprq saved, got .*text"):
        DeepSVDD(start_from=str(tmp_path / "text"), **QUICK).fit(table[0])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"reconstruction": -1}, "reconstruction must be a number of at least 0, got -1; 0 leaves it out"),
        ({"inverse_variance": float("nan")}, "inverse_variance must be a number of at least 0, got nan"),
        ({"artificial_negatives": True}, "artificial_negatives must be a number of at least 0, got True"),
        ({"frozen": 1}, "frozen must be True or False, got 1"),
        ({"frozen": True}, "frozen keeps weights that were learned, and none are; give pretrain_epochs or start_from"),
        ({"start_from": 3}, "start_from must be the path of a saved detector, got 3"),
    ],
)
def test_wrong_parameters_are_refused(table, parameters, message):
    with pytest.raises(InputError, match=message):
        DeepSVDD(**parameters).fit(table[0])
