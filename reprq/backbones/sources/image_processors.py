"""What the image processor of a Hugging Face model does: read from its configuration, and compared with it on images.

Processors have defaults, flags and rules of their own that no configuration shows. So what is read is tried: images of
one color tell scale, statistics and the order of channels, and images of two shapes tell resizing and cropping. What
cannot be followed is refused.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image

from reprq.backbones.sources.timm import timm_preprocessing
from reprq.data.image.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from reprq.errors import InputError, one_line

_FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_COLORS = (_BLACK, _WHITE, (255, 0, 0), (30, 90, 200))
_SHAPES = ((400, 300), (90, 120))  # one that is made smaller by most, and one that is made larger
_GIVE_ALL = "give the size, mean and standard deviation (--size, --mean, --std)"
_TOLERANCE = 0.005  # of the range from black to white, on average: two libraries' resizing differs by a fifth of it

_Colors = Mapping[tuple[int, int, int], torch.Tensor]


def followed(processor: Any, name: str, overrides: Mapping[str, Any]) -> Preprocessing:
    """Return the preprocessing that gives what an image processor gives, with what the user says otherwise.

    Args:
        processor: An image processor of transformers.
        name: The backbone, for the message.
        overrides: What the user gives: with a size, resizing and cropping are the user's choice; with mean and standard
            deviation too, the processor is not asked.

    Raises:
        InputError: The processor does what a `Preprocessing` cannot do, and the user does not say what to do instead.
    """
    stated = _stated(processor)
    if {"size", "mean", "std"} <= set(overrides):
        return stated.replace(**overrides)
    who = f"the image processor of {name} ({type(processor).__name__})"
    theirs = {color: _center(_prepared(processor, Image.new("RGB", (96, 96), color), who)) for color in _COLORS}
    span = float((theirs[_WHITE] - theirs[_BLACK]).abs().max())
    found = next((ours for ours in _colorings(stated, theirs) if _same_colors(ours, theirs, span)), None)
    if found is None:
        raise InputError(f"{who} changes colors in a way that is not known here; {_GIVE_ALL}")
    if "size" not in overrides:
        found = _of_shapes(found, processor, span, who)
    return found.replace(**overrides)


def processor_preprocessing(stated: Mapping[str, Any]) -> Preprocessing:
    """Return the preprocessing that an image processor's configuration states.

    A size with height and width squashes images to it; a "shortest_edge" keeps their aspect ratio.
    """
    size, crop = stated.get("size") or {}, stated.get("crop_size") or {}
    resize = int(size.get("shortest_edge") or size.get("height") or 224)
    side = int(crop.get("height") or crop.get("shortest_edge") or resize) if stated.get("do_center_crop") else resize
    squash = "shortest_edge" not in size
    if (fraction := stated.get("crop_pct")) and not squash:  # ConvNeXt: a crop below 384 pixels, a squash from there on
        side, squash = resize, resize >= 384
        resize = resize if squash else int(resize / fraction)
    normalized = stated.get("do_normalize", True)
    resample = stated.get("resample")
    return Preprocessing(
        size=side,
        resize=max(resize, side),
        mean=_of_channels(stated.get("image_mean") or IMAGENET_MEAN) if normalized else (0.0,) * 3,
        std=_of_channels(stated.get("image_std") or IMAGENET_STD) if normalized else (1.0,) * 3,
        value_range=1.0 if stated.get("do_rescale", True) else 255.0,
        interpolation=_FILTERS.get(resample if isinstance(resample, int) else 2, "bilinear"),  # type: ignore[arg-type]
        squash=squash,
    )


def _of_channels(values: Any) -> tuple[float, ...]:
    return (float(values),) * 3 if isinstance(values, (int, float)) else tuple(values)


def _stated(processor: Any) -> Preprocessing:
    data = getattr(processor, "data_config", None)  # timm's, which transformers wraps
    try:
        return timm_preprocessing(data)[0] if isinstance(data, dict) else processor_preprocessing(processor.to_dict())
    except (InputError, TypeError, ValueError, AttributeError):  # what it states is not of this form
        return Preprocessing()


def _colorings(stated: Preprocessing, theirs: _Colors) -> Iterator[Preprocessing]:
    """Yield what is stated, then what black and white tell, in one order of channels and the other."""
    yield stated
    black, scale = theirs[_BLACK], theirs[_WHITE] - theirs[_BLACK]
    if (scale > 0).all():
        mean, std = (
            [float(f"{value:.6g}") + 0.0 for value in values.tolist()] for values in (-black / scale, 1 / scale)
        )
        for channels in ("rgb", "bgr"):
            yield stated.replace(channels=channels, mean=mean, std=std, value_range=1)


def _same_colors(ours: Preprocessing, theirs: _Colors, span: float) -> bool:
    small = ours.replace(size=8)
    made = ((_center(small(Image.new("RGB", (8, 8), color))), value) for color, value in theirs.items())
    return all(float((x - y).abs().max()) <= _TOLERANCE * span for x, y in made)


def _of_shapes(stated: Preprocessing, processor: Any, span: float, who: str) -> Preprocessing:
    """Return the preprocessing whose resizing and cropping are the processor's."""
    images = [_pattern(width, height) for width, height in _SHAPES]
    theirs = [_prepared(processor, image, who) for image in images]
    sizes = {tuple(x.shape[1:]) for x in theirs}
    height, width = next(iter(sizes))
    if len(sizes) > 1 or height != width:
        shown = " and ".join(f"{h} x {w}" for h, w in sorted(sizes))
        raise InputError(f"{who} makes images of {shown} pixels, and here they are squares; give their side (--size)")
    for ours in _geometries(stated, height):
        if all(
            float((ours(image) - x).abs().mean()) <= _TOLERANCE * span for image, x in zip(images, theirs, strict=True)
        ):
            return ours
    raise InputError(f"{who} resizes or crops in a way that is not known here; give the side of the input (--size)")


def _geometries(stated: Preprocessing, side: int) -> Iterator[Preprocessing]:
    """Yield ways to make squares of a side: as stated, then the rules that processors have in their code."""
    if stated.size == side and stated.resize <= 4 * side:
        yield stated
    for resize in (side, int(side * 256 / 224)):
        for squash in (False, True):
            yield stated.replace(size=side, resize=resize, squash=squash)
    yield stated.replace(size=side, squash=False, crop="none")


def _prepared(processor: Any, image: Image.Image, who: str) -> torch.Tensor:
    """Return the (3, H, W) tensor that a processor makes of an image."""
    try:
        made = processor(image, return_tensors="pt")["pixel_values"]
        x = torch.as_tensor(made).float()
    except Exception as error:  # a processor that wants more than an image, or gives no pixels
        reason = one_line(error, 120)
        raise InputError(f"{who} makes no tensor of one image ({reason}); {_GIVE_ALL}") from error
    shape = tuple(x.shape)
    while x.ndim > 3 and len(x) == 1:
        x = x[0]
    if x.ndim != 3 or len(x) != 3:
        raise InputError(f"{who} makes a tensor of shape {shape} of one image, not (1, 3, H, W); {_GIVE_ALL}")
    return x


def _center(x: torch.Tensor) -> torch.Tensor:
    return x[:, x.shape[1] // 2, x.shape[2] // 2]


def _pattern(width: int, height: int) -> Image.Image:
    """An image without symmetry, whose every part is unlike the others, coarse and fine."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 20, width // 20, 3), dtype=np.uint8)
    fine = rng.integers(-30, 31, (height, width, 3))
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), dtype=np.int64)
    return Image.fromarray(np.clip(smooth + fine, 0, 255).astype(np.uint8))
