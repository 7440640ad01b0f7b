"""A model as one network, from pixels to scores, in operations that ONNX has."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from reprq.backbones import Backbone, Tap
from reprq.detectors import KNN, Centroid, Mahalanobis
from reprq.detectors.calibration import Calibration
from reprq.detectors.patch.padim import PaDiM
from reprq.detectors.patch.patchcore import PatchCore
from reprq.detectors.patch.reader import PatchReader
from reprq.detectors.patch.spade import SPADE
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
        model: A model of images whose detector is a `KNN`, `Mahalanobis` or `Centroid`, or a `PatchCore`, `PaDiM` or
            `SPADE`.

    Raises:
        InputError: Another model.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        if (modality := model.record["inputs"].get("modality", "image")) != "image":
            raise InputError(
                f"export is of models of images, and this one reads {modality}: what turns that into tensors, such as a"
                " tokenizer, would stay outside of the graph; use `reprq score`"
            )
        self.rows = _ToRows(model.embedder) if model.embedder else _ToPatches(_reader_of(model))
        self.judge = _Judge(model.calibration)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return scores and p-values, (n,) float64, and decisions, (n,) of booleans."""
        found: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = self.judge(self.rows(pixels).double())
        return found


def backbone_of(model: Model) -> Backbone:
    """Return the backbone of a model that has a graph.

    Raises:
        InputError: It has none.
    """
    return model.embedder.backbone if model.embedder else _reader_of(model).backbone


def _reader_of(model: Model) -> PatchReader:
    reader = getattr(model.detector, "reader_", None)
    if not isinstance(reader, PatchReader):
        raise InputError(
            f"export needs a model with a backbone and a detector of rows or patches, got {model.record['method']};"
            " fit one"
        )
    return reader


def _normalization(backbone: Backbone) -> Callable[[torch.Tensor], torch.Tensor]:
    """What a backbone does to pixels after they were cut out."""
    found: Callable[[torch.Tensor], torch.Tensor] | None = getattr(backbone.preprocessing, "normalize", None)
    if found is None:
        raise InputError(f"export needs a backbone that takes one tensor of pixels, got {backbone.name}")
    return found


class _ToRows(nn.Module):
    """Pixels to the rows that the detector reads."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__()
        backbone = embedder.backbone
        self.normalize = _normalization(backbone)
        self.network = backbone.network.cpu()
        self.scales = embedder.scales
        layers = pooled_layers(backbone.select_layers(embedder.layers), [embedder.pooling])
        self._tap = Tap(self.network, layers, lambda layer, output: pool_layer(layer, output, embedder.pooling))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        with self._tap:
            parts = self._tap(self.normalize(pixels)).values()
        return torch.cat([part.float() / scale for part, scale in zip(parts, self.scales, strict=True)], dim=1)


class _ToPatches(nn.Module):
    """Pixels to the patches of images, (n, positions, width)."""

    def __init__(self, reader: PatchReader) -> None:
        super().__init__()
        self.normalize = _normalization(reader.backbone)
        self.network = reader.backbone.network.cpu()
        self._reader = reader

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._reader(self.normalize(pixels))


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


class _Patches(nn.Module):
    """`PatchCore`: the distance of the patch that is farthest from all of M, weighted by the rows of M around it."""

    def __init__(self, detector: PatchCore) -> None:
        super().__init__()
        memory = torch.as_tensor(detector.memory_).double()
        self.mean = memory.mean(dim=0)
        self.memory = memory - self.mean  # distances do not depend on it, their rounding does
        self.squares = self.memory.square().sum(dim=1)
        self.around = torch.as_tensor(detector.around())

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        patches = patches - self.mean
        products = patches @ self.memory.T
        squares = patches.square().sum(dim=2, keepdim=True) + self.squares - 2.0 * products
        nearest = squares.min(dim=2)
        worst = nearest.values.argmax(dim=1, keepdim=True)
        farthest = nearest.values.gather(1, worst).clamp(min=0.0).sqrt()
        if self.around.shape[1] == 1:
            return farthest[:, 0]
        patch = patches.gather(1, worst[:, :, None].expand(-1, -1, patches.shape[2]))
        rows = self.memory[self.around[nearest.indices.gather(1, worst)[:, 0]]]
        others = (rows - patch).square().sum(dim=2).sqrt()
        return (1.0 - 1.0 / torch.exp(others - farthest).sum(dim=1)) * farthest[:, 0]


class _Gaussians(nn.Module):
    """`PaDiM`: the largest Mahalanobis distance of a patch to the benign ones at its position."""

    def __init__(self, detector: PaDiM) -> None:
        super().__init__()
        self.channels = torch.as_tensor(detector.channels_)
        self.means = torch.as_tensor(detector.means_, dtype=torch.float64)
        self.whitening = torch.as_tensor(detector.whitening_, dtype=torch.float64)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        centered = patches.index_select(2, self.channels) - self.means
        whitened = self.whitening @ centered[..., None]
        return whitened[..., 0].square().sum(dim=2).amax(dim=1).sqrt()


class _Images(nn.Module):
    """`SPADE`: the mean squared distance of an image's average patch to the K nearest of benign images."""

    def __init__(self, detector: SPADE) -> None:
        super().__init__()
        benign = torch.as_tensor(detector.described(detector.gallery_))
        self.mean = benign.mean(dim=0)
        self.benign = benign - self.mean  # distances do not depend on it, their rounding does
        self.squares = self.benign.square().sum(dim=1)
        self.k = min(detector.images, len(benign))

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        rows = patches[:, :, -self.benign.shape[1] :].mean(dim=1) - self.mean
        squares = rows.square().sum(dim=1, keepdim=True) + self.squares - 2.0 * (rows @ self.benign.T)
        return torch.topk(squares, self.k, dim=1, largest=False).values.clamp(min=0.0).mean(dim=1)


_MODULES: dict[type, Callable[[Any], nn.Module]] = {
    **{KNN: _Nearest, Mahalanobis: _Distance, Centroid: _Distance},
    **{PatchCore: _Patches, PaDiM: _Gaussians, SPADE: _Images},
}


def _as_module(detector: Any) -> nn.Module:
    """A detector in torch's operations."""
    made = _MODULES.get(type(detector))
    if made is None:
        known = "knn, mahalanobis, centroid, patchcore, padim and spade"
        raise InputError(f"export knows {known}, got {type(detector).__name__}; fit one")
    return made(detector)
