"""From a clip to what a network of sounds takes: its waveform, or its log-Mel spectrogram."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

import torch

from reprq.data.audio.coverage import coverage
from reprq.data.audio.decoding import Clip
from reprq.data.audio.lengths import Lengths
from reprq.data.audio.mel import LogMel
from reprq.data.dataset import Dataset
from reprq.data.modality import Seen
from reprq.errors import InputError

_NOISE = 0.1  # root mean square of a random waveform, of which full scale is 1


class _OfSound:
    """What the transforms of clips share: parts that are dataclasses, whose fields are the keys of `replace`."""

    modality = "audio"
    class_token = None
    lengths: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one clip as a network takes it."""
        raise NotImplementedError

    def collate(self, samples: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the batch of n clips, which all have one shape."""
        return torch.stack(list(samples))

    def blank(self, n: int) -> torch.Tensor:
        """Return the batch of n times zeros: silence, or 0 dB everywhere."""
        return torch.zeros(n, *self.shape)

    def altered(self, sample: torch.Tensor) -> torch.Tensor:
        """Return another clip: half of it played backwards and of its mean."""
        return (sample.flip(-1) + sample.mean()) / 2

    def seen(self, data: Dataset) -> Seen:
        """Return what of some clips reaches the network; only their headers are read."""
        return coverage(data, self.lengths)

    def replace(self, **overrides: Any) -> Self:
        """Return a copy with other values.

        Raises:
            InputError: Another key, or a value that cannot be used.
        """
        valid = self.overrides()
        for key in overrides:
            if key not in valid:
                raise InputError(f"preprocessing of sounds has no key {key!r}; valid are {', '.join(valid)}")
        parts = {
            name: replace(part, **{key: value for key, value in overrides.items() if hasattr(part, key)})
            for name, part in vars(self).items()
        }
        return type(self)(**parts)

    def overrides(self) -> dict[str, Any]:
        """Return all its values, as `replace` takes them."""
        return {name: value for part in vars(self).values() for name, value in asdict(part).items()}

    def to_dict(self) -> dict[str, Any]:
        """Return the modality, what is made of a clip, and all values."""
        return {"modality": self.modality, "kind": type(self).__name__.lower(), **self.overrides()}


@dataclass(frozen=True)
class Waveform(_OfSound):
    """The values of a clip, for networks that take sound as it is.

    Example:
        >>> import numpy as np
        >>> clip = Clip(np.zeros(100, np.float32), 100)
        >>> Waveform().replace(sample_rate=50, seconds=0.5)(clip).shape
        torch.Size([25])
    """

    lengths: Lengths = field(default_factory=Lengths)

    def __post_init__(self) -> None:
        if self.lengths.long == "windows":
            raise InputError("preprocessing long must be center or start for a network of waveforms, got 'windows'")

    @property
    def shape(self) -> tuple[int]:
        """(n,): the values of a clip."""
        return (self.lengths.size,)

    def __call__(self, clip: Clip) -> torch.Tensor:
        """Return the (n,) float32 values of a clip."""
        return torch.from_numpy(self.lengths.windows(checked(clip))[0].copy())

    def noise(self, n: int, seed: int) -> torch.Tensor:
        """Return the batch of n clips of white noise."""
        return _NOISE * torch.randn(n, *self.shape, generator=torch.Generator().manual_seed(seed))

    def describe(self) -> str:
        """Return what a network gets of a clip."""
        return self.lengths.describe()


@dataclass(frozen=True)
class Spectrogram(_OfSound):
    """The log-Mel spectrogram of a clip, in dB; of a clip in several windows the mean of theirs.

    Attributes:
        lengths: From a clip to windows.
        logmel: From a window to its spectrogram.

    Example:
        >>> import numpy as np
        >>> clip = Clip(np.zeros(16000, np.float32), 16000)
        >>> Spectrogram().replace(seconds=1, n_mels=40)(clip).shape
        torch.Size([40, 51])
    """

    lengths: Lengths = field(default_factory=Lengths)
    logmel: LogMel = field(default_factory=LogMel)

    def __post_init__(self) -> None:
        self.logmel.check_rate(self.lengths.sample_rate)
        self.logmel.check_size(self.lengths.size, self.lengths.sample_rate)

    @property
    def shape(self) -> tuple[int, int]:
        """(bands, frames)."""
        return self.logmel.n_mels, self.logmel.frames(self.lengths.size)

    def __call__(self, clip: Clip) -> torch.Tensor:
        """Return the (bands, frames) float32 spectrogram of a clip."""
        rate = self.lengths.sample_rate
        found = [torch.from_numpy(self.logmel(window, rate)) for window in self.lengths.windows(checked(clip))]
        return found[0] if len(found) == 1 else torch.stack(found).mean(0)

    def noise(self, n: int, seed: int) -> torch.Tensor:
        """Return the batch of n spectrograms whose values are uniform from -`top_db` to 0 dB."""
        drawn = torch.rand(n, *self.shape, generator=torch.Generator().manual_seed(seed))
        return self.logmel.top_db * (drawn - 1)

    def describe(self) -> str:
        """Return what a network gets of a clip."""
        return f"a log-Mel spectrogram of {self.shape[0]} bands and {self.shape[1]} frames, {self.lengths.describe()}"


KEYS = tuple(part.name for kind in (Lengths, LogMel) for part in fields(kind))
"""What a spectrogram can be asked for."""


def checked(clip: Any) -> Clip:
    """Return a clip; raises an InputError for anything else."""
    if not isinstance(clip, Clip):
        raise InputError(f"a sound must be a reprq.data.audio.decoding.Clip, got a {type(clip).__name__}")
    return clip
