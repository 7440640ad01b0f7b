"""Where pixels come from: an array in memory or files on disk, one row an image."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from reprq.errors import DataError

_WIDE_MODES = ("I", "F")  # more than 8 bits a channel: Pillow clips them to white when it converts


class ImageSource(Protocol):
    """Rows of images; a data set shows some of them."""

    def image(self, i: int) -> Image.Image:
        """Return row `i` as an RGB image."""
        ...

    def digest(self, i: int) -> bytes:
        """Return the SHA-256 of the content of row `i`."""
        ...

    def verify(self, i: int) -> None:
        """Raise a `DataError` that names row `i` if it does not decode."""
        ...


class ArraySource:
    """Images that are in memory.

    Args:
        pixels: (n, height, width) grey or (n, height, width, 3) RGB, uint8.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.pixels = pixels

    def image(self, i: int) -> Image.Image:
        """Return row `i` as an RGB image."""
        return Image.fromarray(self.pixels[i]).convert("RGB")

    def digest(self, i: int) -> bytes:
        """Return the SHA-256 of the pixels of row `i`."""
        return hashlib.sha256(np.ascontiguousarray(self.pixels[i]).tobytes()).digest()

    def verify(self, i: int) -> None:
        """Do nothing: pixels in memory need no decoding."""


class FileSource:
    """Image files, read when they are asked for.

    Args:
        root: The folder that `files` are relative to.
        files: Relative paths, one a row.
    """

    def __init__(self, root: Path, files: Sequence[str]) -> None:
        self.root = root
        self.files = tuple(files)

    def image(self, i: int) -> Image.Image:
        """Return row `i` as an RGB image; a `DataError` names the file that does not decode."""
        return self._decode(i, draft=False)

    def digest(self, i: int) -> bytes:
        """Return the SHA-256 of the bytes of file `i`."""
        path = self.root / self.files[i]
        try:
            return hashlib.sha256(path.read_bytes()).digest()
        except OSError as error:
            raise DataError(f"cannot read the image {path}: {error.strerror or error}") from error

    def verify(self, i: int) -> None:
        """Decode file `i`, a JPEG at its smallest scale, and raise a `DataError` that names it if that fails."""
        self._decode(i, draft=True)

    def _decode(self, i: int, *, draft: bool) -> Image.Image:
        path = self.root / self.files[i]
        try:
            with Image.open(path) as image:
                if draft:
                    image.draft("RGB", (1, 1))
                if image.mode.startswith(_WIDE_MODES):
                    raise DataError(
                        f"the image {path} has pixels of mode {image.mode!r}; convert it to 8 bits a channel"
                    )
                # A palette with a transparent colour converts to RGB without a warning only by way of RGBA.
                return (image.convert("RGBA") if image.mode == "P" else image).convert("RGB")
        except UnidentifiedImageError as error:
            raise DataError(f"the image {path} does not decode: not an image; repair or remove it") from error
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(f"the image {path} does not decode: {error}; repair or remove it") from error
