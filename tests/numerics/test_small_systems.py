"""Many small systems at once, against one at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.numerics import small_systems
from reprq.numerics.small_systems import solve_leading


@pytest.mark.parametrize("systems", [0, 1, 7])
@settings(deadline=None, max_examples=20)
@given(n=st.integers(1, 12), m=st.integers(1, 4), seed=st.integers(0, 999))
def test_each_leading_block_is_solved_as_if_alone(systems: int, n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(systems, n + 3, n))
    matrices = rows.swapaxes(-1, -2) @ rows + 0.1 * np.eye(n)
    right, sizes = rng.normal(size=(systems, n, m)), range(1, n + 1)
    solved = solve_leading(matrices.transpose(1, 2, 0), right.transpose(1, 2, 0), sizes)
    for size, found in zip(sizes, solved, strict=True):
        assert found.shape == (size, m, systems)
        for place in range(systems):
            alone = np.linalg.solve(matrices[place][:size, :size], right[place][:size])
            np.testing.assert_allclose(found[..., place], alone, rtol=1e-9, atol=1e-9)


def test_the_factor_is_that_of_cholesky_row_by_row() -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(5, 9, 4))
    matrices = rows.swapaxes(1, 2) @ rows
    beside = np.concatenate([matrices, rng.normal(size=(5, 4, 2))], axis=2)
    made = small_systems._eliminated(beside.transpose(1, 2, 0).copy())
    for k, matrix in enumerate(matrices):
        np.testing.assert_allclose(np.triu(made[:, :4, k]), np.linalg.cholesky(matrix).T, rtol=1e-10, atol=1e-12)


def test_only_the_upper_triangle_is_used_and_nothing_is_changed() -> None:
    matrix = np.array([[4.0, 1.0], [1.0, 3.0]])
    upper, right = np.triu(matrix)[..., None], np.ones((2, 1, 1))
    (found,) = solve_leading(upper, right, [2])
    np.testing.assert_allclose(matrix @ found[..., 0], right[..., 0], rtol=1e-12)
    assert np.array_equal(upper[..., 0], np.triu(matrix))
    assert (right == 1).all()


@pytest.mark.parametrize("matrix", [np.zeros((2, 2)), np.diag([1.0, -1.0]), np.ones((2, 2)), np.full((2, 2), np.nan)])
def test_what_is_not_positive_definite_is_refused(matrix: np.ndarray) -> None:
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        solve_leading(np.stack([np.eye(2), matrix], axis=-1), np.ones((2, 1, 2)), [2])
