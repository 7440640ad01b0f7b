"""Clips as the pictures of their log-Mel spectrograms, for networks of images."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from reprq.data.audio.decoding import Clip
from reprq.data.audio.transforms import KEYS as OF_SPECTROGRAMS
from reprq.data.audio.transforms import Spectrogram
from reprq.data.dataset import Dataset
from reprq.data.image.drawing import Axes
from reprq.data.image.preprocessing import FILTERS, Preprocessing
from reprq.data.modality import Seen
from reprq.errors import InputError

_OF_IMAGES = ("size", "mean", "std", "channels", "value_range", "interpolation")


@dataclass(frozen=True)
class SpectrogramPicture(Preprocessing):
    """Draw the log-Mel spectrogram of a clip as a picture, and normalize it as the images that a network knows.

    A level of L dB becomes the gray (L - reference) / top_db + 1, cut to [0, 1]: white is the reference, and black
    `top_db` below it. Time runs to the right and pitch upwards. The whole picture is resized to (size, size), its
    values not rounded; every channel holds it, normalized by the channel's own mean and std. Digital silence is black.

    Attributes:
        spectrogram: From a clip to levels in dB.
        reference: The level that is white, in dB, or "clip" for the loudest of each clip: then a picture does not
            tell how loud a clip is.

    Example:
        >>> clip = Clip(np.zeros(16000, np.float32), 16000)
        >>> drawn = Preprocessing(mean=(0.5,) * 3, std=(0.5,) * 3).replace(size=32, seconds=1)
        >>> drawn(clip).shape, drawn(clip).unique().tolist(), drawn.modality
        (torch.Size([3, 32, 32]), [-1.0], 'audio')
    """

    spectrogram: Spectrogram = field(default_factory=Spectrogram)
    reference: float | str = "clip"

    keys = (*OF_SPECTROGRAMS, "reference")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reference != "clip" and (
            isinstance(self.reference, bool | str) or not np.isfinite(np.float64(self.reference))
        ):
            raise InputError(f"preprocessing reference must be a level in dB or 'clip', got {self.reference!r}")

    @classmethod
    def drawing_for(cls, plain: Preprocessing) -> "SpectrogramPicture":
        """Return what draws pictures for a network of images; its crop is left out: the whole of a clip counts."""
        kept = {name: getattr(plain, name) for name in _OF_IMAGES}
        return cls(**kept, resize=plain.size, squash=True, crop="none")

    def adapted_to(self, modality: str) -> None:
        """None: what is asked of spectrograms says nothing of other items."""

    @property
    def modality(self) -> str:
        """The kind of data that it takes."""
        return "audio"

    def __call__(self, clip: Clip) -> torch.Tensor:  # type: ignore[override]
        """Return the (C, size, size) float32 tensor of a clip."""
        gray = Image.fromarray(self.gray(clip))
        if gray.size != (self.size, self.size):
            gray = gray.resize((self.size, self.size), FILTERS[self.interpolation])
        pixels = torch.from_numpy(np.array(gray)).expand(1, self.in_channels, self.size, self.size)
        return self.normalize(pixels)[0]

    def gray(self, clip: Clip) -> NDArray[np.float32]:
        """Return the picture of a clip before it is resized: (bands, frames) from 0 to 1, the highest band first."""
        level = self.spectrogram(clip).numpy()
        white = float(level.max()) if self.reference == "clip" else float(self.reference)
        shown = np.clip((level - white) / self.spectrogram.logmel.top_db + 1, 0, 1)
        return np.ascontiguousarray(shown[::-1] * bool(clip.values.any()), dtype=np.float32)

    def picture(self, clip: Clip) -> Image.Image:
        """Return the picture of a clip to look at: (frames, bands) pixels of 8 bits."""
        return Image.fromarray(np.round(255 * self.gray(clip)).astype(np.uint8))

    def picture_size(self, data: Dataset, row: int) -> tuple[int, int]:
        """Return the width and height of the picture of a clip: its frames and bands."""
        bands, frames = self.spectrogram.shape
        return frames, bands

    @property
    def axes(self) -> Axes:
        """What the sides of a picture mean: seconds, and the frequencies at which bands peak."""
        lengths, logmel = self.spectrogram.lengths, self.spectrogram.logmel
        step = logmel.hop / lengths.sample_rate
        seconds = np.arange(self.spectrogram.shape[1], dtype=np.float64) * step
        return Axes("time in s", seconds, "frequency in Hz", logmel.edges(lengths.sample_rate)[1:-1][::-1])

    def seen(self, data: Dataset) -> Seen:
        """Return what of some clips reaches the network; only their headers are read."""
        return self.spectrogram.seen(data)

    def replace(self, **overrides: Any) -> "SpectrogramPicture":
        """Return a copy with other values, of the picture or of the spectrogram.

        Raises:
            InputError: Another key, or a value that cannot be used.
        """
        valid = (*_OF_IMAGES, *self.keys)
        for key in overrides:
            if key not in valid and not (key in ("crop", "squash", "resize") and self._is_whole(key, overrides)):
                raise InputError(f"preprocessing of sounds has no key {key!r}; valid are {', '.join(valid)}")
        own = {key: overrides[key] for key in _OF_IMAGES if key in overrides}
        plain = Preprocessing(**{name: getattr(self, name) for name in _OF_IMAGES}, resize=self.size).replace(**own)
        drawn = SpectrogramPicture.drawing_for(plain)
        how = {key: overrides[key] for key in OF_SPECTROGRAMS if key in overrides}
        reference = overrides.get("reference", self.reference)
        values = {item.name: getattr(drawn, item.name) for item in fields(drawn)}
        values |= {"spectrogram": self.spectrogram.replace(**how), "reference": _float(reference)}
        return SpectrogramPicture(**values)

    def _is_whole(self, key: str, overrides: Mapping[str, Any]) -> bool:
        """Whether an option of images says what holds anyway: that the whole picture is squashed."""
        size = overrides.get("size", self.size)
        return bool({"crop": "none", "squash": True, "resize": size}[key] == overrides[key])

    def overrides(self) -> dict[str, Any]:
        """Return all its values, as `replace` takes them."""
        own = super().to_dict()
        return {
            **{name: own[name] for name in _OF_IMAGES},
            **self.spectrogram.overrides(),
            "reference": self.reference,
        }

    def describe(self) -> str:
        """Return what a network gets of a clip."""
        shown = "" if self.channels == "rgb" else f", {self.channels}"
        return f"{self.size} x {self.size} pixels{shown} of {self.spectrogram.describe()}"

    def to_dict(self) -> dict[str, Any]:
        """Return the modality, what is made of a clip, and all values."""
        return {"modality": self.modality, "kind": "spectrogram picture", **self.overrides()}


def _float(value: Any) -> Any:
    """Return a whole number as a float: 30 and 30.0 must not be two references."""
    return float(value) if type(value) is int else value
