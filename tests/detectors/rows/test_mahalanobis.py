import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import covariance as peers

from reprq.detectors import Mahalanobis, load, save
from reprq.errors import InputError
from reprq.numerics.covariance import central_moments, ledoit_wolf_shrinkage, oas_shrinkage, whiten, whiten_pseudo


def slow_mahalanobis(benign, rows, covariance):
    mean, inverse = benign.mean(axis=0), np.linalg.pinv(covariance, hermitian=True)
    return np.array([(z - mean) @ inverse @ (z - mean) for z in rows])


def slow_ledoit_wolf(x):
    """Lemmas 3.2 to 3.4 of Ledoit & Wolf (2004), row by row."""
    n, d = x.shape
    x = x - x.mean(axis=0)
    s = x.T @ x / n
    mu = np.trace(s) / d
    delta = np.linalg.norm(s - mu * np.eye(d)) ** 2 / d
    b = sum(np.linalg.norm(np.outer(row, row) - s) ** 2 / d for row in x) / n**2
    return min(b, delta) / delta


@pytest.mark.parametrize("shape", [(300, 20), (20, 60), (50, 50), (3, 2)])
def test_shrinkages_are_the_papers_and_scikit_learns(shape):
    x = np.random.default_rng(0).normal(size=shape) * np.linspace(1, 4, shape[1]) + 7
    found = central_moments(x)
    ledoit_wolf = ledoit_wolf_shrinkage(found.covariance, found.fourth, len(x))
    assert ledoit_wolf == pytest.approx(slow_ledoit_wolf(x), rel=1e-9)
    assert ledoit_wolf == pytest.approx(peers.ledoit_wolf(x)[1], rel=1e-9)
    assert oas_shrinkage(found.covariance, len(x)) == pytest.approx(peers.oas(x)[1], rel=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize(
    ("name", "peer"),
    [("empirical", peers.EmpiricalCovariance), ("ledoit_wolf", peers.LedoitWolf), ("oas", peers.OAS)],
)
def test_scores_are_scikit_learns(name, peer, offset):
    rng = np.random.default_rng(1)
    benign = (rng.normal(size=(200, 15)) @ rng.normal(size=(15, 15)) + offset).astype(np.float32)
    rows = (rng.normal(size=(600, 15)) * 3 + offset).astype(np.float32)
    expected = peer().fit(benign.astype(np.float64)).mahalanobis(rows.astype(np.float64))
    detector = Mahalanobis(name).fit(benign)
    np.testing.assert_allclose(detector.anomaly_score(rows), expected, rtol=1e-7)
    values = np.linalg.eigvalsh(detector.covariance_)
    assert detector.condition_number_ == pytest.approx(values[-1] / values[0], rel=1e-6)
    assert detector.rank_ == 15


@given(
    n=st.integers(3, 30),
    d=st.integers(1, 30),
    seed=st.integers(0, 500),
    name=st.sampled_from(["empirical", "ledoit_wolf", "oas", "diagonal"]),
)
@settings(max_examples=60, deadline=None)
def test_never_negative_and_equal_to_the_pseudo_inverse(n, d, seed, name):
    rng = np.random.default_rng(seed)
    benign, rows = rng.normal(size=(n, d)), rng.normal(size=(11, d))
    detector = Mahalanobis(name).fit(benign)
    scores = detector.anomaly_score(rows)
    assert (scores >= 0).all()
    np.testing.assert_allclose(scores, slow_mahalanobis(benign, rows, detector.covariance_), rtol=1e-5, atol=1e-9)
    assert 0.0 <= detector.shrinkage_ <= 1.0
    assert detector.condition_number_ >= 1.0 - 1e-9
    if name == "empirical":
        assert detector.rank_ == min(n - 1, d)


def test_the_pseudo_inverse_reports_rank_and_condition():
    rng = np.random.default_rng(2)
    benign = rng.normal(size=(100, 3)) @ np.diag([1.0, 10.0, 100.0]) @ np.linalg.qr(rng.normal(size=(40, 3)))[0].T
    detector = Mahalanobis("empirical").fit(benign)
    assert detector.rank_ == 3
    values = np.linalg.eigvalsh(np.cov(benign.T, bias=True))[-3:]
    assert detector.condition_number_ == pytest.approx(values[2] / values[0], rel=1e-6)
    # in-sample distances of the empirical covariance sum to n times its rank
    assert detector.anomaly_score(benign).sum() == pytest.approx(300, rel=1e-9)


def test_the_condition_number_of_a_large_covariance():
    rng = np.random.default_rng(3)
    benign = rng.normal(size=(150, 220)) * np.arange(1, 221) ** -0.5
    detector = Mahalanobis("oas").fit(benign)
    values = np.linalg.eigvalsh(detector.covariance_)
    assert detector.condition_number_ == pytest.approx(values[-1] / values[0], rel=1e-6)


def test_distances_do_not_change_with_an_invertible_map_unless_shrunk():
    rng = np.random.default_rng(4)
    benign, rows, change = rng.normal(size=(80, 6)), rng.normal(size=(30, 6)), rng.normal(size=(6, 6))
    expected = Mahalanobis("empirical").fit(benign).anomaly_score(rows)
    mapped = Mahalanobis("empirical").fit(benign @ change + 5).anomaly_score(rows @ change + 5)
    np.testing.assert_allclose(mapped, expected, rtol=1e-8)
    shrunk = Mahalanobis("ledoit_wolf").fit(benign @ change).anomaly_score(rows @ change)
    assert not np.allclose(shrunk, Mahalanobis("ledoit_wolf").fit(benign).anomaly_score(rows), rtol=0.01)


def test_the_diagonal_is_a_sum_of_squared_z_scores():
    rng = np.random.default_rng(5)
    benign, rows = rng.normal(size=(50, 4)) * [1, 1e-8, 1e8, 3] + 2, rng.normal(size=(20, 4))
    expected = (((rows - benign.mean(axis=0)) / benign.std(axis=0)) ** 2).sum(axis=1)
    detector = Mahalanobis("diagonal").fit(benign)
    np.testing.assert_allclose(detector.anomaly_score(rows), expected, rtol=1e-9)
    assert detector.rank_ == 4
    assert detector.condition_number_ == pytest.approx(benign.var(axis=0).max() / benign.var(axis=0).min(), rel=1e-9)
    benign[:, 3] = 0.1
    assert Mahalanobis("diagonal").fit(benign).rank_ == 3


def test_two_rows_and_symmetry_leave_nothing_to_shrink():
    detector = Mahalanobis("ledoit_wolf").fit([[-1.0], [1.0]])
    assert (detector.shrinkage_, detector.rank_) == (0.0, 1)
    np.testing.assert_allclose(detector.anomaly_score([[2.0], [0.0]]), [4.0, 0.0])
    with pytest.raises(InputError, match="at least three different rows, got two: they span a line and no more"):
        Mahalanobis("ledoit_wolf").fit([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])


@pytest.mark.parametrize("name", ["empirical", "ledoit_wolf", "oas", "diagonal"])
def test_no_spread_is_refused(name):
    with pytest.raises(InputError, match="at least two different rows, got all rows equal"):
        Mahalanobis(name).fit(np.ones((5, 3)))
    with pytest.raises(InputError, match="X must have at least 2 rows, got n_samples=1"):
        Mahalanobis(name).fit(np.ones((1, 3)))
    with pytest.raises(InputError, match="too large for a covariance"):
        Mahalanobis(name).fit(np.eye(3) * 1e200)


def three_classes(rng, n=90, d=5):
    labels = rng.integers(0, 3, n)
    mix = rng.normal(size=(d, d))
    return (rng.normal(size=(n, d)) + 6 * np.eye(3, d)[labels]) @ mix, labels, (rng.normal(size=(40, d)) * 4) @ mix


@pytest.mark.parametrize("name", ["empirical", "ledoit_wolf", "oas", "diagonal"])
def test_class_and_relative_forms_are_the_papers(name):
    benign, labels, rows = three_classes(np.random.default_rng(6))
    means = np.array([benign[labels == c].mean(axis=0) for c in range(3)])
    within = Mahalanobis(name).fit(benign - means[labels])
    tied = np.linalg.inv(within.covariance_)
    to_class = np.array([min((z - m) @ tied @ (z - m) for m in means) for z in rows])
    got = Mahalanobis(name, form="class").fit(benign, labels)
    np.testing.assert_allclose(got.anomaly_score(rows), to_class, rtol=1e-8)
    np.testing.assert_allclose(got.covariance_, within.covariance_, rtol=1e-9, atol=1e-12)
    pooled = Mahalanobis(name).fit(benign).anomaly_score(rows)
    words = np.array(["cat", "dog", "owl"])[labels]
    relative = Mahalanobis(name, form="relative").fit(benign, words)
    np.testing.assert_allclose(relative.anomaly_score(rows), to_class - pooled, rtol=1e-7, atol=1e-8)
    assert relative.classes_.tolist() == ["cat", "dog", "owl"]


def test_the_tied_covariance_is_lees():
    benign, labels, _ = three_classes(np.random.default_rng(7))
    got = Mahalanobis("empirical", form="class").fit(benign, labels).covariance_
    slow = np.zeros((5, 5))
    for x, y in zip(benign, labels, strict=True):
        difference = x - benign[labels == y].mean(axis=0)
        slow += np.outer(difference, difference) / len(benign)
    np.testing.assert_allclose(got, slow, rtol=1e-10)


def test_one_class_is_the_pooled_form_and_nothing_relative():
    benign, _, rows = three_classes(np.random.default_rng(8))
    one = np.zeros(len(benign), dtype=int)
    pooled = Mahalanobis().fit(benign).anomaly_score(rows)
    np.testing.assert_allclose(Mahalanobis(form="class").fit(benign, one).anomaly_score(rows), pooled, rtol=1e-9)
    relative = Mahalanobis(form="relative").fit(benign, one).anomaly_score(rows)
    np.testing.assert_allclose(relative, 0.0, atol=1e-9 * pooled.max())


def test_class_forms_refit_batch_and_save(tmp_path):
    benign, labels, rows = three_classes(np.random.default_rng(9))
    detector = Mahalanobis(form="relative").fit(benign, labels)
    scores = detector.anomaly_score(rows)
    np.testing.assert_array_equal(detector.anomaly_score(rows[7:8]), scores[7:8])
    save(detector, tmp_path / "x")
    np.testing.assert_array_equal(load(tmp_path / "x").anomaly_score(rows), scores)
    assert np.isfinite(detector.training_scores()).all()
    assert detector.set_params(form="pooled").fit(benign).labels_ is None
    assert Mahalanobis("oas", form="class").describe() == "mahalanobis[oas,class]"


def test_mcd_is_scikit_learns_and_ignores_pollution():
    rng = np.random.default_rng(10)
    clean, rows = rng.normal(size=(150, 4)), rng.normal(size=(30, 4))
    polluted = np.vstack([clean, np.full((30, 4), 8.0) + rng.normal(size=(30, 4))])
    detector = Mahalanobis("mcd").fit(polluted)
    expected = peers.MinCovDet(random_state=0).fit(polluted).mahalanobis(rows)
    np.testing.assert_allclose(detector.anomaly_score(rows), expected, rtol=1e-8)
    far = np.full((1, 4), 8.0)
    ratio = [
        d.anomaly_score(far)[0] / np.median(d.anomaly_score(rows)) for d in (detector, Mahalanobis().fit(polluted))
    ]
    assert ratio[0] > 20 * ratio[1]
    assert detector.rank_ == 4
    assert Mahalanobis("mcd").fit(polluted[:, [0, 1, 1]]).rank_ == 2


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1e6, 1e12])
def test_mcd_does_not_depend_on_the_scale(scale):
    rng = np.random.default_rng(11)
    benign, rows = rng.normal(size=(80, 3)) @ rng.normal(size=(3, 3)), rng.normal(size=(9, 3))
    expected = Mahalanobis("mcd").fit(benign).anomaly_score(rows)
    detector = Mahalanobis("mcd").fit(benign * scale)
    np.testing.assert_allclose(detector.anomaly_score(rows * scale), expected, rtol=1e-6)
    np.testing.assert_allclose(detector.mean_, Mahalanobis("mcd").fit(benign).mean_ * scale, rtol=1e-6)


