"""Packed symmetric matrices against whole ones."""

import numpy as np
import pytest

from reprq.errors import InputError
from reprq.numerics import packed
from reprq.numerics.moments import Moments

SIZES = [1, 2, 3, 4, 5, 8, 31, 32]


@pytest.mark.parametrize("d", SIZES)
def test_packed_matrices_hold_what_whole_ones_do(rng: np.random.Generator, d: int) -> None:
    rows = rng.standard_normal((7, d))
    found, whole = packed.zeros(d), rows.T @ rows
    held = packed.with_rows(found, rows[:3])
    found = packed.with_rows(held, rows[3:])
    assert np.shares_memory(found, held)
    assert found.shape == (d * (d + 1) // 2,)
    np.testing.assert_allclose(np.tril(packed.lower(found, d)), np.tril(whole), atol=1e-13)
    np.testing.assert_allclose(packed.diagonal(found, d), np.diagonal(whole), atol=1e-13)
    np.testing.assert_array_equal(packed.pack(packed.lower(found, d)), found)
    other = rng.standard_normal((d, d))
    other += other.T
    expected = float((whole * other).sum())
    assert packed.inner_product(found, packed.pack(other), d) == pytest.approx(expected, abs=1e-12 * d**2 * 7)


@pytest.mark.parametrize("d", SIZES)
def test_packing_reads_the_lower_triangle_alone(d: int) -> None:
    matrix = np.arange(d * d, dtype=np.float64).reshape(d, d)
    assert sorted(packed.pack(matrix)) == sorted(matrix[np.tril_indices(d)])
    np.testing.assert_array_equal(packed.pack(np.tril(matrix)), packed.pack(matrix))


def test_too_many_columns_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reprq.numerics.packed.MOST_COLUMNS", 3)
    assert Moments.of(np.eye(4)).n == 4
    with pytest.raises(InputError, match="x must have at most 3 columns where it has more rows than columns, got 4"):
        Moments.of(np.ones((5, 4)))
