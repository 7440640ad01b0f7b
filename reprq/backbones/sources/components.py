"""Images on their principal components, learned from benign images."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from reprq.backbones.backbone import Backbone
from reprq.backbones.layers.selection import Layer
from reprq.backbones.learning import UNFITTED, Learned, Lesson, Unfitted
from reprq.data import Dataset
from reprq.data.image.preprocessing import Preprocessing
from reprq.data.modality import modality_named
from reprq.errors import InputError
from reprq.numerics.moments import Moments
from reprq.provenance import digest

PREFIX = "pca:"
_FRESH = Preprocessing(size=28, resize=28, mean=(0.0,), std=(1.0,), channels="gray")
_MOST = 4096  # values of an image: the covariance has their square
_BLOCK = 256
_VERSION = 1  # joins the digest of every backbone: rows that are computed otherwise must not be found again


class Components(nn.Module):
    """(N, C, H, W) images less their mean, (d,), on k directions, (k, d): (N, k)."""

    mean: torch.Tensor
    directions: torch.Tensor

    def __init__(self, mean: NDArray[Any], directions: NDArray[Any]) -> None:
        super().__init__()
        for name, array in (("mean", mean), ("directions", directions)):
            self.register_buffer(name, torch.from_numpy(np.asarray(array, np.float32)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the rows of a batch."""
        return (images.flatten(1) - self.mean) @ self.directions.T


@dataclass(frozen=True, eq=False)
class ComponentRecipe:
    """What principal component analysis learns of pixels.

    Args:
        name: "pca:K".
        components: K.
        preprocessing: From an image to its values.
    """

    name: str
    components: int
    preprocessing: Preprocessing

    def learn(self, benign: Dataset) -> Lesson:
        """Return the mean and the K directions of most variance; the largest entry of each is positive."""
        d = int(np.prod(self.preprocessing.shape))
        most = min(len(benign) - 1, d)
        if self.components > most:
            raise InputError(
                f"{self.name} has at most {most} components of {len(benign)} images of {d} values; give more images or"
                f" name {PREFIX}{max(most, 1)}"
            )
        moments = Moments.of(self._block(benign, start) for start in range(0, len(benign), _BLOCK))
        directions = np.linalg.eigh(moments.scatter)[1][:, ::-1][:, : self.components].T
        largest = np.take_along_axis(directions, np.abs(directions).argmax(1)[:, None], 1)
        directions = directions * np.sign(largest)
        arrays = {"mean": moments.mean.astype(np.float32), "directions": directions.astype(np.float32)}
        return Lesson(arrays, {"name": self.name})

    def _block(self, benign: Dataset, start: int) -> NDArray[np.float64]:
        rows = range(start, min(start + _BLOCK, len(benign)))
        return np.stack([self.preprocessing(benign.item(row)).numpy().ravel() for row in rows]).astype(np.float64)

    def build(self, lesson: Lesson) -> tuple[nn.Module, Preprocessing]:
        """Return the network and the preprocessing."""
        if lesson.record["name"] != self.name:
            raise ValueError(lesson.record["name"])
        return Components(lesson.arrays["mean"], lesson.arrays["directions"]), self.preprocessing


def load_components(name: str, weights: str | Path, preprocessing: Mapping[str, Any] | None, seed: int) -> Backbone:
    """Return `pca:K`, the first K principal components of the pixels of benign training images; see `load_backbone`.

    The one layer is "components", (n, K), not scaled. Images are 28 x 28 gray in [0, 1] where nothing else is said.

    Args:
        name: "pca:150" and the like.
        weights: "default", which has yet to learn (`Backbone.fit`), or the file of what it learned.
        preprocessing: As of networks of images.
        seed: Draws nothing.

    Raises:
        InputError: Random weights, a K that is no positive whole number, or wrong preprocessing.
        WeightsError: A file that is missing or another's.
    """
    count = name.removeprefix(PREFIX)
    if not (count.isdecimal() and int(count)):
        raise InputError(f"pca must be named with how many components, as {PREFIX}150, got {name!r}")
    if str(weights) == "random":
        raise InputError(f"{name} has no random weights: it learns from benign images; leave the weights out")
    prepared = _FRESH.replace(**(preprocessing or {}))
    if (d := int(np.prod(prepared.shape))) > _MOST:
        raise InputError(f"{name} takes images of at most {_MOST} values, got {d}; give a smaller size")
    backbone = Backbone(
        name=name,
        network=Unfitted(name, modality_named(prepared.modality).item).eval(),
        preprocessing=prepared,
        layers=(Layer(0, "components", "", layout="ND"),),
        weights=UNFITTED,
        weights_digest=digest({"recipe": name, "version": _VERSION, **prepared.overrides()}),
        recipe=ComponentRecipe(name, int(count), prepared),
    )
    if str(weights) == "default":
        return backbone
    return backbone.with_learned(Learned.load(Path(weights).expanduser()))
