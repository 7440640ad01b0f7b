"""What each token of a text adds to the score that a model gives it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.backbones.batch import mask_of
from reprq.data import Dataset, Transform
from reprq.detectors.deep.base import DeepDetector
from reprq.errors import InputError
from reprq.explain.pictures import score_of
from reprq.explain.tokens import occlusion
from reprq.models.model import Model
from reprq.progress import track

Map = NDArray[np.float64]


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
        raise InputError(
            f"maps of texts are of tokens, and the backbone {model.record['backbone']['name']} takes a text as a whole;"
            " fit on one that reads tokens, as words:FILE or hf:PATH, or leave maps out"
        )
    return _each(model, data, progress)


def _each(model: Model, data: Dataset, progress: bool) -> Iterator[tuple[str, Map]]:
    detector, transform = model.detector, transform_of(model)
    own = has_own_maps(detector)
    score = None if own else score_of(model)
    for i in track(range(len(data)), desc="maps", unit=data.noun, show=progress):
        if score is None:
            (found,) = detector.anomaly_map(data.select([i]))
        else:
            found = occlusion(score.values, transform.collate([transform(data.item(i))]))
        yield str(data.ids[i]), found
