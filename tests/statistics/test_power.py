"""What a study could see: the simulation agrees with the test itself and with Fisher's approximation."""

import numpy as np
import pytest
from scipy import stats

from reprq.errors import InputError
from reprq.evaluation import correlation
from reprq.statistics.power import detectable_correlation, networks_needed, power


def test_power_is_the_share_of_tests_that_reject():
    rng = np.random.default_rng(7)
    x, noise = rng.standard_normal((2, 300, 20))
    y = 0.6 * x + 0.8 * noise
    found = [correlation(a, b, n_resamples=500).p_value <= 0.05 for a, b in zip(x, y, strict=True)]
    # shares of 300 and of 1,000 draws: a standard error of the difference of 0.030
    assert power(20, 0.6) == pytest.approx(np.mean(found), abs=0.1)


@pytest.mark.parametrize(("rho", "tests"), [(0.5, 1), (0.5, 10), (0.7, 1)])
def test_networks_needed_are_a_little_more_than_fishers(rho, tests):
    z = stats.norm.isf(0.025 / tests) + stats.norm.isf(0.2)
    fisher = 3 + (z / np.arctanh(rho)) ** 2
    assert 1.05 * fisher <= networks_needed(rho, tests) <= 1.45 * fisher  # ranks, and flips of few


def test_more_networks_see_less_and_more_metrics_see_more():
    seen = [detectable_correlation(n) for n in (8, 16, 32)]
    assert seen == sorted(seen, reverse=True)
    assert detectable_correlation(16, 10) > detectable_correlation(16)
    assert [detectable_correlation(n) for n in (1, 5)] == [None, None]
    assert detectable_correlation(8, 10) is None
    assert power(16, 0.0) <= 0.08  # the level, 5 %, and 4 standard errors of 1,000 draws


def test_bad_arguments_are_one_sentence():
    with pytest.raises(InputError, match="rho must be between 0 and 1, got 1"):
        networks_needed(1)
    with pytest.raises(InputError, match="tests must be at least 1, got 0"):
        detectable_correlation(16, 0)
    with pytest.raises(InputError, match="n must be at least 1 network, got 0"):
        detectable_correlation(0)
