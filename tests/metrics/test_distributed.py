"""Metrics and CKA of dask arrays: the numbers of the same rows in memory, from sums that the workers make."""

import socket
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reprq.errors import InputError
from reprq.metrics import cka, cka_matrix, layer_similarity, measure, rankme
from reprq.numerics.cross_moments import cross_moments
from reprq.numerics.moments import Moments

GETADDRINFO = socket.getaddrinfo  # which `conftest.no_network` replaces

da: Any = pytest.importorskip("dask.array", reason="dask is an optional extra")


@pytest.fixture
def x() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.standard_normal((400, 12)) * np.arange(1, 13) ** -0.5 + 3).astype(np.float32)


@pytest.fixture
def y(x: np.ndarray) -> np.ndarray:
    return np.tanh(x @ np.random.default_rng(1).standard_normal((12, 7)).astype(np.float32))


@pytest.mark.parametrize("chunks", [(90, 5), (400, 12), (7, 12), ((0, 150, 250), 12)])
def test_the_metrics_are_those_of_the_rows_in_memory(x: np.ndarray, chunks: Any) -> None:
    found, expected = measure(da.from_array(x, chunks=chunks)), measure(x)
    assert list(found) == list(expected)
    for name, metric in expected.items():
        assert found[name].value == pytest.approx(metric.value, rel=1e-9)
        assert (found[name].n, found[name].d, found[name].notes) == (metric.n, metric.d, metric.notes)
    assert rankme(da.from_array(x, chunks=chunks)) == pytest.approx(rankme(x), rel=1e-9)


def test_fewer_rows_than_columns_are_measured_too(x: np.ndarray) -> None:
    few = x[:9]
    assert measure(da.from_array(few, chunks=(2, 12)))["trace"].value == pytest.approx(measure(few)["trace"].value)


def test_an_array_of_unknown_length_is_measured(x: np.ndarray) -> None:
    rows = da.from_array(x, chunks=(90, 12))
    kept = rows[rows[:, 0] > 3]
    assert np.isnan(kept.shape[0])
    assert measure(kept)["trace"].value == pytest.approx(measure(x[x[:, 0] > 3])["trace"].value)


def test_every_block_is_read_once_and_no_join_changes_its_parts(x: np.ndarray) -> None:
    seen: list[int] = []

    def read(block: np.ndarray, block_info: Any = None) -> np.ndarray:
        if block_info:
            seen.append(block_info[0]["chunk-location"][0])
        return block

    measure(da.from_array(x, chunks=(100, 12)).map_blocks(read, dtype=x.dtype, meta=x[:0]))
    assert sorted(seen) == [0, 1, 2, 3]
    parts = [Moments.of(x[:200]), Moments.of(x[200:])]
    before = [part.scatter.copy() for part in parts]
    for _ in range(2):  # as when a worker is lost
        assert Moments._joined(*parts).scatter == pytest.approx(Moments.of(x).scatter)
    assert all((part.scatter == scatter).all() for part, scatter in zip(parts, before, strict=True))


def test_intervals_lie_about_the_same_values(x: np.ndarray) -> None:
    found = measure(da.from_array(x, chunks=(90, 12)), ["trace", "rankme"], intervals=True)
    for name, metric in measure(x, ["trace", "rankme"], intervals=True).items():
        assert found[name].value == pytest.approx(metric.value, rel=1e-9)
        widths = [interval.high - interval.low for interval in (found[name], metric)]  # type: ignore[operator]
        assert widths[0] == pytest.approx(widths[1], rel=0.7)


@pytest.mark.parametrize("debiased", [False, True])
def test_cka_is_that_of_the_rows_in_memory(x: np.ndarray, y: np.ndarray, debiased: bool) -> None:
    expected = cka(x.astype(np.float64), y.astype(np.float64), debiased=debiased)
    in_blocks = da.from_array(x, chunks=(90, 5)), da.from_array(y, chunks=(150, 7))
    assert cka(*in_blocks, debiased=debiased) == pytest.approx(expected, rel=1e-9)
    assert cka(in_blocks[0], y, debiased=debiased) == pytest.approx(expected, rel=1e-9)
    layers = {"a": in_blocks[0], "b": in_blocks[1]}
    both = cka_matrix(layers, debiased=debiased)
    assert both == pytest.approx(np.array([[1, expected], [expected, 1]]), rel=1e-9)
    assert cka_matrix([x], layers, debiased=debiased) == pytest.approx(both[:1], rel=1e-9)
    assert layer_similarity(layers, debiased=debiased).loc["a", "b"] == pytest.approx(expected, rel=1e-9)


def test_a_large_mean_costs_no_digits(x: np.ndarray, y: np.ndarray) -> None:
    far = x.astype(np.float64) + 1e7
    expected = cka(far, y.astype(np.float64))
    assert cka(da.from_array(far, chunks=(90, 12)), y) == pytest.approx(expected, rel=1e-12)


def test_cross_moments_merge(x: np.ndarray, y: np.ndarray) -> None:
    sums = cross_moments({"x": da.from_array(x, chunks=(90, 12)), "y": y}, [(0, 1)])
    centred = [z - z.mean(axis=0, dtype=np.float64) for z in (x, y)]
    assert sums.n == 400
    assert sums.products[0, 1] == pytest.approx(centred[0].T @ centred[1])
    assert sums.squares == pytest.approx([np.square(z).sum() for z in centred])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: measure(x, ["twonn"]), "x must be in memory for twonn, which compares rows with each other"),
        (lambda x: cka(x, x, kernel="rbf"), "kernel must be 'linear' for dask arrays, got 'rbf'"),
        (lambda x: cka_matrix([x], kernel="rbf"), "kernel must be 'linear' for dask arrays"),
        (lambda x: cka(x, x, batch_size=10), "batch_size must be None for dask arrays"),
        (lambda x: cka(x, x[:10]), "y must have 400 rows as the array it is compared with, got 10"),
        (lambda x: cka(x, 0 * x), "y must have rows that differ, got all rows equal"),
        (lambda x: cka(x[:3], x[:3], debiased=True), "x must have at least 4 rows, got 3"),
        (lambda x: cka(x, x * 1e200), "differences whose fourth powers float64 can hold"),
        (lambda x: measure(da.where(x == x[250, 3], np.nan, x)), "block 2 of x must be finite, got nan at row 70"),
        (lambda x: measure(x[:0]), "x must have at least 1 rows, got 0"),
        (lambda x: measure(x[:, 0]), "must be an .n, d. array, got shape .400,."),
        (lambda x: measure(x[:, :0]), "x must have a known number of columns, at least one, got 0"),
    ],
)
def test_what_cannot_be_summed_is_one_sentence(x: np.ndarray, call: Callable[[Any], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(da.from_array(x.astype(np.float64), chunks=(90, 5)))


def test_the_workers_of_a_cluster_sum(x: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed: Any = pytest.importorskip("distributed", reason="needs reprq[distributed]")
    monkeypatch.setattr(socket, "getaddrinfo", GETADDRINFO)  # the cluster is on this machine
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as local,
        distributed.Client(local),
    ):
        found = measure(da.from_array(x, chunks=(90, 12)), ["trace"])
    assert found["trace"].value == pytest.approx(measure(x, ["trace"])["trace"].value)


def test_dask_is_told_how_large_the_sums_are(x: np.ndarray) -> None:
    assert sys.getsizeof(Moments.of(x)) >= 8 * (12 * 13 // 2 + 2 * 400)
    assert sys.getsizeof(cross_moments({"x": da.from_array(x), "y": x}, [(0, 1)])) >= 8 * 12 * 12
