import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import models

from reprq.backbones import Preprocessing, default_preprocessing
from reprq.errors import InputError


def _image(width: int, height: int, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b0", "mobilenet_v2", "swin_t", "efficientnet_v2_l"])
@pytest.mark.parametrize("shape", [(32, 32), (500, 331), (97, 640)])
def test_it_is_torchvisions_preset(name: str, shape: tuple[int, int]) -> None:
    image = _image(*shape)
    expected = models.get_model_weights(name).DEFAULT.transforms()(image)
    assert torch.allclose(default_preprocessing(name)(image), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_the_inceptions_say_what_torchvision_hides_in_the_forward_pass(name: str) -> None:
    image = _image(300, 400)
    hidden = models.get_model(name, weights=None, init_weights=False, transform_input=True)._transform_input
    preset = models.get_model_weights(name).DEFAULT.transforms()
    expected = hidden(preset(image)[None])[0]
    assert torch.allclose(default_preprocessing(name)(image), expected, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40), st.integers(0, 20))
def test_any_size_gives_a_finite_square(width: int, height: int, size: int, border: int) -> None:
    x = Preprocessing().replace(size=size, resize=size + border)(_image(width, height))
    assert x.shape == (3, size, size)
    assert x.dtype == torch.float32
    assert torch.isfinite(x).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK"])
def test_any_mode_is_converted(mode: str) -> None:
    assert Preprocessing(size=4, resize=4)(_image(5, 6).convert(mode)).shape == (3, 4, 4)


def test_channels_ranges_and_statistics_follow_the_formula() -> None:
    image = Image.new("RGB", (2, 2), (10, 20, 30))
    bgr = Preprocessing().replace(size=2, channels="bgr", value_range=255, mean=[1, 2, 3], std=[1, 2, 4])
    assert bgr(image)[:, 0, 0].tolist() == [29.0, 9.0, 1.75]
    mobile = Preprocessing().replace(size=2, value_range=255, mean=127.5, std=127.5)
    assert mobile(Image.new("RGB", (2, 2), (0, 255, 255)))[:, 0, 0].tolist() == [-1.0, 1.0, 1.0]
    gray = Preprocessing().replace(size=2, channels="gray", mean=0, std=1)
    assert gray.in_channels == 1
    assert gray(Image.new("RGB", (2, 2), (255, 255, 255))).tolist() == [[[1.0, 1.0], [1.0, 1.0]]]


def test_overrides_keep_what_they_do_not_name() -> None:
    start = default_preprocessing("resnet50")
    assert (start.size, start.resize) == (224, 232)
    assert start.replace(size=96) == Preprocessing(size=96, resize=96, mean=start.mean, std=start.std)
    assert start.replace(size=96, resize=110).resize == 110
    assert start.replace(channels="bgr").mean == start.mean[::-1]
    assert default_preprocessing("lenet").replace(channels="gray").mean == (0.5,)
    assert start.replace() == start


@pytest.mark.parametrize("color", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 30, 90)])
@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_the_mean_of_gray_is_that_of_gray_images(color: tuple[int, int, int], order: str) -> None:
    colors = Preprocessing().replace(size=2, mean=[value / 255 for value in color], std=[0.1, 0.2, 0.3])
    gray = colors.replace(channels=order).replace(channels="gray")
    assert gray(Image.new("RGB", (2, 2), color)).abs().max() < 0.02  # Pillow rounds to 1/255
    assert gray.std == pytest.approx((0.299 * 0.1 + 0.587 * 0.2 + 0.114 * 0.3,))


def test_a_squash_keeps_the_whole_image_and_not_its_aspect_ratio() -> None:
    image = Image.new("L", (40, 20))
    image.paste(255, (0, 0, 10, 20))  # the left quarter is white
    plain = Preprocessing(size=8, resize=8, mean=(0.0,), std=(1.0,), channels="gray", interpolation="nearest")
    assert plain(image).sum() == 0
    squashed = plain.replace(squash=True)(image)
    assert torch.equal(squashed[0], torch.tensor([[1.0] * 2 + [0.0] * 6] * 8))


def _stripes(width: int, height: int) -> Image.Image:
    across, down = np.linspace(0, 6, width)[None], np.linspace(0, 9, height)[:, None]
    smooth = np.dstack([np.sin(across + down), np.cos(across - down), np.sin(down) + 0 * across])
    return Image.fromarray(np.rint(127 + 120 * smooth).astype(np.uint8))


