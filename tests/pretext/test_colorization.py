"""Colorization: Lab against known values, bins, shares and weights against loops, and the loss against equation 2."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from reprq.backbones import Preprocessing
from reprq.data import as_dataset
from reprq.pretext.colorization import Colorization, color_bins, is_colored, nearest_bins, rebalanced
from reprq.pretext.lab import as_light, lab
from reprq.pretext.task import Shapes

KNOWN = {  # of sRGB under D65, by the CIE's formulas
    (1, 1, 1): (100.0, 0.0, 0.0),
    (0, 0, 0): (0.0, 0.0, 0.0),
    (1, 0, 0): (53.24, 80.09, 67.20),
    (0, 1, 0): (87.73, -86.18, 83.18),
    (0, 0, 1): (32.30, 79.19, -107.86),
}


def made(**changes):
    return Colorization(Shapes(8, Preprocessing().replace(**{"size": 32, **changes})))


def slow_lab(rgb):
    linear = [((c + 0.055) / 1.055) ** 2.4 if c > 0.04045 else c / 12.92 for c in rgb]
    rows = [(0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227)]
    xyz = [
        sum(m * c for m, c in zip(r, linear, strict=True)) / w for r, w in zip(rows, (0.95047, 1, 1.08883), strict=True)
    ]
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("rgb", KNOWN)
def test_colors_that_are_known(rgb):
    found = lab(torch.tensor(rgb, dtype=torch.float64).view(1, 3, 1, 1)).flatten().tolist()
    assert found == pytest.approx(KNOWN[rgb], abs=0.02)
    assert found == pytest.approx(slow_lab(rgb), abs=1e-6)


def test_random_colors_against_the_formulas_and_scikit_image():
    rgb = np.random.default_rng(0).random((7, 3)) ** 3  # dark ones too
    found = lab(torch.from_numpy(rgb.T.reshape(1, 3, 7, 1)))[0, :, :, 0].T.numpy()
    assert found == pytest.approx(np.array([slow_lab(each) for each in rgb]), abs=1e-6)
    color = pytest.importorskip("skimage.color", reason="scikit-image is not installed")
    assert found == pytest.approx(color.rgb2lab(rgb[:, None])[:, 0], abs=1e-3)


def test_the_gray_image_has_the_lightness_of_the_colored_one_and_no_color():
    pixels = torch.rand(2, 3, 5, 5, dtype=torch.float64)
    gray = as_light(pixels).expand_as(pixels)
    found = lab(gray)
    assert torch.allclose(found[:, 0], lab(pixels)[:, 0], atol=1e-3)
    assert float(found[:, 1:].abs().max()) < 0.02
    views, _ = made().views(made().preprocessing.normalize(torch.rand(2, 3, 32, 32)), torch.zeros(2))
    shown = made().preprocessing.to_pixels(views)
    assert torch.allclose(shown[:, 0], shown[:, 2], atol=1e-5)


def test_bins_are_those_that_a_color_is_nearest_to():
    bins = {tuple(each) for each in color_bins().tolist()}
    assert len(bins) == 261
    rgb = np.random.default_rng(1).random((300, 3))
    for each in [*rgb, *KNOWN]:
        _, a, b = slow_lab(each)
        assert (10.0 * round(a / 10), 10.0 * round(b / 10)) in bins
    assert (0.0, 0.0) in bins
    assert (-100.0, -100.0) not in bins


def test_a_color_is_shared_among_its_nearest_bins():
    a, b = 13.0, -4.0
    rows, shares = nearest_bins(torch.tensor([a, b]).view(1, 2, 1, 1), 5)
    far = sorted((math.hypot(x - a, y - b), (x, y)) for x, y in color_bins().tolist())[:5]
    assert [tuple(color_bins()[row].tolist()) for row in rows.flatten()] == [place for _, place in far]
    raw = [math.exp(-(distance**2) / 50) for distance, _ in far]
    assert shares.flatten().tolist() == pytest.approx([value / sum(raw) for value in raw], rel=1e-4)


def test_rare_colors_weigh_more_and_the_mean_weight_is_one():
    counts = torch.zeros(261, dtype=torch.float64)
    counts[100], counts[200] = 90, 10
    bins = color_bins().tolist()
    smoothed = [
        sum(
            float(n) * math.exp(-(math.dist(here, there) ** 2) / 50) for n, there in zip(counts, bins, strict=True) if n
        )
        for here in bins
    ]
    p = [value / sum(smoothed) for value in smoothed]
    raw = [1 / (0.5 * value + 0.5 / 261) for value in p]
    scale = sum(a * b for a, b in zip(p, raw, strict=True))
    found = rebalanced(counts)
    assert found.tolist() == pytest.approx([value / scale for value in raw], rel=1e-5)
    assert found[100] < found[200] < found[0]


def test_the_loss_is_equation_2_place_by_place():
    task = made()
    rng = np.random.default_rng(0)
    task.weights = torch.from_numpy(rng.random(261)).float()
    logits, colors = rng.normal(size=(2, 261, 3, 3)), rng.uniform(-60, 60, size=(2, 2, 3, 3))
    bins, total = color_bins().tolist(), 0.0
    for i, y, x in np.ndindex(2, 3, 3):
        far = sorted((math.dist(place, colors[i, :, y, x]), row) for row, place in enumerate(bins))[:5]
        raw = [math.exp(-(distance**2) / 50) for distance, _ in far]
        peak = math.log(np.exp(logits[i, :, y, x]).sum())
        cross = -sum(v / sum(raw) * (logits[i, row, y, x] - peak) for v, (_, row) in zip(raw, far, strict=True))
        total += float(task.weights[far[0][1]]) * cross / 18
    loss = task.loss(torch.from_numpy(logits), torch.from_numpy(colors).float())
    assert float(loss) == pytest.approx(total, rel=1e-4)


def test_weights_come_from_the_colors_of_the_training_images():
    task = made()
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(4, 3, 32, 32)
    task.prepare(torch.nn.Identity(), task.preprocessing.normalize(red))
    row = color_bins().tolist().index([80.0, 70.0])
    assert int(task.weights.argmin()) == row


def test_the_same_targets_under_autocast():
    task = made()
    images = torch.rand(3, 3, 32, 32)
    views, targets = task.views(images, torch.zeros(3))
    with torch.autocast("cpu", torch.bfloat16):
        again, same = task.views(images, torch.zeros(3))
    assert torch.equal(views, again)
    assert torch.equal(targets, same)


def test_gray_and_colored_images_are_told_apart():
    gray = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    colored = gray.convert("RGB")
    colored.putpixel((3, 3), (1, 2, 3))
    assert not is_colored(as_dataset([(gray, "a"), (gray.convert("RGB"), "b")]))
    assert is_colored(as_dataset([(gray, "a"), (colored, "b")]))
