import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from reprq.errors import InputError
from reprq.evaluation.bootstrap import auroc_bootstrap, average_precision_bootstrap
from reprq.evaluation.operating import average_precision
from reprq.evaluation.paired import paired_delong
from reprq.evaluation.roc import auroc


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


@given(st.integers(0, 10_000), st.integers(30, 36), st.integers(30, 36))
@settings(max_examples=25, deadline=None)
def test_the_test_is_delongs_pair_by_pair(seed, p, q):
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [p, q])
    first, second = rng.integers(0, 8, p + q), rng.integers(0, 8, p + q)
    values, covariance = slow_covariance(labels, first, second)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    if variance < 1e-12:
        return
    got = paired_delong(labels, first, second)
    assert got.difference.method == "delong-paired"
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
    assert got.difference.low < 0.0 < got.difference.high


@pytest.mark.parametrize(
    ("labels", "first", "second"),
    [
        ([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6], [3, 2, 1, 6, 5, 4]),  # both separate the classes
        ([0, 0, 1, 1], [1, 2, 3, 4], [4, 3, 2, 1]),  # one separates them the wrong way round
        ([0] * 50 + [1] * 50, range(100), range(100)),  # one ranking, many rows
        ([0] * 50 + [1] * 50, [*range(25, 75), *range(100, 150)], range(100)),
    ],
)
def test_an_interval_always_has_width(labels, first, second):
    got = paired_delong(labels, first, second)
    assert got.difference.low < got.difference.value <= got.difference.high
    assert got.difference.high - got.difference.low > 0.01
    assert got.difference.method == "newcombe-paired"


@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(2, 12), st.floats(0.5, 0.999))
@settings(max_examples=60, deadline=None)
def test_the_p_value_is_that_of_the_interval_that_ends_at_zero(seed, p, q, confidence):
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [p, q])
    first, second = rng.integers(0, 8, p + q) + 4 * labels, rng.integers(0, 8, p + q)
    got = paired_delong(labels, first, second, confidence)
    outside = got.difference.low > 1e-9 or got.difference.high < -1e-9
    if abs(got.p_value - (1 - confidence)) > 1e-6:
        assert outside == (got.p_value < 1 - confidence)
    mirrored = paired_delong(labels, second, first, confidence)
    assert mirrored.p_value == pytest.approx(got.p_value, abs=1e-9)
    assert (mirrored.difference.low, mirrored.difference.high) == pytest.approx(
        (-got.difference.high, -got.difference.low), abs=1e-9
    )


@pytest.mark.parametrize(
    ("p", "q", "areas", "alike"),
    [(10, 10, (0.999, 0.95), 0.5), (5, 200, (0.95, 0.6), 0.9), (40, 40, (0.995, 0.9), 0.9)],
)
def test_the_interval_of_few_rows_covers(p, q, areas, alike):
    """Nominal 95 %: 200 draws; 0.904 is three standard errors of such a share below it (DeLong's: 0.66 to 0.87)."""
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0], [p, q])
    shifts = math.sqrt(2) * ndtri(areas)
    covered = []
    for _ in range(200):
        common = rng.normal(size=p + q)
        own = math.sqrt(alike) * common + math.sqrt(1 - alike) * rng.normal(size=(2, p + q))
        got = paired_delong(labels, own[0] + shifts[0] * labels, own[1] + shifts[1] * labels).difference
        covered.append(got.low <= areas[0] - areas[1] <= got.high)
    assert np.mean(covered) >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 200)


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
    ],
)
def test_bad_input_is_one_sentence(labels, first, second, said):
    with pytest.raises(InputError) as caught:
        paired_delong(labels, first, second)
    assert said in str(caught.value)


def test_no_resamples_are_refused():
    with pytest.raises(InputError, match="resamples must be at least 1, got 0"):
        auroc_bootstrap([0, 1], [0, 1], resamples=0)


def test_average_precision_of_resamples_is_that_of_their_rows() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], [30, 12])
    scores = np.round(rng.normal(size=42) + labels, 1)  # with ties
    found = average_precision_bootstrap(labels, scores, 0.9, resamples=200, seed=5)
    again = np.random.default_rng(5)
    levels = np.unique(scores)
    counts = [np.array([(scores[labels == mark] == level).sum() for level in levels]) for mark in (1, 0)]
    values = []
    for _ in range(200):
        up, down = (again.multinomial(each.sum(), each / each.sum()) for each in counts)
        rows = np.concatenate([levels.repeat(up), levels.repeat(down)])
        values.append(average_precision(np.repeat([1, 0], [up.sum(), down.sum()]), rows))
    assert found.value == average_precision(labels, scores)
    assert [found.low, found.high] == pytest.approx(np.quantile(values, [0.05, 0.95]).tolist())
    assert average_precision_bootstrap([0, 0, 1, 1], [1, 2, 3, 4]).low == 1.0
    with pytest.raises(InputError, match="resamples must be at least 1, got 0"):
        average_precision_bootstrap([0, 1], [0, 1], resamples=0)
