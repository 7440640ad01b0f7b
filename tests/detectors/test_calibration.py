import numpy as np
import pytest

from reprq.detectors import (
    KDE,
    KNN,
    MVE,
    Centroid,
    Ensemble,
    Gaussian,
    IForest,
    Mahalanobis,
    RadialMahalanobis,
    create,
    threshold,
)
from reprq.detectors.calibration import copies, folds
from reprq.errors import InputError


@pytest.fixture
def rng():
    """Each test draws its own numbers, whichever tests run before it."""
    return np.random.default_rng(0)


def false_alarms(make, draw, trials=16, new=100, d=4, scale=1.0):
    """Share of new benign rows that `predict` flags: its mean, the mean's standard error, the rate asked for."""
    rng = np.random.default_rng(3)
    found, rate = [], 0.0
    for _ in range(trials):
        detector = make().fit(draw(rng) * scale)
        found.append(np.mean(detector.predict(rng.normal(size=(new, d)) * scale) == -1))
        rate = detector.calibration_.rate
    return np.mean(found), np.std(found) / np.sqrt(trials), rate


DRAWS = {
    "few": (lambda rng: rng.normal(size=(30, 4)), 12),
    "twice-each": (lambda rng: np.repeat(rng.normal(size=(30, 4)), 2, axis=0), 12),
    "some-twice": (lambda rng: np.vstack([x := rng.normal(size=(40, 4)), x[:8]]), 12),
    "three-rows": (lambda rng: rng.normal(size=(3, 4)), 60),
    "held-out": (lambda rng: rng.normal(size=(200, 4)), 12),
}
NEEDS_MORE = (
    "threshold must be given, because 3 benign rows are too few|k must be at most the number of benign rows"
    "|X must have at least 4 rows"
)
NOT_OF_THREE = (KNN, Mahalanobis, RadialMahalanobis, IForest, MVE, Ensemble)


@pytest.mark.parametrize("case", DRAWS)
def test_new_benign_rows_are_flagged_as_often_as_promised(registered, case, rng):
    draw, trials = DRAWS[case]
    if case == "three-rows" and isinstance(registered, NOT_OF_THREE):
        with pytest.raises(InputError, match=NEEDS_MORE):
            registered.fit(draw(rng)).predict(draw(rng)[:, :4])
        return
    mean, error, rate = false_alarms(lambda: create_like(registered), draw, trials)
    assert mean <= rate + 4 * error
    if case == "held-out":  # exchangeable, so exact
        assert mean >= rate - 4 * error - 1 / 41
        assert len(registered.fit(draw(rng)).calibration_.folds) == 1


def create_like(detector):
    return type(detector)(**detector.get_params())


@pytest.mark.parametrize("make", [Gaussian, lambda: Mahalanobis("empirical"), lambda: create("mve")])
@pytest.mark.parametrize("n", [20, 31, 34])
def test_fewer_rows_than_columns_flag_no_more_than_promised_in_any_unit(make, n):
    found = [
        false_alarms(make, lambda rng: rng.normal(size=(n, 30)), trials=10, d=30, scale=scale)
        for scale in (2.0**-10, 1.0, 2.0**10)
    ]
    for mean, error, rate in found:
        assert mean <= rate + 4 * error
    assert np.ptp([mean for mean, _, _ in found]) <= 0.002


def test_with_one_fold_the_p_value_is_that_of_split_conformal_prediction(rng):
    calibration = KNN(2).fit(rng.normal(size=(250, 3))).calibration_
    ((detector, held),) = calibration.folds
    new = rng.normal(size=(40, 3)) * 2
    slow = [(1 + (held >= score).sum()) / (len(held) + 1) for score in detector.anomaly_score(new)]
    np.testing.assert_allclose(calibration.p_values(new), slow)
    assert calibration.threshold == threshold(held, calibration.rate).value


@pytest.mark.parametrize("n", [3, 12, 60, 250])
@pytest.mark.parametrize("times", [1, 2])
def test_predict_decision_and_p_values_agree(n, times, rng):
    detector = KNN(1).fit(np.repeat(rng.normal(size=(n, 3)), times, axis=0))
    new = np.vstack([rng.normal(size=(80, 3)) * 3, detector.benign_[:1], np.full((1, 3), 99.0)])
    flagged = detector.predict(new) == -1
    assert flagged[-2:].tolist() == [False, True]  # a row that it knows, and one far away
    np.testing.assert_array_equal(flagged, detector.decision_function(new) < 0)
    np.testing.assert_array_equal(flagged, -detector.score_samples(new) > -detector.offset_)
    np.testing.assert_array_equal(flagged, detector.calibration_.p_values(new) <= detector.calibration_.rate + 1e-12)


def test_copies_are_never_on_both_sides_of_a_fold(rng):
    rows = np.repeat(rng.normal(size=(17, 2)), rng.integers(1, 5, 17), axis=0)[rng.permutation(35) % 17]
    seen = []
    for kept, left in folds(rows):
        assert not set(map(bytes, rows[kept])) & set(map(bytes, rows[left]))
        seen += left.tolist()
    assert sorted(seen) == list(range(len(rows)))
    assert copies(np.array([[0.0], [1.0], [-0.0]])).tolist() == [0, 1, 0]


def test_training_scores_of_copies_are_those_of_rows_not_seen(rng):
    rows = rng.normal(size=(40, 3))
    twice = np.repeat(rows, 2, axis=0)
    np.testing.assert_allclose(KNN(1).fit(twice).training_scores()[::2], KNN(1).fit(rows).training_scores())
    assert KDE().fit(twice).bandwidth_ == pytest.approx(KDE().fit(rows).bandwidth_, rel=0.5)
    assert np.median(KDE().fit(twice).training_scores()) < 10.0


def test_training_scores_of_a_gaussian_rank_alike_in_every_unit(rng):
    rows = rng.normal(size=(30, 40))
    orders = [np.argsort(Gaussian().fit(rows * scale).training_scores()) for scale in (2.0**-10, 1.0, 2.0**10)]
    np.testing.assert_array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[0], orders[2])


def test_labels_go_with_their_rows(rng):
    rows, labels = rng.normal(size=(60, 3)), np.repeat(["a", "b"], 30)
    rows[30:] += 9.0
    detector = Mahalanobis(form="class").fit(rows, labels)
    assert detector.predict([[0.0, 0.0, 0.0], [9.0, 9.0, 9.0], [4.5, 4.5, 4.5]]).tolist() == [1, 1, -1]


def test_one_row_many_times_has_no_threshold():
    with pytest.raises(InputError, match="threshold must be given, because 20 benign rows .* got 1 in 20"):
        Centroid().fit(np.ones((20, 2))).predict(np.ones((1, 2)))
