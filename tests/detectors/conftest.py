import numpy as np
import pytest

from reprq.detectors import create, names

EXTRA = [
    {"name": "knn", "k": 2, "aggregation": "mean"},
    {"name": "knn", "k": 3, "aggregation": "sum", "metric": "cosine"},
    {"name": "mahalanobis", "covariance": "empirical"},
    {"name": "mahalanobis", "covariance": "oas"},
    {"name": "mahalanobis", "covariance": "diagonal"},
    {"name": "knn", "index": "hnsw"},
]


def identify(spec):
    return "-".join(map(str, spec.values())) if isinstance(spec, dict) else spec


@pytest.fixture(params=[*names(), *EXTRA], ids=identify)
def detector(request):
    """Every registered detector with its defaults, and the variants that run other code."""
    return create(request.param)


@pytest.fixture
def benign():
    return np.random.default_rng(0).normal(size=(60, 7)) * np.arange(1, 8) + 3.0


@pytest.fixture
def rows():
    return np.random.default_rng(1).normal(size=(41, 7)) * np.arange(1, 8) + 4.0
