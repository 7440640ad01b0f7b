import numpy as np
import pytest

from reprq.detectors import create, names

QUICK = {"iforest": {"name": "iforest", "trees": 10}, "gmm": {"name": "gmm", "components": 2}}  # the same code, sooner
VARIANTS = [  # that run other code
    {"name": "knn", "k": 2, "aggregation": "mean"},
    {"name": "knn", "k": 3, "aggregation": "sum", "metric": "cosine"},
    {"name": "knn", "index": "hnsw"},
    {"name": "mahalanobis", "covariance": "empirical"},
    {"name": "mahalanobis", "covariance": "oas"},
    {"name": "mahalanobis", "covariance": "diagonal"},
    {"name": "ocsvm", "kernel": "cosine"},
]
REGISTERED = [QUICK.get(name, name) for name in names()]


def identify(spec):
    return "-".join(map(str, spec.values())) if isinstance(spec, dict) else spec


@pytest.fixture(params=[*REGISTERED, *VARIANTS], ids=identify)
def detector(request):
    """Every registered detector, and its variants."""
    return create(request.param)


@pytest.fixture(params=REGISTERED, ids=identify)
def registered(request):
    """Every registered detector once."""
    return create(request.param)


@pytest.fixture
def benign():
    return np.random.default_rng(0).normal(size=(60, 7)) * np.arange(1, 8) + 3.0


@pytest.fixture
def rows():
    return np.random.default_rng(1).normal(size=(41, 7)) * np.arange(1, 8) + 4.0
