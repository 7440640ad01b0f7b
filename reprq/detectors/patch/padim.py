"""PaDiM: a Gaussian at every position (Defard et al. 2021)."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.detectors.patch.base import Maps, PatchDetector, check_memory
from reprq.detectors.patch.reader import Patches, PatchReader
from reprq.detectors.rows.base import check_count
from reprq.errors import InputError
from reprq.numerics.rows import Scores


@dataclass(kw_only=True, eq=False, repr=False)
class PaDiM(PatchDetector):
    """Mahalanobis distance of every patch to the benign patches at its position (Defard et al. 2021).

    With mean mu and covariance Sigma = sum (x - mu)(x - mu)^T / (n - 1) + ridge I of the n benign patches x at a
    position, its patch scores sqrt((x - mu)^T Sigma^-1 (x - mu)) (equations 1 and 2), and an image the largest of its
    positions. Of the channels of all layers, side by side, some are drawn, which loses little (their section III-C).

    Means and covariances are summed in one pass over the images, which are not kept.

    Args:
        channels: How many are drawn by `seed`; None for all.
        ridge: What is added to the variances.
        memory: The most that covariances may take, in GiB: 8 bytes for each position and pair of channels.
        seed: Of the channels.
        backbone: This and the others as in `reprq.detectors.patch.base.PatchDetector`.

    Attributes:
        channels_: (c,) those that are drawn.
        means_: (positions, c).
        whitening_: (positions, c, c) inverse Cholesky factors of the covariances, float32.

    Example:
        >>> from reprq.backbones import load_backbone
        >>> from reprq.data import load_dataset
        >>> zeros = load_dataset("digits").restrict(["0"]).sample(8)
        >>> detector = PaDiM(load_backbone("lenet", "random"), layers="1,2", channels=5).fit(zeros)
        >>> detector.describe(), detector.means_.shape[1]
        ('padim[layers=1,2,channels=5]', 5)
    """

    channels: int | None = 100
    ridge: float = 0.01
    memory: float = 4.0

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        super().check_parameters()
        if self.channels is not None:
            check_count("channels", self.channels)
        if isinstance(self.ridge, bool) or not isinstance(self.ridge, int | float) or not 0 < self.ridge < math.inf:
            raise InputError(f"ridge must be a positive number, got {self.ridge!r}; 0.01 is the paper's")
        check_memory(self.memory)

    def _settings(self) -> list[str]:
        said = ["all channels" if self.channels is None else f"channels={self.channels}"]
        return said + [f"ridge={self.ridge:g}"] * (self.ridge != PaDiM.ridge)

    def _learn(self, patches: Patches, reader: PatchReader) -> None:
        count = min(self.channels or patches.width, patches.width)
        needed = 8 * patches.positions * count**2 / 2**30
        if needed > self.memory:
            raise InputError(
                f"padim of {patches.positions} positions and {count} channels would take {needed:.1f} GiB, more than"
                f" memory={self.memory:g}; draw fewer channels, choose deeper layers or a smaller grid"
            )
        drawn = np.sort(np.random.default_rng(self.seed).permutation(patches.width)[:count])
        shift: Any = None
        totals, products = np.zeros((patches.positions, count)), np.zeros((patches.positions, count, count))
        for block in patches.read():
            x = block[:, :, drawn].transpose(1, 0, 2).astype(np.float64)
            shift = x.mean(axis=1, keepdims=True) if shift is None else shift  # so that large means do not cancel
            x -= shift
            totals += x.sum(axis=1)
            products += x.transpose(0, 2, 1) @ x
        means = totals / patches.images
        products -= patches.images * means[:, :, None] * means[:, None]
        products /= patches.images - 1
        np.einsum("pii->pi", products)[:] += self.ridge
        try:
            whitening = np.linalg.inv(np.linalg.cholesky(products))
        except np.linalg.LinAlgError:
            raise InputError(
                f"ridge must be larger for patches of such values, got {self.ridge:g}; rescale them"
            ) from None
        self._restore(
            {"channels": drawn, "means": means + shift[:, 0], "whitening": whitening.astype(np.float32)}, reader
        )

    def _scores(self, block: NDArray[np.float32]) -> Scores:
        return np.asarray(self._maps(block).max(axis=1))

    def _maps(self, block: NDArray[np.float32]) -> Maps:
        centred = (block[:, :, self.channels_] - self.means_).astype(np.float32).transpose(1, 2, 0)
        whitened = (self.whitening_ @ centred).astype(np.float64)
        distances: Maps = np.sqrt(np.einsum("pcb,pcb->bp", whitened, whitened))
        return distances

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"channels": self.channels_, "means": self.means_, "whitening": self.whitening_}

    def _restore(self, arrays: dict[str, NDArray[Any]], reader: PatchReader) -> None:
        self.channels_, self.means_, self.whitening_ = (arrays[name] for name in ("channels", "means", "whitening"))
