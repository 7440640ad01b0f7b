import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.errors import InputError
from reprq.evaluation.auroc import auroc
from reprq.evaluation.bootstrap import auroc_bootstrap
from reprq.evaluation.paired import paired_delong


def slow_covariance(labels, first, second):
    """Equations 4 to 6 of DeLong et al. (1988), pair by pair: the 2 x 2 covariance of the AUROCs."""
    labels = np.asarray(labels)
    kernels = []
    for scores in (first, second):
        x, y = np.asarray(scores)[labels == 1], np.asarray(scores)[labels == 0]
        kernels.append(np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x]))
    v10 = np.array([k.mean(axis=1) for k in kernels])
    v01 = np.array([k.mean(axis=0) for k in kernels])
    return [k.mean() for k in kernels], np.cov(v10) / v10.shape[1] + np.cov(v01) / v01.shape[1]


@given(st.integers(0, 10_000), st.integers(3, 12), st.integers(3, 12))
@settings(max_examples=40, deadline=None)
def test_the_test_is_delongs_pair_by_pair(seed, p, q):
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [p, q])
    first, second = rng.integers(0, 8, p + q), rng.integers(0, 8, p + q)
    values, covariance = slow_covariance(labels, first, second)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    if variance < 1e-12:
        return
    got = paired_delong(labels, first, second)
    z = (values[0] - values[1]) / math.sqrt(variance)
    assert got.difference.value == pytest.approx(values[0] - values[1], abs=1e-12)
    assert got.z == pytest.approx(z, abs=1e-9)
    assert got.p_value == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), abs=1e-9)
    assert got.difference.low <= got.difference.value <= got.difference.high
    swapped = paired_delong(labels, second, first)
    assert swapped.difference.value == -got.difference.value
    assert swapped.p_value == got.p_value


def test_equal_rankings_do_not_differ():
    scores = np.random.default_rng(0).normal(size=30)
    got = paired_delong([0, 1] * 15, scores, np.exp(scores))
    assert (got.difference.value, got.p_value, got.z) == (0.0, 1.0, 0.0)


def test_the_test_keeps_its_level():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 40)
    p = []
    for _ in range(400):
        common = rng.normal(size=80) + labels
        p.append(paired_delong(labels, common + rng.normal(size=80), common + rng.normal(size=80)).p_value)
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.03)


def test_the_bootstrap_agrees_with_delong():
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], [150, 90])
    scores = np.round(rng.normal(size=240) + labels, 1)
    delong, bootstrap = auroc(labels, scores), auroc_bootstrap(labels, scores, resamples=1500)
    assert bootstrap.value == delong.value
    assert bootstrap.low == pytest.approx(delong.low, abs=0.01)
    assert bootstrap.high == pytest.approx(delong.high, abs=0.01)
    assert auroc_bootstrap(labels, scores, resamples=50, seed=3) == auroc_bootstrap(
        labels, scores, resamples=50, seed=3
    )


def test_every_resample_is_an_auroc_of_repeated_rows():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [32, 30])
    scores = np.round(2 * rng.normal(size=62) + labels)
    slow = []
    for _ in range(1500):
        rows = np.concatenate([rng.choice(32, 32), 32 + rng.choice(30, 30)])
        slow.append(auroc(labels[rows], scores[rows]).value)
    got = auroc_bootstrap(labels, scores, 0.8, resamples=1500)
    assert got.method == "bootstrap-percentile"
    np.testing.assert_allclose([got.low, got.high], np.quantile(slow, [0.1, 0.9]), atol=0.02)


@pytest.mark.parametrize(("p", "q", "shift"), [(40, 40, 100.0), (5, 200, 1.0), (40, 40, 2.4)])
def test_where_few_rows_decide_the_bootstrap_gives_the_score_interval(p, q, shift):
    labels = np.repeat([0, 1], [q, p])
    scores = np.random.default_rng(4).normal(size=p + q) + shift * labels
    assert auroc_bootstrap(labels, scores) == auroc(labels, scores)
    assert auroc(labels, scores).method == "newcombe"


@pytest.mark.parametrize(
    ("labels", "first", "second", "said"),
    [
        ([0, 1, 0, 1], [1, 2, 3, 4], [1, 2, 3], "first and second must score the same rows, got 4 and 3"),
        ([0, 1, 0, 1], [1, 2, 3, 4], [1, 2, 3, np.inf], "second must be finite, got inf at row 3"),
        ([0, 1, 1, 1], [1, 2, 3, 4], [1, 2, 3, 4], "at least two rows of each class for a test, got 3 anomalous and 1"),
        ([0, 0, 1, 1], [1, 2, 3, 4], [4, 3, 2, 1], "differ by 1 without any variance"),
    ],
)
def test_bad_input_is_one_sentence(labels, first, second, said):
    with pytest.raises(InputError) as caught:
        paired_delong(labels, first, second)
    assert said in str(caught.value)


def test_no_resamples_are_refused():
    with pytest.raises(InputError, match="resamples must be at least 1, got 0"):
        auroc_bootstrap([0, 1], [0, 1], resamples=0)
