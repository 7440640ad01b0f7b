import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as peers

from reprq.errors import InputError
from reprq.evaluation.operating import at_threshold, average_precision, average_precision_chance, curves, fpr_at_tpr
from reprq.evaluation.roc import auroc

scored = st.lists(st.tuples(st.integers(0, 1), st.integers(-4, 4)), min_size=2, max_size=40).filter(
    lambda rows: 0 < sum(label for label, _ in rows) < len(rows)
)


@given(scored)
@settings(max_examples=60, deadline=None)
def test_curves_and_areas_are_scikit_learns(case):
    labels, scores = (np.array(column) for column in zip(*case, strict=True))
    found = curves(labels, scores)
    fpr, tpr, thresholds = peers.roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(found.false_positive_rate, fpr)
    np.testing.assert_allclose(found.true_positive_rate, tpr)
    np.testing.assert_array_equal(found.thresholds, [*thresholds[1:], -np.inf])  # over, where theirs is at or over
    precision, recall, _ = peers.precision_recall_curve(labels, scores)
    np.testing.assert_allclose(found.precision[::-1], precision)
    np.testing.assert_allclose(found.true_positive_rate[::-1], recall)
    assert average_precision(labels, scores) == pytest.approx(peers.average_precision_score(labels, scores), abs=1e-12)
    assert np.trapezoid(tpr, fpr) == pytest.approx(auroc(labels, scores).value, abs=1e-12)


@given(scored, st.floats(-5, 5), st.floats(0.01, 1.0))
@settings(max_examples=60, deadline=None)
def test_rates_are_counts(case, threshold, tpr):
    labels, scores = (np.array(column) for column in zip(*case, strict=True))
    called = scores > threshold
    point = at_threshold(labels, scores, threshold)
    assert point.true_positive_rate == pytest.approx(called[labels == 1].mean())
    assert point.false_positive_rate == pytest.approx(called[labels == 0].mean())
    assert point.precision == pytest.approx(labels[called].mean() if called.any() else 1.0)
    reached = [t for t in set(scores) if np.mean(scores[labels == 1] >= t) >= tpr - 1e-12]
    assert fpr_at_tpr(labels, scores, tpr) == pytest.approx(np.mean(scores[labels == 0] >= max(reached)))
    mirrored = fpr_at_tpr(1 - labels, -scores, tpr)
    assert fpr_at_tpr(labels, scores, tpr, positive="benign") == pytest.approx(mirrored, abs=1e-12)


@pytest.mark.parametrize(("p", "q"), [(1, 3), (2, 4), (4, 2)])
def test_average_precision_by_chance_is_the_mean_over_all_orders(p, q):
    n = p + q
    every = [np.isin(np.arange(n), rows).astype(int) for rows in itertools.combinations(range(n), p)]
    expected = np.mean([average_precision(labels, np.arange(n)) for labels in every])
    assert average_precision_chance([1] * p + [0] * q) == pytest.approx(expected)


def test_the_positive_class_matters():
    labels, scores = [0] * 20 + [1] * 20, [*range(18), 30, 31, *range(10, 30)]
    assert fpr_at_tpr(labels, scores) != fpr_at_tpr(labels, scores, positive="benign")


def test_thresholds_at_and_between_scores():
    labels, scores = [0, 1, 0, 1], [1.0, 2.0, 3.0, 4.0]
    assert at_threshold(labels, scores, 4.0).precision == 1.0
    assert at_threshold(labels, scores, 4.0).true_positive_rate == 0.0
    assert at_threshold(labels, scores, 3.0).true_positive_rate == 0.5
    assert at_threshold(labels, scores, -np.inf).false_positive_rate == 1.0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: fpr_at_tpr([0, 1], [0, 1], 0.0), "tpr must be in (0, 1], got 0.0"),
        (lambda: fpr_at_tpr([0, 1], [0, 1], positive="ood"), "positive must be anomalous or benign, got 'ood'"),
        (lambda: average_precision([0, 0], [0, 1]), "no anomalous (1) row among 2"),
        (lambda: curves([0, 1], [0, np.nan]), "scores must be finite, got nan at row 1"),
    ],
)
def test_bad_input_is_one_sentence(call, said):
    with pytest.raises(InputError) as caught:
        call()
    assert said in str(caught.value)
