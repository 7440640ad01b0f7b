from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.numerics.blas import add_products, products, tridiagonal_eigenvectors


@settings(deadline=None)
@given(
    m=st.integers(0, 5),
    n=st.integers(0, 5),
    d=st.integers(1, 70),
    scale=st.sampled_from([-2.0, 0.5]),
    beside=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_products_of_all_pairs_are_added_in_place_also_of_some_columns_of_wider_arrays(
    m: int, n: int, d: int, scale: float, beside: tuple[int, int]
) -> None:
    rng = np.random.default_rng(d)
    first, last = beside
    shapes = (m, n), (m, first + d + last), (n, d + first)
    block, queries, rows = (rng.integers(-4, 5, shape).astype(np.float32) for shape in shapes)
    queries, rows = queries[:, first : first + d], rows[:, first:]
    expected = block + np.float32(scale) * np.einsum("md,nd->mn", queries, rows)  # whole numbers: exact in any order
    add_products(block, scale, queries, rows)
    np.testing.assert_array_equal(block, expected)


def test_a_block_inside_a_larger_one_is_the_only_one_that_changes() -> None:
    space = np.zeros((4, 3), dtype=np.float32)
    add_products(space[1:3], 1.0, np.ones((2, 2), dtype=np.float32), np.ones((3, 2), dtype=np.float32))
    assert space.tolist() == [[0.0] * 3, [2.0] * 3, [2.0] * 3, [0.0] * 3]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (3, 5)])
def test_products_are_those_of_numpy_in_either_order(order: Any, shape: tuple[int, int]) -> None:
    matrix = np.arange(1.0, 1.0 + shape[0] * shape[1]).reshape(shape).copy(order=order)
    for other in (np.arange(2.0, 2.0 + shape[1]), np.arange(2.0, 2.0 + 3 * shape[1]).reshape(shape[1], 3)):
        np.testing.assert_array_equal(products(matrix, other), matrix @ other)


@pytest.mark.parametrize("d", [2, 3, 40])
def test_eigenvectors_of_a_tridiagonal_matrix_have_known_angles_and_their_input_stays(d: int) -> None:
    diagonal, off = np.full(d, 2.0), np.full(d - 1, -1.0)  # the second difference: sines of j k pi / (d + 1)
    found = tridiagonal_eigenvectors(diagonal, off)
    ranks = np.arange(1, d + 1)
    expected = np.sqrt(2 / (d + 1)) * np.sin(np.outer(ranks, ranks) * np.pi / (d + 1))
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-12)
    assert (diagonal == 2.0).all()
    assert (off == -1.0).all()
