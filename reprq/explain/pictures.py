"""Where in a photo, a sound or a text the score of a model comes from, by relevance, gradients or occlusion."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reprq.data import Dataset, to_photo
from reprq.detectors.deep.base import DeepDetector
from reprq.detectors.rows.base import ArrayDetector
from reprq.errors import InputError, UnknownNameError
from reprq.explain.attribution import BATCH, Explanation, attribution
from reprq.explain.deep import DeepScore
from reprq.explain.layers import LayerScore
from reprq.explain.methods import METHODS
from reprq.explain.tokens import maps_of_tokens


def maps(
    model: Any, data: Any, method: str = "relevance", *, split: str = "test", any_kind: bool = False
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the id of every sample and what each of its parts adds to its score, by one of five methods.

    Every method explains the score of a detector, through the network that it reads or has:

    - "relevance": `relevance` of the row, shared among positions by what they add to the pooled values, and down the
      layers by zennit's z+ rule (Bach et al. 2015; Montavon et al. 2019). Biases take none, so that it is conserved up
      to what dead channels lose. Of `autoencoder` and `deep_svdd` their own `relevance`. Needs the extra "explain".
      Through transformers of timm and Hugging Face, and down to the word vectors of texts, it is the input times its
      derivative where attention, spreads of normalizations and gates are held constant (Ali et al. 2022), conserved up
      to what biases, positions and class tokens add.
    - "gradient": the sum over channels of the size of d score / d pixel (Simonyan et al. 2014).
    - "gradient_x_input": the sum over channels of the pixel, as the network takes it, times the derivative.
    - "integrated_gradients": the mean derivative on the straight line from the network's 0, an image of mean color,
      times the pixel, 20 points of Gauss and Legendre (Sundararajan et al. 2017); sums to the difference of scores.
    - "occlusion": by how much the score falls where a tenth of a side squared is set to the mean color, averaged
      over the squares that cover a pixel (Zeiler & Fergus 2014). The last two need the extra "explain".

    Of a sound the pixels are those of its spectrogram. Of a text "occlusion" takes a token away, and the three methods
    of gradients are of the word vectors that the network makes of the tokens, summed over their values.

    Args:
        model: As `reprq.fit` or `reprq.load_model` returns it: a detector of rows of layers, under any pooling, or one
            with a network of its own, whose scores have derivatives.
        data: As of `Model.score`.
        method: One of the above.
        split: As of `Model.score`.
        any_kind: As of `Model.score`.

    Returns:
        Maps in the photo's own pixels, (height, width) float64, interpolated bilinearly; nan where a crop left them
        out. Of a text (L,), a value for each token. Higher is more anomalous.

    Raises:
        UnknownNameError: No such method.
        InputError: A model of another kind, or a detector that the method does not know.
    """
    return maps_of(score_of(model), model.check(data, split=split, any_kind=any_kind), method)


def maps_of(score: LayerScore | DeepScore, data: Dataset, method: str) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the id of every sample and its map, as `maps` does.

    Args:
        score: What is explained.
        data: The samples.
        method: One of `METHODS`.

    Raises:
        UnknownNameError: No such method.
        InputError: A score that the method does not know.
    """
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    if data.modality == "text":
        return maps_of_tokens(score, data, method)
    return _on_photos(input_maps(score, data, method), score.transform, data)


def input_maps(score: LayerScore | DeepScore, data: Dataset, method: str) -> Iterator[NDArray[np.float64]]:
    """Yield the map of every photo or sound over what the network sees of it, (H, W).

    Raises:
        InputError: A score that the method does not know, or of nothing that has a picture.
    """
    if not hasattr(score.transform, "picture"):
        raise InputError("explanations are of photos, sounds that are drawn, and texts; fit on such samples")
    return _in_batches(score, data, explanation(score, method))


def score_of(model: Any) -> LayerScore | DeepScore:
    """Return the score of a model as a function of what its network takes.

    Raises:
        InputError: It has no network, or a detector of no known kind.
    """
    if model.embedder is None and isinstance(model.detector, DeepDetector):
        score: LayerScore | DeepScore = DeepScore(model.detector)
    elif model.embedder is not None and isinstance(model.detector, ArrayDetector):
        known = model.embedder
        score = LayerScore(model.detector, known.backbone, known.layers, known.pooling, known.scales, known.device)
    else:
        raise InputError(
            "explanations are of a detector of rows on a backbone, or of one that trains a network, got"
            f" {model.record['method']}; leave the method out, or fit such a one"
        )
    return score


def explanation(score: LayerScore | DeepScore, method: str) -> Explanation:
    """Return one of `METHODS`, from a batch of what the network takes to (n, H, W)."""
    return score.relevance() if method == "relevance" else attribution(method, score.forward())


def _in_batches(score: LayerScore | DeepScore, data: Dataset, by: Explanation) -> Iterator[NDArray[np.float64]]:
    transform: Any = score.transform
    for start in range(0, len(data), BATCH):
        some = range(start, min(start + BATCH, len(data)))
        inputs = transform.collate([transform(data.item(i)) for i in some]).to(torch.device(score.device))
        yield from by(inputs).detach().double().cpu().numpy()


def _on_photos(
    found: Iterator[NDArray[np.float64]], transform: Any, data: Dataset
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    for i, values in enumerate(found):
        yield str(data.ids[i]), to_photo(values, transform, *transform.picture_size(data, i))
