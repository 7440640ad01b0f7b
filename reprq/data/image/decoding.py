"""From an image file to 8-bit RGB as a person sees it: upright, on a white background, on a stated scale.

The orientation that a camera wrote (EXIF or XMP) is followed, transparent pixels are composited on white, of several
frames the first is read, and palettes, CMYK, YCbCr and LAB are converted by Pillow. Intensities of more than 8 bits
need the range that becomes black to white; nothing is cut to 8 bits in silence.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, JpegImagePlugin, UnidentifiedImageError

from reprq.data.failures import FileError
from reprq.data.image.intensity import IntensityRange, is_deep, is_negative, scaled, stored_values

VERSION = 2  # joins the digest of every file: embeddings of pixels that were read otherwise must not be found again
_GRAY_MODES = ("1", "L", "LA", "La", "I", "F")  # and those of a named byte order, such as "I;16"
_BACKGROUND = (255, 255, 255, 255)
_NEEDS_RANGE = "say which are black and white with --intensity-range LOW,HIGH (0,65535 is all of 16 bits)"
_SMALLER = (
    "scale it down, cut it into tiles, save it as JPEG, which is read at a reduced scale, or, if you trust it, raise"
    " PIL.Image.MAX_IMAGE_PIXELS in Python"
)
# The others of Pillow's are no photographs, and some start other programs (EPS calls Ghostscript).
_FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "MPO", "PNG", "PPM", "TIFF", "WEBP")
_MOST_JPEG_PIXELS = 2**30
_ORIENTATION = 0x0112
_MOST_KINDS = 31  # of defects that a mask numbers
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_KNOWN_STARTS = (
    (rb"$", "it is empty"),
    (rb"\s*<", "it is an HTML or XML page"),
    (rb"version https://git-lfs", "it is a pointer of Git LFS, whose image was not fetched"),
    (rb"....ftyp(hei|hev|mif1)", "it is HEIC, which Pillow does not read; convert it to JPEG or PNG"),
    (rb"%PDF", "it is a PDF"),
    (rb"%!PS", "it is PostScript"),
    (rb"\x1f\x8b|PK\x03\x04", "it is a compressed archive"),
    (rb"II\*\0|MM\0\*", "a TIFF of a kind that Pillow does not read; save it with 8- or 16-bit integers"),
)


class ImageFileError(FileError):
    """An image file that cannot be used."""

    def __init__(self, path: Path, reason: str, hint: str = "") -> None:
        super().__init__("the image", path, reason, hint)


@dataclass(frozen=True)
class Header:
    """What a file says of its image before it is decoded.

    Attributes:
        size: Width and height of the upright image, in pixels.
        remark: What a person may not expect of how it is read, to follow "3 images"; or "".
        gray: Whether it has one channel, transparency aside; None where nobody knows any more.
    """

    size: tuple[int, int]
    remark: str = ""
    gray: bool | None = None


def read_header(path: Path) -> Header:
    """Return what can be said of a file without decoding it; raises an `ImageFileError` where it is no image."""
    with _reasons(path), _open(path) as image:
        return _header(image)


def _header(image: ImageFile.ImageFile) -> Header:
    size, gray = _upright_size(image), image.mode.partition(";")[0] in _GRAY_MODES
    if _is_large(image):
        return Header(size, "have so many pixels that they are read at a reduced scale", gray)
    frames = image.format != "MPO" and getattr(image, "is_animated", False)  # an MPO is a photo and its preview
    return Header(size, "have several frames, of which the first is read" if frames else "", gray)


def decode(path: Path, intensity_range: IntensityRange | None = None) -> Image.Image:
    """Return a file as an 8-bit RGB image.

    Args:
        path: A file that Pillow reads.
        intensity_range: The stored values that become 0 and 255; needed where there are more than 8 bits a channel.

    Raises:
        ImageFileError: the file is missing, damaged or no image, has more pixels than Pillow's limit against
            decompression bombs, has more than 8 bits a channel where no `intensity_range` is given, or 8 where one
            beyond 255 is.
    """
    with _reasons(path), _open(path) as image:
        return _decoded(path, image, intensity_range)


def verified(
    path: Path, intensity_range: IntensityRange | None = None, most_pixels: int = 0
) -> tuple[Header, Image.Image | None]:
    """Return the header of a file that decodes, and the image if it has few pixels: opened once, it need not be again.

    Args:
        path: A file that Pillow reads.
        intensity_range: As for `decode`.
        most_pixels: Of an image that is returned; a JPEG of more is decoded at its smallest scale.

    Raises:
        ImageFileError: as `decode`.
    """
    with _reasons(path), _open(path) as image:
        header = _header(image)
        whole = image.width * image.height <= most_pixels
        rgb = _decoded(path, image, intensity_range, smallest=not whole)
        return header, rgb if whole else None


def _decoded(
    path: Path, image: ImageFile.ImageFile, intensity_range: IntensityRange | None, *, smallest: bool = False
) -> Image.Image:
    if smallest or _is_large(image):
        image.draft("RGB", (1, 1) if smallest else _reduced(image.size))
    if is_deep(image):
        rgb = _opaque(Image.fromarray(_from_deep(path, image, intensity_range)))
    else:
        rgb = _from_8_bits(path, image, intensity_range)
    turn = _TURNS.get(_orientation(image))
    return rgb if turn is None else rgb.transpose(turn)


def decode_mask(path: Path) -> NDArray[np.bool_]:
    """Return which pixels a mask marks: (height, width), upright.

    Those above half of its largest value, so that soft edges are cut in the middle; where no value is above 31 they are
    taken for the numbers of kinds of defects, and all but 0 are marked.

    Raises:
        ImageFileError: as `decode`.
    """
    with _reasons(path), _open(path) as image:
        found = stored_values(image) if is_deep(image) else np.asarray(image.convert("L"))
        values = found.astype(np.float64).reshape(*found.shape[:2], -1).max(2)
        turn = _TURNS.get(_orientation(image))
    top = values.max(initial=0)
    marked = values > (top / 2 if top > _MOST_KINDS else 0)
    return marked if turn is None else np.asarray(Image.fromarray(marked).transpose(turn))


def upright_rgb(image: Image.Image) -> Image.Image:
    """Return an image of 8 bits a channel that is in memory as RGB, upright and on white as `decode` gives a file."""
    turn = _TURNS.get(_orientation(image))
    rgb = _opaque(image)
    return rgb if turn is None else rgb.transpose(turn)


def _from_deep(path: Path, image: ImageFile.ImageFile, intensity_range: IntensityRange | None) -> NDArray[np.uint8]:
    negative = is_negative(image)
    values = stored_values(image)
    if not np.isfinite(values).all():
        raise ImageFileError(path, "has pixels that are nan or inf")
    if intensity_range is None:
        opaque = values[..., :3] if values.ndim == 3 else values
        hint = f"of its values, {opaque.min():g} to {opaque.max():g}, {_NEEDS_RANGE}"
        raise ImageFileError(path, "has more than 8 bits a channel", hint)
    eight = scaled(values, intensity_range)
    return 255 - eight if negative else eight


def _from_8_bits(path: Path, image: Image.Image, intensity_range: IntensityRange | None) -> Image.Image:
    rgb = _opaque(image)
    if intensity_range is None:
        return rgb
    if intensity_range[1] > 255:
        wanted = f"{intensity_range[0]:g},{intensity_range[1]:g}"
        reason = f"has 8 bits a channel, and the intensity range is {wanted}"
        raise ImageFileError(path, reason, "keep images of one depth together")
    return rgb.point(scaled(np.arange(256, dtype=np.uint16)[None], intensity_range)[0].tolist() * 3)


def _opaque(image: Image.Image) -> Image.Image:
    """RGB; what is transparent shows the background, not the color that hides behind it."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, _BACKGROUND), image).convert("RGB")


