"""Hypersphere classification and its competitors: losses against their equations, the corpus, and what is refused."""

import numpy as np
import pytest
import torch

from reprq.data import load_dataset
from reprq.data.image.augmentation import _YIQ, _color_change, augmented
from reprq.detectors import BCE, HSC, Focal, create
from reprq.detectors.deep.classifiers import focal_loss
from reprq.detectors.deep.exposure import ExposureStep, drawn
from reprq.detectors.deep.networks import architecture_named, encoder
from reprq.detectors.deep.radial import RADIAL, hypersphere_loss
from reprq.errors import DataError, InputError, UnknownNameError
from reprq.evaluation import auroc
from reprq.training import Examples, Schedule

QUICK = {"epochs": 2, "batch_size": 16}
EQUATIONS = {
    "l1": lambda z: np.abs(z).sum(-1),
    "l2": lambda z: np.sqrt((z**2).sum(-1)),
    "squared": lambda z: (z**2).sum(-1),
    "pseudo-huber": lambda z: np.sqrt((z.astype(np.longdouble) ** 2).sum(-1) + 1) - 1,
}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 5)).astype(np.float32), 4 * rng.normal(size=(50, 5)).astype(np.float32)


@pytest.mark.parametrize("name", RADIAL)
@pytest.mark.parametrize("length", [1e-3, 0.1, 1.0, 10.0, 1e6])
def test_float32_radial_functions_and_losses_are_the_equations(name, length):
    z = (length * np.random.default_rng(1).normal(size=(50, 8))).astype(np.float32)
    exact = EQUATIONS[name](z.astype(np.float64)).astype(np.float64)
    h = RADIAL[name](torch.from_numpy(z))
    np.testing.assert_allclose(h.numpy(), exact, rtol=2e-6)
    benign, anomalous = (hypersphere_loss(h, torch.full((50,), label)).numpy() for label in (0, 1))
    np.testing.assert_array_equal(benign, h.numpy())
    np.testing.assert_allclose(anomalous, -np.log(-np.expm1(-exact)), rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("name", RADIAL)
@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("length", [0.0, 1e-30, 1e-20, 1e-8, 1e-4, 1.0, 50.0, 200.0, 1e6, 1e15])
def test_gradients_are_finite_at_0_and_far_away(name, label, length):
    z = torch.full((4, 8), length, requires_grad=True)
    loss = hypersphere_loss(RADIAL[name](z), torch.full((4,), label))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(z.grad).all()
    assert (z.grad <= 0).all() if label else (z.grad >= 0).all()  # away from the origin, and toward it


def test_scores_far_away_do_not_tie(rows):
    detector = HSC(**QUICK).fit(rows[0], auxiliary=rows[1])
    scores = detector.anomaly_score(rows[1] * np.linspace(50, 1e4, 50, dtype=np.float32)[:, None])
    assert len(np.unique(scores)) == 50


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_focal_loss_is_its_equation_with_finite_gradients(gamma):
    logits = torch.tensor([-300.0, -20.0, -1.0, 0.0, 2.0, 30.0, 300.0] * 2, requires_grad=True)
    labels = torch.tensor([0] * 7 + [1] * 7)
    loss = focal_loss(logits, labels, gamma)
    x = logits.detach().double().numpy() * np.where(labels.numpy() == 1, 1, -1)
    np.testing.assert_allclose(loss.detach(), (1 + np.exp(x)) ** -gamma * np.logaddexp(0, -x), rtol=1e-5, atol=1e-12)
    loss.sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_focal_with_gamma_0_is_bce(rows):
    known = [
        made.fit(rows[0], auxiliary=rows[1]).anomaly_score(rows[1]) for made in (BCE(**QUICK), Focal(gamma=0, **QUICK))
    ]
    np.testing.assert_array_equal(*known)


def test_the_step_averages_over_benign_samples_and_the_corpus():
    model = torch.nn.Linear(3, 2)
    step = ExposureStep(model, Schedule(1, 4, 0.1, 0), lambda z, y: hypersphere_loss(RADIAL["squared"](z), y))
    x, other = torch.randn(4, 3), torch.randn(6, 3)
    benign, far = model(x).square().sum(1), model(other).square().sum(1)
    expected = torch.cat([benign, -torch.log(1 - torch.exp(-far))]).mean()
    torch.testing.assert_close(step.loss(Examples(x), Examples(other)), expected)
    torch.testing.assert_close(step.loss(Examples(x), None), benign.mean())


def test_the_network_of_the_thesis():
    phi = encoder(architecture_named("exposure"), 3, bias=True)
    assert (
        sum(weight.numel() for weight in phi.parameters())
        == ((3 * 25 + 1) * 32 + (32 * 25 + 1) * 64 + (64 * 25 + 1) * 128 + 2 * (32 + 64 + 128))
        + (2048 + 1) * 512
        + 2 * 512
        + (512 + 1) * 256
    )
    assert phi(torch.zeros(2, 3, 32, 32)).shape == (2, 256)


@pytest.mark.parametrize("size", [1, 7, 50, None])
def test_a_corpus_of_any_size_trains_and_a_smaller_one_is_part_of_a_larger(rows, size):
    detector = HSC(corpus_size=size, **QUICK).fit(rows[0], auxiliary=rows[1])
    assert np.isfinite(detector.anomaly_score(rows[1])).all()
    smaller, larger = ({row.tobytes() for row in drawn(rows[1], n, 3)} for n in (min(size or 50, 7), size))
    assert len(larger) == (size or 50)
    assert smaller <= larger


@pytest.mark.parametrize("kind", [HSC, BCE, Focal])
def test_it_learns_the_direction_that_the_corpus_shows(kind):
    rng = np.random.default_rng(0)
    benign, corpus, x = (rng.normal(size=(n, 5)) for n in (200, 200, 100))
    labels = np.repeat([0, 1], 50)
    corpus[:, 0] += 4
    x[:, 0] += 4 * labels
    detector = kind(epochs=8, batch_size=32).fit(benign, auxiliary=corpus)
    assert auroc(labels, detector.anomaly_score(x)).value > 0.95


def test_augmentations_change_images_alone_and_keep_their_values():
    torch.manual_seed(0)
    x = torch.arange(2 * 16 * 16, dtype=torch.float32).reshape(1, 2, 16, 16).repeat(64, 1, 1, 1) + 1
    flipped = augmented(x, ("flip",))
    mirrored = (flipped == x.flip(-1)).flatten(1).all(1)
    assert 10 < mirrored.sum() < 54
    assert ((flipped == x).flatten(1).all(1) | mirrored).all()
    cropped = augmented(x, ["crop"])
    corners = cropped[:, 0, 8, 8] - x[0, 0, 8, 8]
    down, across = torch.div(corners + 2, 16, rounding_mode="floor"), (corners + 2) % 16 - 2
    assert set(down.tolist()) == set(across.tolist()) == {-2, -1, 0, 1, 2}
    lost = (cropped[0] == 0).sum() / 2
    assert lost == 256 - (16 - abs(down[0])) * (16 - abs(across[0]))
    assert 0 < (augmented(x, ("noise",)) - x).abs().max() < 0.01
    assert augmented(x, ()) is x


def test_jitter_changes_color_by_a_hundredth_image_by_image():
    torch.manual_seed(0)
    x = (0.2 + 0.6 * torch.rand(1, 3, 8, 8)).repeat(40, 1, 1, 1)
    jittered = augmented(x, ["jitter"])
    assert 0.001 < (jittered - x).abs().max() < 0.06
    assert len(torch.unique(jittered[:, 0, 0, 0])) == 40
    gray = torch.full((40, 3, 8, 8), 0.5)
    turned = augmented(gray, ["jitter"])  # without contrast or color, only the brightness is left
    assert torch.allclose(turned, turned[:, :1, :1, :1].expand_as(turned), atol=1e-3)
    assert (turned - 0.5).abs().max() < 0.0051
    assert torch.allclose(augmented(x[:, :1], ["jitter"]).std((1, 2, 3)), x[:, :1].std((1, 2, 3)), rtol=0.021)
    assert augmented(torch.ones(40, 1, 8, 8), ["jitter"]).max() == 1


def test_a_change_of_color_leaves_the_luma():
    torch.manual_seed(0)
    color, luma = torch.rand(9, 3), torch.tensor([0.299, 0.587, 0.114])
    scale, angle = 1 + torch.rand(9), 6 * torch.rand(9)
    changed = torch.einsum("nij,nj->ni", _color_change(scale, angle), color)
    assert torch.allclose(changed @ luma, color @ luma, atol=1e-5)
    chroma, after = (np.linalg.norm(((_YIQ @ each.T)[1:]).numpy(), axis=0) for each in (color, changed))
    np.testing.assert_allclose(after, scale.numpy() * chroma, rtol=1e-4)


def test_a_corpus_with_a_class_of_the_benign_samples_is_told(caplog):
    train, test = (load_dataset("digits", side) for side in ("train", "test"))
    zeros = train.restrict(["0"]).sample(20)
    HSC(**QUICK).fit(zeros, auxiliary=test.restrict(["3", "5"]))
    arrays = [np.stack([np.asarray(side.item(i)) for i in range(9)]) for side in (zeros, test.restrict(["0"]))]
    HSC(**QUICK).fit(arrays[0], auxiliary=arrays[1])  # nothing says their classes
    assert "auxiliary" not in caplog.text
    HSC(**QUICK).fit(zeros, auxiliary=test.restrict(["0", "3"]))
    assert "auxiliary has samples of class '0', and X too: where they are benign, leave them out" in caplog.text


def test_a_corpus_that_holds_benign_samples_is_refused(rows):
    zeros = load_dataset("digits").restrict(["0"]).sample(20)
    with pytest.raises(DataError, match=r"auxiliary holds 20 images of X, to the byte; leave out"):
        HSC(**QUICK).fit(zeros, auxiliary=load_dataset("digits"))
    with pytest.raises(DataError, match=r"auxiliary holds 1 row of X, to the byte; leave out"):
        HSC(**QUICK).fit(rows[0], auxiliary=np.concatenate([rows[1], rows[0][:1]]))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"radial": "huber"}, InputError, "radial must be one of l1, l2, squared, pseudo-huber, got 'huber'"),
        ({"corpus_size": 0}, InputError, "corpus_size must be"),
        ({"corpus_size": 51}, InputError, "corpus_size must be at most 50, all of the corpus, got 51; ask for fewer"),
        ({"augmentations": "flip"}, InputError, "augmentations must be a list of names, got 'flip'"),
        ({"augmentations": ["flop"]}, UnknownNameError, "unknown augmentation 'flop'"),
        ({"augmentations": ["flip"]}, InputError, "augmentations flip are of images, got rows; leave them out"),
    ],
)
def test_parameters_that_cannot_be_used(rows, change, error, message):
    with pytest.raises(error, match=message):
        HSC(**QUICK, **change).fit(rows[0], auxiliary=rows[1])


def test_what_is_no_corpus(rows):
    with pytest.raises(InputError, match="HSC learns benign samples against a corpus, got none; give auxiliary"):
        HSC(**QUICK).fit(rows[0])
    with pytest.raises(InputError, match="auxiliary must hold rows as X does, got images; give such"):
        HSC(**QUICK).fit(rows[0], auxiliary=load_dataset("digits").sample(20))
    with pytest.raises(InputError, match="HSC learns from benign and auxiliary samples alone, got labelled"):
        HSC(**QUICK).fit(rows[0], auxiliary=rows[1], labelled=rows[1])
    with pytest.raises(InputError, match="gamma must be a number of at least 0, got -1"):
        create({"name": "focal", "gamma": -1})
