from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

Matrix = NDArray[np.float64]


def power_law(n: int, d: int, a: float, seed: int = 0) -> Matrix:
    """U diag(j^(-a/2)) V^T with U orthonormal and orthogonal to the ones vector: alpha is exactly a, the mean 0."""
    rng = np.random.default_rng(seed)
    rank = min(n - 1, d)
    left = rng.standard_normal((n, rank))
    u, _ = np.linalg.qr(left - left.mean(axis=0))
    v, _ = np.linalg.qr(rng.standard_normal((d, rank)))
    return (u * np.arange(1, rank + 1) ** (-a / 2)) @ v.T


@pytest.fixture(scope="session")
def make_power_law() -> Callable[..., Matrix]:
    return power_law


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Matrices this small lose more to the hand-over between threads than they win."""
    with threadpool_limits(1):
        yield