PLAIN = Preprocessing(size=24, resize=32, mean=(0.0,) * 3, std=(1.0,) * 3, value_range=255)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("shape", [(3, 300), (300, 3), (1, 200), (40, 4000), (45, 3000)])
def test_of_a_long_line_only_the_middle_is_resized(
    monkeypatch: pytest.MonkeyPatch, interpolation: str, shape: tuple[int, int]
) -> None:
    one = PLAIN.replace(interpolation=interpolation)
    cut = one(_stripes(*shape))
    monkeypatch.setattr("reprq.data.image.preprocessing._ELONGATED", 10**9)
    assert (cut - one(_stripes(*shape))).abs().max() <= 3


def test_a_line_of_one_pixel_takes_no_more_memory_than_a_square(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = []
    resize = Image.Image.resize

    def recorded(image: Image.Image, size: tuple[int, int], *rest: Any, **more: Any) -> Image.Image:
        largest.append(size[0] * size[1])
        return resize(image, size, *rest, **more)

    monkeypatch.setattr(Image.Image, "resize", recorded)
    for shape in ((1, 30_000), (30_000, 1)):
        for changed in ({}, {"crop": "none"}, {"squash": True}, {"interpolation": "nearest"}):
            assert PLAIN.replace(**changed)(Image.new("L", shape, 7)).shape == (3, 24, 24)
    assert max(largest) <= 32 * 32


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 32), st.integers(0, 16), st.booleans())
def test_the_kept_share_is_what_the_crop_leaves(width: int, height: int, size: int, border: int, squash: bool) -> None:
    one = PLAIN.replace(size=size, resize=size + border, squash=squash, crop="center")
    kept = one.kept(width, height)
    assert 0 < kept <= 1
    if squash:
        assert kept == pytest.approx((size / (size + border)) ** 2)
    else:
        assert kept == pytest.approx(
            size**2 / ((size + border) ** 2 * max(width, height) / min(width, height)), rel=2 / (size + border)
        )
    assert one.replace(crop="none").kept(width, height) == 1


@pytest.mark.parametrize("shape", [(40, 20), (20, 40), (21, 40), (40, 1), (7, 7), (300, 2)])
def test_without_a_crop_the_whole_image_stands_amid_the_mean_colour(shape: tuple[int, int]) -> None:
    whole = Preprocessing(size=16, resize=16, mean=(100.0,) * 3, std=(2.0,) * 3, value_range=255).replace(crop="none")
    x = whole(Image.new("RGB", shape, (255, 255, 255)))
    lit = (x[0] != 0).numpy()
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    wide, high = (max(1, round(side * 16 / max(shape))) for side in shape)
    assert (len(columns), len(rows)) == (wide, high)
    assert lit.sum() == wide * high
    assert abs(rows[0] - (15 - rows[-1])) <= 1
    assert abs(columns[0] - (15 - columns[-1])) <= 1
    assert x[0][lit].unique().tolist() == [77.5]


@pytest.mark.parametrize("shape", [(16, 6), (5, 16), (16, 1), (16, 16)])
def test_a_mirrored_image_goes_on_beyond_its_borders(shape: tuple[int, int]) -> None:
    none = Preprocessing(size=16, resize=16).replace(crop="none")
    mirrored = none.replace(crop="reflect")
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*shape[::-1], 3), dtype=np.uint8))
    x, plain = mirrored(image), none(image)
    (left, right), (top, bottom) = ((place.start, place.stop) for place in mirrored.placements(*shape))
    inside = (slice(None), slice(top, bottom), slice(left, right))
    assert torch.equal(x[inside], plain[inside])
    if left:
        assert torch.equal(x[:, :, left - 1], x[:, :, left])
        assert torch.equal(x[:, :, right], x[:, :, right - 1])
    if top:
        assert torch.equal(x[:, top - 1], x[:, top])
    if shape == (16, 6):
        assert torch.equal(x[:, :top], x[:, top : 2 * top].flip(1))
    mask = np.ones(shape[::-1], dtype=bool)
    assert mirrored.over(mask).sum() == (right - left) * (bottom - top)  # what is mirrored is no anomaly
    assert (mirrored.kept(*shape), mirrored.resize) == (1.0, 16)


