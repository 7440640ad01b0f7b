"""Sets of digits in one format, 28 x 28 gray, and several of them merged (Robledo Díaz 2023)."""

import hashlib
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageEnhance

from reprq.data.dataset import Dataset
from reprq.data.image.decoding import Header
from reprq.data.image.drawn_digits import NAME as DRAWN
from reprq.data.image.drawn_digits import load_drawn
from reprq.data.image.named import load_svhn, load_torchvision
from reprq.data.image.sources import ImageSource
from reprq.data.modality import Source
from reprq.data.views import merged
from reprq.errors import UnknownNameError

SETS = ("mnist", "usps", "svhn", DRAWN)
JOINT = {"joint_digits": ("mnist", "usps", "svhn"), "joint_digits_drawn": ("mnist", "usps", DRAWN)}
SIDE, CROP = 28, 29
CONTRAST, SHARPNESS = 1.5, 2.0  # of all but MNIST; the report raises both and states no factors
VERSION = 1  # of the format


def in_one_format(image: Image.Image, name: str) -> Image.Image:
    """Return a digit of a set as 28 x 28 gray: (ITU-R 601) gray, of SVHN and drawn ones the middle 29 x 29, resized.

    Contrast (by 1.5, about the mean gray) and sharpness (by 2) are raised on all but MNIST, by Pillow.

    Example:
        >>> in_one_format(Image.new("RGB", (32, 32), "red"), "svhn").size
        (28, 28)
    """
    gray = image.convert("L")
    if name in ("svhn", DRAWN):
        left, upper = (gray.width - CROP) // 2, (gray.height - CROP) // 2
        gray = gray.crop((left, upper, left + CROP, upper + CROP))
    if gray.size != (SIDE, SIDE):
        gray = gray.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    if name == "mnist":
        return gray
    return ImageEnhance.Sharpness(ImageEnhance.Contrast(gray).enhance(CONTRAST)).enhance(SHARPNESS)


class FormattedSource(ImageSource):
    """The rows of a set of digits in one format.

    Args:
        source: Where the images come from.
        name: Of the set.
    """

    def __init__(self, source: Source, name: str) -> None:
        self.source, self.name = source, name

    def item(self, i: int) -> Image.Image:
        """Return row `i` as a gray RGB image of 28 x 28."""
        return in_one_format(self.source.item(i), self.name).convert("RGB")

    def header(self, i: int) -> Header:
        """Return the size of row `i`."""
        return Header((SIDE, SIDE), gray=True)

    def digest(self, i: int) -> bytes:
        """Return a SHA-256 of the content of row `i` and of the format."""
        how = f"digit {VERSION} {self.name} {CONTRAST} {SHARPNESS}"
        return hashlib.sha256(self.source.digest(i) + how.encode()).digest()

    def verify(self, i: int) -> None:
        """Raise a `DataError` that names row `i` if it does not decode."""
        self.source.verify(i)


def digit_set(name: str, split: str, root: Path | str | None = None, *, download: bool = False) -> Dataset:
    """Return one set of digits in one format, with classes "0" to "9".

    Args:
        name: "mnist", "usps", "svhn" or "drawn_digits".
        split: "train" or "test".
        root: Where torchvision's data sets live; see `reprq.data.load_dataset`.
        download: Whether they may be fetched.

    Raises:
        UnknownNameError: No such set.
        DataError: Its files are not there, or damaged.
    """
    if name not in SETS:
        raise UnknownNameError("set of digits", name, SETS)
    if name == DRAWN:
        data = load_drawn(split)
    else:
        data = load_svhn(split, root, download) if name == "svhn" else load_torchvision(name, split, root, download)
    return replace(data, source=FormattedSource(data.source, name))


def load_joint(name: str, split: str, root: Path | str | None, download: bool) -> Dataset:
    """Return the sets of a name of `JOINT`, one after another; the ids begin with the name of the set.

    Raises:
        DataError: As `digit_set`.
    """
    parts = [digit_set(each, split, root, download=download) for each in JOINT[name]]
    what = f"28 x 28 gray; contrast x {CONTRAST:g} and sharpness x {SHARPNESS:g} on all but mnist"
    counts = ", ".join(f"{part.name} {len(part)}" for part in parts)
    return replace(merged(parts, name), notes=(f"{name} {split} is {counts}: {what}",))
