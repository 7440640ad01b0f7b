"""Where photos are anomalous by a detector of rows: its scores of single positions of the layers' maps."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from reprq.data import Dataset
from reprq.detectors.patch.reader import PatchReader, spread
from reprq.detectors.rows.ensemble import Ensemble
from reprq.errors import InputError
from reprq.models.embedder import Embedder
from reprq.training import Inputs

Map = NDArray[np.float64]
_POOLED = ("avg", "mean", "max", "gem")  # a row of these has the channels of a position
_MOST_SAMPLES, _MOST_POSITIONS = 32, 100_000  # that say on which scale positions score


class PositionScale(NamedTuple):
    """From the scores of positions to the scale of those of whole photos, both of benign photos.

    A position lies far from the average of a photo, and its score is on another scale than that of the photo: the
    medians are brought together, and the distances between the quartiles.

    Attributes:
        center: The median score of positions.
        factor: What the distance to it is multiplied by.
        target: The median score of photos.
    """

    center: float = 0.0
    factor: float = 1.0
    target: float = 0.0

    @classmethod
    def between(cls, positions: NDArray[np.float64], whole: NDArray[np.float64]) -> "PositionScale":
        """Return the scale that brings the median and quartiles of positions to those of photos.

        Example:
            >>> scale = PositionScale.between(np.array([10.0, 20.0, 30.0]), np.array([1.0, 2.0, 3.0]))
            >>> scale(np.array([20.0, 40.0]))
            array([2., 4.])
        """
        (low, center, high), (least, target, most) = (np.quantile(x, (0.25, 0.5, 0.75)) for x in (positions, whole))
        factor = (most - least) / (high - low) if high > low and most > least else 1.0
        return cls(float(center), float(factor), float(target))

    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return scores of positions on the scale of photos."""
        return self.target + self.factor * (scores - self.center)


def maps_by_position(
    embedder: Embedder, detector: Any, data: Dataset, scale: PositionScale | None = None
) -> Iterator[Map]:
    """Yield the scores of a detector of rows at every position of the common grid of the layers.

    The convolutions mirror at the borders meanwhile, see `reprq.backbones.padding.mirrored`: their zeros would light
    up, the more the deeper the layer. The rows that the detector was fitted on are of the network as it is.

    Args:
        embedder: Whose rows the detector reads.
        detector: Fitted.
        data: What the embedder takes.
        scale: On which the scores are given; their own by default.

    Raises:
        InputError: A layer has no positions.
    """
    shape = (embedder.backbone.input_shape[1], embedder.backbone.input_shape[2])
    for scores, grid in _scores(embedder, detector, data):
        yield from spread(scores if scale is None else scale(scores), grid, shape)


def scale_of(embedder: Embedder, detector: Any, benign: Dataset, scores: NDArray[np.float64]) -> PositionScale | None:
    """Return the scale of the positions of benign photos beside the scores of these; None where they have no positions.

    Args:
        embedder: Whose rows the detector reads.
        detector: Fitted, on other photos.
        benign: Benign photos; at most 32 of them are read.
        scores: (n,) theirs.
    """
    try:
        check_positions(embedder, detector)
        positions = _reader(embedder).grid
    except InputError:
        return None
    most = min(max(_MOST_POSITIONS // (positions[0] * positions[1]), 2), _MOST_SAMPLES, len(benign))
    chosen = np.linspace(0, len(benign) - 1, most).round().astype(np.int64)
    found = [x.ravel() for x, _ in _scores(embedder, detector, benign.select(chosen))]
    return PositionScale.between(np.concatenate(found), scores)


def check_positions(embedder: Embedder, detector: Any) -> None:
    """Raise an `InputError` unless a row has the channels of a position, and the detector tells positions apart."""
    if isinstance(detector, Ensemble):
        raise InputError(
            "maps are of one detector: single positions are so far from whole samples that the p-values of an ensemble"
            " are the least there are at each; fit one of its detectors, or leave maps out"
        )
    if embedder.pooling not in _POOLED:
        raise InputError(
            f"maps of a detector of rows need one of the poolings {', '.join(_POOLED)}, got {embedder.pooling!r}; fit"
            " with such a one, or a detector that has maps of its own, such as patchcore"
        )


def _reader(embedder: Embedder) -> PatchReader:
    return PatchReader(embedder.backbone, embedder.layers, average=1, mirror=True, device=embedder.device)


def _scores(embedder: Embedder, detector: Any, data: Dataset) -> Iterator[tuple[NDArray[np.float64], tuple[int, int]]]:
    """The scores of the positions of some photos, (b, positions), and their grid."""
    reader = _reader(embedder)
    scales = np.repeat(np.asarray(embedder.scales, np.float32), reader.widths)
    inputs = Inputs(data, embedder.backbone.preprocessing, memory=0)
    for rows in torch.split(torch.arange(len(inputs)), embedder.batch_size):
        with torch.no_grad():
            found = reader(inputs[rows]).cpu().numpy() / scales
        scores = detector.anomaly_score(found.reshape(-1, found.shape[2]))
        yield np.asarray(scores, np.float64).reshape(found.shape[:2]), reader.grid
