"""Maps over the input of a network, back in the pixels of the photo."""

import numpy as np
import pytest
from PIL import Image

from reprq.data import to_photo
from reprq.data.image.preprocessing import Preprocessing

WAYS = {
    "crop": {"size": 24, "resize": 32},
    "no crop of a square": {"size": 32},
    "squash": {"size": 32, "squash": True},
    "padding": {"size": 32, "crop": "none"},
    "gray": {"size": 20, "resize": 48, "channels": "gray"},
}


@pytest.mark.parametrize("size", [(64, 64), (97, 64), (50, 90), (160, 40), (9, 7)])
@pytest.mark.parametrize("way", WAYS)
def test_what_was_seen_of_a_photo_comes_back_to_its_place(way, size):
    width, height = size
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    how = Preprocessing().replace(**WAYS[way])
    for values, step in ((x, width), (y, height)):
        ramp = Image.fromarray(np.round(255 * values / (step - 1)).astype(np.uint8))
        seen = how.to_pixels(how(ramp)[None])[0].mean(0).numpy() * (step - 1)
        back = to_photo(seen, how, width, height)
        assert back.shape == (height, width)
        known = ~np.isnan(back)
        scale = max(how.placements(width, height), key=lambda side: 1 / side.scale).scale
        assert np.abs(back - values)[known].max() < 1.5 + 1 / scale  # a pixel of the input at the ends of the ramp
        assert np.abs(back - values)[known].mean() < 0.6 + 0.1 / scale
        assert known.mean() == pytest.approx(how.kept(width, height), abs=2 * (1 / width + 1 / height))


@pytest.mark.parametrize("way", WAYS)
def test_a_mask_that_is_laid_over_the_input_comes_back(way):
    mask = np.zeros((60, 80), dtype=bool)
    mask[20:40, 30:55] = True
    how = Preprocessing().replace(**WAYS[way])
    back = to_photo(how.over(mask), how, 80, 60) >= 0.5
    assert (back & mask).sum() / (back | mask).sum() > 0.85


def test_padding_is_mixed_with_no_pixel_of_the_photo():
    how = Preprocessing().replace(size=8, crop="none")
    values = np.full((8, 8), 100.0)
    values[2:6] = 1.0  # where a photo twice as wide as high lies
    np.testing.assert_array_equal(to_photo(values, how, 16, 8), np.ones((8, 16)))


def test_a_transform_that_cannot_tell_saw_the_whole_photo():
    np.testing.assert_array_equal(to_photo(np.eye(2), lambda image: image, 4, 2)[:, [0, 3]], np.eye(2))
    assert to_photo(np.ones((1, 1)), None, 3, 5).shape == (5, 3)
