import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.errors import InputError
from reprq.metrics import cosine_compactness


def oracle(x, to):
    def cosine(a, b):
        return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))

    if to == "mean":
        return np.mean([cosine(row, x.mean(axis=0)) for row in x])
    return np.mean([cosine(x[i], x[j]) for i in range(len(x)) for j in range(i)])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 9999), n=st.integers(2, 30), d=st.integers(1, 12), to=st.sampled_from(["pairs", "mean"]))
def test_the_mean_cosine_equals_the_double_loop(seed, n, d, to):
    x = np.random.default_rng(seed).standard_normal((n, d)) + 0.5
    assert cosine_compactness(x, to=to) == pytest.approx(oracle(x, to), abs=1e-12)


def test_closed_forms():
    assert cosine_compactness(np.eye(4)) == pytest.approx(0)
    assert cosine_compactness([[1.0, 0.0], [-2.0, 0.0]]) == -1.0
    assert cosine_compactness(np.outer([1.0, 2.0, 5.0], [3.0, 4.0])) == pytest.approx(1)
    assert cosine_compactness(np.eye(4), to="mean") == pytest.approx(0.5)


def test_a_zero_row_has_cosine_zero_with_everything():
    assert cosine_compactness([[1.0, 0.0], [2.0, 0.0], [0.0, 0.0]]) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("x", "to", "message"),
    [
        (np.zeros((3, 2)), "pairs", "all rows zero"),
        ([[1.0, 0.0], [-1.0, 0.0]], "mean", "got a zero mean"),
        (np.eye(3), "median", "to must be 'pairs' or 'mean', got 'median'"),
        (np.ones((1, 3)), "pairs", "at least 2 rows"),
    ],
)
def test_bad_input_is_named(x, to, message):
    with pytest.raises(InputError, match=message):
        cosine_compactness(x, to=to)
