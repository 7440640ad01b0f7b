"""The fifteen corruptions of MNIST-C (Mu & Gilmer 2019), each at the one severity that was published.

A corruption takes one gray image in [0, 1], (28, 28), and a generator, and returns such an image. The numbers are those
of the released code, its slips included where they change pixels: its Gaussian filter of `glass_blur` runs down the
columns alone. What it draws is drawn anew, so that single images differ from the released ones. `motion_blur`, made by
ImageMagick there, follows that program's formula here and is not compared with it.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from reprq.errors import InputError, UnknownNameError
from reprq.optional import require

Gray = NDArray[np.float64]
Generator = np.random.Generator

SIDE = 28
VERSION = 1  # joins the digest of every image
_CENTER = (SIDE - 1) / 2


def corrupted(image: NDArray[np.uint8], name: str, row: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Return an image after a corruption, the same for a row and a seed whatever else is corrupted.

    Args:
        image: (28, 28) uint8.
        name: One of `CORRUPTIONS`.
        row: Its number among the images, which is part of the seed.
        seed: Of what the corruption draws.

    Raises:
        UnknownNameError: No such corruption.
        InputError: Another shape or dtype.

    Example:
        >>> striped = corrupted(np.zeros((28, 28), np.uint8), "stripe", 0)
        >>> striped[0, [6, 7, 20, 21]].tolist()
        [255, 0, 0, 255]
    """
    if name not in CORRUPTIONS:
        raise UnknownNameError("corruption", name, CORRUPTIONS)
    if image.shape != (SIDE, SIDE) or image.dtype != np.uint8:
        raise InputError(f"image must be {SIDE} x {SIDE} of uint8, got {image.shape} of {image.dtype}; scale it first")
    rng = np.random.default_rng([seed, list(CORRUPTIONS).index(name), row])
    changed = np.clip(CORRUPTIONS[name](image / 255.0, rng), 0.0, 1.0)
    return np.rint(255.0 * changed).astype(np.uint8)


def _brightness(x: Gray, rng: Generator) -> Gray:
    return x + 0.5


def _canny_edges(x: Gray, rng: Generator) -> Gray:
    feature = require("skimage.feature", "corruptions", "the corruption canny_edges", package="scikit-image")
    return np.asarray(feature.canny(x), dtype=np.float64)


def _dotted_line(x: Gray, rng: Generator) -> Gray:
    first, last = rng.integers(0, 27, size=2)
    line = _line(0, first, 27, last)
    for start in range(0, SIDE, 4):
        line[:, start : start + 2] = 0
    return x + line


def _fog(x: Gray, rng: Generator) -> Gray:
    most = float(x.max())
    return (x + 3.0 * _plasma(rng, 256, 1.4)[:SIDE, :SIDE]) * most / (most + 3.0)


def _glass_blur(x: Gray, rng: Generator) -> Gray:
    pixels = np.floor(255 * _down(x, 0.7))
    for _ in range(2):
        for h in range(SIDE - 1, 1, -1):
            for w in range(SIDE - 1, 1, -1):
                if rng.random() < 0.5:
                    dx, dy = rng.integers(-1, 1, size=2)
                    pixels[h, w], pixels[h + dy, w + dx] = pixels[h + dy, w + dx], pixels[h, w]
    return _down(pixels / 255, 0.7)


def _impulse_noise(x: Gray, rng: Generator) -> Gray:
    hit, salt = rng.random(x.shape) < 0.17, rng.random(x.shape) < 0.5
    return np.where(hit, salt, x)


def _motion_blur(x: Gray, rng: Generator) -> Gray:
    """A one-sided Gaussian of sigma 3 over 21 pixels along a line, each offset rounded to a pixel."""
    steps = np.arange(21)
    weights = np.exp(-(steps**2) / (2 * 3.0**2))
    angle = np.deg2rad(rng.uniform(-45, 45))
    along, down = np.ceil(steps * np.cos(angle) - 0.5), np.ceil(steps * np.sin(angle) - 0.5)
    place = np.arange(SIDE)
    shifted = [
        x[np.clip(place + int(dy), 0, SIDE - 1)][:, np.clip(place + int(dx), 0, SIDE - 1)]
        for dx, dy in zip(along, down, strict=True)
    ]
    return np.asarray(np.average(shifted, axis=0, weights=weights))


def _shot_noise(x: Gray, rng: Generator) -> Gray:
    return np.asarray(rng.poisson(3.0 * x) / 3.0)


def _spatter(x: Gray, rng: Generator) -> Gray:
    liquid = gaussian_filter(rng.normal(0.65, 0.3, size=x.shape), 1.0, mode="nearest")
    mud = gaussian_filter((liquid > 0.65).astype(np.float64), 1.5, mode="nearest")
    mud[mud < 0.8] = 0
    return x * (1 - mud) + 63 / 255 * mud


