"""Relevance of columns for detectors whose score is a sum over them, or a quadratic form."""

from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from reprq.detectors.rows.centroid import Centroid
from reprq.detectors.rows.density import MVE, Gaussian
from reprq.detectors.rows.input import as_rows
from reprq.detectors.rows.knn import KNN
from reprq.detectors.rows.mahalanobis import Mahalanobis
from reprq.detectors.rows.reconstruction import PCA
from reprq.numerics.covariance import Whitening
from reprq.numerics.rows import column_means
from reprq.numerics.tensors import host

Array = NDArray[np.float64]

_BLOCK = 256


def checked_rows(detector: Any, X: Any) -> Array:
    """Return (m, d) float64 rows, once the detector has taken them: its score refuses what cannot be explained."""
    detector.anomaly_score(X)
    return np.asarray(as_rows(X, type(detector).__name__), dtype=np.float64)


def of_centroid(detector: Centroid, X: Any) -> Array:
    """Return (x - mean)^2."""
    return np.square(checked_rows(detector, X) - detector.mean_)


def of_pca(detector: PCA, X: Any) -> Array:
    """Return the squared residual, in units of the scaled rows."""
    rows = (checked_rows(detector, X) - detector.mean_) / detector.scale_
    return np.square(rows - (rows @ detector.components_.T) @ detector.components_)


def of_mahalanobis(detector: Mahalanobis, X: Any) -> Array:
    """Return (x - mean) * S^-1 (x - mean), by the form of the detector."""
    rows = checked_rows(detector, X) - detector.mean_
    if detector.form == "pooled":
        return _quadratic(rows, detector.whitening_)
    assert detector.labels_ is not None
    benign = host(detector.benign_)
    means = [column_means(benign[detector.labels_ == label]) - detector.mean_ for label in detector.classes_]
    distances = np.stack([np.square(detector.whitening_(rows - mean)).sum(1) for mean in means])
    found = _quadratic(rows - np.stack(means)[distances.argmin(0)], detector.whitening_)
    return found if detector.background_ is None else found - _quadratic(rows, detector.background_)


def of_gaussian(detector: Gaussian, X: Any) -> Array:
    """Return half of the quadratic form: the score less its constant."""
    return 0.5 * of_mahalanobis(detector, X)


def of_mve(detector: MVE, X: Any) -> Array:
    """Return (x - c) * A (x - c), c the center and A the shape of the ellipsoid."""
    rows = (checked_rows(detector, X) - detector.mean_) / detector.scale_
    rank = len(detector.root_) - 1
    inverse = detector.root_ @ detector.root_.T
    center = -np.linalg.solve(inverse[:rank, :rank], inverse[:rank, rank])  # of whitened rows
    whiten = detector.span_.matrix
    moved = rows - np.linalg.lstsq(whiten.T, center, rcond=None)[0]
    shape = scipy.linalg.cholesky(inverse[:rank, :rank], lower=True) / np.sqrt(rank)
    return _quadratic(moved, Whitening(whiten @ shape, rank))


def of_knn(detector: KNN, X: Any) -> Array:
    """Return what each column adds to the distance to the k-th neighbor, or to the mean or sum of k."""
    rows = host(detector._prepared(checked_rows(detector, X)))
    benign = host(detector._prepared(detector.benign_))
    chosen = slice(detector.k - 1, None) if detector.aggregation == "kth" else slice(None)
    found = np.empty(rows.shape)
    for start in range(0, len(rows), _BLOCK):
        block = np.asarray(rows[start : start + _BLOCK], dtype=np.float64)
        ids = np.asarray(detector.neighbours_.search(block, detector.k)[1])[:, chosen]
        total = np.zeros(block.shape)
        for neighbor in ids.T:
            squares = np.square(block - benign[neighbor])
            lengths = np.full(len(block), 2.0) if detector.metric == "cosine" else np.sqrt(squares.sum(1))
            total += squares / np.where(lengths > 0, lengths, 1.0)[:, None]
        found[start : start + len(block)] = total / ids.shape[1] if detector.aggregation == "mean" else total
    return found


def _quadratic(rows: Array, whiten: Whitening) -> Array:
    """Return rows * (rows W Wᵀ), whose rows sum to |rows W|^2."""
    white, matrix = whiten(rows), whiten.matrix
    return np.asarray(rows * (white @ matrix.T if matrix.ndim == 2 else white * matrix), dtype=np.float64)