def test_a_squash_alone_keeps_everything_and_a_crop_may_be_asked_for() -> None:
    start = default_preprocessing("resnet18")
    assert (start.crop, start.resize, start.size) == ("center", 256, 224)
    squashed = start.replace(squash=True)
    assert (squashed.crop, squashed.resize, squashed.kept(100, 300)) == ("none", 224, 1.0)
    assert start.replace(squash=True, crop="centre").kept(100, 300) == pytest.approx((224 / 256) ** 2)
    assert start.replace(squash=True, resize=256).crop == "center"
    assert start.replace(crop="none").replace(crop="center").kept(100, 100) == 1
    assert start.replace(crop="centre") == start
    assert start.replace(crop="none", size=96).resize == 96
    frame = Image.new("L", (40, 20), 255)
    frame.paste(0, (1, 1, 39, 19))
    edges = PLAIN.replace(squash=True)(frame)[0]
    assert edges[0].min() > 0
    assert edges[:, 0].min() > 0


def test_dictionaries_go_round() -> None:
    one = default_preprocessing("mobilenet_v2").replace(size=96, value_range=255, mean=127.5, std=127.5, channels="bgr")
    assert Preprocessing.from_dict(one.to_dict()) == one
    assert one.to_dict()["mean"] == [127.5, 127.5, 127.5]
    whole = default_preprocessing("mobilenet_v2").replace(value_range=255, mean=127, std=1)
    assert str(whole.to_dict()) == str(whole.replace(value_range=255.0, mean=[127.0] * 3, std=1.0).to_dict())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"sizes": 3},
            "preprocessing has no key 'sizes'; valid keys are size, resize, mean, std, channels, value_range, interp",
        ),
        ({"size": "96"}, "preprocessing size must be a positive whole number of pixels, got '96'"),
        ({"size": 0}, "preprocessing size must be a positive whole number of pixels, got 0"),
        ({"size": True}, "preprocessing size must be a positive whole number of pixels, got True"),
        ({"size": 96, "resize": 64}, "preprocessing size must be at most resize, got a crop of 96 from 64 pixels"),
        ({"channels": "rbg"}, "preprocessing channels must be one of rgb, bgr, gray, got 'rbg'"),
        ({"crop": "centred"}, "preprocessing crop must be one of center, none, reflect, got 'centred'"),
        ({"crop": None}, "preprocessing crop must be one of center, none, reflect, got None"),
        (
            {"crop": "none", "resize": 300},
            "preprocessing resize says nothing where crop is none, got 300; leave it out",
        ),
        ({"squash": 1}, "preprocessing squash must be true or false, got 1"),
        (
            {"interpolation": "area"},
            "preprocessing interpolation must be one of nearest, bilinear, bicubic, lanczos, got",
        ),
        ({"channels": ["rgb"]}, "preprocessing channels must be one of rgb, bgr, gray, got ['rgb']"),
        ({"value_range": 256, "mean": 0, "std": 1}, "preprocessing value_range must be 1 or 255, got 256"),
        ({"value_range": 255}, "preprocessing value_range changes the unit of mean and std: give all three"),
        ({"mean": [0.5, 0.5]}, "preprocessing mean must have 3 values, one a channel, got 2"),
        ({"mean": True}, "preprocessing mean must be a number or a list of finite numbers, got (True, True, True)"),
        ({"mean": "imagenet"}, "preprocessing mean must be a number or a list of finite numbers, got 'imagenet'"),
        ({"mean": [0.1, float("nan"), 0.1]}, "preprocessing mean must be a number or a list of finite numbers"),
        ({"std": [1, 0, 1]}, "preprocessing std must be positive, got (1.0, 0.0, 1.0)"),
        ({"channels": "gray", "mean": [0.5] * 3}, "preprocessing mean must have 1 values, one a channel, got 3"),
    ],
)
def test_wrong_overrides_are_named(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        default_preprocessing("resnet18").replace(**overrides)


def test_a_preprocessing_that_cannot_work_is_never_made() -> None:
    with pytest.raises(InputError, match="size must be at most resize, got a crop of 300 from 224 pixels"):
        Preprocessing(size=300)
