import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from sklearn.metrics import roc_auc_score

from reprq.errors import InputError
from reprq.evaluation.roc import auroc, placement_variance, placements
from reprq.statistics.estimate import Estimate


def slow_kernel(labels, scores):
    """psi(X_i, Y_j) of DeLong et al. (1988), pair by pair."""
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=float)
    x, y = scores[labels == 1], scores[labels == 0]
    return np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x])


def slow_delong(labels, scores):
    psi = slow_kernel(labels, scores)
    p, q = psi.shape
    theta = psi.mean()
    s10 = sum((psi[i].mean() - theta) ** 2 for i in range(p)) / (p - 1)
    s01 = sum((psi[:, j].mean() - theta) ** 2 for j in range(q)) / (q - 1)
    return theta, s10 / p + s01 / q


scored = st.integers(4, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda a: 1 < sum(a) < n - 1),
        st.lists(st.integers(-4, 4), min_size=n, max_size=n),
    )
)


@given(scored)
@settings(max_examples=60, deadline=None)
def test_value_and_interval_are_delongs_pair_by_pair(case):
    labels, scores = case
    theta, variance = slow_delong(labels, scores)
    got = auroc(labels, scores)
    assert got.value == pytest.approx(theta, abs=1e-12)
    assert got.value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert 0.0 <= got.low <= got.value <= got.high <= 1.0
    assert got.low < got.high
    assert placement_variance(placements(labels, scores)) == pytest.approx(variance, abs=1e-12)


def test_many_rows_out_of_order_have_delongs_interval():
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [50, 40])
    scores = np.round(rng.normal(size=90) + labels, 1)
    theta, variance = slow_delong(labels, scores)
    got = auroc(labels, scores)
    half = 1.959963984540054 * math.sqrt(variance) / (theta * (1 - theta))
    expected = [1 / (1 + math.exp(-(math.log(theta / (1 - theta)) + s * half))) for s in (-1, 1)]
    np.testing.assert_allclose([got.low, got.high], expected, rtol=1e-9)
    assert (got.method, got.notes) == ("delong-logit", ())


@given(scored)
@settings(max_examples=40, deadline=None)
def test_turning_labels_or_scores_round_mirrors_the_interval(case):
    labels, scores = np.asarray(case[0]), np.asarray(case[1])
    got = auroc(labels, scores)
    for mirrored in (auroc(labels, -scores), auroc(1 - labels, scores)):
        assert mirrored.value == pytest.approx(1 - got.value, abs=1e-12)
        assert mirrored.low == pytest.approx(1 - got.high, abs=1e-9)
    shuffled = np.random.default_rng(0).permutation(len(labels))
    assert auroc(labels[shuffled], scores[shuffled]).value == pytest.approx(got.value, abs=1e-12)
    assert auroc(labels, np.exp(scores / 2.0)).value == got.value


def test_a_tie_counts_one_half():
    assert auroc([0, 1], [3.0, 3.0]).value == 0.5
    assert auroc([0, 0, 1, 1], [0, 1, 1, 2]).value == 0.875


def test_placements_average_to_the_value():
    rng = np.random.default_rng(1)
    labels, scores = rng.integers(0, 2, 50), rng.integers(0, 9, 50)
    place = placements(labels, scores)
    np.testing.assert_allclose(place.anomalous, slow_kernel(labels, scores).mean(axis=1))
    np.testing.assert_allclose(place.benign, slow_kernel(labels, scores).mean(axis=0))


@pytest.mark.parametrize(("scores", "value"), [([1, 2, 3, 4, 5, 6], 1.0), ([6, 5, 4, 3, 2, 1], 0.0), ([1] * 6, 0.5)])
def test_an_interval_without_delong_variance_still_has_width(scores, value):
    got = auroc([0, 0, 0, 1, 1, 1], scores)
    assert got.value == value
    assert got.method == "newcombe"
    assert got.high - got.low > 0.3
    larger = auroc([0] * 300 + [1] * 300, np.repeat(scores, 100))
    assert 0.0 < larger.high - larger.low < 0.1


