"""The stability of scores against every half enumerated, and against views that are drawn."""

from itertools import combinations

import numpy as np
import pytest

from reprq.errors import InputError
from reprq.metrics import score_stability, view_stability
from reprq.metrics.stability import rank_chances


@pytest.mark.parametrize("k", [1, 2])
def test_it_is_the_share_over_every_half_that_there_is(k):
    x = np.random.default_rng(0).standard_normal((9, 3))
    means, variances = [], []
    for i in range(9):
        others = [j for j in range(9) if j != i]
        scores = [sorted(float(np.linalg.norm(x[i] - x[j])) for j in half)[k - 1] for half in combinations(others, 4)]
        means.append(np.mean(scores))
        variances.append(np.var(scores))
    expected = np.var(means) / (np.var(means) + np.mean(variances))
    assert score_stability(x, k) == pytest.approx(expected, rel=1e-9)


def test_the_chances_of_ranks_are_those_of_draws():
    rng = np.random.default_rng(0)
    drawn = [np.sort(rng.choice(30, 12, replace=False))[2] for _ in range(20_000)]
    found = rank_chances(30, 12, 3)
    often = np.bincount(drawn, minlength=len(found))[: len(found)] / len(drawn)
    assert found.sum() == pytest.approx(1)
    assert np.abs(found - often).max() < 0.01
    assert rank_chances(8, 4, 4)[-1] == pytest.approx(1 / 2)  # C(7, 3) of C(8, 4) halves have the last
    assert len(rank_chances(20_000, 10_000, 5)) < 100  # so a large matrix is not sorted whole


def test_rows_of_different_density_are_scored_firmly_and_equal_ones_not():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 5))
    spread = np.concatenate([x[:100], 20 * x[100:]])
    assert score_stability(spread) > 0.97
    assert score_stability(spread) > score_stability(rng.uniform(size=(200, 1))) + 0.2


def test_views_agree_as_much_as_noise_lets_them():
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((80, 1, 6)) * rng.uniform(0.3, 3, (80, 1, 1))
    found = [view_stability(samples + s * rng.standard_normal((80, 4, 6))) for s in (0.0, 0.3, 30.0)]
    assert found[0] == pytest.approx(1, abs=1e-12)
    assert found[0] > found[1] > found[2]
    assert abs(found[2]) < 0.3


def test_views_are_compared_by_the_analysis_of_variance():
    views = np.random.default_rng(0).standard_normal((12, 3, 2))
    views[1:] += [3, 1]
    scores = np.zeros((12, 3))
    for v in range(3):
        for i in range(12):
            scores[i, v] = sorted(np.linalg.norm(views[i, v] - views[j, v]) for j in range(12) if j != i)[1]
    rows, columns = scores.mean(1, keepdims=True), scores.mean(0)
    between = 3 * np.square(rows - scores.mean()).sum() / 11
    rest = np.square(scores - rows - columns + scores.mean()).sum() / 22
    assert view_stability(views, k=2) == pytest.approx((between - rest) / (between + 2 * rest), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: score_stability(np.eye(10)), "at least 2 k . 1 = 11 rows, got 10"),
        (lambda: score_stability(np.eye(10), k=0), "k must be at least 1, got 0"),
        (lambda: score_stability(np.eye(20)), "got all scores equal"),
        (lambda: score_stability(np.ones((20, 2))), "got all scores equal"),
        (lambda: view_stability(np.eye(20)), r"must be an \(n, q, d\) array"),
        (lambda: view_stability(np.ones((20, 1, 2))), "q >= 2 views, got shape"),
        (lambda: view_stability(np.ones((20, 2, 2))), "got all scores equal"),
        (lambda: view_stability(np.ones((5, 2, 2))), "k must be from 1 to n - 2 = 3, got 5"),
    ],
)
def test_what_has_no_stability_is_said(call, said):
    with pytest.raises(InputError, match=said):
        call()
