"""Many tests from the same flips: the step-down procedure written out, and what is claimed where nothing is true."""

import itertools

import numpy as np
import pytest

from reprq.evaluation import correlation, holm
from reprq.statistics.correlation import infer
from reprq.statistics.flips import common_flips, flipped_pearson, flipped_ratios
from reprq.statistics.multiplicity import westfall_young
from reprq.statistics.points import Sample

GROUPS = np.repeat(np.arange(8), 4)


def worlds(seed, metrics=5, detectors=2, effect=0.0):
    """Metrics that share a trait, scores that share another, half of every variance common to a group."""
    rng = np.random.default_rng(seed)

    def columns(count):
        return rng.standard_normal((8, count))[GROUPS] + rng.standard_normal((len(GROUPS), count))

    quality = columns(1)
    x = columns(1) + columns(metrics)
    x[:, 0] += effect * quality[:, 0]
    return x, quality + 0.5 * columns(detectors)


def tried(x, y, flips):
    pairs = itertools.product(y.T, x.T)
    return [infer(Sample.of(a, b, GROUPS), n_resamples=128, common=flips) for b, a in pairs]


def literal(family):
    """The adjusted p-values by their definition, without sorting."""
    sizes = [ratios / np.sqrt(np.mean(ratios**2)) for ratios in family]
    observed = np.array([size[0] for size in sizes])
    stepped = []
    for own in observed:
        rest = [size for size, other in zip(sizes, observed, strict=True) if other <= own]
        stepped.append(np.mean(np.max(rest, axis=0) >= own * (1 - 1e-9)))
    return [max(step for step, other in zip(stepped, observed, strict=True) if other >= own) for own in observed]


def test_adjusted_p_values_are_those_of_the_definition():
    x, y = worlds(3, effect=2.0)
    found = tried(x, y, common_flips(GROUPS, 128, 0))
    adjusted = westfall_young([ratios for _, ratios in found])
    assert adjusted == pytest.approx(literal([ratios for _, ratios in found]))
    assert all(p >= single.p_value - 1e-9 for p, (single, _) in zip(adjusted, found, strict=True))


def test_the_same_test_twice_costs_nothing_where_holm_doubles():
    x, y = worlds(1, metrics=1, detectors=1, effect=1.0)
    found = tried(np.column_stack([x, 3 * x]), y, common_flips(GROUPS, 128, 0))
    single = found[0][0].p_value
    assert westfall_young([ratios for _, ratios in found]) == pytest.approx([single, single])
    assert holm([each.p_value for each, _ in found]) == pytest.approx([2 * single, 2 * single])
    assert westfall_young([None, None]) == [None, None]


@pytest.mark.parametrize("n_resamples", [100, 128, 1000])
def test_common_flips_are_those_that_a_test_makes_itself_also_where_a_group_lacks_a_metric(n_resamples):
    x, y = worlds(2)
    flips = common_flips(GROUPS, n_resamples, 5)
    own = correlation(x[:, 0], y[:, 0], GROUPS, n_resamples=n_resamples, seed=5)
    common, _ = infer(Sample.of(x[:, 0], y[:, 0], GROUPS), n_resamples=n_resamples, seed=5, common=flips)
    assert common == own
    kept = GROUPS != 3
    fewer, ratios = infer(Sample.of(x[kept, 0], y[kept, 0], GROUPS[kept]), n_resamples=128, common=flips)
    assert len(ratios) == 2 * len(flips.signs)
    if n_resamples >= 128:  # every pattern of the seven others occurs equally often
        exact = correlation(x[kept, 0], y[kept, 0], GROUPS[kept], n_resamples=128).p_value
        assert fewer.p_value == pytest.approx(exact)


def test_where_nothing_is_true_something_is_claimed_in_one_world_of_twenty():
    flips = common_flips(GROUPS, 128, 0)
    claims = []
    for seed in range(400):
        x, y = worlds(seed, metrics=5, detectors=3)
        pairs = itertools.product(x.T, y.T)
        family = [flipped_ratios(a, b, GROUPS, flipped_pearson, flips.signs) for a, b in pairs]
        claims.append(min(westfall_young(family)) <= 0.05)
    assert np.mean(claims) <= 0.09  # 5 % and 3.7 standard errors of 400 worlds
