"""From an image to the tensor that a network was trained on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from reprq.data.dataset import Dataset
from reprq.data.image.coverage import coverage
from reprq.data.image.drawing import Axes, drawing_of, drawing_with
from reprq.data.image.photo import Placement
from reprq.data.image.sources import header_of
from reprq.data.modality import Seen
from reprq.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_GRAY = (0.299, 0.587, 0.114)  # of red, green and blue, in Pillow's conversion (ITU-R 601)
_ELONGATED = 64  # times as long as wide: resized whole, a line of 1 x 30,000 pixels would take gigabytes
_REACH = 3  # pixels that a filter looks beyond the one it computes, of the larger of both scales
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class Preprocessing:
    """Resize, crop, scale, reorder and normalize one image; the same as torchvision's presets on the same image.

    An image x in 0..255 becomes ((x * value_range / 255) - mean) / std, channel by channel.

    Attributes:
        size: Side of the center crop, in pixels.
        resize: Length of the shorter side before the crop, in pixels; at least `size`.
        mean: Subtracted from every channel, in the order of `channels` and in the unit of `value_range`.
        std: Divides every channel, in the same order and unit.
        channels: "rgb", "bgr" or "gray" (one channel).
        value_range: The value of white before normalization: 1 or 255.
        interpolation: "bilinear", "bicubic", "lanczos" (all antialiased) or "nearest".
        squash: Whether both sides become `resize` long, whatever the image's aspect ratio, instead of the shorter one.
        crop: "center", or "none": the whole image is kept, and `resize` is `size`. Unless it is squashed, its longer
            side becomes `size`, and the rest of the square is the mean color, 0 once normalized. "reflect" is that with
            the image mirrored at its borders in the rest of the square, which then looks like no edge.

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
    crop: Literal["center", "none", "reflect"] = "center"

    def __post_init__(self) -> None:
        valid = {
            "channels": ("rgb", "bgr", "gray"),
            "interpolation": tuple(FILTERS),
            "crop": ("center", "none", "reflect"),
        }
        for key, choices in valid.items():
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
        if self.crop != "center" and self.size < self.resize:
            raise InputError(
                f"preprocessing resize says nothing where crop is {self.crop}, got {self.resize}; leave it out"
            )
        if type(self.value_range) is bool or self.value_range not in (1, 255):
            raise InputError(f"preprocessing value_range must be 1 or 255, got {self.value_range!r}")
        for key in ("mean", "std"):
            _check_channels(key, getattr(self, key), self.in_channels)

    @property
    def modality(self) -> str:
        """The kind of data that it takes."""
        return "image"

    @property
    def class_token(self) -> None:
        """None: a network makes its own tokens of an image."""

    def adapted_to(self, modality: str) -> "Preprocessing | None":
        """Return what draws items of another modality as such images; None where nothing does."""
        return drawing_of(modality, self)

    @property
    def axes(self) -> Axes | None:
        """What the sides of `picture` mean; None where they are pixels."""
        return None

    def picture(self, item: Any) -> Image.Image:
        """Return what of an item there is to look at: an image is its own picture."""
        image: Image.Image = item
        return image

    def picture_size(self, data: Dataset, row: int) -> tuple[int, int]:
        """Return the width and height of the picture of a row, in pixels; no more than its header is read."""
        return header_of(data.source, int(data.rows[row])).size

    @property
    def in_channels(self) -> int:
        """The number of channels of the tensor: 1 for "gray", else 3."""
        return 1 if self.channels == "gray" else 3

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Return the (C, size, size) float32 tensor of an image of any size and mode."""
        mode = "L" if self.channels == "gray" else "RGB"
        image = image if image.mode == mode else image.convert(mode)  # which would copy
        image = self._cropped(image) if self.crop == "center" else self._whole(image)
        x: NDArray[np.float32] = np.asarray(image, dtype=np.float32).reshape(*image.size[::-1], self.in_channels)
        if self.channels == "bgr":
            x = x[..., ::-1]
        if self.value_range == 1:
            x = x / np.float32(255)
        mean, std = (np.array(values, dtype=np.float32) for values in (self.mean, self.std))
        x = self._centred((x - mean) / std, mirrored=self.crop == "reflect")
        return torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)))

    def over(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return a mask as it lies over the tensor of its image: (size, size), by the nearest pixel.

        Args:
            mask: (height, width) in the pixels of the image; what lies beside the image in its square is False.

        Example:
            >>> mask = np.zeros((4, 8), dtype=bool)
            >>> mask[:, 4:] = True
            >>> Preprocessing(size=2, resize=2, crop="none", squash=True).over(mask).tolist()
            [[False, True], [False, True]]
        """
        nearest = self.replace(interpolation="nearest")
        image = Image.fromarray(mask.astype(np.uint8))
        laid = np.asarray(nearest._cropped(image) if self.crop == "center" else nearest._whole(image), dtype=np.float32)
        return self._centred(laid[..., None])[..., 0] > 0

    def placements(self, width: int, height: int) -> tuple[Placement, Placement]:
        """Return how a photo of this size lies in the tensor, across and down; see `reprq.data.to_photo`."""
        sides = (width, height)
        if self.crop != "center":
            new = self._fitted(width, height)
            starts = [(self.size - side) // 2 for side in new]
            spans = zip(sides, new, starts, strict=True)
            across, down = (Placement(n / side, -start, start, start + n) for side, n, start in spans)
            return across, down
        resized = zip(sides, self._resized(width, height), strict=True)
        across, down = (Placement(n / side, round((n - self.size) / 2), 0, self.size) for side, n in resized)
        return across, down

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image as the network takes it."""
        return self.in_channels, self.size, self.size

    def collate(self, samples: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the (n, C, size, size) batch of n images."""
        return torch.stack(list(samples))

    def blank(self, n: int) -> torch.Tensor:
        """Return the (n, C, size, size) batch of n images whose every value is 0, the mean color."""
        return torch.zeros(n, *self.shape)

    def noise(self, n: int, seed: int) -> torch.Tensor:
        """Return the (n, C, size, size) batch of n images of uniform noise in [0, 1]."""
        return torch.rand(n, *self.shape, generator=torch.Generator().manual_seed(seed))

    def altered(self, sample: torch.Tensor) -> torch.Tensor:
        """Return another image of values that a network may expect: the half of one mirrored and of its mean."""
        return (sample.flip(-1) + sample.mean()) / 2

    def seen(self, data: Dataset) -> Seen:
        """Return what of some images reaches the network; only their headers are read."""
        return coverage(data, self)

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

    def kept(self, width: int, height: int) -> float:
        """Return the share of the area of an image of this size that reaches the network, in (0, 1].

        Example:
            >>> round(Preprocessing(size=224, resize=256).kept(640, 480), 3)
            0.575
        """
        if self.crop != "center":
            return 1.0
        new_width, new_height = self._resized(width, height)
        return self.size**2 / (new_width * new_height)

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        """The size of an image before the crop."""
        if self.squash:
            return self.resize, self.resize
        short = min(width, height)
        return int(self.resize * width / short), int(self.resize * height / short)

    def _cropped(self, image: Image.Image) -> Image.Image:
        new = self._resized(*image.size)
        left, top = (round((side - self.size) / 2) for side in new)
        box = (left, top, left + self.size, top + self.size)
        if max(new) > _ELONGATED * min(new):
            return self._cut(image, new, box)
        if new != image.size:
            image = image.resize(new, FILTERS[self.interpolation])
        return image.crop(box)

    def _cut(self, image: Image.Image, new: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
        """Resize what lies under `box` alone: the pixels of the image resized whole, but for Pillow's rounding."""
        spans = []
        for side, length, low, high in zip(image.size, new, box[:2], box[2:], strict=True):
            scale = side / length
            reach = _REACH * max(scale, 1) + 1
            start = max(0, math.floor(low * scale - reach))
            stop = min(side, math.ceil(high * scale + reach))
            spans.append((start, stop, low * scale - start, high * scale - start))
        (left, right, *across), (top, bottom, *down) = spans
        part = image.crop((left, top, right, bottom))
        inside = (across[0], down[0], min(across[1], part.width), min(down[1], part.height))
        return part.resize((self.size, self.size), FILTERS[self.interpolation], box=inside)

    def _whole(self, image: Image.Image) -> Image.Image:
        """Squash the image to the square, or fit it in."""
        new = self._fitted(*image.size)
        return image if new == image.size else image.resize(new, FILTERS[self.interpolation])

    def _fitted(self, width: int, height: int) -> tuple[int, int]:
        """The size of an image that is kept whole."""
        if self.squash:
            return self.size, self.size
        longer = max(width, height)
        return max(1, round(width * self.size / longer)), max(1, round(height * self.size / longer))

    def _centred(self, x: NDArray[np.float32], *, mirrored: bool = False) -> NDArray[np.float32]:
        """Put normalized pixels in the middle of a square of zeros, which are the mean color, or of mirror images."""
        height, width, channels = x.shape
        if height == width == self.size:
            return x
        if mirrored:
            starts = [(self.size - side) // 2 for side in (height, width)]
            margins = [(start, self.size - side - start) for start, side in zip(starts, x.shape[:2], strict=True)]
            return np.pad(x, [*margins, (0, 0)], mode="symmetric")
        square = np.zeros((self.size, self.size, channels), dtype=np.float32)
        top, left = (self.size - height) // 2, (self.size - width) // 2
        square[top : top + height, left : left + width] = x
        return square

    def replace(self, **overrides: Any) -> "Preprocessing":
        """Return a copy with other values; `size` alone sets `resize` too, a number for mean or std fills all channels.

        `squash` alone keeps the whole image: without `crop` or `resize` there is no crop. "centre" is "center".

        A key of what draws other items as pictures, such as `n_mels` of the spectrograms of sounds, gives that drawing.

        Channels alone keep the colors' mean and std: "bgr" turns them round, and for "gray" each is averaged with the
        weights that the conversion to gray gives the colors (0.299 red, 0.587 green, 0.114 blue); the mean is then
        that of the gray images, the std about it. A new `value_range` needs `mean` and `std` with it.

        Raises:
            InputError: An unknown key, or a value of the wrong type or range.
        """
        valid = [field.name for field in fields(self)]
        if unknown := set(overrides) - set(valid):
            drawing = drawing_with(unknown, self)
            if drawing is not None:
                return drawing.replace(**overrides)
        for key in overrides:
            if key not in valid:
                raise InputError(f"preprocessing has no key {key!r}; valid keys are {', '.join(valid)}")
        new = asdict(self) | overrides
        if overrides.get("squash") is True and not {"crop", "resize"} & set(overrides):
            new["crop"] = "none"
        if new["crop"] == "centre":
            new["crop"] = "center"
        if "resize" not in overrides and ("size" in overrides or new["crop"] != "center"):
            new["resize"] = new["size"]
        if new["value_range"] != self.value_range and not {"mean", "std"} <= set(overrides):
            raise InputError("preprocessing value_range changes the unit of mean and std: give all three")
        for key in ("mean", "std"):
            kept = _recoloured(getattr(self, key), self.channels, new["channels"])
            new[key] = _spread(overrides.get(key, kept), 1 if new["channels"] == "gray" else 3)
        return Preprocessing(**new | {"value_range": _float(new["value_range"])})

    def overrides(self) -> dict[str, Any]:
        """Return all its values, as `replace` takes them."""
        return self.to_dict()

    def describe(self) -> str:
        """Return what a network gets of an image.

        Example:
            >>> Preprocessing().replace(size=224, resize=256).describe()
            '224 x 224 pixels cut from 256'
        """
        said = f"{self.size} x {self.size} pixels"
        if self.crop != "center":
            said += " of the whole image" + (", mirrored beyond it" if self.crop == "reflect" else "")
        elif self.resize != self.size:
            said += f" cut from {self.resize}"
        return said + (", squashed" if self.squash else "") + ("" if self.channels == "rgb" else f", {self.channels}")

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
    if after == "gray":
        weights = _GRAY if before == "rgb" else _GRAY[::-1]
        return sum(weight * value for weight, value in zip(weights, values, strict=True))
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
