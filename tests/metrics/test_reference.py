"""The rank of benign rows beside that of a reference: by hand, and what it does not depend on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprq.errors import InputError, UnknownNameError
from reprq.metrics import effective_rank, relative_rank

RNG = np.random.default_rng(0)
BROAD = RNG.standard_normal((300, 12))
NARROW = BROAD * np.repeat([1, 0], [3, 9]) + 5


def isotropic(n: int, k: int, d: int) -> np.ndarray:
    """(n, d) rows whose covariance has k equal eigenvalues."""
    x = np.linalg.qr(np.column_stack([np.ones(n), RNG.standard_normal((n, k))]))[0][:, 1:]
    return x @ np.linalg.qr(RNG.standard_normal((d, k)))[0].T


@pytest.mark.parametrize("k", [1, 2, 5, 10])
def test_k_directions_of_ten_are_a_share_of_k_tenths(k: int) -> None:
    assert relative_rank(isotropic(40, k, 12), isotropic(40, 10, 12)) == pytest.approx(k / 10)


def test_rows_beside_themselves_are_one_and_the_other_way_round_is_the_inverse() -> None:
    assert relative_rank(BROAD, BROAD) == 1
    assert relative_rank(NARROW, BROAD) == pytest.approx(1 / relative_rank(BROAD, NARROW))
    assert relative_rank(NARROW, BROAD, metric="participation_ratio") < 0.3


@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10), seed=st.integers(0, 99))
def test_it_does_not_move_with_rotation_scale_and_shift(scale: float, shift: float, seed: int) -> None:
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((12, 12)))[0]
    moved = [scale * x @ turn + shift for x in (NARROW, BROAD)]
    assert relative_rank(*moved) == pytest.approx(relative_rank(NARROW, BROAD), rel=1e-6)


def test_the_larger_is_measured_on_as_many_rows_as_the_smaller() -> None:
    few = NARROW[:20]
    ranks = [effective_rank(BROAD[np.random.default_rng(s).permutation(300)[:20]]) for s in range(200)]
    found = relative_rank(few, BROAD, repeats=200)
    assert found == pytest.approx(effective_rank(few) / np.mean(ranks), rel=0.02)
    assert found > 1.3 * effective_rank(few) / effective_rank(BROAD)  # a rank of few rows is lower
    assert relative_rank(few, BROAD, seed=3) == relative_rank(few, BROAD, seed=3)


def test_what_has_no_rank_or_other_columns_is_told() -> None:
    with pytest.raises(InputError, match="reference must have the columns of x, got 11 and 12"):
        relative_rank(NARROW, BROAD[:, 1:])
    with pytest.raises(InputError, match="each have a effective_rank|equal"):
        relative_rank(np.ones((5, 12)), BROAD)
    with pytest.raises(InputError, match="finite"):
        relative_rank(np.full((5, 12), np.nan), BROAD)
    with pytest.raises(UnknownNameError, match="rank"):
        relative_rank(NARROW, BROAD, metric="rank")
