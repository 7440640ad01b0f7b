"""Baselines of maps: gradients by finite differences, and a blur that is the slow loop."""

import math

import numpy as np
import pytest
import torch

from reprq.data import load_dataset
from reprq.detectors import HSC, Autoencoder
from reprq.detectors.deep.maps import blurred, gradient_map
from reprq.errors import InputError


def test_the_blur_is_a_sum_over_neighbors_weighted_by_a_gaussian():
    maps = torch.rand(2, 7, 9, dtype=torch.float64)
    reach = math.ceil(4 * 0.8)
    weight = {
        (a, b): math.exp(-(a * a + b * b) / (2 * 0.8**2))
        for a in range(-reach, reach + 1)
        for b in range(-reach, reach + 1)
    }
    total = sum(weight.values())
    slow = np.zeros((7, 9))
    for i in range(7):
        for j in range(9):
            for (a, b), w in weight.items():
                if 0 <= i + a < 7 and 0 <= j + b < 9:
                    slow[i, j] += w / total * maps[1, i + a, j + b].item()
    np.testing.assert_allclose(blurred(maps, 0.8)[1].numpy(), slow, atol=1e-12)
    assert blurred(maps, 0) is maps


def test_the_gradient_map_is_that_of_finite_differences():
    x = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    weights = torch.rand(3, 4, 5, dtype=torch.float64) - 0.5

    def scores(x):
        return ((x * weights).sum((1, 2, 3))).square()

    found = gradient_map(scores, x)
    step = 1e-6
    slow = torch.zeros(2, 4, 5, dtype=torch.float64)
    for c, i, j in np.ndindex(3, 4, 5):
        moved = [x.clone(), x.clone()]
        moved[0][:, c, i, j] += step
        moved[1][:, c, i, j] -= step
        slow[:, i, j] += ((scores(moved[0]) - scores(moved[1])) / (2 * step)).abs()
    np.testing.assert_allclose(found.numpy(), slow.numpy(), atol=1e-6)


def test_hsc_and_the_autoencoder_have_maps_of_images_and_none_of_rows():
    digits = load_dataset("digits")
    zeros, ones = (digits.restrict([name]).sample(12) for name in "01")
    hsc = HSC(network="mnist", epochs=1, batch_size=8).fit(zeros, auxiliary=ones)
    maps = hsc.anomaly_map(ones)
    assert maps.shape == (12, 28, 28)
    assert (maps >= 0).all()
    assert maps.std() > 0
    sharp = hsc.set_params(sigma=0.0).anomaly_map(ones)
    np.testing.assert_allclose(blurred(torch.from_numpy(sharp), 1.2).numpy(), maps, rtol=1e-4, atol=1e-8)
    plain = Autoencoder(network="mnist", epochs=1).fit(zeros)
    errors = plain.anomaly_map(ones)
    np.testing.assert_allclose(errors.sum((1, 2)), plain.anomaly_score(ones), rtol=1e-9)
    soft = plain.set_params(sigma=1.2).anomaly_map(ones)
    np.testing.assert_allclose(soft, blurred(torch.from_numpy(errors), 1.2).numpy(), atol=1e-9)
    rows = np.random.default_rng(0).normal(size=(12, 4))
    with pytest.raises(InputError, match="anomaly_map is of images, and this detector was fitted on rows"):
        HSC(epochs=1).fit(rows, auxiliary=rows + 9).anomaly_map(rows)


def test_the_blur_is_checked_and_stands_in_the_identifier():
    for kind in (HSC, Autoencoder):
        with pytest.raises(InputError, match="sigma must be a number of pixels of at least 0, got -1"):
            kind(sigma=-1).check_parameters()
    assert Autoencoder(sigma=1.2).describe() == "autoencoder[epochs=350,lr=0.0001,sigma=1.2]"
    assert HSC().describe() == "hsc[pseudo-huber,epochs=200,lr=0.001]"