def _stripe(x: Gray, rng: Generator) -> Gray:
    striped = x.copy()
    striped[:, :7], striped[:, 21:] = 1 - x[:, :7], 1 - x[:, 21:]
    return striped


def _zigzag(x: Gray, rng: Generator) -> Gray:
    left, right, top = 2, 25, rng.integers(0, 27)
    theta = np.arctan(rng.integers(-5, 5) / (right - left))
    length = (right - left) / np.cos(theta)
    columns, rows = [0.0], [0.0]
    for i in range(int((length - 2) // 4) + 1):
        columns.append(2.0 * (2 * i + 1))
        rows.append(2.0 * (-1) ** i)
    whole = 4 * (length // 4)
    if length != whole:
        columns.append(length)
        rows.append(rows[-1] / (2 * (length - whole)))
    turned = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]]) @ np.array([columns, rows])
    ends = turned.T + np.array([left, top])
    for (c0, r0), (c1, r1) in pairwise(ends):
        x = np.minimum(x + _line(c0, r0, c1, r1), 1.0)
    return x


def _rotate(x: Gray, rng: Generator) -> Gray:
    angle = 0.4 * rng.choice([-1, 1])
    return _warped(x, np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]))


def _shear(x: Gray, rng: Generator) -> Gray:
    angle = 0.4 * rng.choice([-1, 1])
    return _warped(x, np.array([[1.0, -np.sin(angle)], [0.0, np.cos(angle)]]))


def _scale(x: Gray, rng: Generator) -> Gray:
    return _warped(x, np.eye(2) / 0.7)


def _translate(x: Gray, rng: Generator) -> Gray:
    return _warped(x, np.eye(2), 3.0 * rng.choice([-1, 1], size=2))


def _warped(x: Gray, matrix: Gray, shift: Gray | None = None) -> Gray:
    """Read each pixel (column, row) of the result at `matrix` times it, about the center, linearly; 0 outside."""
    center = np.full(2, _CENTER)
    offset = center - matrix @ center + (0.0 if shift is None else shift)
    swapped = matrix[::-1, ::-1]  # SciPy counts rows first
    return np.asarray(affine_transform(x, swapped, offset[::-1], order=1, mode="constant"))


def _down(x: Gray, sigma: float) -> Gray:
    return np.asarray(gaussian_filter(x, (sigma, 0), mode="nearest"))


def _line(c0: float, r0: float, c1: float, r1: float) -> Gray:
    """A soft line between two points, given by column and row; nothing where it stands upright."""
    if c1 == c0:
        return np.zeros((SIDE, SIDE))
    columns, rows = np.arange(SIDE), np.arange(SIDE)[:, None]
    away = np.clip(np.abs(rows - ((r1 - r0) / (c1 - c0) * (columns - c0) + r0)), 0, 2.3 - 1e-10)
    line = np.clip(np.log(1 - away / 2.3) + 1, 0, 1)
    line[:, : int(np.floor(c0))] = 0
    line[:, int(np.ceil(c1)) :] = 0
    return np.asarray(line)


def _plasma(rng: Generator, size: int, decay: float) -> Gray:
    """A height map in [0, 1] by the diamond-square algorithm, whose edges meet."""
    heights = np.zeros((size, size))
    step, wobble = size, 100.0

    def drawn(total: Gray) -> Gray:
        return total / 4 + wobble * rng.uniform(-wobble, wobble, total.shape)

    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        across = corners + np.roll(corners, -1, 0)
        heights[half::step, half::step] = drawn(across + np.roll(across, -1, 1))
        middle, corners = heights[half::step, half::step], heights[::step, ::step]
        beside = corners + np.roll(corners, -1, 1)
        heights[::step, half::step] = drawn(middle + np.roll(middle, 1, 0) + beside)
        heights[half::step, ::step] = drawn(middle + np.roll(middle, 1, 1) + beside)  # not the corners above, as there
        step, wobble = half, wobble / decay
    heights -= heights.min()
    return np.asarray(heights / heights.max())


CORRUPTIONS: Mapping[str, Callable[[Gray, Generator], Gray]] = MappingProxyType(
    {
        "brightness": _brightness,
        "canny_edges": _canny_edges,
        "dotted_line": _dotted_line,
        "fog": _fog,
        "glass_blur": _glass_blur,
        "impulse_noise": _impulse_noise,
        "motion_blur": _motion_blur,
        "rotate": _rotate,
        "scale": _scale,
        "shear": _shear,
        "shot_noise": _shot_noise,
        "spatter": _spatter,
        "stripe": _stripe,
        "translate": _translate,
        "zigzag": _zigzag,
    }
)