@pytest.mark.parametrize("scores", [range(13), [*range(9), 6.5, 10, 11, 12], [*range(8), -1, 9, 10, 11, 12]])
def test_newcombes_interval_solves_his_equation(scores):
    """With Hanley and McNeil's variance, or with DeLong's at the value where that is larger."""
    p, q, z = 5, 8, 1.959963984540054
    labels = [0] * q + [1] * p

    def expected(theta):
        spread = (1 - theta) / (2 - theta) + theta / (1 + theta)
        return theta * (1 - theta) * (1 + ((p + q) / 2 - 1) * spread) / (p * q)

    value, variance = slow_delong(labels, scores)
    scale = max(1.0, variance / expected(value)) if value < 1 else 1.0
    got = auroc(labels, scores)
    assert got.value - got.low == pytest.approx(z * math.sqrt(scale * expected(got.low)), rel=1e-9)
    assert (scale > 1.0) == (min(scores) < 0)
    if got.high < 1:
        assert got.high - got.value == pytest.approx(z * math.sqrt(scale * expected(got.high)), rel=1e-9)


def test_few_rows_are_noted_and_the_interval_says_so():
    got = auroc([1, 1] + [0] * 200, [150.5, 152.5, *range(200)])
    assert (got.method, got.notes) == ("newcombe", ("only 2 anomalous rows",))
    assert got.low < 0.45
    assert got.high > 0.9
    assert auroc([0, 1, 1], [1, 2, 3]).notes == ("only 2 anomalous rows", "only 1 benign row")


@pytest.mark.parametrize("area", [0.8, 0.95, 0.977])
@pytest.mark.parametrize("sizes", [(2, 200), (5, 500), (10, 10), (30, 900)])
def test_the_interval_of_few_rows_covers(area, sizes):
    """Nominal 95 %: 400 draws; 0.917 is three standard errors of such a share below 0.95 (DeLong's: 0.53 to 0.9)."""
    rng = np.random.default_rng(0)
    p, q = sizes
    labels = np.repeat([1, 0], [p, q])
    shift = math.sqrt(2) * ndtri(area)
    runs = [auroc(labels, rng.normal(size=p + q) + shift * labels) for _ in range(400)]
    assert np.mean([run.low <= area <= run.high for run in runs]) >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 400)


def test_one_row_of_a_class_is_enough():
    got = auroc([0, 0, 0, 1], [1, 2, 4, 3])
    assert got.value == pytest.approx(2 / 3)
    assert got.method == "newcombe"
    assert got.low < 2 / 3 < got.high


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth = 0.8413447460685429  # P(N(sqrt(2), 1) > N(0, 1)) = Phi(1)
    labels = np.repeat([0, 1], [60, 40])
    runs = [auroc(labels, rng.normal(size=100) + math.sqrt(2) * labels) for _ in range(400)]
    covered = np.mean([run.low <= truth <= run.high for run in runs])
    assert 0.92 < covered < 0.98
    assert np.mean([run.value for run in runs]) == pytest.approx(truth, abs=0.01)


def test_a_higher_confidence_is_a_wider_interval():
    labels, scores = [0, 0, 0, 1, 1, 1], [1, 3, 2, 2.5, 4, 5]
    narrow, wide = auroc(labels, scores, confidence=0.5), auroc(labels, scores, confidence=0.99)
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    assert wide.confidence == 0.99


@pytest.mark.parametrize(
    ("labels", "scores", "confidence", "said"),
    [
        ([0, 0], [1, 2], 0.95, "no anomalous (1) row among 2"),
        ([1, 1], [1, 2], 0.95, "no benign (0) row among 2"),
        ([0, 2], [1, 2], 0.95, "labels must be 0 (benign) or 1 (anomalous)"),
        ([0, 1, 1], [1, 2], 0.95, "labels must have shape (2,)"),
        ([0, 1], [1, np.nan], 0.95, "scores must be finite, got nan at row 1"),
        ([], [], 0.95, "scores must be a non-empty"),
        ([0, 1], [1, 2], 1.0, "confidence must be between 0 and 1, got 1.0"),
    ],
)
def test_bad_input_is_one_sentence(labels, scores, confidence, said):
    with pytest.raises(InputError) as caught:
        auroc(labels, scores, confidence)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_estimate_prints_and_floats():
    estimate = Estimate(0.5, 0.25, 0.75, n=3, method="x")
    assert (str(estimate), float(estimate), estimate.confidence) == ("0.500 [0.250, 0.750]", 0.5, 0.95)
