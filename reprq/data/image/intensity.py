"""Intensities of more than 8 bits a channel, as X-ray and line cameras write them, and their stated way to 8.

Pillow reads deep gray images whole, but cuts deep color to its high bytes. A second pass over the same file with the
bytes taken in the other order gives the low bytes.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from reprq.errors import InputError

IntensityRange = tuple[float, float]
_DEEP_GREY = ("I", "F")  # also I;16 and its orders of bytes
_PHOTOMETRIC, _SAMPLE_FORMAT, _BITS = 262, 339, 258  # tags of a TIFF


class _Tile(NamedTuple):
    """How Pillow decodes a part of an image; before Pillow 11 a bare tuple."""

    codec_name: str
    extents: Any
    offset: int = 0
    args: Any = None


def check_intensity_range(value: Any) -> IntensityRange | None:
    """Return the range as two floats, or None as it is.

    Raises:
        InputError: not two finite numbers, the first below the second.
    """
    if value is None:
        return None
    numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    if len(numbers) == 2 and all(type(x) in (int, float) and math.isfinite(x) for x in numbers):
        low, high = map(float, numbers)
        if low < high:
            return low, high
    raise InputError(f"intensity_range must be two numbers, LOW below HIGH, as in (0, 65535), got {value!r}")


def is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether a file that was opened and not yet decoded has more than 8 bits a channel."""
    return image.mode.startswith(_DEEP_GREY) or _is_deep_colour(image)


def stored_values(image: ImageFile.ImageFile) -> NDArray[Any]:
    """Return the values of a deep image as the file holds them: (h, w), or (h, w, 3 or 4) with the opacity last.

    Args:
        image: A file that was opened and not yet decoded.

    Raises:
        ValueError: deep color that is stored in a way that cannot be read here.
    """
    if not _is_deep_colour(image):
        image.tile = _tiles(image, lambda tile: _raw(tile, "I;16B") if _maximum(tile) else tile)
        return _as_stored(np.asarray(image), image)
    with Image.open(image.filename, formats=[str(image.format)]) as again:
        if any(_rawmode(tile) == "LA;16B" for tile in _tiles(image)):  # four bytes a pixel, high and low of each
            image.tile = _tiles(image, lambda tile: tile._replace(args="RGBA"))
            parts = np.asarray(image).astype(np.uint16)
            grey, alpha = (parts[..., k] * 256 + parts[..., k + 1] for k in (0, 2))
            return np.dstack([grey, grey, grey, alpha])
        again.tile = _tiles(again, _other_order)
        image.tile = _tiles(image, lambda tile: _raw(tile, "RGB;16B") if _maximum(tile) else tile)
        high, low = (np.asarray(each).astype(np.uint16) for each in (image, again))
        return high * 256 + low


def scaled(values: NDArray[Any], intensity_range: IntensityRange) -> NDArray[np.uint8]:
    """Return round(255 (x - low) / (high - low)), clipped to 0..255; an opacity of 16 bits is taken whole.

    Args:
        values: (h, w) or (h, w, 3 or 4) stored values.
        intensity_range: The stored values that become 0 and 255.

    Example:
        >>> scaled(np.array([[0, 1000, 2500, 4000, 65535]], np.uint16), (1000, 4000))
        array([[  0,   0, 128, 255, 255]], dtype=uint8)
    """
    low, high = intensity_range
    x: NDArray[np.floating] = values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)
    new: NDArray[np.uint8] = np.rint(np.clip((x - low) * (255 / (high - low)), 0, 255)).astype(np.uint8)
    if values.ndim == 3 and values.shape[2] == 4:
        new[..., 3] = values[..., 3] >> 8
    return new


def _tiles(image: ImageFile.ImageFile, change: Callable[[_Tile], _Tile] = lambda tile: tile) -> list[Any]:
    return [change(_Tile(*tile)) for tile in image.tile]


def _rawmode(tile: _Tile) -> str:
    return str(tile.args[0] if isinstance(tile.args, tuple) and tile.args else tile.args)


def _maximum(tile: _Tile) -> int:
    """The largest value of a PPM that Pillow would scale, or 0."""
    scaled = tile.codec_name.startswith("ppm") and not isinstance(tile.args, str) and int(tile.args[-1]) > 255
    return int(tile.args[-1]) if scaled else 0


def _is_deep_colour(image: ImageFile.ImageFile) -> bool:
    deep = any(";16" in _rawmode(tile) or _maximum(tile) for tile in _tiles(image))
    return deep and not image.mode.startswith(_DEEP_GREY)


def _raw(tile: _Tile, rawmode: str) -> _Tile:
    if tile.codec_name != "ppm":
        raise ValueError("holds more than 8 bits a channel as text")
    return tile._replace(codec_name="raw", args=rawmode)


def _other_order(tile: _Tile) -> _Tile:
    """The same bytes, of which the lower one of each pair is taken for the high one."""
    if _maximum(tile):
        return _raw(tile, "RGB;16L")
    rawmode = _rawmode(tile)
    if rawmode[:-1] not in ("RGB;16", "RGBA;16", "RGBX;16"):
        raise ValueError(f"has more than 8 bits a channel in the form {rawmode!r}")
    native = "L" if np.little_endian else "B"
    order = {"L": "B", "B": "L"}[native if rawmode[-1] == "N" else rawmode[-1]]
    other = rawmode[:-1] + order
    return tile._replace(args=other if isinstance(tile.args, str) else (other, *tile.args[1:]))


def _as_stored(values: NDArray[Any], image: Image.Image) -> NDArray[Any]:
    """Undo what Pillow does to the values of a TIFF: unsigned 32 bits read as signed."""
    tags = getattr(image, "tag_v2", {})
    if values.dtype == np.int32 and tags.get(_BITS) == (32,) and tags.get(_SAMPLE_FORMAT, (1,)) == (1,):
        return values.view(np.uint32)
    return values


def is_negative(image: Image.Image) -> bool:
    """Whether the smallest value of a deep TIFF is white; Pillow turns only 8 bits round."""
    return getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0
