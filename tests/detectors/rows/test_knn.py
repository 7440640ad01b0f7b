import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.detectors import KNN
from reprq.errors import InputError


def slow_distances(benign, rows):
    """All distances, one difference at a time, in float64."""
    benign, rows = np.asarray(benign, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    return np.array([[np.sqrt(np.sum((z - x) ** 2)) for x in benign] for z in rows])


def slow_knn(benign, rows, k):
    return np.sort(slow_distances(benign, rows), axis=1)[:, k - 1]


@given(
    n=st.integers(1, 40),
    d=st.integers(1, 12),
    m=st.integers(1, 60),
    offset=st.sampled_from([0.0, 100.0, 1000.0, -1e6]),
    spread=st.sampled_from([1.0, 1e-3, 1e4]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 1000),
    data=st.data(),
)
@settings(max_examples=80, deadline=None)
def test_scores_are_the_oracles(n, d, m, offset, spread, dtype, seed, data):
    k = data.draw(st.integers(1, n))
    rng = np.random.default_rng(seed)
    benign = (rng.normal(size=(n, d)) * spread + offset).astype(dtype)
    rows = (rng.normal(size=(m, d)) * spread + offset).astype(dtype)
    rows[0] = benign[0]
    np.testing.assert_allclose(KNN(k).fit(benign).anomaly_score(rows), slow_knn(benign, rows, k), rtol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 100.0, 1000.0])
@pytest.mark.parametrize("spread", [1e-7, 1e-4, 1e-2])
@pytest.mark.parametrize("m", [3, 100])
def test_near_duplicates_are_told_apart(offset, spread, m):
    rng = np.random.default_rng(0)
    benign = np.repeat(rng.normal(size=(20, 64)), 20, axis=0) + offset
    benign += rng.normal(size=benign.shape) * spread
    rows = benign[rng.integers(0, len(benign), m)] + rng.normal(size=(m, 64)) * spread
    expected = slow_knn(benign, rows, 5)
    np.testing.assert_allclose(KNN(5).fit(benign).anomaly_score(rows), expected, rtol=1e-9)


def test_exact_duplicates_and_equal_rows():
    same = np.full((30, 4), 0.1)
    np.testing.assert_array_equal(KNN(30).fit(same).anomaly_score(same[:3]), 0.0)
    np.testing.assert_allclose(KNN(3).fit(same).anomaly_score(same[:2] + 3.0), 6.0)


@pytest.mark.parametrize("factor", [1e-150, 1e-30, 1.0, 1e30, 1e150])
def test_scale_passes_through(factor):
    rng = np.random.default_rng(5)
    benign, rows = rng.normal(size=(50, 6)), rng.normal(size=(25, 6))
    expected = slow_knn(benign, rows, 4) * factor
    np.testing.assert_allclose(KNN(4).fit(benign * factor).anomaly_score(rows * factor), expected, rtol=1e-12)


def test_a_query_beyond_the_reach_of_float32_is_still_exact():
    rng = np.random.default_rng(6)
    benign = rng.normal(size=(200, 8))
    rows = np.vstack([rng.normal(size=(40, 8)), np.full((1, 8), 1e25), np.full((1, 8), 1e5)])
    np.testing.assert_allclose(KNN(3).fit(benign).anomaly_score(rows), slow_knn(benign, rows, 3), rtol=1e-12)


def test_an_outlier_among_the_benign_rows_costs_no_digits():
    rng = np.random.default_rng(7)
    benign = np.vstack([rng.normal(size=(300, 16)), np.full((1, 16), 1e9)])
    rows = rng.normal(size=(50, 16))
    np.testing.assert_allclose(KNN(5).fit(benign).anomaly_score(rows), slow_knn(benign, rows, 5), rtol=1e-12)


def test_aggregations():
    benign, rows = np.array([[0.0], [1.0], [4.0]]), np.array([[0.0], [6.0]])
    for aggregation, expected in (("kth", [4, 6]), ("mean", [5 / 3, 13 / 3]), ("sum", [5, 13])):
        got = KNN(3, aggregation=aggregation).fit(benign).anomaly_score(rows)
        np.testing.assert_allclose(got, expected, rtol=1e-15)


def test_cosine_is_one_minus_cosine_even_where_that_cancels():
    rng = np.random.default_rng(10)
    benign, rows = rng.normal(size=(40, 6)), rng.normal(size=(30, 6))
    cosines = (rows @ benign.T) / np.linalg.norm(rows, axis=1)[:, None] / np.linalg.norm(benign, axis=1)
    expected = np.sort(1 - cosines, axis=1)[:, 2]
    np.testing.assert_allclose(KNN(3, metric="cosine").fit(benign).anomaly_score(rows), expected, rtol=1e-9)
    angle = 1e-7
    tilted = KNN(1, metric="cosine").fit([[1.0, 0.0]]).anomaly_score([[np.cos(angle), np.sin(angle)], [-3.0, 0.0]])
    np.testing.assert_allclose(tilted, [2 * np.sin(angle / 2) ** 2, 2.0], rtol=1e-9)


