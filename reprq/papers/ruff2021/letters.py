"""EMNIST's letters, and letters drawn in several fonts, which stand for them where they cannot be had."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from reprq.data import Dataset, as_dataset, load_dataset

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSansMono")
_SIDE = 28
_DRAWN = 4 * _SIDE  # pixels across while it is drawn


def has_emnist(root: Path) -> bool:
    """Whether torchvision's files of EMNIST's letters are in a folder."""
    files = (f"emnist-letters-train-{part}-ubyte" for part in ("images-idx3", "labels-idx1"))
    return all((root / "EMNIST" / "raw" / file).is_file() for file in files)


def letters(n: int, root: Path, *, seed: int = 0) -> Dataset:
    """Return n letters of EMNIST, a seeded sample, where `root` has them, or all of fewer; else n drawn ones."""
    if not has_emnist(root):
        return drawn_letters(n, seed=seed)
    found = load_dataset("emnist_letters", "train", root=root)
    return found if n >= len(found) else found.sample(n, seed=seed)


def drawn_letters(n: int, *, seed: int = 0) -> Dataset:
    """Return n gray images of 28 x 28 of letters of both cases, in the fonts that Matplotlib brings.

    White on black, as digits of MNIST: 14 to 22 pixels high, turned by up to 15 degrees, moved by up to three pixels,
    blurred a little. A class is a letter, whatever its case, as in EMNIST's "letters".

    Example:
        >>> letters = drawn_letters(60)
        >>> len(letters), len(letters.classes), letters.item(0).size
        (60, 26, (28, 28))
    """
    rng = np.random.default_rng([seed, 26])
    images = np.stack([_letter(LETTERS[i % 26], rng) for i in range(n)])
    return as_dataset((images, [LETTERS[i % 26] for i in range(n)]))


def _letter(letter: str, rng: np.random.Generator) -> np.ndarray:
    import matplotlib

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    size = int(rng.integers(14, 23)) * _DRAWN // _SIDE
    font = ImageFont.truetype(str(fonts / f"{rng.choice(_FONTS)}.ttf"), size)
    image = Image.new("L", (_DRAWN, _DRAWN))
    text = letter if rng.random() < 0.5 else letter.lower()
    middle = _DRAWN // 2 + rng.integers(-12, 13, size=2)
    ImageDraw.Draw(image).text((int(middle[0]), int(middle[1])), text, fill=255, font=font, anchor="mm")
    turned = image.rotate(float(rng.uniform(-15, 15)), Image.Resampling.BILINEAR).resize((_SIDE, _SIDE))
    blurred = gaussian_filter(np.asarray(turned, dtype=np.float64), float(rng.uniform(0, 0.7)))
    return np.rint(blurred).astype(np.uint8)
