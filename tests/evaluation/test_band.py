import math

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from reprq.errors import InputError
from reprq.evaluation import curves, roc_band


def test_the_middle_is_the_curve():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [40, 25])
    scores = np.round(rng.normal(size=65) + labels, 1)
    found = curves(labels, scores)
    at = np.linspace(0, 1, 41)  # every rate that 40 benign rows can have
    height, low, high = roc_band(labels, scores, at)
    reached = [found.true_positive_rate[found.false_positive_rate <= rate + 1e-12].max() for rate in at]
    on_curve = np.isin(np.round(at, 9), np.round(found.false_positive_rate, 9))
    np.testing.assert_allclose(height[on_curve], np.array(reached)[on_curve])
    assert (height >= np.array(reached) - 1e-12).all()
    assert ((low <= height) & (height <= high) & (low < high)).all()


def test_perfect_separation_is_not_certainty():
    height, low, high = roc_band([0, 0, 1, 1], [1, 2, 3, 4], [0.0, 0.5, 1.0])
    np.testing.assert_array_equal(height, 1.0)
    np.testing.assert_array_equal(high, 1.0)
    assert low[0] == 0.0  # two benign rows do not measure such a rate
    assert low[2] == pytest.approx(2 / (2 + 1.96**2), rel=1e-3)  # Wilson's interval of two in two


@pytest.mark.parametrize(("p", "q", "shift"), [(5, 50, 1.8), (20, 400, 2.9), (50, 50, 0.75), (200, 200, 2.9)])
def test_the_band_covers_at_each_rate(p, q, shift):
    """Nominal 95 %: 300 draws; 0.9 is four standard errors of such a share below it (a bootstrap's: 0.02 to 0.95)."""
    rng = np.random.default_rng(1)
    at = np.array([0.02, 0.1, 0.3, 0.6, 0.9])
    truth = ndtr(shift + ndtri(at))
    labels = np.repeat([1, 0], [p, q])
    inside = []
    for _ in range(300):
        _, low, high = roc_band(labels, rng.normal(size=p + q) + shift * labels, at)
        inside.append((low <= truth) & (truth <= high))
    assert np.mean(inside, axis=0).min() >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / 300)


def test_rates_outside_are_one_sentence():
    with pytest.raises(InputError, match=r"at must be false positive rates in \[0, 1\], got 0 to 1.5"):
        roc_band([0, 1], [1, 2], [0.0, 1.5])
    with pytest.raises(InputError, match="no benign"):
        roc_band([1, 1], [1, 2], [0.5])
