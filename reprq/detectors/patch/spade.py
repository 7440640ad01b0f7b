"""SPADE: nearest images first, then the nearest of their patches (Cohen & Hoshen 2020)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.detectors.patch.base import Maps, PatchDetector, check_memory
from reprq.detectors.patch.reader import Patches, PatchReader
from reprq.detectors.rows.base import check_count
from reprq.errors import InputError
from reprq.numerics.nearest import ExactNeighbours
from reprq.numerics.rows import Scores


@dataclass(kw_only=True, eq=False, repr=False)
class SPADE(PatchDetector):
    """Correspondences of patches with those of the nearest benign images (Cohen & Hoshen 2020).

    An image is the average of its patches in the deepest of the layers, and scores its mean squared distance to the K
    nearest benign images (their equations 1 and 2). A patch scores its mean squared distance to the k nearest of all
    patches of these K images, in all layers side by side (equation 3).

    All benign patches are kept, as the paper has it.

    Args:
        images: K, at most the benign images.
        patches: k.
        memory: The most that the patches may take, in GiB.
        average: As in `PatchDetector`; the paper has none, which is 1.
        backbone: This and the others as in `reprq.detectors.patch.base.PatchDetector`.

    Attributes:
        gallery_: (n, positions, d) patches of the benign images.

    Example:
        >>> from reprq.backbones import load_backbone
        >>> from reprq.data import load_dataset
        >>> zeros = load_dataset("digits").restrict(["0"]).sample(8)
        >>> detector = SPADE(load_backbone("lenet", "random"), layers="1,2", images=3).fit(zeros)
        >>> detector.describe()
        'spade[layers=1,2,images=3,patches=1]'
    """

    average: int = 1
    images: int = 50
    patches: int = 1
    memory: float = 4.0

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        super().check_parameters()
        check_count("images", self.images)
        check_count("patches", self.patches)
        check_memory(self.memory)

    def _settings(self) -> list[str]:
        return [f"images={self.images}", f"patches={self.patches}"]

    def _learn(self, patches: Patches, reader: PatchReader) -> None:
        if patches.gigabytes > self.memory:
            raise InputError(
                f"spade keeps all patches, {patches.positions} of {patches.width} numbers from each of {patches.images}"
                f" images: {patches.gigabytes:.1f} GiB, more than memory={self.memory:g}; choose deeper layers, a"
                " smaller grid or fewer images"
            )
        self._restore({"gallery": np.concatenate(list(patches.read()))}, reader)

    def _scores(self, block: NDArray[np.float32]) -> Scores:
        scores: Scores = self._nearest(block)[0].mean(axis=1)
        return scores

    def _maps(self, block: NDArray[np.float32]) -> Maps:
        k = min(self.patches, self.gallery_.shape[1])
        pairs = zip(block, self._nearest(block)[1], strict=True)
        return np.stack([self._correspondences(image, near, k) for image, near in pairs])

    def _correspondences(self, image: NDArray[np.float32], near: NDArray[np.int64], k: int) -> NDArray[np.float64]:
        """(positions,) mean squared distance to the k nearest patches of some images."""
        gallery = self.gallery_[near].reshape(-1, image.shape[1])
        squares, _ = ExactNeighbours(gallery).search(np.ascontiguousarray(image), k)
        return np.asarray(squares.mean(axis=1))

    def _nearest(self, block: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The K nearest benign images of every image: squared distances and numbers, (b, K)."""
        return self._search.search(self.described(block), min(self.images, len(self.gallery_)))

    def described(self, block: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what an image is by its (b, positions, width) patches: their average in the deepest layer, (b, c)."""
        return np.asarray(block[:, :, -self._deepest :].mean(axis=1, dtype=np.float64))

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"gallery": self.gallery_}

    def _restore(self, arrays: dict[str, NDArray[Any]], reader: PatchReader) -> None:
        self.gallery_, self._deepest = arrays["gallery"], reader.widths[-1]
        self._search = ExactNeighbours(self.described(self.gallery_))
