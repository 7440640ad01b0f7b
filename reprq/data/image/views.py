"""Images seen another way: resized, or cut into patches; nothing is copied until a row is asked for."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reprq.data.adapters import as_dataset
from reprq.data.dataset import Dataset
from reprq.data.image.decoding import Header
from reprq.data.image.sources import ImageSource, header_of
from reprq.data.modality import Source
from reprq.errors import DataError, InputError

Box = tuple[int, int, int, int]  # left, upper, right, lower, as Pillow crops


class ResizedSource(ImageSource):
    """The rows of a source at one size, by Pillow's antialiased bilinear filter; the aspect ratio is not kept.

    Args:
        source: Where the images come from.
        size: Side of the square in pixels.
    """

    def __init__(self, source: Source, size: int) -> None:
        self.source, self.size = source, size

    def item(self, i: int) -> Image.Image:
        """Return row `i` as an RGB image of the size."""
        image: Image.Image = self.source.item(i)
        return image.resize((self.size, self.size), Image.Resampling.BILINEAR)

    def header(self, i: int) -> Header:
        """Return the size, and what is unusual in how the file is read."""
        return Header((self.size, self.size), header_of(self.source, i).remark)

    def digest(self, i: int) -> bytes:
        """Return a SHA-256 of the content of row `i` and of the size."""
        return hashlib.sha256(self.source.digest(i) + f"resized {self.size}".encode()).digest()

    def verify(self, i: int) -> None:
        """Raise a `DataError` that names row `i` if it does not decode."""
        self.source.verify(i)


class CroppedSource(ImageSource):
    """Rectangles of the images of a source, one or more an image.

    Args:
        source: Where the images come from.
        rows: The row of `source` that each rectangle is cut from.
        boxes: The rectangles, inside their images.
    """

    def __init__(self, source: Source, rows: Sequence[int], boxes: Sequence[Box]) -> None:
        self.source, self.rows, self.boxes = source, tuple(rows), tuple(boxes)
        self._latest: tuple[int, Image.Image] | None = None  # patches of an image follow each other: decode it once

    def item(self, i: int) -> Image.Image:
        """Return rectangle `i` as an RGB image."""
        latest = self._latest
        if latest is None or latest[0] != self.rows[i]:
            latest = self._latest = (self.rows[i], self.source.item(self.rows[i]))
        return latest[1].crop(self.boxes[i])

    def header(self, i: int) -> Header:
        """Return the size of rectangle `i`, and what is unusual in how its file is read."""
        left, upper, right, lower = self.boxes[i]
        return Header((right - left, lower - upper), header_of(self.source, self.rows[i]).remark)

    def digest(self, i: int) -> bytes:
        """Return a SHA-256 of the content of the image and of the rectangle."""
        return hashlib.sha256(self.source.digest(self.rows[i]) + f"cropped {self.boxes[i]}".encode()).digest()

    def verify(self, i: int) -> None:
        """Raise a `DataError` that names the image of rectangle `i` if it does not decode."""
        self.source.verify(self.rows[i])


def resized(dataset: Dataset, size: int) -> Dataset:
    """Return the data set with every image resized to `size` x `size` pixels."""
    return replace(dataset, source=ResizedSource(dataset.source, size))


def patches(dataset: Any, size: int, stride: int) -> tuple[Dataset, NDArray[np.int64]]:
    """Cut every image into square patches on a grid, the last of a row or column flush with the border.

    Args:
        dataset: A `Dataset`, or what else `reprq.data.as_dataset` takes. Its images may differ in size; each is
            decoded once here to learn it.
        size: Side of a patch in pixels, at most the shorter side of every image.
        stride: Pixels from one patch to the next, at most `size`, so that every pixel is in a patch.

    Returns:
        The patches, in the order of their images, and (n,) the row of `dataset` that each was cut from. The id of a
        patch is the id of its image with its left upper corner, "a.png@112,0".

    Raises:
        InputError: `size` or `stride` below 1, or a stride that leaves pixels out.
        DataError: an image that is smaller than a patch.
    """
    if size < 1 or not 1 <= stride <= size:
        raise InputError(f"size and stride must be positive and stride at most size, got {size} and {stride}")
    dataset = as_dataset(dataset)
    dataset.check_modality("image")
    boxes: list[Box] = []
    owners: list[int] = []
    for i in range(len(dataset)):
        width, height = dataset.item(i).size
        if min(width, height) < size:
            raise DataError(
                f"the image {dataset.ids[i]} of {dataset.name} is {width} x {height} pixels, smaller than a patch of"
                f" {size}; resize it or ask for smaller patches"
            )
        for top in _corners(height, size, stride):
            boxes += [(left, top, left + size, top + size) for left in _corners(width, size, stride)]
        owners += [i] * (len(boxes) - len(owners))
    image_of = np.array(owners, dtype=np.int64)
    cut = replace(
        dataset,
        labels=dataset.labels[image_of],
        ids=np.array([f"{dataset.ids[i]}@{box[0]},{box[1]}" for i, box in zip(owners, boxes, strict=True)]),
        source=CroppedSource(dataset.source, dataset.rows[image_of].tolist(), boxes),
        rows=np.arange(len(boxes)),
    )
    return cut, image_of


def without_margins(dataset: Dataset, white: int = 240, at_least: int = 1) -> Dataset:
    """Crop every image to the box of what is not near-white: the air around an X-rayed parcel.

    Args:
        dataset: The images; each is decoded once here.
        white: A pixel is air where its darkest channel is at least this, of 255.
        at_least: The box is widened into the air to this many pixels a side, as far as the image goes.
    """
    boxes = [_content_box(dataset.item(i), white, at_least) for i in range(len(dataset))]
    source = CroppedSource(dataset.source, dataset.rows.tolist(), boxes)
    return replace(dataset, source=source, rows=np.arange(len(dataset)))


def _corners(length: int, size: int, stride: int) -> list[int]:
    last = length - size
    return [*range(0, last, stride), last]


def _content_box(image: Image.Image, white: int, at_least: int) -> Box:
    inside = np.asarray(image).min(axis=2) < white
    width, height = image.size
    if not inside.any():
        return (0, 0, width, height)
    left, right = _widened(np.flatnonzero(inside.any(axis=0)), width, at_least)
    top, bottom = _widened(np.flatnonzero(inside.any(axis=1)), height, at_least)
    return (left, top, right, bottom)


def _widened(places: NDArray[np.int64], length: int, at_least: int) -> tuple[int, int]:
    """First and last place of the content, widened evenly to `at_least` pixels where there is space."""
    low, high = int(places[0]), int(places[-1]) + 1
    missing = min(at_least, length) - (high - low)
    if missing > 0:
        low = min(max(0, low - missing // 2), length - (high - low) - missing)
        high = low + min(at_least, length)
    return low, high
