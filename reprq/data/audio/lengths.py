"""Clips of any rate and length as windows of one: resampled, then cut, padded, repeated or taken apart."""

from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.data.audio.decoding import Clip
from reprq.errors import InputError, UnknownNameError

SHORT = ("pad", "loop")
LONG = ("center", "start", "windows")
MOST_RATE = 2**20


def resampled(values: NDArray[np.float32], rate: int, target: int) -> NDArray[np.float32]:
    """Return a sound at another rate: (ceil(n * target / rate),) float32.

    By `scipy.signal.resample_poly`, a polyphase filter (a Kaiser window of beta 5) whose delay is taken out: SciPy is
    there anyway, so that no library besides it decides the values.

    Example:
        >>> tone = np.sin(2 * np.pi * 100 * np.arange(800) / 8000).astype(np.float32)
        >>> half = resampled(tone, 8000, 4000)
        >>> len(half), bool(np.abs(half[50:-50] - tone[100:-100:2]).max() < 0.001)
        (400, True)
    """
    if rate == target:
        return values
    from scipy.signal import resample_poly  # here: scipy.signal takes a moment to import

    common = gcd(rate, target)
    found: NDArray[np.float64] = resample_poly(values.astype(np.float64), target // common, rate // common)
    return found.astype(np.float32)


@dataclass(frozen=True)
class Lengths:
    """How a clip becomes windows of `seconds` at `sample_rate`.

    Attributes:
        sample_rate: Values a second; clips of another rate are resampled (`resampled`).
        seconds: How long a window lasts.
        short: What is done with a clip that lasts less: "pad" puts silence after it, "loop" plays it again until the
            window is full.
        long: What is done with one that lasts more: "center" and "start" keep one window of it and drop the rest,
            "windows" takes as few windows as cover all of it, the first at its start, the last at its end, and the
            others at equal steps between.
    """

    sample_rate: int = 16_000
    seconds: float = 5.0
    short: str = "pad"
    long: str = "center"

    def __post_init__(self) -> None:
        for key, valid in (("short", SHORT), ("long", LONG)):
            if (value := getattr(self, key)) not in valid:
                raise UnknownNameError(f"value of preprocessing {key}", str(value), valid)
        if type(self.sample_rate) is not int or not 1 <= self.sample_rate <= MOST_RATE:
            raise InputError(
                f"preprocessing sample_rate must be a whole number of values a second, got {self.sample_rate!r}"
            )
        check_positive("seconds", self.seconds, "a number of seconds")
        if not 1 <= self.size <= 2**28:
            raise InputError(
                f"preprocessing seconds must make from 1 to 2^28 values at {self.sample_rate} a second, got"
                f" {self.seconds!r}"
            )

    @property
    def size(self) -> int:
        """Values of a window."""
        return round(self.seconds * self.sample_rate)

    def windows(self, clip: Clip) -> NDArray[np.float32]:
        """Return the windows of a clip, (w, size) float32; w is 1 but for a longer clip and "windows".

        Example:
            >>> lengths = Lengths(sample_rate=2, seconds=2, short="loop", long="windows")
            >>> lengths.windows(Clip(np.arange(3, dtype=np.float32), 2)).tolist()
            [[0.0, 1.0, 2.0, 0.0]]
            >>> lengths.windows(Clip(np.arange(6, dtype=np.float32), 2)).tolist()
            [[0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 4.0, 5.0]]
        """
        values, size = resampled(clip.values, clip.rate, self.sample_rate), self.size
        if len(values) < size:
            values = np.resize(values, size) if self.short == "loop" else np.pad(values, (0, size - len(values)))
        left = len(values) - size
        starts = {"center": [left // 2], "start": [0]}.get(self.long)
        if starts is None:
            starts = np.linspace(0, left, -(-len(values) // size)).round().astype(int).tolist()
        return np.stack([values[start : start + size] for start in starts])

    def describe(self) -> str:
        """Say what a window is."""
        return f"{self.seconds:g} s at {self.sample_rate} Hz"


def check_positive(key: str, value: Any, what: str) -> None:
    """Raise an InputError unless a value of the preprocessing is a positive finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise InputError(f"preprocessing {key} must be {what} above 0, got {value!r}")
