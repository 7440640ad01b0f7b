"""From an image to the tensor that a network was trained on."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from reprq.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class Preprocessing:
    """Resize, crop, scale, reorder and normalise one image; the same as torchvision's presets on the same image.

    An image x in 0..255 becomes ((x * value_range / 255) - mean) / std, channel by channel.

    Attributes:
        size: Side of the centre crop, in pixels.
        resize: Length of the shorter side before the crop, in pixels; at least `size`.
        mean: Subtracted from every channel, in the order of `channels` and in the unit of `value_range`.
        std: Divides every channel, in the same order and unit.
        channels: "rgb", "bgr" or "gray" (one channel).
        value_range: The value of white before normalisation: 1 or 255.
        interpolation: "bilinear", "bicubic", "lanczos" (all antialiased) or "nearest".
        squash: Whether both sides become `resize` long, whatever the image's aspect ratio, instead of the shorter one.

    Example:
        >>> bgr = Preprocessing().replace(size=96, channels="bgr", value_range=255, mean=[104, 117, 123], std=1)
        >>> bgr.resize, bgr.std
        (96, (1.0, 1.0, 1.0))
        >>> bgr(Image.new("RGB", (10, 20), (123, 117, 104))).abs().max().item()
        0.0
    """

    size: int = 224
    resize: int = 224
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    channels: Literal["rgb", "bgr", "gray"] = "rgb"
    value_range: float = 1.0
    interpolation: Literal["bilinear", "bicubic", "lanczos", "nearest"] = "bilinear"
    squash: bool = False

    def __post_init__(self) -> None:
        for key, choices in {"channels": ("rgb", "bgr", "gray"), "interpolation": tuple(_FILTERS)}.items():
            if (value := getattr(self, key)) not in choices:
                raise InputError(f"preprocessing {key} must be one of {', '.join(choices)}, got {value!r}")
        if type(self.squash) is not bool:
            raise InputError(f"preprocessing squash must be true or false, got {self.squash!r}")
        for key in ("size", "resize"):
            if type(value := getattr(self, key)) is not int or value < 1:
                raise InputError(f"preprocessing {key} must be a positive whole number of pixels, got {value!r}")
        if self.size > self.resize:
            crop = f"a crop of {self.size} from {self.resize} pixels"
            raise InputError(f"preprocessing size must be at most resize, got {crop}")
        if type(self.value_range) is bool or self.value_range not in (1, 255):
            raise InputError(f"preprocessing value_range must be 1 or 255, got {self.value_range!r}")
        for key in ("mean", "std"):
            _check_channels(key, getattr(self, key), self.in_channels)

    @property
    def in_channels(self) -> int:
        """The number of channels of the tensor: 1 for "gray", else 3."""
        return 1 if self.channels == "gray" else 3

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Return the (C, size, size) float32 tensor of an image of any size and mode."""
        image = self._cropped(image.convert("L" if self.channels == "gray" else "RGB"))
        x: NDArray[np.float32] = np.asarray(image, dtype=np.float32).reshape(self.size, self.size, self.in_channels)
        if self.channels == "bgr":
            x = x[..., ::-1]
        if self.value_range == 1:
            x = x / np.float32(255)
        mean, std = (np.array(values, dtype=np.float32) for values in (self.mean, self.std))
        x = (x - mean) / std
        return torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)))

    def to_pixels(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, C, H, W) inputs of the network as pixels: RGB or gray, in [0, 1] where they came from an image."""
        mean, std = self._statistics(x)
        pixels = (x * std + mean) / self.value_range
        return pixels.flip(1) if self.channels == "bgr" else pixels

    def normalize(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return (n, C, H, W) pixels in [0, 1] as inputs of the network; undoes `to_pixels`."""
        mean, std = self._statistics(pixels)
        ordered = pixels.flip(1) if self.channels == "bgr" else pixels
        return (ordered * self.value_range - mean) / std

    def _statistics(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [x.new_tensor(values).view(-1, 1, 1) for values in (self.mean, self.std)]

    def _cropped(self, image: Image.Image) -> Image.Image:
        width, height = image.size
        short = min(width, height)
        new = (int(self.resize * width / short), int(self.resize * height / short))
        if self.squash:
            new = (self.resize, self.resize)
        if new != image.size:
            image = image.resize(new, _FILTERS[self.interpolation])
        left, top = (round((side - self.size) / 2) for side in new)
        return image.crop((left, top, left + self.size, top + self.size))

    def replace(self, **overrides: Any) -> "Preprocessing":
        """Return a copy with other values; `size` alone sets `resize` too, a number for mean or std fills all channels.

        Channels alone keep the colours' mean and std: "bgr" turns them round. A new `value_range`, or "gray" from
        coloured statistics, needs `mean` and `std` with it.

        Raises:
            InputError: An unknown key, or a value of the wrong type or range.
        """
        valid = [field.name for field in fields(self)]
        for key in overrides:
            if key not in valid:
                raise InputError(f"preprocessing has no key {key!r}; valid keys are {', '.join(valid)}")
        new = asdict(self) | overrides
        if "size" in overrides and "resize" not in overrides:
            new["resize"] = new["size"]
        if new["value_range"] != self.value_range and not {"mean", "std"} <= set(overrides):
            raise InputError("preprocessing value_range changes the unit of mean and std: give all three")
        for key in ("mean", "std"):
            kept = _recoloured(getattr(self, key), self.channels, new["channels"])
            new[key] = _spread(overrides.get(key, kept), 1 if new["channels"] == "gray" else 3)
        return Preprocessing(**new | {"value_range": _float(new["value_range"])})

    def to_dict(self) -> dict[str, Any]:
        """Return the values in types that JSON knows."""
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """Return the preprocessing that `to_dict` described; keys that are absent take the default.

        Raises:
            InputError: As for `replace`.
        """
        return cls().replace(**values)


def _recoloured(values: tuple[float, ...], before: str, after: Any) -> tuple[float, ...] | float:
    """Return statistics of one order of channels in another; one number where all channels share it."""
    if len(set(values)) == 1:
        return values[0]
    return values[::-1] if (before, after) in (("rgb", "bgr"), ("bgr", "rgb")) else values


def _spread(values: Any, count: int) -> Any:
    """Return a number as `count` equal ones and a list as a tuple, in floats; the rest as it is, to be refused."""
    if isinstance(values, (int, float)):
        values = [values] * count
    return tuple(map(_float, values)) if isinstance(values, (list, tuple)) else values


def _float(value: Any) -> Any:
    """Return a whole number as a float: 1 and 1.0 must not be two preprocessings."""
    return float(value) if type(value) is int else value


def _check_channels(key: str, values: Any, count: int) -> None:
    numbers = values if isinstance(values, tuple) else (values,)
    if any(type(value) not in (int, float) or not math.isfinite(value) for value in numbers):
        raise InputError(f"preprocessing {key} must be a number or a list of finite numbers, got {values!r}")
    if len(numbers) != count:
        raise InputError(f"preprocessing {key} must have {count} values, one a channel, got {len(numbers)}")
    if key == "std" and min(numbers) <= 0:
        raise InputError(f"preprocessing std must be positive, got {values!r}")
