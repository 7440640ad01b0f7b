"""Digits drawn from fonts, in color, on noise and blurred: a domain of digits that needs no files."""

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from reprq.data.dataset import Dataset
from reprq.data.image.decoding import Header
from reprq.data.image.sources import ImageSource
from reprq.errors import DataError

NAME = "drawn_digits"
SIZES = {"train": 6_000, "test": 2_000}
VERSION = 1  # of how they are drawn
SIDE = 32
FONTS = (  # all are part of matplotlib
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic")),
    *("cmr10", "cmb10", "cmss10", "cmtt10"),
)
_FINE = 2 * SIDE  # digits are drawn at twice their size
_APART = 60  # least difference of the gray values of a digit and its ground
_GRAY = np.array([0.299, 0.587, 0.114])


class DrawnSource(ImageSource):
    """Digits that are drawn when they are asked for; row `i` is a 0 to 9 by its last figure.

    Args:
        split: "train" or "test", which draw apart.
    """

    def __init__(self, split: str) -> None:
        self.split = split

    def item(self, i: int) -> Image.Image:
        """Return row `i`, 32 x 32 RGB."""
        return drawn(i % 10, np.random.default_rng([VERSION, sorted(SIZES).index(self.split), i]))

    def header(self, i: int) -> Header:
        """Return the size of row `i`."""
        return Header((SIDE, SIDE), gray=False)

    def digest(self, i: int) -> bytes:
        """Return a SHA-256 of how row `i` is drawn."""
        return hashlib.sha256(f"drawn {VERSION} {self.split} {i}".encode()).digest()

    def verify(self, i: int) -> None:
        """Raise a `DataError` where the fonts are not there."""
        _font(FONTS[0], SIDE)


def load_drawn(split: str) -> Dataset:
    """Return 6,000 digits to train on, or 2,000 others to test, as many of each; the same at any time."""
    rows = np.arange(SIZES[split])
    return Dataset(
        name=NAME,
        split=split,
        classes=tuple(str(digit) for digit in range(10)),
        labels=(rows % 10).astype(np.int64),
        ids=np.array([f"{split}/{row:05d}" for row in rows]),
        source=DrawnSource(split),
        rows=rows,
    )


def drawn(digit: int, rng: np.random.Generator) -> Image.Image:
    """Draw a digit, 32 x 32 RGB: turned, off the center, at times beside others, on a ground that grows lighter.

    Args:
        digit: 0 to 9.
        rng: Draws the font of `FONTS`, its size, the colors and all else.
    """
    name, size = FONTS[int(rng.integers(len(FONTS)))], int(rng.integers(36, 57))
    across, down = rng.uniform(-5, 5, 2)
    ink = _written(str(digit), name, size, across, down)
    for side in (-1, 1):
        if rng.random() < 0.25:  # as in a number on a house
            beside = _written(str(rng.integers(10)), name, size, across + side * 0.75 * size, down)
            ink = Image.fromarray(np.maximum(np.asarray(ink), np.asarray(beside)))
    ink = ink.rotate(float(rng.uniform(-15, 15)), Image.Resampling.BILINEAR).resize((SIDE, SIDE), Image.Resampling.BOX)
    ground, color = _colors(rng)
    slope = rng.uniform(-30, 30) * np.linspace(-0.5, 0.5, SIDE)
    under = ground + (slope[:, None, None] if rng.random() < 0.5 else slope[None, :, None])
    share = np.asarray(ink, dtype=np.float64)[..., None] / 255
    pixels = np.clip(share * color + (1 - share) * under, 0, 255)
    image = Image.fromarray(np.rint(pixels).astype(np.uint8)).filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.2)))
    noisy = np.asarray(image, dtype=np.float64) + rng.normal(0, rng.uniform(0, 20), (SIDE, SIDE, 3))
    return Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))


def _written(text: str, name: str, size: int, across: float, down: float) -> Image.Image:
    """White text on black, its middle off the center."""
    image = Image.new("L", (_FINE, _FINE))
    middle = (_FINE / 2 + across, _FINE / 2 + down)
    ImageDraw.Draw(image).text(middle, text, fill=255, font=_font(name, size), anchor="mm")
    return image


def _colors(rng: np.random.Generator) -> tuple[Any, Any]:
    """The color of the ground and that of the digit, apart in gray."""
    while True:
        ground, color = rng.uniform(0, 255, (2, 3))
        if abs(float((ground - color) @ _GRAY)) >= _APART:
            return ground, color


@lru_cache(maxsize=512)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A font of matplotlib, which is not imported for it."""
    spec = find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / f"mpl-data/fonts/ttf/{name}.ttf"
    try:
        return ImageFont.truetype(path, size)
    except OSError as error:
        raise DataError(f"{NAME} needs the font {path}: {error}; install matplotlib again") from error
