"""A gallery of maps: one scale, one bar, what is marked outlined."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from reprq.errors import InputError
from reprq.plots import overlay_gallery

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 20, 10, 3), dtype=np.uint8)
MAPS = np.random.default_rng(1).random((5, 8, 8)) * np.arange(1, 6)[:, None, None]


def test_all_maps_have_one_scale_and_lie_over_their_images():
    mask = np.zeros((8, 8), dtype=bool)
    mask[2:4, 3:6] = True
    fig = overlay_gallery(IMAGES, MAPS, masks=[mask, None, mask, None, None], titles=list("abcde"), columns=2)
    pairs = [ax for ax in fig.axes if len(ax.images) == 2]
    assert len(pairs) == 5
    assert len(fig.axes) == 3 * 4 + 1
    assert {ax.images[1].get_clim() for ax in pairs} == {tuple(np.quantile(MAPS, [0.01, 0.999]))}
    assert all(image.get_array().shape[:2] == (8, 8) for ax in pairs for image in ax.images)
    assert [len(ax.collections) for ax in pairs] == [1, 0, 1, 0, 0]
    plt.close(fig)


def test_narrow_images_stand_beside_their_own_maps():
    fig = overlay_gallery(IMAGES[:, :, :3], [np.random.default_rng(i).random((30, 6)) for i in range(4)], columns=2)
    fig.canvas.draw()
    first, own, second = (ax.get_window_extent() for ax in fig.axes[:3])
    assert 0 <= own.x0 - first.x1 < 0.5 * (second.x0 - own.x1)
    plt.close(fig)


@pytest.mark.parametrize(
    ("maps", "how", "said"),
    [
        (MAPS[0], {}, r"maps must be n arrays of shape \(H, W\)"),
        (MAPS * np.nan, {}, "maps must be n arrays .* finite but for nan"),
        ([], {}, "maps must be at least one, got none"),
        (MAPS, {"titles": ["a"]}, "titles must be one a map, got 1 for 5 maps"),
        (MAPS, {"masks": [np.eye(3)] * 5}, r"masks must be as large as maps, \(8, 8\), got \(3, 3\)"),
        (MAPS, {"columns": 0}, "columns must be at least 1"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(maps, how, said):
    with pytest.raises(InputError, match=said):
        overlay_gallery(IMAGES, maps, **how)
    plt.close("all")


def test_maps_of_several_sizes_with_parts_unknown_and_a_contour():
    maps = [np.full((6, 9), 0.2), np.arange(20.0).reshape(4, 5)]
    maps[0][:, :2] = np.nan
    fig = overlay_gallery(IMAGES, maps, threshold=9.5)
    pairs = [ax for ax in fig.axes if len(ax.images) == 2]
    assert [ax.images[1].get_array().shape for ax in pairs] == [(6, 9), (4, 5)]
    assert np.ma.getmaskarray(pairs[0].images[1].get_array())[:, :2].all()
    assert [len(ax.collections) for ax in pairs] == [0, 1]  # the first is below the threshold everywhere
    assert fig.axes[-1].get_ylabel() == "anomaly map, contour at 9.5"
    plt.close(fig)
