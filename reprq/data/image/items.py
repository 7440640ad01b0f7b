"""Images of somebody else's data set, read when they are asked for."""

import hashlib
import threading
from pathlib import Path
from typing import Any

from PIL import Image

from reprq.data.columns import item_of
from reprq.data.image.decoding import Header
from reprq.data.image.pixels import as_image
from reprq.data.image.sources import ImageSource
from reprq.errors import InputError


class ItemSource(ImageSource):
    """The items of somebody else's data set, each read when it is asked for, by one thread at a time.

    Args:
        items: Anything with `[i]`, giving an image, an image and its label, or a mapping with one.
        what: What to call it in an error.
        root: Where relative paths start.
    """

    def __init__(self, items: Any, what: str, root: Path | str | None) -> None:
        self._items, self._what, self._root = items, what, root
        self._digests: dict[int, bytes] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def read(self, i: int) -> Any:
        """Read item `i` for the first time, and return its label or None."""
        image, label = self._read(i)
        self._digests[i], self._sizes[i] = _digest(image), image.size
        return label

    def item(self, i: int) -> Image.Image:
        """Return item `i` as an RGB image; an `InputError` if it is another image than at the first time."""
        image, _ = self._read(i)
        if _digest(image) != self._digests[i]:
            raise InputError(
                f"item {i} of the {self._what} is another image each time it is read, so its embedding would be one of"
                " many; take transforms that draw at random out of it"
            )
        return image

    def header(self, i: int) -> Header:
        """Return the size of item `i`."""
        return Header(self._sizes[i])

    def digest(self, i: int) -> bytes:
        """Return the SHA-256 of the size and the pixels of item `i`."""
        return self._digests[i]

    def verify(self, i: int) -> None:
        """Read item `i` again; an `InputError` or `DataError` if that fails or gives another image."""
        self.item(i)

    def _read(self, i: int) -> tuple[Image.Image, Any]:
        with self._lock:
            found = item_of(self._items, i, self._what)
            return as_image(found.value, f"item {i} of the {self._what}", self._root), found.label


def _digest(image: Image.Image) -> bytes:
    return hashlib.sha256(f"{image.size}".encode() + image.tobytes()).digest()
