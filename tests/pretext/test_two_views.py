"""SimCLR and VICReg: losses term by term from their equations, and against lightly's; views of one image alone."""

import math

import numpy as np
import pytest
import torch

from reprq import pretext
from reprq.backbones import Preprocessing
from reprq.data import load_dataset
from reprq.pretext.task import Shapes
from reprq.pretext.two_views import TEMPERATURE


def made(task, width=8, **preprocessing):
    return pretext.TASKS.find(task).load()(Shapes(width, Preprocessing().replace(**{"size": 32, **preprocessing})))


@pytest.fixture
def outputs():
    return torch.from_numpy(np.random.default_rng(0).normal(size=(10, 6)))  # two views of five images


def nt_xent(z):
    """Equation 1 of Chen et al. 2020, one pair at a time."""
    n = len(z) // 2

    def similarity(i, j):
        return float(z[i] @ z[j] / (np.linalg.norm(z[i]) * np.linalg.norm(z[j]))) / TEMPERATURE

    losses = []
    for i in range(2 * n):
        partner = i + n if i < n else i - n
        total = sum(math.exp(similarity(i, k)) for k in range(2 * n) if k != i)
        losses.append(-math.log(math.exp(similarity(i, partner)) / total))
    return np.mean(losses)


def vicreg(z):
    """Equations 1 to 6 of Bardes et al. 2022 one column at a time, the invariance divided by d."""
    first, second = np.split(z, 2)
    n, d = first.shape

    def covariance(view, i, j):
        return sum((row[i] - view[:, i].mean()) * (row[j] - view[:, j].mean()) for row in view) / (n - 1)

    invariance = sum(np.sum((a - b) ** 2) for a, b in zip(first, second, strict=True)) / n / d
    spread = redundancy = 0.0
    for view in (first, second):
        spread += sum(max(0.0, 1.0 - math.sqrt(covariance(view, j, j) + 1e-4)) for j in range(d)) / d
        redundancy += sum(covariance(view, i, j) ** 2 for i in range(d) for j in range(d) if i != j) / d
    return 25 * invariance + 25 * spread + redundancy


@pytest.mark.parametrize(("task", "oracle"), [("simclr", nt_xent), ("vicreg", vicreg)])
def test_the_loss_is_its_equation(outputs, task, oracle):
    targets = torch.arange(5).repeat(2)
    for scale in (0.1, 1.0, 30.0):  # below and above the variance that VICReg asks for
        assert float(made(task).loss(outputs * scale, targets)) == pytest.approx(
            oracle(outputs.numpy() * scale), rel=1e-5
        )


@pytest.mark.parametrize("task", ["simclr", "vicreg"])
def test_the_loss_is_lightly_s(outputs, task):
    loss = pytest.importorskip("lightly.loss", reason="lightly is not installed")
    first, second = outputs.float().chunk(2)
    if task == "simclr":
        theirs = loss.NTXentLoss(temperature=TEMPERATURE)(first, second)
        ours = made(task).loss(outputs.float(), torch.arange(5).repeat(2))
    else:  # theirs halves the variance term, as the authors' code does
        theirs = loss.VICRegLoss(lambda_param=25.0, mu_param=50.0, nu_param=1.0)(first, second)
        ours = made(task).loss(outputs.float(), torch.arange(5).repeat(2))
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)


def test_identical_orthogonal_views_have_the_closed_form_loss():
    z = torch.eye(4).repeat(2, 1)  # cosine 1 with the partner, 0 with six others
    e = math.exp(1 / TEMPERATURE)
    assert float(made("simclr").loss(z, torch.arange(4).repeat(2))) == pytest.approx(-math.log(e / (e + 6)), rel=1e-6)


@pytest.mark.parametrize("task", ["simclr", "vicreg"])
@pytest.mark.parametrize(
    "preprocessing",
    [{}, {"channels": "bgr"}, {"channels": "gray", "mean": 0.5, "std": 0.2}, {"value_range": 255, "mean": 1, "std": 2}],
)
def test_every_image_draws_its_own_two_views(task, preprocessing):
    maker = made(task, **preprocessing)
    given = maker.preprocessing
    image = given(load_dataset("digits").item(0))
    views, targets = maker.views(image.repeat(6, 1, 1, 1), torch.zeros(6))
    assert views.shape == (12, *image.shape)
    assert targets.tolist() == [*range(6)] * 2
    assert len({view.numpy().tobytes() for view in views}) == 12
    pixels = given.to_pixels(views)
    assert -1e-5 <= pixels.min() <= pixels.max() <= 1 + 1e-5


def test_views_of_a_seed_are_the_same():
    images = torch.rand(3, 3, 32, 32)
    drawn = []
    for _ in range(2):
        torch.manual_seed(5)
        drawn.append(made("simclr").views(images, torch.zeros(3))[0])
    assert torch.equal(*drawn)


def test_pixels_go_to_the_network_and_back():
    for given in (Preprocessing(), Preprocessing().replace(channels="bgr", value_range=255, mean=[1, 2, 3], std=4)):
        x = torch.randn(2, 3, 4, 4)
        assert torch.allclose(given.normalize(given.to_pixels(x)), x, atol=1e-5)
    image = load_dataset("digits").item(1)
    given = Preprocessing().replace(size=8)
    pixels = given.to_pixels(given(image)[None])[0]
    assert torch.allclose(pixels * 255, torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float(), atol=1e-3)


def test_noise_of_the_denoising_task_is_of_sigma_one_and_its_target_clean():
    images = torch.zeros(8, 3, 32, 32)
    inputs, targets = made("denoising").views(images, torch.zeros(8))
    assert torch.equal(targets, images)
    assert float(inputs.std()) == pytest.approx(1.0, abs=0.02)
