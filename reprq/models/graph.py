"""A model as one network, from pixels to scores, in operations that ONNX has."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from reprq.backbones import Tap
from reprq.data import Batch
from reprq.detectors import KNN, Centroid, Mahalanobis
from reprq.detectors.calibration import Calibration
from reprq.embeddings.forward import pooled_layers
from reprq.embeddings.pooling import pool_layer
from reprq.errors import InputError
from reprq.models.embedder import Embedder
from reprq.models.model import Model


class Graph(nn.Module):
    """Preprocessed pixels to scores, p-values and decisions, the numbers of `Model.score`.

    Pixels are what the preprocessing of the backbone cuts out of an image, (n, C, H, W) float32 in [0, 1]: mean,
    standard deviation and order of channels are in the graph, resizing is not. What follows the backbone is float64.

    Args:
        model: A model of images whose detector is a `KNN`, `Mahalanobis` or `Centroid`.

    Raises:
        InputError: Another model.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        if model.embedder is None:
            raise InputError(
                f"export needs a model with a backbone and a detector of rows, got {model.record['method']}; fit one"
            )
        self.rows = _ToRows(model.embedder)
        self.judge = _Judge(model.calibration)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return scores and p-values, (n,) float64, and decisions, (n,) of booleans."""
        found: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = self.judge(self.rows(pixels).double())
        return found


class _ToRows(nn.Module):
    """Pixels to the rows that the detector reads."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__()
        backbone = embedder.backbone
        self.normalize: Callable[[torch.Tensor], torch.Tensor] | None
        self.normalize = getattr(backbone.preprocessing, "normalize", None)
        if self.normalize is None:
            raise InputError(f"export needs a backbone that takes one tensor of pixels, got {backbone.name}")
        self.network = backbone.network.cpu()
        self.scales = embedder.scales
        layers = pooled_layers(backbone.select_layers(embedder.layers), [embedder.pooling])
        self._tap = Tap(self.network, layers, lambda layer, output: pool_layer(layer, output, embedder.pooling))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        inputs: Batch = self.normalize(pixels) if self.normalize is not None else pixels
        with self._tap:
            parts = self._tap(inputs).values()
        return torch.cat([part.float() / scale for part, scale in zip(parts, self.scales, strict=True)], dim=1)


class _Judge(nn.Module):
    """Rows to scores, p-values and decisions, as `Calibration.judge` gives them."""

    def __init__(self, calibration: Calibration) -> None:
        super().__init__()
        self.detectors = nn.ModuleList(_as_module(detector) for detector, _ in calibration.folds)
        self.held = [torch.as_tensor(held, dtype=torch.float64) for _, held in calibration.folds]
        self.allowed, self.threshold = calibration.allowed, calibration.threshold
        self.n, self.distinct = calibration.n, calibration.distinct

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        found = [detector(rows) for detector in self.detectors]
        excess = torch.cat([each[:, None] - held for each, held in zip(found, self.held, strict=True)], dim=1)
        scores = found[0]
        if len(found) > 1:
            scores = self.threshold + torch.topk(excess, self.allowed + 1, dim=1, largest=False).values[:, -1]
        as_high = (excess <= 0).double().sum(dim=1)
        p_values = (1.0 + self.distinct * as_high / self.n) / (self.distinct + 1.0)
        return scores, p_values, scores > self.threshold


class _Nearest(nn.Module):
    """`KNN` with an exact index."""

    def __init__(self, detector: KNN) -> None:
        super().__init__()
        if detector.index != "flat":
            raise InputError(
                f"export needs a knn with index 'flat', which is exact, got {detector.index!r}; fit with that"
            )
        self.k, self.aggregation = detector.k, detector.aggregation
        self.cosine = detector.metric == "cosine"
        self.center, self.unit = detector.center, detector.normalize or self.cosine
        self.mean = torch.as_tensor(detector.mean_, dtype=torch.float64)
        self.benign = self._prepared(torch.as_tensor(detector.benign_).double())
        self.squares = self.benign.square().sum(dim=1)

    def _prepared(self, rows: torch.Tensor) -> torch.Tensor:
        if self.center or not self.unit:  # distances do not depend on it, their rounding does
            rows = rows - self.mean
        return F.normalize(rows, dim=1) if self.unit else rows

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        rows = self._prepared(rows)
        products = rows @ self.benign.T
        squares = rows.square().sum(dim=1, keepdim=True) + self.squares - 2.0 * products
        nearest = torch.topk(squares, self.k, dim=1, largest=False).values.clamp(min=0.0)
        distances = nearest / 2.0 if self.cosine else nearest.sqrt()
        if self.aggregation == "kth":
            return distances[:, -1]
        return distances.sum(dim=1) if self.aggregation == "sum" else distances.mean(dim=1)


class _Distance(nn.Module):
    """`Centroid`, and the pooled `Mahalanobis`: the squared length of a row less the mean, whitened or not."""

    def __init__(self, detector: Centroid | Mahalanobis) -> None:
        super().__init__()
        self.mean = torch.as_tensor(detector.mean_, dtype=torch.float64)
        self.whitening = None
        if isinstance(detector, Mahalanobis):
            self.whitening = torch.as_tensor(detector.whitening_.matrix, dtype=torch.float64)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        centred = rows - self.mean
        if self.whitening is not None:
            centred = centred @ self.whitening if self.whitening.ndim == 2 else centred * self.whitening
        return centred.square().sum(dim=1)


_MODULES: dict[type, Callable[[Any], nn.Module]] = {KNN: _Nearest, Mahalanobis: _Distance, Centroid: _Distance}


def _as_module(detector: Any) -> nn.Module:
    """A detector in torch's operations."""
    made = _MODULES.get(type(detector))
    if made is None:
        raise InputError(
            f"export knows the detectors knn, mahalanobis and centroid, got {type(detector).__name__}; fit one of these"
        )
    return made(detector)
