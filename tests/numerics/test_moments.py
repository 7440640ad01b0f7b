import itertools

import numpy as np
import pytest
import torch
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.errors import InputError
from reprq.metrics import Moments, measure
from reprq.numerics import moments as moments_module


def values(measurement):
    return {name: -1.0 if metric.value is None else metric.value for name, metric in measurement.items()}


@pytest.mark.parametrize("shape", [(200, 40), (30, 40), (41, 40), (40, 40)])
def test_moments_are_those_of_the_matrix(rng, shape):
    x = rng.standard_normal(shape) + 5
    moments = Moments.of(x)
    deviations = x - x.mean(axis=0)
    np.testing.assert_allclose(moments.mean, x.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(moments.scatter, deviations.T @ deviations, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(moments.scatter_diagonal, np.square(deviations).sum(axis=0), rtol=1e-10)
    np.testing.assert_allclose(moments.unit_sum, (x / np.linalg.norm(x, axis=1, keepdims=True)).sum(axis=0), rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(14, 90),
    cuts=st.lists(st.integers(0, 90), max_size=4),
    mean=st.sampled_from([0.0, 1000.0]),
    seed=st.integers(0, 999),
)
def test_streamed_merged_and_whole_agree(n, cuts, mean, seed):
    x = np.random.default_rng(seed).standard_normal((n, 30)) * np.arange(1, 31) ** -0.5 + mean
    edges = [0, *sorted(min(cut, n) for cut in cuts), n]
    blocks = [x[start:stop] for start, stop in itertools.pairwise(edges) if stop > start]
    streamed, merged = Moments(30), Moments(30)
    for block in blocks:
        streamed.update(block)
        merged.merge(Moments(30).update(block))
    whole = values(measure(x, definitions="all"))
    for other in (streamed, merged, iter(blocks)):
        for name, value in values(measure(other, definitions="all")).items():
            # Rounding moves the smallest eigenvalue of a nearly square Gaussian matrix more than anything else.
            assert value == pytest.approx(whole[name], rel=1e-5 if "condition" in name else 1e-9), name


def test_merging_large_with_large_with_small(rng):
    x = rng.standard_normal((100, 8)) + 1000
    merged = Moments.of(x[:60]).merge(Moments.of(x[60:95])).merge(Moments.of(x[95:])).merge(Moments(8))
    np.testing.assert_allclose(merged.scatter, Moments.of(x).scatter, rtol=1e-9, atol=1e-9)
    assert merged.n == 100


def test_a_merge_leaves_the_other_as_it_was(rng):
    x = rng.standard_normal((6, 4))
    other = Moments.of(x[:3])
    Moments.of(x[3:]).merge(other).update(x)
    np.testing.assert_array_equal(other.rows, x[:3])


def test_a_generator_may_reuse_its_buffer(rng):
    x = rng.standard_normal((20, 30))
    buffer = np.empty((5, 30))

    def blocks():
        for start in range(0, 20, 5):
            buffer[:] = x[start : start + 5]
            yield buffer

    assert values(measure(blocks())) == pytest.approx(values(measure(x)), rel=1e-9)


def test_torch_numpy_memmap_lists_and_embeddings_agree(rng, tmp_path):
    x = rng.standard_normal((60, 20)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)

    class Holder:
        array = x

    expected = values(measure(x))
    for form in (
        torch.tensor(x),
        torch.tensor(x, requires_grad=True),
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        x.tolist(),
        Holder(),
        np.asfortranarray(x),
        x[::1, ::1],
    ):
        assert values(measure(form)) == pytest.approx(expected, rel=1e-12)


def test_a_chunked_array_is_read_block_by_block(rng, monkeypatch):
    x = rng.standard_normal((60, 20))
    monkeypatch.setattr(moments_module, "BLOCK_BYTES", 8 * 20 * 7)
    chunked = zarr.array(x, chunks=(16, 20))
    assert [len(block) for block in moments_module.blocks_of(chunked)] == [7] * 8 + [4]
    assert values(measure(chunked)) == pytest.approx(values(measure(x)), rel=1e-9)
    x[30, 3] = np.nan
    with pytest.raises(InputError, match=r"x\[28:35\] must be finite, got nan at row 2, column 3"):
        measure(zarr.array(x, chunks=(16, 20)))


def test_duplicates_zero_rows_and_constant_columns_are_counted_exactly(rng):
    x = rng.standard_normal((500, 33)).astype(np.float32) + 1000
    x[:, 4] = 0.1
    x[:, 9] = -7e5
    x[300:] = x[:200]
    x[17] = x[317] = 0
    x[499] = 0
    x[:, 4] = x[:, 9] = 0.1
    moments = Moments.of(x)
    assert moments.duplicates == 500 - len(np.unique(x, axis=0))
    assert int((moments.scatter_diagonal == 0).sum()) == 2
    assert Moments.of(iter(np.array_split(x, 7))).duplicates == moments.duplicates
    assert int((Moments.of(iter(np.array_split(x, 7))).scatter_diagonal == 0).sum()) == 2
    assert Moments.of(np.zeros((5, 3))).zero_rows == 5


def test_one_hot_rows_are_no_duplicates():
    assert Moments.of(np.eye(50)).duplicates == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Moments(3).update(np.ones((2, 4))), "block must have 3 columns"),
        (lambda: Moments(3).merge(Moments(4)), "other must have 3 columns as the statistics it joins, got 4"),
        (lambda: Moments.of(iter([])), "x must have at least 1 rows, got 0"),
        (lambda: Moments.of(iter([np.ones((2, 3)), np.ones((2, 4))])), "block 1 of x must have 3 columns"),
        (lambda: Moments.of(iter([np.ones((2, 3)), np.full((2, 3), np.nan)])), "block 1 of x must be finite"),
        (lambda: Moments.of([[1.0, 2.0], [3.0, np.inf]]), "got inf at row 1, column 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 2.0**-10])
def test_only_equal_rows_are_copies(dtype, scale):
    rng = np.random.default_rng(0)
    signs = np.unique(rng.integers(0, 2, (400, 30)) * 2.0 - 1.0, axis=0)
    for rows in (signs, rng.standard_normal((400, 3)), rng.integers(0, 9, (400, 2))):
        x = (rows * scale).astype(dtype)
        assert Moments.of(x).duplicates == len(x) - len(np.unique(x.astype(float), axis=0))
        assert Moments.of(np.vstack([x, x[:7]])).duplicates == 7 + Moments.of(x).duplicates


@pytest.mark.parametrize("offset", [1e8, 1e12, 1e15])
def test_distinct_rows_far_from_zero_are_no_copies(offset):
    x = offset + np.random.default_rng(0).standard_normal((500, 4)) * 9
    x[3], x[4] = x[5], -0.0
    x[6] = 0.0
    assert Moments.of(x).duplicates == 500 - len(np.unique(x + 0.0, axis=0))
    assert Moments.of(iter(np.split(x, [70, 71]))).duplicates == Moments.of(x).duplicates


def test_squares_are_squared_distances_to_the_mean():
    x = np.random.default_rng(0).standard_normal((600, 5)) + 1e6
    truth = np.sort(np.square(x - x.mean(axis=0)).sum(axis=1))
    np.testing.assert_allclose(np.sort(Moments.of(x).squares), truth, rtol=1e-6)
    np.testing.assert_allclose(np.sort(Moments.of(x[:4]).squares), np.sort(np.square(x[:4] - x[:4].mean(0)).sum(1)))
    streamed = Moments.of(iter(np.split(x, 6)))
    assert streamed.squares.shape == (600,)
    assert streamed.squares.sum() == pytest.approx(truth.sum(), rel=0.05)
