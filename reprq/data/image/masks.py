"""Masks of images: which pixels are anomalous."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reprq.data.failures import FileError, in_words
from reprq.data.image.decoding import decode_mask, read_header
from reprq.errors import DataError, InputError

Mask = NDArray[np.bool_]


class Masks:
    """The mask of each of some images, or None where an image has none: booleans in the image's own pixels.

    Args:
        masks: (height, width) arrays, not 0 where a pixel is anomalous, or None.

    Example:
        >>> masks = Masks([np.eye(4), None])
        >>> len(masks), int(masks[0].sum()), masks[1] is None, masks.present.tolist()
        (2, 4, True, [True, False])
    """

    def __init__(self, masks: Iterable[Any]) -> None:
        self._masks = [None if mask is None else _as_mask(mask, i) for i, mask in enumerate(masks)]

    def __len__(self) -> int:
        return len(self._masks)

    def __getitem__(self, i: int) -> Mask | None:
        """Return the mask of image `i`."""
        return self._masks[i]

    @property
    def present(self) -> NDArray[np.bool_]:
        """(n,) which images have a mask."""
        return np.array([mask is not None for mask in self._masks], dtype=np.bool_)

    def over(self, i: int, transform: Any, shape: tuple[int, int] | None = None) -> Mask | None:
        """Return the mask of image `i` as it lies over what a network saw of the image, by the nearest pixel.

        Args:
            i: Which image.
            transform: From an image to the network's input; one without `over` saw the whole image, squashed.
            shape: What the result must be like; of the transform's own shape where None.

        Raises:
            InputError: The transform gives another shape.
            DataError: The mask cannot be used.
        """
        mask = self[i]
        if mask is None:
            return None
        if hasattr(transform, "over"):
            mask = transform.over(mask)
        elif shape is not None:
            mask = np.asarray(Image.fromarray(mask.astype(np.uint8)).resize(shape[::-1], Image.Resampling.NEAREST)) > 0
        if shape is not None and mask.shape != shape:
            raise InputError(f"anomaly_map must be as large as what the network sees, {mask.shape}, got {shape}")
        return mask


class MaskFiles(Masks):
    """Masks in files, read when they are asked for.

    Args:
        root: The folder that paths are relative to.
        files: The image and its masks, of which a pixel is anomalous in any, or None.
    """

    def __init__(self, root: Path, files: Sequence[tuple[str, tuple[str, ...]] | None]) -> None:
        self.root, self.files = root, tuple(files)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> Mask | None:
        """Return the mask of image `i`.

        Raises:
            DataError: It does not decode, or is not as large as its image.
        """
        if (found := self.files[i]) is None:
            return None
        image, masks = found
        whole: Mask = np.logical_or.reduce([_read(self.root, image, mask) for mask in masks])
        return whole

    @property
    def present(self) -> NDArray[np.bool_]:
        """(n,) which images have a mask."""
        return np.array([found is not None for found in self.files], dtype=np.bool_)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the bytes of all masks, in order."""
        sha = hashlib.sha256()
        for found in self.files:
            bytes_of = [_bytes(self.root / mask) for mask in found[1]] if found else []
            sha.update(hashlib.sha256(b"".join(bytes_of)).digest() if found else b"-")
        return sha.hexdigest()


class JoinedMasks(Masks):
    """Masks of images of several sources.

    Args:
        places: The masks of a source and the place there, or None for an image without a mask.
    """

    def __init__(self, places: Sequence[tuple[Masks, int] | None]) -> None:
        self.places = tuple(places)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, i: int) -> Mask | None:
        """Return the mask of image `i`, as its source gives it."""
        found = self.places[i]
        return None if found is None else found[0][found[1]]

    @property
    def present(self) -> NDArray[np.bool_]:
        """(n,) which images have a mask."""
        return np.array([found is not None for found in self.places], dtype=np.bool_)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of what all masks hold, in order."""
        sha = hashlib.sha256()
        for i in range(len(self)):
            mask = self[i]
            sha.update(b"-" if mask is None else repr(mask.shape).encode() + np.packbits(mask).tobytes())
        return sha.hexdigest()

    @property
    def parts(self) -> list[Masks]:
        """The masks of its sources."""
        return list({id(found[0]): found[0] for found in self.places if found is not None}.values())


def check_masks(masks: Iterable[Any], where: str) -> None:
    """Read every mask once, whichever of several `Masks` have it, so that a bad one costs no work.

    Args:
        masks: `Masks`, or None.
        where: The data set.

    Raises:
        DataError: Masks that do not decode or are not as large as their images; the message names them.
    """
    given = [part for found in masks for part in (found.parts if isinstance(found, JoinedMasks) else [found])]
    files = [(found.root, own) for found in given if isinstance(found, MaskFiles) for own in found.files if own]
    pairs = {(root, image, mask): None for root, (image, several) in files for mask in several}
    failures: dict[str, DataError] = {}
    for root, image, mask in pairs:
        try:
            _read(root, image, mask)
        except DataError as error:
            failures[mask] = error
    if len(failures) == 1:
        raise next(iter(failures.values()))
    if failures:
        raise DataError(
            f"{len(failures)} of {len(pairs)} masks of {where} cannot be used: {in_words(failures, 3)}; repair them"
        )


def _read(root: Path, image: str, mask: str) -> Mask:
    try:
        found = decode_mask(root / mask)
    except FileError as error:
        raise FileError("the mask", error.path, error.reason, error.hint) from error
    width, height = read_header(root / image).size
    if found.shape != (height, width):
        own = f"is {found.shape[1]} x {found.shape[0]} pixels, and its image {image} {width} x {height}"
        raise FileError("the mask", root / mask, own, "save it in the size of its image")
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the mask {path}: {error.strerror or error}") from error


def _as_mask(mask: Any, i: int) -> Mask:
    found = np.asarray(mask)
    if found.ndim != 2 or found.dtype.kind not in "biuf" or not found.size:
        raise InputError(f"masks must be (height, width) arrays of numbers, got {found.dtype} of {found.shape} at {i}")
    return np.asarray(found != 0)
