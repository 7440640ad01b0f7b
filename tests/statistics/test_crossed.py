"""The interval over networks and data sets against a literal bootstrap, and where it must cover."""

import numpy as np
import pytest
from scipy import stats

from reprq.errors import InputError
from reprq.statistics.crossed import crossed_correlation


def points(seed, networks=9, datasets=5, layers=4, rho=0.5):
    rng = np.random.default_rng(seed)
    network = np.tile(np.repeat(np.arange(networks), layers), datasets)
    dataset = np.repeat(np.arange(datasets), networks * layers)
    x, noise = (rng.normal(size=networks)[network] + rng.normal(size=len(network)) for _ in range(2))
    return x, rho * x + np.sqrt(1 - rho**2) * noise, network, dataset


def test_the_value_is_the_mean_of_the_coefficients_within() -> None:
    x, y, network, dataset = points(0)
    within = [stats.spearmanr(x[dataset == d], y[dataset == d]).statistic for d in range(5)]
    found = crossed_correlation(x, y, network, dataset)
    assert found.value == pytest.approx(np.mean(within))
    assert (found.n, found.method) == (5, "pigeonhole-t")


def test_the_interval_is_that_of_literal_draws_of_networks_and_data_sets() -> None:
    x, y, network, dataset = points(1)
    ranks = [np.concatenate([stats.rankdata(v[dataset == d]) for d in range(5)]) for v in (x, y)]
    rng, means = np.random.default_rng(7), []
    for _ in range(600):
        drawn = rng.integers(9, size=9)
        within = []
        for d in rng.integers(5, size=5):
            rows = np.concatenate([np.flatnonzero((dataset == d) & (network == g)) for g in drawn])
            within.append(np.corrcoef(ranks[0][rows], ranks[1][rows])[0, 1])
        means.append(np.mean(within))
    half = stats.t.ppf(0.975, 4) * np.std(means) * np.sqrt(5 / 4)
    found = crossed_correlation(x, y, network, dataset)
    assert found.high - found.value == pytest.approx(half, rel=0.12)


def test_shared_networks_widen_it_and_covering_needs_them() -> None:
    """Twelve data sets that are copies: Student's over data sets has no width, and networks still vary."""
    x, y, network, _ = points(2, datasets=1)
    copies = [np.tile(v, 12) for v in (x, y, network)]
    found = crossed_correlation(*copies, np.repeat(np.arange(12), len(x)))
    assert found.high - found.low > 0.3


def test_it_covers_and_rejects_as_promised() -> None:
    truth, covered, excluded = 6 / np.pi * np.arcsin(0.25), [], []
    for trial in range(60):
        found = crossed_correlation(*points((3, trial)), n_resamples=200, seed=trial)
        covered.append(found.low <= truth <= found.high)
        null = crossed_correlation(*points((4, trial), rho=0.0), n_resamples=200, seed=trial)
        excluded.append(null.low > 0 or null.high < 0)
    assert np.mean(covered) >= 0.88
    assert np.mean(excluded) <= 0.12


def test_what_has_no_interval_is_said() -> None:
    x, y, network, dataset = points(5)
    with pytest.raises(InputError, match="networks must be at least 3, got 2"):
        crossed_correlation(x, y, network % 2, dataset)
    with pytest.raises(InputError, match="at least 3 with a coefficient, got 2"):
        crossed_correlation(x, np.where(dataset < 3, 1.0, y), network, dataset)
    with pytest.raises(InputError, match="must have one length, got 180, 179, 180 and 180"):
        crossed_correlation(x, y[1:], network, dataset)
    with pytest.raises(InputError, match="confidence must be in"):
        crossed_correlation(x, y, network, dataset, confidence=95)
    whole = crossed_correlation(x, np.where(dataset < 1, 1.0, y), network, dataset)
    assert whole.n == 4
