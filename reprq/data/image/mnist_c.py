"""MNIST-C made from MNIST: clean digits train, clean and corrupted ones are judged, and what was changed is known."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reprq.data.dataset import Dataset
from reprq.data.image.corruptions import CORRUPTIONS, SIDE, VERSION, corrupted
from reprq.data.image.decoding import Header
from reprq.data.image.masks import Masks
from reprq.data.image.named import load_torchvision
from reprq.data.image.sources import ImageSource
from reprq.errors import InputError

CLEAN = "clean"


class CorruptedSource(ImageSource):
    """Clean digits, then all of them after each corruption in turn, made when they are asked for.

    Args:
        pixels: (n, 28, 28) uint8 clean images; row (1 + c) n + i is image i after corruption c.
        seed: Of what the corruptions draw.
    """

    def __init__(self, pixels: NDArray[np.uint8], seed: int = 0) -> None:
        self.pixels, self.seed = pixels, seed

    def array(self, i: int) -> NDArray[np.uint8]:
        """Return row `i`, (28, 28) uint8."""
        which, row = divmod(i, len(self.pixels))
        if which == 0:
            return np.asarray(self.pixels[row])
        return corrupted(self.pixels[row], list(CORRUPTIONS)[which - 1], row, seed=self.seed)

    def change(self, i: int) -> NDArray[np.float64]:
        """Return what was done to row `i`: corrupted minus original, (28, 28) in [-1, 1]; 0 for a clean one."""
        return np.asarray((self.array(i) - self.pixels[i % len(self.pixels)].astype(np.float64)) / 255.0)

    def item(self, i: int) -> Image.Image:
        """Return row `i` as an RGB image."""
        return Image.fromarray(self.array(i)).convert("RGB")

    def header(self, i: int) -> Header:
        """Return the size of row `i`."""
        return Header((SIDE, SIDE), gray=True)

    def digest(self, i: int) -> bytes:
        """Return a SHA-256 of the clean pixels of row `i` and of what is done to them."""
        which, row = divmod(i, len(self.pixels))
        done = f"corruption {VERSION} {which} {row} {self.seed}" if which else ""
        return hashlib.sha256(self.pixels[row].tobytes() + done.encode()).digest()

    def verify(self, i: int) -> None:
        """Do nothing: pixels in memory need no decoding."""

    def masks(self, rows: list[int]) -> Masks | None:
        """Return which pixels were changed; None where no row was."""
        found = [None if row < len(self.pixels) else self.change(row) != 0 for row in rows]
        return Masks(found) if any(mask is not None for mask in found) else None


def load_mnist_c(split: str, root: Path | str | None, download: bool) -> Dataset:
    """Return the clean training digits, or the clean test digits and each of the fifteen corruptions of them.

    The classes are "clean" and the corruptions; `--benign clean --anomaly zigzag` judges as many clean digits as
    corrupted ones.

    Args:
        split: "train" or "test".
        root: Where MNIST is; see `load_torchvision`.
        download: Whether to fetch it.

    Raises:
        DataError: as `load_torchvision`.
    """
    digits = load_torchvision("mnist", split, root, download)
    pixels = digits.source.pixels  # type: ignore[attr-defined]
    n, kinds = len(pixels), (CLEAN,) if split == "train" else (CLEAN, *CORRUPTIONS)
    return Dataset(
        name="mnist_c",
        split=split,
        classes=(CLEAN, *CORRUPTIONS),
        labels=np.repeat(np.arange(len(kinds)), n),
        ids=np.array([f"{split}/{kind}/{row:05d}" for kind in kinds for row in range(n)]),
        source=CorruptedSource(pixels),
        rows=np.arange(n * len(kinds)),
    )


def changes(data: Dataset) -> NDArray[np.float64]:
    """Return what a corruption did to each image, (n, 28, 28): corrupted minus original, in [-1, 1].

    Args:
        data: Rows of `load_mnist_c`.

    Raises:
        InputError: Other data.
    """
    if not isinstance(data.source, CorruptedSource):
        raise InputError(f"data must be of mnist_c, got {data.name}; only there the change of every pixel is known")
    return np.stack([data.source.change(row) for row in data.rows.tolist()])
