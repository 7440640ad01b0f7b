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
from reprq.explain.attention import HeldConstant, is_transformer, seed_of
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
        if is_transformer(self.backbone.network):
            return self._through_attention
        backbone = canonical(self.backbone, self.layers)
        composite = rule(backbone.network, backbone.name)

        def found(x: Tensor) -> Tensor:
            x = x.clone().requires_grad_()
            with torch.enable_grad(), composite.context(backbone.network):
                outputs = self.outputs(backbone, x)
                (values,) = torch.autograd.grad(outputs, x, self._given(outputs, x))
            return values.sum(1)

        return found

    def _through_attention(self, x: Tensor) -> Tensor:
        x = x.clone().requires_grad_()
        return (x * self.slopes(x, lambda: x)).detach().sum(1)

    def slopes(self, inputs: Batch, of: Callable[[], Tensor]) -> Tensor:
        """Return the derivatives that, times what they are of, are its relevance; of a transformer.

        Args:
            inputs: A batch.
            of: Gives what the outputs followed from, once they are there.
        """
        with torch.enable_grad(), HeldConstant():
            outputs = self.outputs(self.backbone, inputs)
        given = [seed_of(part, each) for part, each in zip(self._given(outputs, inputs), outputs, strict=True)]
        return torch.autograd.grad(outputs, of(), given)[0]

    def _given(self, outputs: Sequence[Tensor], inputs: Batch) -> list[Tensor]:
        """The relevance of what each layer puts out."""
        rows = self._rows([each.detach() for each in outputs], inputs)
        start = torch.from_numpy(relevance(self.detector, rows.cpu().numpy())).to(rows)
        parts = self._split(start, outputs, inputs)
        return [
            shared(part, layer, output.detach(), self.pooling, *self._weighing(inputs))
            for part, layer, output in zip(parts, self.layers, outputs, strict=True)
        ]

    def outputs(self, backbone: Backbone, x: Batch) -> list[Tensor]:
        """Return what each layer puts out of a batch."""
        with Tap(backbone.network, self.layers, lambda _, output: output.clone()) as tap:
            return list(tap(mapped(x, lambda tensor: tensor.to(self.device))).values())

    def _rows(self, outputs: Sequence[Tensor], inputs: Batch) -> Tensor:
        pooled = [
            pool_layer(layer, output, self.pooling, *self._weighing(inputs)) / scale
            for layer, output, scale in zip(self.layers, outputs, self.scales, strict=True)
        ]
        return torch.cat(pooled, dim=1)

    def _weighing(self, inputs: Batch) -> tuple[Tensor | None, Tensor | None]:
        """The mask of tokens and what pooling weighs them by, None where there are none."""
        terms = self.backbone.term_weights
        weights = weights_of(None if terms is None else torch.from_numpy(terms).to(self.device), inputs)
        return mask_of(inputs), weights

    def _split(self, rows: Tensor, outputs: Sequence[Tensor], inputs: Batch) -> Sequence[Tensor]:
        pairs = zip(self.layers, outputs, strict=True)
        widths = [pool_layer(layer, x, self.pooling, *self._weighing(inputs)).shape[1] for layer, x in pairs]
        return torch.split(rows, widths, dim=1)
