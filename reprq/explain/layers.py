"""The score of a detector of rows of some layers, as a function of what the network takes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reprq.backbones import Backbone, Layer, Tap
from reprq.backbones.batch import mapped, mask_of
from reprq.backbones.term_weights import weights_of
from reprq.data import Batch
from reprq.embeddings.pooling import pool_layer
from reprq.explain.by_detector import checked, relevance
from reprq.explain.propagation import canonical, rule, shared
from reprq.explain.torch_scores import torch_score


class LayerScore:
    """A detector of rows, on layers of a backbone that are pooled and stand side by side.

    Args:
        detector: Fitted.
        backbone: The network; in evaluation mode, and moved to `device`.
        layers: As in `Backbone.select_layers`.
        pooling: How a layer becomes one row per sample.
        scales: What the rows of each layer are divided by; 1 by default.
        device: A torch device.
    """

    def __init__(
        self,
        detector: Any,
        backbone: Backbone,
        layers: Any,
        pooling: str = "avg",
        scales: Sequence[float] | None = None,
        device: str = "cpu",
    ) -> None:
        self.detector, self.backbone, self.pooling, self.device = detector, backbone, pooling, device
        self.layers: Sequence[Layer] = backbone.select_layers(layers)
        self.scales = [1.0] * len(self.layers) if scales is None else list(scales)
        self.transform: Any = backbone.preprocessing
        backbone.network.eval().to(torch.device(device))

    def forward(self) -> Callable[[Batch], Tensor]:
        """Return the score as a function of a batch, differentiable almost everywhere.

        Raises:
            InputError: The score of the detector is not.
        """
        score = torch_score(self.detector)
        return lambda x: score(self._rows(self.outputs(self.backbone, x), x).double())

    def values(self, x: Batch) -> NDArray[np.float64]:
        """Return the scores of a batch, whether they have derivatives or not."""
        with torch.no_grad():
            rows = self._rows(self.outputs(self.backbone, x), x).float().cpu().numpy()
        scores: NDArray[np.float64] = self.detector.anomaly_score(rows)
        return scores

    def relevance(self) -> Callable[[Tensor], Tensor]:
        """Return the relevance of what the network takes, summed over channels: (n, C, H, W) to (n, H, W).

        Raises:
            InputError: There is no rule for the detector, or the network has parts through which it cannot go.
        """
        checked(self.detector)
        backbone = canonical(self.backbone, self.layers)
        composite = rule(backbone.network, backbone.name)

        def found(x: Tensor) -> Tensor:
            x = x.clone().requires_grad_()
            with torch.enable_grad(), composite.context(backbone.network):
                outputs = self.outputs(backbone, x)
                rows = self._rows([each.detach() for each in outputs], x)
                start = torch.from_numpy(relevance(self.detector, rows.cpu().numpy())).to(rows)
                given = [
                    shared(part, layer, output.detach(), self.pooling)
                    for part, layer, output in zip(self._split(start, outputs), self.layers, outputs, strict=True)
                ]
                (values,) = torch.autograd.grad(outputs, x, given)
            return values.sum(1)

        return found

    def outputs(self, backbone: Backbone, x: Batch) -> list[Tensor]:
        """Return what each layer puts out of a batch."""
        with Tap(backbone.network, self.layers, lambda _, output: output.clone()) as tap:
            return list(tap(mapped(x, lambda tensor: tensor.to(self.device))).values())

    def _rows(self, outputs: Sequence[Tensor], inputs: Batch) -> Tensor:
        mask, terms = mask_of(inputs), self.backbone.term_weights
        weights = weights_of(None if terms is None else torch.from_numpy(terms).to(self.device), inputs)
        pooled = [
            pool_layer(layer, output, self.pooling, mask, weights) / scale
            for layer, output, scale in zip(self.layers, outputs, self.scales, strict=True)
        ]
        return torch.cat(pooled, dim=1)

    def _split(self, rows: Tensor, outputs: Sequence[Tensor]) -> Sequence[Tensor]:
        widths = [pool_layer(layer, x, self.pooling).shape[1] for layer, x in zip(self.layers, outputs, strict=True)]
        return torch.split(rows, widths, dim=1)
