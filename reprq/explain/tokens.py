"""What each token of a text adds to its score: by the derivatives at its word vector, or by taking it away."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.backbones.batch import MASK, TOKENS, mapped, mask_of
from reprq.data import Batch, Dataset
from reprq.errors import InputError
from reprq.explain.attention import is_transformer
from reprq.explain.attribution import STEPS
from reprq.explain.by_detector import checked
from reprq.explain.deep import DeepScore
from reprq.explain.layers import LayerScore

Map = NDArray[np.float64]
_BATCH = 32


def maps_of_tokens(score: LayerScore | DeepScore, data: Dataset, method: str) -> Iterator[tuple[str, Map]]:
    """Yield the id of every text and (L,) values of its tokens, by a method of gradients or by occlusion.

    Args:
        score: Of texts.
        data: Texts.
        method: Any but "relevance".

    Raises:
        InputError: The network has no word vectors, or the score has no derivatives.
    """
    if method == "relevance":
        if isinstance(score, LayerScore) and is_transformer(score.backbone.network):
            checked(score.detector)
            return _in_turn(score, data, lambda inputs: _relevance(score, inputs).numpy())
        raise InputError(
            "relevance of texts goes through transformers, from a detector of rows, got another network or detector;"
            " choose another method, such as gradient_x_input or integrated_gradients"
        )
    if method == "occlusion":
        if mask_of(score.transform.blank(1)) is None:
            raise InputError("method occlusion of texts is of tokens, and this network reads none; use another model")
        return _in_turn(score, data, lambda inputs: occlusion(score.values, inputs))
    forward, network = score.forward(), _network(score)
    if not any(isinstance(module, nn.Embedding) for module in network.modules()):
        raise InputError(f"method {method} of texts needs a network with word vectors, got none; use occlusion")
    return _in_turn(score, data, lambda inputs: _explained(forward, network, inputs, method).numpy())


def _in_turn(score: LayerScore | DeepScore, data: Dataset, by: Callable[[Any], Map]) -> Iterator[tuple[str, Map]]:
    for i in range(len(data)):
        inputs = mapped(score.transform.collate([score.transform(data.item(i))]), lambda part: part.to(score.device))
        yield str(data.ids[i]), np.asarray(by(inputs), dtype=np.float64)


def occlusion(score: Callable[[Batch], Map], inputs: Batch) -> Map:
    """Return by how much each token of one text raises its score: the score less that without the token.

    A token is taken away by the attention mask, so that neither the network nor the pooling reads it. A single token
    adds 0, as nothing is left without it.

    Args:
        score: From a batch of n texts to their (n,) scores.
        inputs: A batch of one text of L tokens, with its mask.

    Returns:
        (L,) float64, positive where a token makes the text more anomalous.

    Example:
        >>> batch = {"input_ids": torch.tensor([[3, 4, 5]]), MASK: torch.ones(1, 3)}
        >>> occlusion(lambda x: (x["input_ids"] * x[MASK]).sum(1).double().numpy(), batch)
        array([3., 4., 5.])
    """
    mask = mask_of(inputs)
    assert mask is not None
    count = mask.shape[1]
    if count == 1:
        return np.zeros(1)
    copies = dict(mapped(inputs, lambda tensor: tensor.expand(count + 1, *tensor.shape[1:]).clone()))
    copies[MASK][torch.arange(1, count + 1), torch.arange(count)] = 0
    batches = [slice(first, first + _BATCH) for first in range(0, count + 1, _BATCH)]
    scores = np.concatenate([score({name: tensor[rows] for name, tensor in copies.items()}) for rows in batches])
    return np.asarray(scores[0] - scores[1:], dtype=np.float64)


def _explained(forward: Callable[[Batch], Tensor], network: nn.Module, inputs: Any, method: str) -> Tensor:
    """(L,) values of one text."""
    if method != "integrated_gradients":
        vectors, slopes = _slopes(forward, network, inputs)
        return (vectors * slopes).sum(1) if method == "gradient_x_input" else slopes.abs().sum(1)
    places, weights = np.polynomial.legendre.leggauss(STEPS)  # on [-1, 1]
    total = torch.zeros(())
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        vectors, slopes = _slopes(forward, network, inputs, float(place))
        total = total + weight * (vectors * slopes).sum(1) / place
    return total


def _relevance(score: LayerScore, inputs: Any) -> Tensor:
    """(L,) relevance of one text."""
    with torch.enable_grad(), _Vectors(score.backbone.network, inputs[TOKENS], 1.0) as taken:
        slopes = score.slopes(inputs, lambda: taken.vectors)
    return (taken.vectors.detach() * slopes)[0].double().cpu().sum(1)


def _slopes(
    forward: Callable[[Batch], Tensor], network: nn.Module, inputs: Any, share: float = 1.0
) -> tuple[Tensor, Tensor]:
    """The word vectors of one text, times a share, and the derivatives of its score there: (L, d) both."""
    with torch.enable_grad(), _Vectors(network, inputs[TOKENS], share) as taken:
        value = forward(inputs).sum()
        (slopes,) = torch.autograd.grad(value, taken.vectors)
    return taken.vectors.detach()[0].double().cpu(), slopes[0].double().cpu()


class _Vectors(AbstractContextManager["_Vectors"]):
    """Takes the word vectors of a batch as the network looks them up, and gives it a share of them."""

    vectors: Tensor

    def __init__(self, network: nn.Module, ids: Tensor, share: float) -> None:
        self.ids, self.share = ids, share
        tables = [module for module in network.modules() if isinstance(module, nn.Embedding)]
        self.handles = [table.register_forward_hook(self._taken) for table in tables]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for handle in self.handles:
            handle.remove()

    def _taken(self, table: nn.Module, given: tuple[Tensor, ...], found: Tensor) -> Tensor | None:
        if hasattr(self, "vectors") or given[0].shape != self.ids.shape or not torch.equal(given[0], self.ids):
            return None  # positions, kinds of tokens
        self.vectors = (self.share * found.detach()).requires_grad_()
        return self.vectors


def _network(score: LayerScore | DeepScore) -> nn.Module:
    if isinstance(score, LayerScore):
        network: nn.Module = score.backbone.network
        return network
    return score.detector.network_
