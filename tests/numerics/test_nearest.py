"""Exact neighbours against all float64 differences, whatever makes the shortlist and however little memory there is."""

import copy
import pickle
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.numerics import engines, nearest, shortlist
from reprq.numerics.nearest import ExactNeighbours
from reprq.numerics.rows import column_means

Found = tuple[NDArray[np.float64], NDArray[np.int64]]
ENGINES = engines.ENGINES


def oracle(rows: NDArray[Any], queries: NDArray[Any], k: int, own: NDArray[np.int64] | None = None) -> Found:
    """All squared distances, one difference at a time; among equal ones the lower number comes first."""
    differences = rows.astype(np.float64) - queries.astype(np.float64)[:, None]
    squares = np.stack([[row @ row for row in of_query] for of_query in differences])
    if own is not None:
        squares[np.arange(len(own)), own] = np.inf
    ids = np.argsort(squares, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(squares, ids, axis=1), ids


def distances(rows: NDArray[Any], queries: NDArray[Any], ids: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.linalg.norm(rows[ids].astype(np.float64) - queries.astype(np.float64)[:, None], axis=2)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything pass through several blocks."""
    monkeypatch.setattr(nearest, "_BUDGET", 2**12)
    monkeypatch.setattr(shortlist, "ROWS", 24)
    monkeypatch.setattr(shortlist, "QUERIES", 7)


@pytest.fixture(params=["narrow", "wide"])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let products be summed whole, with the squared lengths as a column, and in parts, with these added afterwards."""
    if request.param == "wide":
        monkeypatch.setattr(shortlist, "_NARROW", 1)
        monkeypatch.setattr(shortlist, "_COLUMNS", 5)


@pytest.mark.parametrize("engine", ENGINES)
@given(
    n=st.integers(1, 60),
    d=st.integers(1, 12),
    m=st.integers(1, 40),
    offset=st.sampled_from([0.0, 100.0, -1e6]),
    spread=st.sampled_from([1.0, 1e-3, 1e4, 1e30]),
    whole=st.booleans(),
    seed=st.integers(0, 1000),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_neighbours_are_the_oracles(
    engine: engines.Engine, n: int, d: int, m: int, offset: float, spread: float, whole: bool, seed: int, data: Any
) -> None:
    k = data.draw(st.integers(1, n))
    rng = np.random.default_rng(seed)
    rows, queries = (rng.normal(size=(count, d)) * spread + offset for count in (n, m))
    queries[0] = rows[0]
    if whole and spread == 1.0:
        rows, queries = rows.round(), queries.round()  # many ties, which both compute without rounding
    index = ExactNeighbours(rows, engine=engine)
    squares, ids = index.search(queries, k)
    np.testing.assert_array_equal(index.kth(queries, k), squares[:, -1])
    expected, numbers = oracle(rows, queries, k)
    np.testing.assert_allclose(squares, expected, rtol=1e-12)
    if whole and spread == 1.0:
        np.testing.assert_array_equal(ids, numbers)
    np.testing.assert_allclose(distances(rows, queries, ids) ** 2, expected, rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("spread", [1e-7, 1e-2])
@pytest.mark.usefixtures("small_blocks", "width")
def test_rows_that_float32_cannot_tell_apart_are_ranked_exactly(
    engine: engines.Engine, offset: float, spread: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss.cvar, "distance_compute_blas_threshold", 1)  # the product formula, as for large batches
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.normal(size=(20, 64)), 12, axis=0) + offset
    rows += rng.normal(size=rows.shape) * spread
    own = np.arange(len(rows))
    squares, ids = ExactNeighbours(rows, engine=engine).search(rows, 5, own)
    expected, numbers = oracle(rows, rows, 5, own)
    np.testing.assert_allclose(squares, expected, rtol=1e-9)
    np.testing.assert_array_equal(ids, numbers)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("order", ["random", "nearer and nearer", "farther and farther"])
@pytest.mark.parametrize("k", [1, 5, 30, 299])
@pytest.mark.usefixtures("small_blocks", "width")
def test_neither_batch_nor_order_nor_memory_changes_a_bit(engine: engines.Engine, order: str, k: int) -> None:
    rng = np.random.default_rng(1)
    rows, queries = rng.normal(size=(300, 16)), rng.normal(size=(50, 16))
    by_distance = np.argsort(np.linalg.norm(rows - queries[0], axis=1))
    rows = {"random": rows, "nearer and nearer": rows[by_distance[::-1]], "farther and farther": rows[by_distance]}[
        order
    ]
    index = ExactNeighbours(rows, engine=engine)
    squares, ids = index.search(queries, k)
    np.testing.assert_array_equal(ids, oracle(rows, queries, k)[1])
    for step in (1, 13):
        parts = [index.search(queries[start : start + step], k) for start in range(0, 50, step)]
        np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), squares)
        np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), ids)


@pytest.mark.parametrize("m", [1, 19, 20, 200])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_search_in_float64_agrees_with_the_shortlist(engine: engines.Engine, m: int) -> None:
    rng = np.random.default_rng(8)
    rows, queries = rng.normal(size=(400, 10)), rng.normal(size=(m, 10))
    index = ExactNeighbours(rows, engine=engine)
    squares, ids = index.search(queries, 6)
    again, same = index._search_float64(queries, 6, None)
    np.testing.assert_array_equal(ids, same)
    np.testing.assert_array_equal(squares, again)


