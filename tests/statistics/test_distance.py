"""Distance correlation in groups: the formula written out, what it finds, and its level."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist, squareform

from reprq.errors import UnknownNameError
from reprq.evaluation import correlation
from reprq.statistics.correlation import coefficient, infer
from reprq.statistics.distance import distance_draws
from reprq.statistics.flips import common_flips
from reprq.statistics.points import Sample

GROUPS = np.repeat(np.arange(16), 4)


def literal(x, y):
    centred = []
    for values in (x, y):
        distances = squareform(pdist(values[:, None]))
        centred.append(distances - distances.mean(0) - distances.mean(1)[:, None] + distances.mean())
    a, b = centred
    return np.sqrt((a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean()))


def columns(seed):
    """Two unrelated columns, half of the variance common to a group."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((2, 16))[:, GROUPS] + rng.standard_normal((2, len(GROUPS)))


def test_flips_are_the_formula_of_flipped_columns():
    x, y = columns(0)
    rng = np.random.default_rng(1)
    signs = np.vstack([np.ones(16), rng.choice([-1.0, 1.0], size=(5, 16))])
    order = np.concatenate([[0], 1 + np.random.default_rng(2).permutation(5)])
    expected = [literal(x * v[GROUPS], y * w[GROUPS]) for v, w in zip(signs, signs[order], strict=True)]
    assert distance_draws(x, y, GROUPS, signs, np.random.default_rng(2)) == pytest.approx(expected)


def test_a_best_value_in_the_middle_is_found_where_spearman_finds_nothing():
    hits = {"distance": [], "spearman": []}
    for seed in range(30):
        x, y = columns(seed)
        for method, found in hits.items():
            found.append(correlation(x, y - x**2, GROUPS, method, 199).p_value <= 0.05)
    assert np.mean(hits["distance"]) > 0.55
    assert np.mean(hits["spearman"]) < 0.4


@pytest.mark.parametrize("level", ["pooled", "between", "within"])
def test_unrelated_columns_keep_the_level(level):
    found = [correlation(*columns(seed), GROUPS, "distance", 199, level=level) for seed in range(200)]
    assert np.mean([each.p_value <= 0.05 for each in found]) <= 0.105  # 200 draws: 5 % and 3.6 standard errors


def test_it_is_of_midranks_has_no_interval_and_says_where_unrelated_points_lie():
    x, y = columns(3)
    found = correlation(x, y, GROUPS, "distance", 500)
    assert found.coefficient == pytest.approx(literal(stats.rankdata(x), stats.rankdata(y)))
    assert (found.low, found.high) == (None, None)
    assert found.notes[-1].startswith("unrelated points are not at 0 but, by sign flips, near 0.")
    assert correlation(np.exp(x), y, GROUPS, "distance", 500) == found
    _, ratios = infer(Sample.of(x, y, GROUPS), "distance", 500, common=common_flips(GROUPS, 500, 0))
    assert np.mean(ratios >= 1 - 1e-9) == found.p_value
    with pytest.raises(UnknownNameError, match="unknown correlation method 'distance'"):
        coefficient(Sample.of(x, y, GROUPS), "distance")


def test_what_depth_explains_is_gone_when_depth_is_given():
    depth = np.tile(np.linspace(0, 1, 4), 16)
    x, y = columns(4) + 20 * (depth - 0.5) ** 2
    assert correlation(x, y, GROUPS, "distance", 199).p_value <= 0.05
    assert correlation(x, y, GROUPS, "distance", 199, given=depth).p_value > 0.05
