"""Where in a photo the score of a detector of rows comes from, by relevance, gradients or occlusion."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reprq.backbones import Tap
from reprq.data import to_photo
from reprq.detectors.patch.reader import as_maps
from reprq.detectors.rows.base import ArrayDetector
from reprq.errors import InputError, UnknownNameError
from reprq.explain.by_detector import relevance
from reprq.explain.propagation import canonical, over_positions, rule
from reprq.explain.torch_scores import Score, torch_score
from reprq.optional import require

METHODS = ("relevance", "gradient", "gradient_x_input", "integrated_gradients", "occlusion")

_BATCH = 8
_STEPS = 20
_WINDOWS = 10  # of a side, each moved by half of itself


def maps(
    model: Any, data: Any, method: str = "relevance", *, split: str = "test", any_kind: bool = False
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the id of every photo and what each of its pixels adds to its score, by one of five methods.

    Every method explains the score of a detector of rows that are averages of one layer's maps, through the network:

    - "relevance": `relevance` of the row, shared among positions by the size of their values, and down the layers by
      zennit's z+ rule for convolutions and epsilon rule for dense layers (Bach et al. 2015; Montavon et al. 2019).
      Biases take none, so that it is conserved up to what dead channels lose. Needs the extra "explain".
    - "gradient": the sum over channels of the size of d score / d pixel (Simonyan et al. 2014).
    - "gradient_x_input": the sum over channels of the pixel, as the network takes it, times the derivative.
    - "integrated_gradients": the mean derivative on the straight line from the network's 0, an image of mean color,
      times the pixel, 20 points of Gauss and Legendre (Sundararajan et al. 2017); sums to the difference of scores.
    - "occlusion": by how much the score falls where a tenth of a side squared is set to the mean color, averaged
      over the squares that cover a pixel (Zeiler & Fergus 2014). The last two need the extra "explain".

    Args:
        model: As `reprq.fit` or `reprq.load_model` returns it, of photos and rows of one layer pooled by "avg".
        data: As of `Model.score`.
        method: One of the above.
        split: As of `Model.score`.
        any_kind: As of `Model.score`.

    Returns:
        Maps in the photo's own pixels, (height, width) float64, interpolated bilinearly; nan where a crop left them
        out. Higher is more anomalous.

    Raises:
        UnknownNameError: No such method.
        InputError: A model of another kind, or a detector that the method does not know.
    """
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    explained = Explained(model)
    by = explained.method(method)
    return _yielded(model, model.check(data, split=split, any_kind=any_kind), by)


def _yielded(model: Any, data: Any, by: Callable[[Tensor], Tensor]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    transform = model.embedder.backbone.preprocessing
    for start in range(0, len(data), _BATCH):
        some = range(start, min(start + _BATCH, len(data)))
        found = by(transform.collate([transform(data.item(i)) for i in some])).detach().double().numpy()
        for i, values in zip(some, found, strict=True):
            yield str(data.ids[i]), to_photo(values, transform, *transform.picture_size(data, i))


class Explained:
    """A model of photos as a function of the network's input, and its explanations: from (n, C, H, W) to (n, H, W).

    Args:
        model: A fitted model.

    Raises:
        InputError: It reads something else than rows of one layer of photos, averaged.
    """

    def __init__(self, model: Any) -> None:
        if model.embedder is None or not isinstance(model.detector, ArrayDetector):
            raise InputError("explanations are of a detector of rows of a backbone, and this model has none; use maps")
        embedder = model.embedder
        if model.record["inputs"].get("modality") != "image" or embedder.pooling not in ("avg", "mean"):
            raise InputError("explanations are of photos whose layer is pooled by avg; fit such a model")
        if len(embedder.layers) != 1:
            raise InputError(f"explanations are of one layer, got {', '.join(embedder.layers)}; fit on one of them")
        self.detector, self.backbone = model.detector, embedder.backbone
        self.layers = self.backbone.select_layers(embedder.layers)

    def method(self, name: str) -> Callable[[Tensor], Tensor]:
        """Return one of `METHODS`."""
        if name == "relevance":
            return self._relevance()
        score = torch_score(self.detector)
        if name in ("gradient", "gradient_x_input"):
            return lambda x: self._gradient(score, x, times=name == "gradient_x_input")
        attribution = require("captum.attr", "explain", f"method {name}", package="captum")
        forward = self.forward(score)
        if name == "integrated_gradients":
            integrated = attribution.IntegratedGradients(forward)
            return lambda x: integrated.attribute(x, n_steps=_STEPS, internal_batch_size=_BATCH).sum(1)
        channels, side = self.backbone.input_shape[:2]
        window = max(side // _WINDOWS, 1)
        shape, strides = (channels, window, window), (channels, window, window)
        hidden = attribution.Occlusion(_without_graph(forward))
        return lambda x: hidden.attribute(x, sliding_window_shapes=shape, strides=strides).mean(1)

    def forward(self, score: Score) -> Callable[[Tensor], Tensor]:
        """Return the score of the network's input."""
        return lambda x: score(_pooled(self._maps(self.backbone, x)).double())

    def _maps(self, backbone: Any, x: Tensor) -> Tensor:
        (layer,) = self.layers
        with Tap(backbone.network, self.layers, lambda _, output: output.clone()) as tap:
            found: Tensor = tap(x)[layer.name]
        return found if layer.layout == "ND" else as_maps(layer, found)

    def _gradient(self, score: Score, x: Tensor, *, times: bool) -> Tensor:
        x = x.clone().requires_grad_()
        with torch.enable_grad():
            (found,) = torch.autograd.grad(self.forward(score)(x).sum(), x)
        return (found * x).sum(1) if times else found.abs().sum(1)

    def _relevance(self) -> Callable[[Tensor], Tensor]:
        (layer,) = self.layers
        if layer.where == "input":
            raise InputError(
                f"relevance starts at what a module puts out, and layer {layer.name} is what {layer.module} takes; fit"
                " on another layer"
            )
        backbone = canonical(self.backbone, self.layers)
        composite = rule(backbone)

        def found(x: Tensor) -> Tensor:
            x = x.clone().requires_grad_()
            with torch.enable_grad(), composite.context(backbone.network):
                maps = self._maps(backbone, x)
                rows = relevance(self.detector, _pooled(maps).detach().numpy())
                start = torch.from_numpy(rows).to(maps.dtype)
                given = over_positions(start, maps.detach()) if maps.ndim == 4 else start
                (values,) = torch.autograd.grad(maps, x, given)
            return values.sum(1)

        return found


def _pooled(maps: Tensor) -> Tensor:
    return maps.mean((2, 3)) if maps.ndim == 4 else maps


def _without_graph(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def score(x: Tensor) -> Tensor:
        with torch.no_grad():
            return forward(x)

    return score
