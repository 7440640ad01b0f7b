"""Tensors on a GPU are computed where they are; the CPU's device takes the very same path here, beside NumPy's."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import reprq
from reprq.detectors import KNN, Centroid, Mahalanobis, load, save
from reprq.errors import InputError
from reprq.metrics import (
    alignment,
    cka,
    cka_matrix,
    coherence,
    mean_knn_distance,
    mutual_knn,
    procrustes_distance,
    pwcca,
    self_cluster,
    svcca,
    twonn,
    uniformity,
)
from reprq.numerics import tensors
from reprq.numerics.nearest import ExactNeighbours
from reprq.numerics.tensor_neighbours import TensorNeighbours

CLOSE = 1e-9  # relative: float64 sums in another order, condition numbers of up to 1e6


@pytest.fixture
def resident(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take the CPU for a device that keeps its tensors, and refuse to copy a matrix from it to NumPy."""
    monkeypatch.setattr(tensors, "RESIDENT", {"cpu"})
    for name in ("cpu", "__array__", "numpy", "tolist"):
        monkeypatch.setattr(torch.Tensor, name, refusing(getattr(torch.Tensor, name)))
    yield
    KEPT.clear()


KEPT: set[tuple[int, ...]] = set()  # the shapes of what may not be copied


def refusing(copy: Callable[..., Any]) -> Callable[..., Any]:
    def small(self: torch.Tensor, *arguments: Any) -> Any:
        assert tuple(self.shape) not in KEPT, "the rows were copied to the host"
        return copy(self, *arguments)

    return small


def there(x: NDArray[Any]) -> torch.Tensor:
    """A tensor of which no matrix of the same shape may be copied to NumPy."""
    if x.ndim == 2 and x.shape[0] != x.shape[1]:
        KEPT.add(x.shape)
    return torch.from_numpy(x.copy())


def said(call: Callable[..., Any], *arguments: Any) -> Any:
    """What a call returns, or the sentence of its error."""
    try:
        return call(*arguments)
    except InputError as error:
        return str(error)


