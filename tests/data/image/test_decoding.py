"""Image files of every kind become the RGB that a person sees, or are refused in one sentence."""

import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from reprq.data.image.decoding import ImageFileError, decode, read_header, verified

SAVED = {"jpg": {"quality": 100, "subsampling": 0}, "png": {}, "webp": {"lossless": True}, "tif": {}, "avif": {}}
TO_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
LOSSLESS = {"lossless": True, "exact": True}
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def _quarters() -> Image.Image:
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:10, :15], pixels[:10, 15:], pixels[10:, :15] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    return Image.fromarray(pixels)


def _assert_quarters(image: Image.Image) -> None:
    assert (image.mode, image.size) == ("RGB", (30, 20))
    corners = np.asarray(image)[[3, 3, -4, -4], [3, -4, 3, -4]].astype(int)
    expected = [[250, 0, 0], [0, 250, 0], [0, 0, 250], [0, 0, 0]]
    assert np.abs(corners - expected).max() < 20


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", SAVED)
def test_an_image_stands_upright_however_the_camera_was_held(tmp_path: Path, kind: str, orientation: int) -> None:
    if kind == "avif" and ".avif" not in Image.registered_extensions():
        pytest.skip("this Pillow has no AVIF")
    path = tmp_path / f"a.{kind}"
    turn = TO_STORED[orientation]
    stored = _quarters() if turn is None else _quarters().transpose(turn)
    if kind == "tif":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[274] = orientation
        stored.save(path, tiffinfo=tags)
    else:
        exif = Image.Exif()
        exif[274] = orientation
        stored.save(path, exif=exif, **SAVED[kind])
    _assert_quarters(decode(path))
    assert read_header(path).size == (30, 20)


def test_an_orientation_may_stand_in_xmp_alone_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    path = tmp_path / "xmp.jpg"
    _quarters().transpose(TO_STORED[6]).save(path, quality=100)
    packet = b"http://ns.adobe.com/xap/1.0/\0" + XMP
    path.write_bytes(b"\xff\xd8\xff\xe1" + struct.pack(">H", len(packet) + 2) + packet + path.read_bytes()[2:])
    _assert_quarters(decode(tmp_path / "xmp.jpg"))
    _quarters().save(tmp_path / "bad.jpg", exif=b"Exif\0\0no header of a TIFF", quality=100)
    _assert_quarters(decode(tmp_path / "bad.jpg"))


@pytest.mark.parametrize(
    ("name", "mode", "colour", "saved"),
    [
        *(
            (name, "RGBA", (200, 0, 0, 0), saved)
            for name, saved in (("a.png", {}), ("a.tif", {}), ("a.webp", LOSSLESS))
        ),
        *((name, "LA", (30, 0), {}) for name in ("a.png", "a.tif")),
        ("a.png", "P", 3, {"transparency": 3}),
        ("a.png", "P", 3, {"transparency": b"\xff\xff\xff\x00"}),
        ("a.gif", "P", 3, {"transparency": 3}),
        ("a.png", "L", 77, {"transparency": 77}),
        ("a.png", "RGB", (1, 2, 3), {"transparency": (1, 2, 3)}),
    ],
)
def test_what_is_transparent_is_white_and_not_the_colour_behind(
    tmp_path: Path, name: str, mode: str, colour: tuple[int, ...] | int, saved: dict[str, object]
) -> None:
    image = Image.new(mode, (4, 4), colour)
    if mode == "P":
        image.putpalette([200, 0, 0] * 4)
    image.save(tmp_path / name, **saved)
    assert np.asarray(decode(tmp_path / name)).min() == 255