def test_mcd_refuses_a_half_that_is_flat():
    rng = np.random.default_rng(12)
    rows = rng.normal(size=(60, 4))
    rows[:36] = rows[0]
    with pytest.raises(InputError, match="got more than half that are equal; drop repeated rows or use ledoit_wolf"):
        Mahalanobis("mcd").fit(rows)
    rows = rng.normal(size=(60, 4))
    rows[:40, 2] = 0.0
    with pytest.raises(InputError, match="got more than half that lie in 3 of the 4 dimensions"):
        Mahalanobis("mcd").fit(rows)


@pytest.mark.parametrize(
    ("detector", "labels", "said"),
    [
        (Mahalanobis(form="class"), None, "y must hold the class labels of the benign rows for form 'class', got None"),
        (Mahalanobis(form="relative"), [0, 1], r"y must have shape \(8,\), one a row, got \(2,\)"),
        (
            Mahalanobis(form="class"),
            np.full(8, np.nan),
            "y must be class labels, whole numbers or text, got dtype float64",
        ),
        (Mahalanobis(form="class"), np.arange(8), "at least two different rows"),
        (Mahalanobis(form="each"), None, "form must be one of pooled, class, relative, got 'each'"),
        (Mahalanobis("mcd", form="class"), None, "covariance mcd has only the pooled form, got 'class'"),
        (Mahalanobis("mcd"), None, "covariance mcd needs more than 2 d rows, got n_samples=8 and d=4"),
    ],
)
def test_wrong_forms_and_labels_are_one_sentence(detector, labels, said):
    with pytest.raises(InputError, match=said):
        detector.fit(np.random.default_rng(0).normal(size=(8, 4)), labels)


@pytest.mark.parametrize("exponent", [0, 3, 6, 7.5, 9])
def test_cholesky_and_the_pseudo_inverse_agree_on_rank_and_distance(exponent):
    rng = np.random.default_rng(11)
    covariance = np.diag(10.0 ** -np.linspace(0, 2 * exponent, 8))
    rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    covariance = rotation @ covariance @ rotation.T
    one, two = whiten(covariance, 100), whiten_pseudo(covariance, 100)
    assert one.rank == two.rank
    rows = rng.normal(size=(20, 8)) @ covariance
    np.testing.assert_allclose(np.sum(one(rows) ** 2, axis=1), np.sum(two(rows) ** 2, axis=1), rtol=1e-3)
    cholesky = exponent < 6.5
    assert np.allclose(one.matrix, np.triu(one.matrix)) == cholesky
