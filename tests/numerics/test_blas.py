import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.numerics.blas import add_products


@settings(deadline=None)
@given(m=st.integers(0, 5), n=st.integers(0, 5), d=st.integers(1, 70), scale=st.sampled_from([-2.0, 0.5]))
def test_products_of_all_pairs_are_added_in_place(m: int, n: int, d: int, scale: float) -> None:
    rng = np.random.default_rng(d)
    block, queries, rows = (rng.integers(-4, 5, shape).astype(np.float32) for shape in ((m, n), (m, d), (n, d)))
    expected = block + np.float32(scale) * np.einsum("md,nd->mn", queries, rows)  # whole numbers: exact in any order
    add_products(block, scale, queries, rows)
    np.testing.assert_array_equal(block, expected)


def test_a_block_inside_a_larger_one_is_the_only_one_that_changes() -> None:
    space = np.zeros((4, 3), dtype=np.float32)
    add_products(space[1:3], 1.0, np.ones((2, 2), dtype=np.float32), np.ones((3, 2), dtype=np.float32))
    assert space.tolist() == [[0.0] * 3, [2.0] * 3, [2.0] * 3, [0.0] * 3]