def test_half_transparent_pixels_are_mixed_with_white_and_opaque_ones_stay(tmp_path: Path) -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 0], pixels[0, :, 3] = 100, (0, 128, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.asarray(decode(tmp_path / "a.png"))[0].tolist() == [[255] * 3, [177, 127, 127], [100, 0, 0]]


@pytest.mark.parametrize(
    ("name", "mode", "colour", "expected"),
    [
        ("a.jpg", "CMYK", (255, 0, 0, 0), (0, 255, 255)),
        ("a.tif", "CMYK", (255, 0, 0, 0), (0, 255, 255)),
        ("a.jpg", "YCbCr", (128, 128, 128), (128, 128, 128)),
        ("a.png", "1", 1, (255, 255, 255)),
        ("a.pbm", "1", 1, (255, 255, 255)),
        ("a.bmp", "P", 9, (9, 9, 9)),
    ],
)
def test_every_8_bit_mode_is_converted(
    tmp_path: Path, name: str, mode: str, colour: tuple[int, ...] | int, expected: tuple[int, int, int]
) -> None:
    image = Image.new(mode, (4, 4), colour)
    if mode == "P":
        image.putpalette([v for v in range(256) for _ in range(3)])
    image.save(tmp_path / name)
    assert np.abs(np.asarray(decode(tmp_path / name)).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("kind", ["gif", "webp", "tif", "png"])
def test_of_several_frames_the_first_is_read_and_that_is_said(tmp_path: Path, kind: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(tmp_path / f"a.{kind}", save_all=True, append_images=frames[1:])
    assert decode(tmp_path / f"a.{kind}").getpixel((0, 0)) == pytest.approx((255, 0, 0), abs=3)
    assert read_header(tmp_path / f"a.{kind}").remark == "have several frames, of which the first is read"
    frames[0].save(tmp_path / f"b.{kind}")
    assert read_header(tmp_path / f"b.{kind}").remark == ""


GREY = np.linspace(1000, 4000, 20).round().astype(np.uint16).reshape(4, 5)
COLOUR = np.dstack([GREY, GREY[::-1], GREY[:, ::-1]])
EXPECTED = np.rint((np.dstack([GREY] * 3).astype(float) - 1000) * 255 / 3000)


def _png(pixels: np.ndarray, colour_type: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _tiff(pixels: np.ndarray, order: str, photometric: int, sample_format: int = 1, deflated: bool = False) -> bytes:
    height, width = pixels.shape[:2]
    bands = 1 if pixels.ndim == 2 else pixels.shape[2]
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    data = zlib.compress(data) if deflated else data
    longs = {256: width, 257: height, 273: 8 + 2 + 12 * 10 + 4 + 16, 278: height, 279: len(data)}
    shorts = {258: [pixels.dtype.itemsize * 8] * bands, 259: [8 if deflated else 1], 262: [photometric], 277: [bands]}
    shorts[339] = [sample_format] * bands
    entries, extra = b"", b""
    for tag in sorted({**longs, **shorts}):
        if tag in longs:
            entries += struct.pack(f"{order}HHII", tag, 4, 1, longs[tag])
            continue
        values = struct.pack(f"{order}{len(shorts[tag])}H", *shorts[tag])
        if len(values) > 4:
            where, extra = 8 + 2 + 12 * 10 + 4 + len(extra), extra + values.ljust(8, b"\0")
            values = struct.pack(f"{order}I", where)
        entries += struct.pack(f"{order}HHI", tag, 3, len(shorts[tag])) + values.ljust(4, b"\0")
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(f"{order}HIH", 42, 8, 10) + entries + bytes(4) + extra.ljust(16, b"\0") + data


def _grey_files() -> dict[str, bytes]:
    big = GREY.astype(">u2").tobytes()
    return {
        "grey.png": _png(GREY, 0),
        "alpha.png": _png(np.dstack([GREY, np.full_like(GREY, 65535)]), 4),
        "little.tif": _tiff(GREY, "<", 1),
        "big.tif": _tiff(GREY, ">", 1),
        "deflated.tif": _tiff(GREY, "<", 1, deflated=True),
        "float.tif": _tiff(GREY.astype(np.float32), "<", 1, sample_format=3),
        "signed.tif": _tiff(GREY.astype(np.int32), "<", 1, sample_format=2),
        "whole.pgm": b"P5 5 4 65535\n" + big,
        "twelve.pgm": b"P5 5 4 4095\n" + big,
    }


def _colour_files() -> dict[str, bytes]:
    opaque = np.full_like(GREY, 65535)
    return {
        "rgb.png": _png(COLOUR, 2),
        "rgba.png": _png(np.dstack([COLOUR, opaque]), 6),
        "little.tif": _tiff(COLOUR, "<", 2),
        "big.tif": _tiff(COLOUR, ">", 2),
        "deflated.tif": _tiff(COLOUR, "<", 2, deflated=True),
        "deflated_big.tif": _tiff(COLOUR, ">", 2, deflated=True),
        "rgb.ppm": b"P6 5 4 65535\n" + COLOUR.astype(">u2").tobytes(),
        "twelve.ppm": b"P6 5 4 4095\n" + COLOUR.astype(">u2").tobytes(),
    }


@pytest.mark.parametrize(
    ("name", "content"), [*_grey_files().items(), *((f"c_{name}", file) for name, file in _colour_files().items())]
)
def test_deep_pixels_are_scaled_by_the_stated_range_and_refused_without_one(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    expected = np.rint((COLOUR.astype(float) - 1000) * 255 / 3000) if name.startswith("c_") else EXPECTED
    assert np.abs(np.asarray(decode(path, (1000, 4000))).astype(int) - expected).max() <= 1
    coarse = np.asarray(decode(path, (0, 65535))).astype(int)
    assert (coarse.min(), coarse.max()) == (4, 16)
    with pytest.raises(
        ImageFileError, match="has more than 8 bits a channel; of its values, 1000 to 4000, say which are"
    ):
        decode(path)
    with pytest.raises(ImageFileError, match="more than 8 bits"):
        verified(path)


def test_a_negative_is_turned_round_and_a_nan_refused(tmp_path: Path) -> None:
    (tmp_path / "negative.tif").write_bytes(_tiff(GREY, "<", 0))
    assert np.abs(np.asarray(decode(tmp_path / "negative.tif", (1000, 4000))) + EXPECTED - 255).max() <= 1
    holes = GREY.astype(np.float32)
    holes[0, 0] = np.nan
    (tmp_path / "nan.tif").write_bytes(_tiff(holes, "<", 1, sample_format=3))
    with pytest.raises(ImageFileError, match="has pixels that are nan or inf"):
        decode(tmp_path / "nan.tif", (0, 1))


def test_a_deep_image_stands_upright_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(np.rot90(GREY).copy()).save(tmp_path / "a.png", exif=exif)
    assert np.abs(np.asarray(decode(tmp_path / "a.png", (1000, 4000))).astype(int) - EXPECTED).max() <= 1


def test_8_bits_take_a_range_of_their_own_and_no_larger_one(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 50, 100, 150, 255]], np.uint8)).save(tmp_path / "a.png")
    assert np.asarray(decode(tmp_path / "a.png", (50, 150)))[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    with pytest.raises(ImageFileError, match="has 8 bits a channel, and the intensity range is 0,4095; keep images of"):
        decode(tmp_path / "a.png", (0, 4095))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not an image: it is empty; repair or remove it"),
        (b"\n<!DOCTYPE html><html></html>", "not an image: it is an HTML or XML page; repair"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not an image: it is a pointer of Git LFS"),
        (b"\0\0\0\x18ftypheic" + bytes(30), "not an image: it is HEIC"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image: it is PostScript"),
        (_tiff(GREY.astype(np.float64), "<", 1, sample_format=3), "a TIFF of a kind that Pillow does not read; save"),
        (b"notes of the line", "does not decode: not an image; repair or remove it"),
    ],
)
def test_a_file_that_is_no_image_is_called_what_it_is(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(ImageFileError, match=re.escape(reason)) as caught:
        decode(tmp_path / "a.jpg")
    assert caught.value.broken
    with pytest.raises(ImageFileError, match=re.escape(reason)):
        read_header(tmp_path / "a.jpg")


def test_a_name_with_the_wrong_ending_is_read_by_its_content(tmp_path: Path) -> None:
    _quarters().save(tmp_path / "a.jpg", format="PNG")
    _assert_quarters(decode(tmp_path / "a.jpg"))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["jpg", "png", "webp", "tif", "gif", "bmp", "ppm"]), st.floats(0, 0.9), st.binary(max_size=8))
def test_a_cut_or_spoilt_file_decodes_or_is_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, kind: str, share: float, noise: bytes
) -> None:
    path = tmp_path_factory.mktemp("cut") / f"a.{kind}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)).save(path)
    whole = path.read_bytes()
    cut = int(share * len(whole))
    path.write_bytes(whole[:cut] + noise + (whole[cut + len(noise) :] if noise else b""))
    with suppress(ImageFileError):
        assert decode(path).mode == "RGB"
    if not noise:
        with pytest.raises(ImageFileError):
            verified(path)


def test_a_jpeg_beyond_pillows_limit_is_read_at_a_reduced_scale_and_others_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[274] = 6
    _quarters().resize((600, 400)).save(tmp_path / "a.jpg", exif=exif)
    _quarters().resize((600, 400)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)
    assert decode(tmp_path / "a.jpg").size == (100, 150)
    header = read_header(tmp_path / "a.jpg")
    assert (header.size, header.remark) == ((400, 600), "have so many pixels that they are read at a reduced scale")
    for read in (decode, read_header):
        with pytest.raises(
            ImageFileError, match="megapixels, and Pillow decodes 0 at most, .*; scale it down, cut"
        ) as got:
            read(tmp_path / "a.png")
        assert not got.value.broken
