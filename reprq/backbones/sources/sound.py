"""What sounds were compared by before networks: statistics of cepstral coefficients, and of log-Mel bands."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from reprq.backbones.assembly import assemble
from reprq.backbones.backbone import Backbone
from reprq.backbones.layers.selection import Layer
from reprq.data.audio.transforms import Spectrogram
from reprq.errors import InputError

COEFFICIENTS = 20
_LAYERS = (Layer(0, "frames", "frames", layout="NLD"), Layer(1, "statistics", "", layout="ND"))


class Cepstrum(nn.Module):
    """The first coefficients of the orthonormal DCT-II over the bands: (N, bands, frames) in dB to (N, frames, c).

    These are Davis & Mermelstein's (1980) Mel-frequency cepstral coefficients, as librosa's `mfcc` gives them.
    """

    def __init__(self, bands: int, coefficients: int = COEFFICIENTS) -> None:
        super().__init__()
        from scipy.fft import dct

        rows = dct(np.eye(bands), norm="ortho", axis=0)[:coefficients]
        self.register_buffer("basis", torch.from_numpy(rows.astype(np.float32)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the coefficients of every frame."""
        return x.transpose(1, 2) @ self.basis.T  # type: ignore[operator]


class Bands(nn.Module):
    """The bands of every frame: (N, bands, frames) to (N, frames, bands)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the bands."""
        return x.transpose(1, 2)


class Statistics(nn.Module):
    """The mean and the standard deviation over time of what `frames` gives, side by side: (N, 2 c)."""

    def __init__(self, frames: nn.Module) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the statistics of (N, bands, frames)."""
        found = self.frames(x)
        return torch.cat([found.mean(1), found.std(1, correction=0)], dim=1)


def load_statistics(name: str, weights: str | Path, preprocessing: Mapping[str, Any] | None, seed: int) -> Backbone:
    """Return "mfcc", 20 Mel-frequency cepstral coefficients, or "logmel", the bands themselves; see `load_backbone`.

    Layer 0, "frames", has them for every frame, and its pooling says what becomes of time; layer 1, "statistics", their
    mean and standard deviation over time. Nothing is learned, and nothing drawn.

    Args:
        name: "mfcc" or "logmel".
        weights: "default".
        preprocessing: Of `reprq.data.audio.transforms.Spectrogram`.
        seed: Ignored.

    Raises:
        InputError: Other weights, or fewer bands than coefficients.
    """
    if str(weights) != "default":
        raise InputError(f"{name} has no weights, got {str(weights)!r}; leave them out")
    transform = Spectrogram().replace(**(preprocessing or {}))
    bands = transform.shape[0]
    if name == "mfcc" and bands < COEFFICIENTS:
        raise InputError(f"mfcc needs at least {COEFFICIENTS} bands, got n_mels {bands}; give more")
    frames = Cepstrum(bands) if name == "mfcc" else Bands()
    return assemble(name, Statistics(frames), transform, _LAYERS, "default: no weights")
