"""Where pixels come from: an array in memory or files on disk, one row per image."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reprq.data.image.decoding import VERSION, Header, decode, read_header, verified
from reprq.data.image.intensity import IntensityRange, check_intensity_range
from reprq.data.image.masks import MaskFiles
from reprq.data.modality import Source
from reprq.data.views import JoinedSource
from reprq.errors import DataError, InputError

_KEPT_PIXELS = 64 * 2**20 // 3  # of images that were decoded to see that they can be


class ImageSource(ABC):
    """Rows of images."""

    @abstractmethod
    def item(self, i: int) -> Image.Image:
        """Return row `i` as an RGB image."""

    @abstractmethod
    def header(self, i: int) -> Header:
        """Return the size of row `i` and what is unusual in how it is read, without decoding it."""

    @abstractmethod
    def digest(self, i: int) -> bytes:
        """Return the SHA-256 of the content of row `i`."""

    @abstractmethod
    def verify(self, i: int) -> None:
        """Raise a `DataError` that names row `i` if it does not decode."""

    def kind(self, i: int) -> dict[str, str]:
        """Return the size of row `i`, and whether it is gray where that is known."""
        header = self.header(i)
        size = "{} x {} pixels".format(*header.size)
        return {"size": size} if header.gray is None else {"size": size, "color": "gray" if header.gray else "color"}

    def image(self, i: int) -> Image.Image:
        """Return row `i`: `item`, by the name that it had before there was other data."""
        return self.item(i)


class ArraySource(ImageSource):
    """Images that are in memory.

    Args:
        pixels: (n, height, width) gray or (n, height, width, 3) RGB, uint8.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.pixels = pixels

    def item(self, i: int) -> Image.Image:
        """Return row `i` as an RGB image."""
        return Image.fromarray(self.pixels[i]).convert("RGB")

    def header(self, i: int) -> Header:
        """Return the size of row `i`."""
        return Header((self.pixels.shape[2], self.pixels.shape[1]), gray=self.pixels.ndim == 3)

    def digest(self, i: int) -> bytes:
        """Return the SHA-256 of the pixels of row `i`."""
        return hashlib.sha256(self.pixels[i].tobytes()).digest()

    def verify(self, i: int) -> None:
        """Do nothing: pixels in memory need no decoding."""


class FileSource(ImageSource):
    """Image files, read when they are asked for (see `reprq.data.image.decoding`).

    What `verify` has decoded is kept up to 64 MiB until it is asked for once, so that small files are opened once.

    Args:
        root: The folder that `files` are relative to.
        files: Relative paths, one a row.
        intensity_range: The stored values that become black and white; needed by images of more than 8 bits a channel.
        masks: The files of the masks of every image that has any, by that image's file.
    """

    def __init__(
        self,
        root: Path,
        files: Sequence[str],
        intensity_range: IntensityRange | None = None,
        *,
        masks: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.root = root
        self.files = tuple(files)
        self.intensity_range = check_intensity_range(intensity_range)
        self._masks = masks or {}
        self._headers: dict[int, Header] = {}
        self._images: dict[int, Image.Image] = {}
        self._room = _KEPT_PIXELS

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_headers": {}, "_images": {}, "_room": _KEPT_PIXELS}  # what is kept is for one process

    def path(self, i: int) -> Path:
        """Return the file of row `i`."""
        return self.root / self.files[i]

    def masks(self, rows: Sequence[int]) -> MaskFiles | None:
        """Return the masks of some rows; None where no row has one."""
        names = [self.files[row] for row in rows]
        found = [(name, self._masks[name]) if name in self._masks else None for name in names]
        return MaskFiles(self.root, found) if any(found) else None

    def item(self, i: int) -> Image.Image:
        """Return row `i` as an RGB image; an `ImageFileError` names the file that does not decode."""
        if (kept := self._images.pop(i, None)) is not None:
            self._room += kept.width * kept.height
            return kept
        return decode(self.root / self.files[i], self.intensity_range)

    def reread(self, *, intensity_range: IntensityRange) -> tuple["FileSource", dict[str, Any]]:
        """Return the same files read on another scale, and that scale."""
        source = FileSource(self.root, self.files, intensity_range, masks=self._masks)
        return source, {"intensity_range": list(source.intensity_range or ())}

    def header(self, i: int) -> Header:
        """Return the size of row `i` and what is unusual in how it is read, without decoding it."""
        return self._headers.get(i) or read_header(self.root / self.files[i])

    def digest(self, i: int) -> bytes:
        """Return a SHA-256 of the bytes of file `i` and of how they are read."""
        path = os.path.join(self.root, self.files[i])  # noqa: PTH118 - a Path takes a third of the time of the rest
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123
                content = hashlib.sha256(file.read()).digest()
        except OSError as error:
            raise DataError(f"cannot read the image {path}: {error.strerror or error}") from error
        return hashlib.sha256(content + f"decoded {VERSION} {self.intensity_range}".encode()).digest()

    def verify(self, i: int) -> None:
        """Decode file `i`, a JPEG at its smallest scale, and raise an `ImageFileError` that names it if that fails."""
        if i in self._images:
            return
        self._headers[i], image = verified(self.root / self.files[i], self.intensity_range, self._room)
        if image is not None:
            self._images[i] = image
            self._room -= image.width * image.height


def header_of(source: Source, row: int) -> Header:
    """Return the header of an image of a source, which may be several joined.

    Raises:
        InputError: The source has no images.
    """
    while isinstance(source, JoinedSource):
        source, row = source.of(row)
    if not isinstance(source, ImageSource):
        raise InputError(f"data must hold images, got a {type(source).__name__}; give images")
    return source.header(row)