@pytest.mark.usefixtures("small_blocks")
def test_the_search_in_float64_agrees_in_blocks_with_ties() -> None:
    rows = np.random.default_rng(3).integers(0, 3, size=(300, 3)).astype(np.float64)
    own = np.arange(len(rows))
    index = ExactNeighbours(rows)
    squares, ids = index._search_float64(rows[:100], 40, own[:100])
    expected, numbers = oracle(rows, rows[:100], 40, own[:100])
    np.testing.assert_array_equal(squares, expected)
    np.testing.assert_array_equal(ids, numbers)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_row_is_not_its_own_neighbour(engine: engines.Engine) -> None:
    rows = np.vstack([np.random.default_rng(9).normal(size=(50, 5)), np.zeros((9, 5))])
    own = np.arange(len(rows))
    index = ExactNeighbours(rows, engine=engine)
    for squares, ids in (index.search(rows, 4, own), index._search_float64(rows, 4, own)):
        np.testing.assert_allclose(squares, oracle(rows, rows, 4, own)[0], rtol=1e-12)
        assert not (ids == own[:, None]).any()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("far", [1e5, 1e19, 1e25])
def test_a_query_beyond_the_reach_of_float32_is_still_exact(engine: engines.Engine, far: float) -> None:
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(600, 8))
    queries = np.vstack([rng.normal(size=(40, 8)), np.full((1, 8), far)])
    squares, _ = ExactNeighbours(rows, engine=engine).search(queries, 3)
    np.testing.assert_allclose(squares, oracle(rows, queries, 3)[0], rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("d", [3, 300])
def test_the_kth_alone_has_the_same_bits_and_looks_at_few_rows(
    engine: engines.Engine, d: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(4)
    rows, queries = (rng.normal(5.0, 1.0, size=(count, d)).astype(np.float32) for count in (800, 90))
    rows[100:200] = rows[:100]  # copies: equal distances at every k
    index = ExactNeighbours(rows, engine=engine)
    squares, ids = index.search(queries, 60)
    np.testing.assert_array_equal(ids, oracle(rows, queries, 60)[1])
    own = np.arange(len(rows))
    of_own = index.search(rows, 60, own)[0]
    pairs = []

    def counted(*given: Any) -> NDArray[np.float64]:
        pairs.append(len(given[2]))
        return exact(*given)

    exact = nearest.pair_squares
    monkeypatch.setattr(nearest, "pair_squares", counted)
    np.testing.assert_array_equal(index.kth(queries, 60), squares[:, -1])
    assert sum(pairs) < 8 * len(queries)
    np.testing.assert_array_equal(index.kth(rows, 60, own), of_own[:, -1])


def test_more_equal_distances_than_memory_should_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortlist, "_MANY", 8)
    rows = np.random.default_rng(5).integers(0, 2, size=(3000, 4)).astype(np.float64)
    for engine in ENGINES:
        index = ExactNeighbours(rows, engine=engine)
        squares, ids = index.search(rows[:40] + 1.0, 5)
        np.testing.assert_array_equal(ids, oracle(rows, rows[:40] + 1.0, 5)[1])
        np.testing.assert_array_equal(index.kth(rows[:40] + 1.0, 5), squares[:, -1])


def test_a_copy_and_a_pickle_find_the_same() -> None:
    rows = np.random.default_rng(2).normal(size=(90, 4))
    for engine in ENGINES:
        index = ExactNeighbours(rows, engine=engine)
        for other in (copy.deepcopy(index), pickle.loads(pickle.dumps(index))):
            np.testing.assert_array_equal(other.search(rows, 3)[0], index.search(rows, 3)[0])


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "measured_seconds", lambda: {"product": (1.0, 3.0), "faiss": (2.0, 2.0)})
    assert [engines.faster_engine(2**40, d) for d in (8, 64, 1024, 4096)] == ["product", "product", "faiss", "faiss"]
    assert engines.faster_engine(10, 4096) == "product"  # not worth the measurement
    for engine in ENGINES:
        monkeypatch.setenv("REPRQ_NEIGHBOURS", engine)
        assert {engines.faster_engine(pairs, 64) for pairs in (10, 2**40)} == {engine}
    monkeypatch.setenv("REPRQ_NEIGHBOURS", "abacus")
    with pytest.raises(InputError, match=r"\$REPRQ_NEIGHBOURS must be one of product, faiss, got 'abacus'"):
        ExactNeighbours(np.eye(3)).search(np.eye(3), 1)


def test_both_engines_are_measured() -> None:
    found = engines.measured_seconds()
    assert set(found) == set(ENGINES)
    assert all(second > 0 for seconds in found.values() for second in seconds)


def test_rows_whose_sum_overflows_are_centered_all_the_same() -> None:
    rng = np.random.default_rng(7)
    rows = (rng.normal(size=(200, 3)) * 1e37 + np.float32(2e38)).astype(np.float32)
    squares, ids = ExactNeighbours(rows).search(rows[:9].astype(np.float64), 4)
    wanted, order = oracle(rows, rows[:9], 4)
    np.testing.assert_array_equal(ids, order)
    np.testing.assert_allclose(squares, wanted, rtol=1e-12)


def test_means_of_constant_columns_are_exact_also_where_their_sum_overflows() -> None:
    rows = np.stack([np.full(70, 0.1), np.full(70, 1.7e308), np.linspace(0.0, 1.0, 70)], axis=1)
    with np.errstate(over="ignore"):
        assert column_means(rows)[:2].tolist() == [0.1, 1.7e308]
    np.testing.assert_allclose(column_means(rows[:, [2]]), [0.5])
