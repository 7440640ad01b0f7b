"""The AUROC of pixels: exact against the pooled AUROC and a loop over pairs, with intervals over images."""

import numpy as np
import pytest

from reprq.errors import InputError
from reprq.evaluation import auroc, pixel_auroc


@pytest.fixture(scope="module")
def made():
    """Maps with many ties, and masks of every other image, of which the first is all anomalous."""
    rng = np.random.default_rng(0)
    maps = rng.integers(0, 9, (12, 5, 7)).astype(np.float64)
    masks = [rng.random((5, 7)) < 0.2 if i % 2 == 0 else None for i in range(12)]
    masks[0] = np.ones((5, 7))
    for image, mask in zip(maps, masks, strict=True):
        image += 3 * (mask if mask is not None else 0)
    return masks, maps


def slow(anomalous, other):
    """The share of pairs in the right order, one by one."""
    pairs = [(a > b) + (a == b) / 2 for a in anomalous for b in other]
    return sum(pairs) / len(pairs)


def test_both_ways_are_the_loop_over_pairs_of_pixels(made):
    masks, maps = made
    truth = [np.zeros((5, 7), dtype=bool) if mask is None else np.asarray(mask) != 0 for mask in masks]
    found = pixel_auroc(masks, maps)
    scores, marked = maps.ravel(), np.concatenate(truth).ravel()
    assert found.pooled.value == pytest.approx(slow(scores[marked], scores[~marked]), abs=1e-12)
    assert found.pooled.value == pytest.approx(auroc(marked, scores).value, abs=1e-12)
    single = [slow(x[t], x[~t]) for x, t in zip(maps, truth, strict=True) if t.any() and not t.all()]
    assert found.per_image.value == pytest.approx(np.mean(single), abs=1e-12)
    assert (found.pooled.n, found.per_image.n) == (12, len(single))


def test_the_interval_is_that_of_resampled_images(made):
    masks, maps = made
    found = pixel_auroc(masks, maps, resamples=400, seed=3).pooled
    rng = np.random.default_rng(1)
    rows, others = np.arange(0, 12, 2), np.arange(1, 12, 2)
    values = []
    for _ in range(400):
        drawn = np.concatenate([rng.choice(rows, 6), rng.choice(others, 6)])
        marked = [np.zeros((5, 7)) if masks[i] is None else masks[i] for i in drawn]
        values.append(auroc(np.ravel(marked).astype(int), maps[drawn].ravel()).value)
    np.testing.assert_allclose((found.low, found.high), np.quantile(values, [0.025, 0.975]), atol=0.02)
    assert found.method == "image-bootstrap"
    assert found == pixel_auroc(masks, maps, resamples=400, seed=3).pooled


def test_copies_of_an_image_say_nothing_new_of_its_pixels(made):
    """More pixels of an image are no more images: the interval does not shrink with the resolution."""
    masks, maps = made
    fine = [None if mask is None else np.kron(mask, np.ones((4, 4))) for mask in masks]
    one, many = pixel_auroc(masks, maps), pixel_auroc(fine, np.kron(maps, np.ones((1, 4, 4))))
    assert many.pooled.value == pytest.approx(one.pooled.value, abs=1e-12)
    assert many.pooled.low == pytest.approx(one.pooled.low, abs=1e-12)


@pytest.mark.parametrize("images", [1, 6])
def test_perfect_maps_and_single_images_have_an_interval_too(images):
    masks = [np.eye(3)] * images + [None]
    found = pixel_auroc(masks, [np.eye(3)] * images + [np.zeros((3, 3))])
    for way in (found.pooled, found.per_image):
        assert (way.value, way.high, way.method) == (1.0, 1.0, "newcombe")
        assert way.low < 0.9
        assert way.notes == (f"only {images} image{'s' * (images > 1)} with anomalous pixels",)


MARKED = [np.eye(2), None]
REFUSED = {
    "no anomaly": ([None, np.zeros((2, 2))], np.zeros((2, 2, 2)), "masks must mark a pixel of some image"),
    "nothing else": ([np.ones((2, 2))], np.zeros((1, 2, 2)), "leave a pixel that is not anomalous"),
    "shape": (MARKED, np.zeros((2, 3, 2)), r"map of image 0 must be of shape \(2, 2\) as its mask, got \(3, 2\)"),
    "count": (MARKED, np.zeros((3, 2, 2)), "as many as masks, got 3 and 2"),
    "nan": (MARKED, np.full((2, 2, 2), np.nan), "map of image 0 must hold finite numbers"),
    "axes": ([np.eye(2), None], [np.eye(2), np.zeros(4)], r"map of image 1 must be of shape \(H, W\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_judged_is_one_sentence(case):
    masks, maps, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        pixel_auroc(masks, maps)


def test_resamples_and_confidence_are_checked():
    for how, message in (({"resamples": 0}, "resamples"), ({"confidence": 1.0}, "confidence")):
        with pytest.raises(InputError, match=message):
            pixel_auroc(MARKED, np.zeros((2, 2, 2)), **how)