def test_k_larger_than_n_and_zero_rows_are_refused():
    with pytest.raises(InputError, match="k must be at most the number of benign rows, got k=4 and n_samples=3"):
        KNN(4).fit(np.eye(3))
    with pytest.raises(InputError, match="no zero row, .* got 1, the first in row 1 .counted from 0.; remove it or"):
        KNN(1, metric="cosine").fit([[1.0, 2.0], [0.0, 0.0]])


def test_training_scores_leave_each_row_and_its_copies_out():
    rng = np.random.default_rng(11)
    benign = np.vstack([rng.normal(size=(30, 4)), np.ones((3, 4))])
    for index in ("flat", "hnsw"):
        scores = KNN(2, index=index).fit(benign).training_scores()
        expected = [slow_knn(benign[(benign != row).any(axis=1)], row[None], 2)[0] for row in benign]
        np.testing.assert_allclose(scores, expected, rtol=1e-12)
    with pytest.raises(InputError, match="k must be below the number of benign rows .* out, got k=3 and 3 rows"):
        KNN(3).fit(np.eye(3)).training_scores()


def test_centring_and_normalising():
    rng = np.random.default_rng(12)
    benign, rows = rng.normal(size=(40, 5)) + 2, rng.normal(size=(20, 5)) + 2
    plain = KNN(3).fit(benign).anomaly_score(rows)
    np.testing.assert_allclose(KNN(3, center=True).fit(benign).anomaly_score(rows), plain, rtol=1e-12)
    for center in (False, True):
        shift = benign.mean(axis=0) if center else 0.0
        unit, units = (x - shift for x in (benign, rows))
        unit, units = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (unit, units))
        normalised = KNN(3, normalize=True, center=center).fit(benign).anomaly_score(rows)
        np.testing.assert_allclose(normalised, slow_knn(unit, units, 3), rtol=1e-10)
        cosine = KNN(3, metric="cosine", center=center).fit(benign).anomaly_score(rows)
        np.testing.assert_allclose(cosine, normalised**2 / 2, rtol=1e-10)
    assert KNN(3, center=True, normalize=True, index="ivf").describe() == "knn[k=3,kth,euclidean,center,normalize,ivf]"


@pytest.mark.parametrize("index", ["hnsw", "ivf"])
def test_an_approximate_index_says_what_it_misses(index, capfd):
    rng = np.random.default_rng(13)
    benign = rng.normal(size=(1000, 16)).astype(np.float32) + 1000
    rows = rng.normal(size=(120, 16)).astype(np.float32) + 1000
    detector = KNN(5, index=index).fit(benign)
    scores, exact = detector.anomaly_score(rows), KNN(5).fit(benign).anomaly_score(rows)
    assert 0.5 < detector.recall_ <= 1.0
    assert (scores >= exact).all()  # what it finds are true distances, if not always the smallest
    truth = np.sort(slow_distances(benign, rows), axis=1)[:, 4:5] * (1 + 1e-12)
    found = np.sqrt(detector.neighbours_.search(rows, 5)[0])
    assert np.mean(found <= truth) == pytest.approx(detector.recall_, abs=0.08)
    again = KNN(5, index=index).fit(benign)
    np.testing.assert_array_equal(again.anomaly_score(rows), scores)
    assert capfd.readouterr().out == ""


def test_an_index_that_finds_too_few_rows_is_topped_up():
    rng = np.random.default_rng(14)
    benign, rows = rng.normal(size=(30, 3)), rng.normal(size=(9, 3))
    detector = KNN(30, index="ivf").fit(benign)
    np.testing.assert_allclose(detector.anomaly_score(rows), slow_knn(benign, rows, 30), rtol=1e-12)
    assert detector.recall_ == 1.0


def on_gpu() -> bool:
    return hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0


@pytest.mark.skipif(not on_gpu(), reason="needs faiss-gpu and a GPU")
def test_a_gpu_gives_the_same_scores():
    rng = np.random.default_rng(0)
    x, z = rng.normal(100, 1, size=(2000, 64)).astype(np.float32), rng.normal(100, 1, size=(300, 64)).astype(np.float32)
    np.testing.assert_array_equal(KNN(device="cuda").fit(x).anomaly_score(z), KNN().fit(x).anomaly_score(z))


@pytest.mark.skipif(on_gpu(), reason="needs a FAISS without a GPU")
def test_a_gpu_that_is_not_there_is_one_sentence():
    with pytest.raises(
        InputError, match=r"device cuda(:1)? (needs faiss-gpu, and this FAISS is for the CPU|must be one)"
    ):
        KNN(device="cuda").fit(np.ones((9, 2)))
    with pytest.raises(InputError, match="device must be cpu, cuda or cuda:NUMBER, got 'gpu'"):
        KNN(device="gpu").fit(np.ones((9, 2)))
