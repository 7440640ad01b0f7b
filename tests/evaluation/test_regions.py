from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.errors import InputError
from reprq.evaluation import aupro, pixel_auroc


def parts_of(mask):
    """Connected parts of a mask, corners included, by flooding."""
    left, parts = {tuple(x) for x in np.argwhere(mask)}, []
    while left:
        part, edge = set(), [left.pop()]
        while edge:
            i, j = edge.pop()
            part.add((i, j))
            near = {(i + a, j + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & left
            left -= near
            edge += near
        parts.append(part)
    return parts


def slow_aupro(masks, maps, limit):
    """The curve threshold by threshold, and the trapezoidal rule up to the limit."""
    regions = [(i, part) for i, mask in enumerate(masks) if mask is not None for part in parts_of(mask)]
    benign = np.concatenate([m.ravel() if mask is None else m[mask == 0] for m, mask in zip(maps, masks, strict=True)])
    points = [(0.0, 0.0)]
    for t in np.unique(maps)[::-1]:
        overlap = np.mean([np.mean([maps[i][place] >= t for place in part]) for i, part in regions])
        points.append((float(np.mean(benign >= t)), float(overlap)))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 < limit < x1:
            x1, y1 = limit, y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
        if x1 <= limit:
            area += (x1 - x0) * (y0 + y1) / 2
    return area / limit


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 5), st.sampled_from([2, 5, 1000]), st.sampled_from([0.05, 0.3, 1.0]))
def test_it_is_the_area_under_the_curve_of_overlaps(seed, n, levels, limit):
    rng = np.random.default_rng(seed)
    masks = list(rng.random((n, 5, 6)) < rng.random((n, 1, 1)) * 0.6)
    masks[0][2, 3], masks[0][0, 0] = True, False
    masks = [mask if mask.any() else None for mask in masks]
    maps = rng.integers(0, levels, (n, 5, 6)) / levels
    found = aupro(masks, maps, limit=limit, resamples=20)
    assert found.value == pytest.approx(slow_aupro(masks, maps, limit), abs=1e-9)
    assert 0 <= found.low <= found.high <= 1


def test_small_regions_count_as_much_as_large_ones():
    mask = np.zeros((20, 20), dtype=bool)
    mask[:8, :8] = mask[15, 15] = True
    found = mask.astype(float)
    found[15, 15] = -1  # the small one is missed
    assert aupro([mask], [found]).value == pytest.approx(0.5, abs=0.01)
    assert pixel_auroc([mask], [found]).pooled.value > 0.97
    assert aupro([mask], [mask.astype(float)]).value == 1.0


def test_the_interval_is_about_the_value_and_narrows_with_images():
    rng = np.random.default_rng(0)
    masks = [None if i % 2 else np.kron(rng.random((4, 4)) < 0.2, np.ones((4, 4))) for i in range(60)]
    masks = [mask if mask is None or mask.any() else None for mask in masks]
    maps = [rng.normal(size=(16, 16)) + (0 if mask is None else 2 * mask) for mask in masks]
    few, many = aupro(masks[:12], maps[:12]), aupro(masks, maps)
    for found in (few, many):
        assert found.method == "image-bootstrap"
        assert found.low < found.value < found.high
    assert many.high - many.low < few.high - few.low
    assert many == aupro(masks, maps)
    assert many != aupro(masks, maps, seed=1)
    assert "only" in few.notes[0]


def test_a_constant_map_is_chance():
    mask = np.eye(6)
    assert aupro([mask, None], np.zeros((2, 6, 6)), limit=0.3).value == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("masks", "how", "said"),
    [
        ([np.eye(3)], {"limit": 0}, "limit must be in"),
        ([np.eye(3)], {"limit": 1.1}, "limit must be in"),
        ([np.eye(3)], {"resamples": 0}, "resamples must be at least 1"),
        ([None], {}, "masks must mark a pixel"),
        ([np.ones((3, 3))], {}, "masks must leave a pixel"),
        ([np.eye(4)], {}, "the map of image 0 must be of shape"),
        ([np.eye(3), None], {}, "maps must be as many as masks"),
    ],
)
def test_what_it_refuses(masks, how, said):
    with pytest.raises(InputError, match=f"^{said}"):
        aupro(masks, np.zeros((1, 3, 3)), **how)