def rows(n: int, d: int, seed: int = 0, dtype: str = "float32") -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) * np.arange(1, d + 1) ** -0.7 + 100
    x[:, d // 2] = 5
    if n > d:  # else a value of the spectrum would be rounding error, and alpha with it
        x[n // 2] = x[0]
    return x.astype(dtype)


@pytest.mark.parametrize("intervals", [False, True])
@pytest.mark.parametrize(("n", "d"), [(300, 20), (15, 40), (45, 30)])
def test_every_metric_is_that_of_the_array(n: int, d: int, intervals: bool, resident: None) -> None:
    x = rows(n, d)
    names = [*reprq.metrics.names(), "uniformity", "twonn", "mean_knn_distance", "self_cluster", "coherence"]
    expected = reprq.measure(x, names, definitions="all", intervals=intervals)
    found = reprq.measure(there(x), names, definitions="all", intervals=intervals)
    for key, metric in expected.items():
        pair = [np.array([m.value, m.low, m.high], dtype=float) for m in (found[key], metric)]
        np.testing.assert_allclose(*pair, rtol=CLOSE, err_msg=key)
        assert found[key].notes == metric.notes
        assert found[key].extra == pytest.approx(metric.extra, rel=CLOSE)


def test_small_eigenvalues_have_the_digits_that_the_array_gives_them(resident: None) -> None:
    rng = np.random.default_rng(0)
    left = np.linalg.qr(rng.standard_normal((200, 12)))[0]
    x = left @ np.diag(10.0 ** -np.arange(12.0)) @ np.linalg.qr(rng.standard_normal((12, 12)))[0]
    assert reprq.metrics.condition_number(there(x)) == pytest.approx(reprq.metrics.condition_number(x), rel=1e-4)


def test_blocks_of_tensors_pass_once(resident: None) -> None:
    x = rows(100, 12)
    expected = reprq.measure(x, ["rankme", "trace", "cosine_compactness"])
    found = reprq.measure(iter([there(x[:7]), there(x[7:60]), there(x[60:])]), list(expected))
    assert [m.value for m in found.values()] == pytest.approx([m.value for m in expected.values()], rel=CLOSE)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("measure", [twonn, mean_knn_distance, uniformity, self_cluster, coherence])
def test_metrics_of_rows_are_those_of_the_array(measure: Callable[[Any], float], dtype: str, resident: None) -> None:
    x = rows(120, 10, dtype=dtype)
    assert measure(there(x)) == pytest.approx(measure(x), rel=CLOSE)


@pytest.mark.parametrize(
    "compare",
    [
        lambda x, y: cka(x, y),
        lambda x, y: cka(x, y, debiased=True),
        lambda x, y: cka(x, y, "rbf", bandwidth=0.4),
        lambda x, y: cka(x, y, batch_size=25),
        lambda x, y: cka_matrix([x, y], debiased=True)[0, 1],
        procrustes_distance,
        svcca,
        pwcca,
        mutual_knn,
        lambda x, y: alignment(x[:, :5], y[:, :5]),
    ],
)
@pytest.mark.parametrize("n", [12, 101])
def test_similarities_are_those_of_the_arrays(compare: Callable[[Any, Any], float], n: int, resident: None) -> None:
    x, y = rows(n, 6, dtype="float64"), rows(n, 5 if n > 12 else 15, seed=1, dtype="float64")
    expected, found = said(compare, x, y), said(compare, there(x), there(y))
    assert found == expected or found == pytest.approx(expected, rel=CLOSE, abs=1e-12)


def test_an_array_beside_a_tensor_takes_both_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "RESIDENT", {"cpu"})
    x, y = rows(50, 4), rows(50, 3, seed=1)
    assert cka(torch.from_numpy(x), y) == cka(x, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("k", [1, 5, 29])
def test_neighbours_and_their_order_are_those_of_the_array(k: int, dtype: str, resident: None) -> None:
    x, queries = rows(30, 8, dtype=dtype), rows(40, 8, seed=1, dtype=dtype)
    x[10:20] = x[10]  # more copies than the shortlist has room for
    for own, asked in ((None, queries), (np.arange(len(x)), x)):
        squares, ids = ExactNeighbours(x).search(asked, k, own)
        found, numbers = TensorNeighbours(there(x)).search(there(asked), k, own)
        np.testing.assert_allclose(found, squares, rtol=1e-12)
        np.testing.assert_array_equal(numbers, ids)


def test_neighbours_of_queries_that_float32_cannot_hold_and_of_rounded_products_are_found(
    resident: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = rows(60, 5, dtype="float64")
    far = np.vstack([x[:3], x[3:5] * 1e30])
    expected = ExactNeighbours(x).search(far, 3)
    for precision in ("highest", "medium"):
        monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda precision=precision: precision)
        found = TensorNeighbours(there(x))
        assert found._products.dtype == (torch.float32 if precision == "highest" else torch.float64)
        squares, ids = found.search(there(far), 3)
        np.testing.assert_allclose(squares, expected[0], rtol=1e-12)
        np.testing.assert_array_equal(ids[:3], expected[1][:3])


DETECTORS = [
    KNN(3),
    KNN(3, aggregation="mean", metric="cosine"),
    KNN(3, center=True, normalize=True),
    Centroid(),
    *(Mahalanobis(kind) for kind in ("empirical", "ledoit_wolf", "oas", "diagonal")),
    Mahalanobis(form="class"),
    Mahalanobis(form="relative"),
]


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.describe())
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_detectors_fit_and_score_tensors_as_arrays(detector: Any, dtype: str, resident: None) -> None:
    benign, new = rows(90, 7, dtype=dtype), rows(20, 7, seed=1, dtype=dtype)
    labels = np.arange(90) % 3
    kind, parameters = type(detector), detector.get_params()
    expected, found = kind(**parameters).fit(benign, labels), kind(**parameters).fit(there(benign), labels)
    assert isinstance(found.benign_, torch.Tensor)
    np.testing.assert_allclose(found.anomaly_score(there(new)), expected.anomaly_score(new), rtol=1e-8)
    np.testing.assert_array_equal(found.anomaly_score(there(new)), found.anomaly_score(new))
    np.testing.assert_array_equal(found.anomaly_score(there(new[:1])), found.anomaly_score(there(new))[:1])
    np.testing.assert_allclose(found.training_scores(), expected.training_scores(), rtol=1e-7, atol=1e-7)
    np.testing.assert_array_equal(found.predict(there(new)), expected.predict(new))


def test_a_detector_of_tensors_is_saved_as_one_of_arrays(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "RESIDENT", {"cpu"})
    benign, new = rows(50, 4), rows(9, 4, seed=1)
    save(KNN(3).fit(torch.from_numpy(benign)), tmp_path / "knn")
    np.testing.assert_array_equal(load(tmp_path / "knn").anomaly_score(new), KNN(3).fit(benign).anomaly_score(new))


NAN = rows(5, 3)
NAN[3, 1] = np.nan
BAD: list[tuple[str, Any]] = [
    ("a nan", NAN),
    ("an inf", np.where(np.isnan(NAN), -np.inf, NAN)),
    ("one axis", np.zeros(4, dtype=np.float32)),
    ("three axes", np.zeros((4, 3, 2))),
    ("an axis too many", np.zeros((4, 3, 1))),
    ("a number", np.zeros(())),
    ("no columns", np.zeros((4, 0))),
    ("no rows", np.zeros((0, 4))),
    ("complex", np.zeros((4, 3), dtype=np.complex64)),
    ("too large", np.full((4, 3), 1e200)),
]


@pytest.mark.parametrize("use", [reprq.measure, KNN(1).fit, Centroid().fit, lambda x: cka(x, x), twonn])
@pytest.mark.parametrize("bad", [x for _, x in BAD], ids=[name for name, _ in BAD])
def test_what_is_refused_is_refused_in_the_same_words(use: Callable[[Any], Any], bad: Any, resident: None) -> None:
    expected, found = said(use, bad), said(use, there(bad))
    assert isinstance(found, str) == isinstance(expected, str)
    assert found == expected or not isinstance(found, str)


def test_whole_numbers_half_precision_and_gradients_are_taken(resident: None) -> None:
    x = np.random.default_rng(0).integers(0, 9, size=(40, 5))
    expected = reprq.metrics.rankme(x)
    half = torch.from_numpy(x).to(torch.bfloat16)
    learned = torch.from_numpy(x).double().requires_grad_()
    for tensor in (torch.from_numpy(x), half, learned, torch.from_numpy(x.astype(np.uint8))):
        assert reprq.metrics.rankme(tensor) == pytest.approx(expected, rel=CLOSE)


def test_a_detector_that_does_not_stay_takes_the_rows_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "RESIDENT", {"cpu"})
    x = rows(40, 4)
    lof = reprq.detectors.LOF(k=3)
    expected = lof.fit(x).anomaly_score(x)
    np.testing.assert_array_equal(lof.fit(torch.from_numpy(x)).anomaly_score(torch.from_numpy(x)), expected)