def _orientation(image: Image.Image) -> int:
    """What the camera wrote, 1 to 8; 1 where its notes are damaged, and of a TIFF, which Pillow turns itself."""
    if image.format == "TIFF":
        return 1
    try:
        found = image.getexif().get(_ORIENTATION)
    except Exception:  # the image may be whole where what stands beside it is not
        return 1
    if found is None:  # before Pillow 11 XMP is not looked at
        xmp = image.info.get("xmp", image.info.get("XML:com.adobe.xmp", b""))
        in_xmp = re.search(rb'tiff:Orientation(?:="|>)([1-8])', xmp.encode() if isinstance(xmp, str) else xmp)
        found = int(in_xmp[1]) if in_xmp else 1
    return found if found in _TURNS else 1


def _upright_size(image: Image.Image) -> tuple[int, int]:
    if image.format == "TIFF":  # some releases of Pillow turn the size when they open it, others later
        tags = image.tag_v2  # type: ignore[attr-defined]
        stored, orientation = (int(tags[256]), int(tags[257])), tags.get(_ORIENTATION, 1)
    else:
        # A PNG may have its notes behind its pixels; to ask for them would decode it.
        noted = image.format != "PNG" or not {"exif", "XML:com.adobe.xmp"}.isdisjoint(image.info)
        stored, orientation = image.size, _orientation(image) if noted else 1
    return (stored[1], stored[0]) if orientation in (5, 6, 7, 8) else stored


def _open(path: Path) -> ImageFile.ImageFile:
    """Open a file; a JPEG may be larger than Pillow's limit, since it can be decoded at a reduced scale."""
    Image.init()
    try:
        return Image.open(path, formats=[name for name in _FORMATS if name in Image.OPEN])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        with path.open("rb") as file:
            if not file.read(3).startswith(b"\xff\xd8\xff"):
                raise
        image = JpegImagePlugin.JpegImageFile(path)
        if image.width * image.height > _MOST_JPEG_PIXELS:
            image.close()
            raise
        return image


def _is_large(image: Image.Image) -> bool:
    limit = Image.MAX_IMAGE_PIXELS
    return limit is not None and image.width * image.height > 2 * limit


def _reduced(size: tuple[int, int]) -> tuple[int, int]:
    """The largest size below Pillow's limit at which a JPEG of this size can be decoded."""
    limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
    scale = next((s for s in (2, 4) if size[0] * size[1] <= limit * s * s), 8)
    return size[0] // scale, size[1] // scale


@contextmanager
def _reasons(path: Path) -> Iterator[None]:
    """Turn whatever Pillow's parsers raise into an `ImageFileError` with a reason."""
    try:
        yield
    except ImageFileError:
        raise
    except UnidentifiedImageError as error:
        raise ImageFileError(path, f"does not decode: {_known_start(path)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageFileError(path, _too_large(str(error)), _SMALLER) from error
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ImageFileError(path, f"does not decode: {reason}") from error


def _known_start(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(64)
    for pattern, what in _KNOWN_STARTS:
        if re.match(pattern, start, re.DOTALL):
            return f"not an image: {what}" if what.startswith("it is") else what
    return "not an image"


def _too_large(said: str) -> str:
    pixels, limit = (int(number) / 1e6 for number in re.findall(r"\d+", said)[:2])
    return f"has {pixels:.0f} megapixels, and Pillow decodes {limit:.0f} at most, its guard against decompression bombs"
