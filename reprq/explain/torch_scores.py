"""The scores of detectors of rows in torch, through which gradients go back to what made the rows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reprq.detectors import KNN, PCA, Centroid, Mahalanobis
from reprq.errors import InputError

Score = Callable[[Tensor], Tensor]


def torch_score(detector: Any) -> Score:
    """Return the score of a fitted detector as a function of (n, d) float64 tensors, differentiable almost everywhere.

    Raises:
        InputError: The detector has none: `knn` of plain Euclidean distances, `mahalanobis` of the form "pooled", `pca`
            and `centroid` have.
    """
    if isinstance(detector, Centroid):
        return lambda rows: (rows - _tensor(detector.mean_)).square().sum(1)
    if isinstance(detector, PCA):
        return lambda rows: _residual(detector, rows)
    if type(detector) is Mahalanobis and detector.form == "pooled":
        whiten = _tensor(detector.whitening_.matrix)
        matrix = whiten if whiten.ndim == 2 else torch.diag(whiten)
        return lambda rows: ((rows - _tensor(detector.mean_)) @ matrix).square().sum(1)
    if isinstance(detector, KNN) and detector.metric == "euclidean" and not detector.normalize:
        benign = _tensor(detector.benign_)
        return lambda rows: _nearest(detector, rows, benign)
    raise InputError(
        "gradients and occlusion are of knn with plain Euclidean distances, mahalanobis with form pooled, pca and"
        f" centroid, got {type(detector).__name__}; fit one of them"
    )


def _residual(detector: PCA, rows: Tensor) -> Tensor:
    scaled, components = (rows - _tensor(detector.mean_)) / detector.scale_, _tensor(detector.components_)
    return (scaled - (scaled @ components.T) @ components).square().sum(1)


def _nearest(detector: KNN, rows: Tensor, benign: Tensor) -> Tensor:
    distances = torch.linalg.vector_norm(rows[:, None] - benign, dim=2).topk(detector.k, largest=False).values
    ways: dict[str, Score] = {"kth": lambda x: x.amax(1), "sum": lambda x: x.sum(1), "mean": lambda x: x.mean(1)}
    return ways[detector.aggregation](distances)


def _tensor(values: Any) -> Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.float64))
