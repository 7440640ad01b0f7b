"""What each token of a text adds to the score that a model gives it."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reprq.backbones.batch import MASK, mapped, mask_of
from reprq.data import Batch, Dataset, Transform
from reprq.detectors.deep.base import DeepDetector
from reprq.embeddings.forward import Forward, pooled_layers
from reprq.errors import InputError
from reprq.models.embedder import Embedder, side_by_side
from reprq.models.model import Model
from reprq.progress import track

Map = NDArray[np.float64]
Score = Callable[[Batch], NDArray[np.float64]]
_BATCH = 32


def has_own_maps(detector: Any) -> bool:
    """Whether a fitted detector says itself what each token of a text adds to its score."""
    return "text" in getattr(detector, "maps_of", ())


def transform_of(model: Model) -> Transform:
    """Return what cuts texts into tokens for a model."""
    found: Transform = model.detector.transform_ if model.embedder is None else model.embedder.backbone.preprocessing
    return found


def maps_of_texts(model: Model, data: Dataset, *, progress: bool = False) -> Iterator[tuple[str, Map]]:
    """Yield the id of every text and a value for each of its tokens; see `Model.maps`.

    Args:
        model: The model.
        data: What `Model.check` returned.
        progress: Whether to show progress on stderr.

    Raises:
        InputError: The model reads no tokens.
    """
    detector, embedder = model.detector, model.embedder
    if embedder is None and not isinstance(detector, DeepDetector):
        raise InputError(f"{model.record['method']} reads no tokens of texts, so that it has no maps; leave maps out")
    if not has_own_maps(detector) and mask_of(transform_of(model).blank(1)) is None:
        raise InputError(f"maps of texts are of tokens, and {model.record['method']} reads none; leave maps out")
    return _each(model, data, progress)


def _each(model: Model, data: Dataset, progress: bool) -> Iterator[tuple[str, Map]]:
    detector, embedder, transform = model.detector, model.embedder, transform_of(model)
    own = has_own_maps(detector)
    with nullcontext(_scores_of(detector)) if embedder is None else _RowScores(embedder, detector) as score:
        for i in track(range(len(data)), desc="maps", unit=data.noun, show=progress):
            if own:
                (found,) = detector.anomaly_map(data.select([i]))
            else:
                found = occlusion(score, transform.collate([transform(data.item(i))]))
            yield str(data.ids[i]), found


def occlusion(score: Score, inputs: Batch) -> Map:
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


def _scores_of(detector: DeepDetector) -> Score:
    def score(inputs: Batch) -> NDArray[np.float64]:
        with torch.no_grad():
            return detector._scores(detector._here(inputs)).double().cpu().numpy()

    return score


class _RowScores:
    """The scores of a detector of rows of what an embedder makes of a batch; a context manager, as `Forward` is."""

    def __init__(self, embedder: Embedder, detector: Any) -> None:
        layers = pooled_layers(embedder.backbone.select_layers(embedder.layers), [embedder.pooling])
        self._forward = Forward(embedder.backbone.network, layers, torch.device(embedder.device), noun="document")
        self._scales, self._detector = embedder.scales, detector

    def __enter__(self) -> Score:
        self._forward.__enter__()
        return self._score

    def __exit__(self, *error: object) -> None:
        self._forward.__exit__(*error)

    def _score(self, inputs: Batch) -> NDArray[np.float64]:
        ids = np.array(["a part"] * len(mask_of(inputs)))  # type: ignore[arg-type]
        rows = [found.float().cpu().numpy() for found in self._forward(inputs, ids)]
        scores: NDArray[np.float64] = self._detector.anomaly_score(side_by_side(rows, self._scales))
        return scores
