"""The one pass on real embeddings: skewed, with heavy means and dead columns, as networks give them."""

import os
from pathlib import Path

import numpy as np
import pytest

from reprq.metrics import cka, measure, twonn

SHARED = Path(os.environ.get("REPRQ_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
FILE = SHARED / "embeddings" / "CV_by_ResNet18" / "CIFAR10_0.npz"

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not FILE.exists(), reason=f"no real embeddings at {FILE}; set REPRQ_SHARED_DATA"),
]


@pytest.fixture(scope="module")
def embeddings():
    with np.load(FILE, allow_pickle=False) as file:
        return file["X"][file["y"] == 0][:1500].astype(np.float32)


def test_spectral_metrics_of_a_resnet_equal_an_svd(embeddings):
    x = embeddings.astype(np.float64)
    plain = np.linalg.svd(x, compute_uv=False)
    sigma = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    p = plain / plain.sum() + 1e-7
    result = measure(embeddings)
    assert result["rankme"].value == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-9)
    assert result["aucev"].value == pytest.approx(np.cumsum(sigma / sigma.sum()).mean(), rel=1e-9)
    dead = int((x == x[0]).all(axis=0).sum())
    assert dead
    assert f"{dead} of 512 columns are constant" in result["rankme"].notes
    assert result["condition_number"].value is None
    assert result["alpha_req"].extra["r2"] > 0.95


def test_halves_of_the_columns_agree_and_the_dimension_is_low(embeddings):
    assert 0.3 < cka(embeddings[:, :256], embeddings[:, 256:], debiased=True) < 1
    assert 5 < twonn(embeddings) < 60
