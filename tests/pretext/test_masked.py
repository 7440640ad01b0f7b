"""Masked patches: which pixels are masked, what stands there, and a loss of those alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.backbones import Preprocessing
from reprq.data import load_dataset
from reprq.pretext.masked import MaskedPatches, masks
from reprq.pretext.task import Shapes


def made(**changes):
    return MaskedPatches(Shapes(8, Preprocessing().replace(**{"size": 32, **changes})))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 4), st.integers(1, 50))
def test_every_image_has_whole_patches_masked_as_many_as_any(n, size):
    found = masks(n, size)
    side = min(8, size)
    assert found.shape == (n, 1, size, size)
    assert set(found.unique().tolist()) <= {0.0, 1.0}
    patch = [[int(np.floor(i * side / size)) for i in range(size)]] * size
    numbers = np.array(patch).T * side + np.array(patch)
    for mask in found[:, 0].numpy():
        of_patch = [set(mask[numbers == k].tolist()) for k in range(side**2)]
        assert all(len(values) == 1 for values in of_patch)
        assert sum(1.0 in values for values in of_patch) == int(np.ceil(0.6 * side**2))


def test_what_is_masked_is_the_mean_color_and_differs_from_image_to_image():
    images = torch.rand(6, 3, 32, 32) + 1
    views, targets = made().views(images, torch.zeros(6))
    mask = targets[:, 3:].bool().expand_as(images)
    assert torch.equal(targets[:, :3], images)
    assert (views[mask] == 0).all()
    assert torch.equal(views[~mask], images[~mask])
    assert len({each.numpy().tobytes() for each in targets[:, 3]}) == 6


@pytest.mark.parametrize("channels", [1, 3])
def test_the_loss_is_the_mean_error_of_masked_pixels_alone(channels):
    rng = np.random.default_rng(0)
    outputs, images = rng.normal(size=(2, 2, channels, 4, 4))
    mask = rng.random((2, 1, 4, 4)) < 0.6
    terms = [
        abs(outputs[i, c, y, x] - images[i, c, y, x]) for i, c, y, x in np.ndindex(images.shape) if mask[i, 0, y, x]
    ]
    targets = torch.from_numpy(np.concatenate([images, mask], axis=1))
    loss = made().loss(torch.from_numpy(outputs), targets)
    assert float(loss) == pytest.approx(np.mean(terms), rel=1e-5)
    changed = np.where(mask, outputs, 1e3)  # what was seen does not count
    assert float(made().loss(torch.from_numpy(changed), targets)) == pytest.approx(np.mean(terms), rel=1e-5)


def test_the_decoder_gives_the_input_s_size_and_channels():
    task = made(size=20, channels="gray", mean=0.5, std=0.2)
    assert task.head(load_dataset("digits"))(torch.zeros(2, 8)).shape == (2, 1, 20, 20)
