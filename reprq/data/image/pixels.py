"""Pixels that a Python program holds, as 8-bit RGB: arrays, tensors, PIL images, paths of files."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reprq.data.arrays import as_numpy, is_array, is_tensor
from reprq.data.image.decoding import upright_rgb
from reprq.data.image.sources import FileSource
from reprq.errors import InputError

Pixels = NDArray[np.uint8]

_COLOURS = (1, 3)
_WIDE_MODES = ("I", "F")  # of Pillow: more than 8 bits a channel
_ALPHA = 4
_BEFORE = (
    "reprq resizes, crops and normalizes as the backbone asks, so give the images before any such step: PIL images,"
    " uint8 from 0 to 255, or ToTensor() alone"
)


def as_image(value: Any, what: str, root: Path | str | None = None) -> Image.Image:
    """Return one image as RGB.

    Args:
        value: A PIL image, the path of a file, or the pixels: (H, W), (H, W, 1 or 3) or (1 or 3, H, W), an array or
            tensor as `as_bytes` takes it. Of a shape that can be read both ways a tensor has its channels first.
        what: What to call it in an error.
        root: Where relative paths start; the current folder by default.

    Raises:
        InputError: something else.
        DataError: a file that does not decode.
    """
    if isinstance(value, Image.Image):
        return as_image(np.asarray(value), what) if value.mode.startswith(_WIDE_MODES) else upright_rgb(value)
    if isinstance(value, str | Path):
        return FileSource(Path(root or ""), [str(value)]).item(0)
    if not is_array(value):
        raise InputError(f"{what} must be an image (PIL, a path, an array or a tensor), got {type(value).__name__}")
    first = is_tensor(value)
    array = as_bytes(as_numpy(value), what)
    if array.ndim == 3:
        array = _channels_last(array[None], first, what)[0]
    if array.ndim != 2 and (array.ndim != 3 or array.shape[-1] != 3):
        raise InputError(f"{what} must be pixels (H, W), (H, W, 3) or (3, H, W), got shape {array.shape}")
    return Image.fromarray(array).convert("RGB")


def as_batch(value: Any, what: str) -> Pixels:
    """Return many images of one size as (n, H, W) gray or (n, H, W, 3) RGB.

    Args:
        value: (n, H, W), (n, H, W, 1 or 3) or (n, 1 or 3, H, W), an array or tensor as `as_bytes` takes it.
        what: What to call it in an error.

    Raises:
        InputError: another shape or other values.

    Example:
        >>> as_batch(np.zeros((5, 3, 8, 8), np.uint8), "data").shape
        (5, 8, 8, 3)
    """
    first, array = is_tensor(value), as_numpy(value)
    if array.ndim == 2:
        raise InputError(f"{what} must be images, got {array.shape}, which are rows; `reprq.measure` takes embeddings")
    if array.ndim not in (3, 4):
        raise InputError(f"{what} must be images (n, H, W) or (n, H, W, 3), got shape {array.shape}")
    if array.ndim == 3 and (array.shape[0] in _COLOURS or array.shape[-1] in (*_COLOURS, _ALPHA)):
        raise InputError(f"{what} of shape {array.shape} may be one image or several; give (n, H, W, C), n >= 1")
    if array.size == 0:
        raise InputError(f"{what} must hold at least one image, got shape {array.shape}")
    pixels = as_bytes(array, what)
    return pixels if pixels.ndim == 3 else _channels_last(pixels, first, what)


def as_bytes(array: NDArray[Any], what: str) -> Pixels:
    """Return pixels as uint8, where that loses nothing.

    Args:
        array: uint8; booleans, which become 0 and 255; or floats that are whole 255ths, which is what torchvision's
            `ToTensor` makes of 8-bit images.
        what: What to call it in an error.

    Raises:
        InputError: other values. Whether those are normalized, and by what, cannot be told from them.

    Example:
        >>> as_bytes(np.array([0.0, 51 / 255, 1.0]), "data")
        array([  0,  51, 255], dtype=uint8)
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "iuf" or array.size == 0:
        raise InputError(f"{what} must be pixels, got {array.dtype} of shape {array.shape}")
    low, high = array.min(), array.max()
    if array.dtype.kind == "f" and low >= 0 and high <= 1:
        scaled = array.astype(np.float64) * 255
        whole = np.rint(scaled)
        if np.abs(scaled - whole).max() < 1e-3:  # the rounding of a float32
            return whole.astype(np.uint8)
    raise InputError(f"{what} holds {array.dtype} from {low:.4g} to {high:.4g}, which are no 8-bit pixels; {_BEFORE}")


def _channels_last(array: Pixels, channels_first: bool, what: str) -> Pixels:
    """Return (n, H, W, C or none) from either order of axes."""
    axes = (1, 3) if channels_first else (3, 1)
    axis = next((axis for axis in axes if array.shape[axis] in _COLOURS), None)
    if axis is None:
        alpha = " (composite the alpha channel on a background first)" if _ALPHA in (*array.shape[1:],) else ""
        raise InputError(f"{what} must have 1 or 3 channels{alpha}, got an image of shape {array.shape[1:]}")
    moved = np.moveaxis(array, axis, 3)
    return moved[..., 0] if moved.shape[3] == 1 else moved
