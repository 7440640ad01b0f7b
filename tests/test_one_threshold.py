"""A row is anomalous where its score is over the threshold, whoever applies it."""

import numpy as np
import pytest

from reprq import plots
from reprq.detectors import KNN, threshold
from reprq.evaluation import at_threshold, curves


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3])
def test_all_call_the_same_rows_anomalous(rate):
    rng = np.random.default_rng(4)
    benign, anomalous = rng.integers(0, 9, (199, 1)), rng.integers(5, 14, (60, 1))
    detector = KNN(1).fit([[0.0]])  # the score is the number itself, so that many rows lie on the threshold
    limit = threshold(detector.anomaly_score(benign), rate)
    rows, labels = np.vstack([benign, anomalous]), np.repeat([0, 1], [199, 60])
    scores = detector.anomaly_score(rows)
    assert (scores == limit.value).sum() > 10
    called = detector.predict(rows, threshold=limit.value) == -1
    assert called[labels == 0].mean() <= rate
    point = at_threshold(labels, scores, limit.value)
    assert point.false_positive_rate == pytest.approx(called[labels == 0].mean())
    assert point.true_positive_rate == pytest.approx(called[labels == 1].mean())
    curve = curves(labels, scores)
    for value, false, true in zip(curve.thresholds, curve.false_positive_rate, curve.true_positive_rate, strict=True):
        drawn = at_threshold(labels, scores, value)
        assert (drawn.false_positive_rate, drawn.true_positive_rate) == (false, true)
        assert false == pytest.approx((detector.predict(benign, threshold=value) == -1).mean())
    legend = plots.score_histogram(labels, scores, threshold=limit.value).get_legend()
    said = f"{point.true_positive_rate:.0%} of anomalies, {point.false_positive_rate:.1%} false alarms"
    assert legend.get_texts()[2].get_text().endswith(said)
