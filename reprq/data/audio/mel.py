"""Log-Mel spectrograms: how loud a sound is, by time and by pitch as people hear it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reprq.data.audio.lengths import check_positive
from reprq.errors import InputError, UnknownNameError

SCALES = ("slaney", "htk")
_LEAST_POWER = 1e-10  # -100 dB: what is below counts as silence
# Slaney's scale: linear to 1 kHz, in steps of 200/3 Hz, then 27 steps for a factor of 6.4.
_STEP, _BREAK, _RATIO = 200 / 3, 1000.0, np.log(6.4) / 27
_Array = NDArray[np.float64]


def to_mel(hertz: _Array, scale: str = "slaney") -> _Array:
    """Return frequencies on the Mel scale: Slaney's (1998, Auditory Toolbox), or 2595 log10(1 + f/700) for "htk".

    Example:
        >>> to_mel(np.array([0.0, 500, 1000, 6400])).round(6).tolist()
        [0.0, 7.5, 15.0, 42.0]
    """
    if scale == "htk":
        return 2595 * np.log10(1 + hertz / 700)
    above = _BREAK / _STEP + np.log(np.maximum(hertz, _BREAK) / _BREAK) / _RATIO
    return np.where(hertz < _BREAK, hertz / _STEP, above)


def to_hertz(mel: _Array, scale: str = "slaney") -> _Array:
    """Return the frequencies of Mel values; undoes `to_mel`."""
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    return np.where(mel < _BREAK / _STEP, mel * _STEP, _BREAK * np.exp(_RATIO * (mel - _BREAK / _STEP)))


@dataclass(frozen=True)
class LogMel:
    """From a sound to its log-Mel spectrogram.

    With w the periodic Hann window of `n_fft` values, the sound padded with n_fft / 2 zeros on both sides, and H the
    Mel filters (`filters`), the power of band m in frame t and what is put out are

        P(m, t) = sum_k H(m, k) |sum_n w(n) x(t * hop + n - n_fft / 2) exp(-2 pi i k n / n_fft)|^2
        L(m, t) = max(10 log10 max(P(m, t), 1e-10), max_{m, t} 10 log10 max(P, 1e-10) - top_db)

    These are librosa's `melspectrogram` and `power_to_db(ref=1)` with a centered, zero-padded window.

    Attributes:
        n_fft: Values of a frame.
        hop: Values from one frame to the next.
        n_mels: Bands.
        f_min: The lowest frequency, in Hz.
        f_max: The highest; half the sample rate by default.
        mel: The scale, "slaney" or "htk".
        top_db: How far below the loudest value of a sound its quietest lies at most, in dB.
    """

    n_fft: int = 1024
    hop: int = 320
    n_mels: int = 128
    f_min: float = 0.0
    f_max: float | None = None
    mel: str = "slaney"
    top_db: float = 80.0

    def __post_init__(self) -> None:
        for key, least in (("n_fft", 2), ("hop", 1), ("n_mels", 1)):
            value = getattr(self, key)
            if type(value) is not int or not least <= value <= 2**16:
                raise InputError(f"preprocessing {key} must be a whole number from {least} to {2**16}, got {value!r}")
        if self.mel not in SCALES:
            raise UnknownNameError("value of preprocessing mel", str(self.mel), SCALES)
        check_positive("top_db", self.top_db, "a number of dB")
        if self.f_max is not None:
            check_positive("f_max", self.f_max, "a frequency in Hz")
        if isinstance(self.f_min, bool) or not isinstance(self.f_min, int | float) or not 0 <= self.f_min < np.inf:
            raise InputError(f"preprocessing f_min must be a frequency in Hz of 0 or more, got {self.f_min!r}")

    def check_rate(self, rate: int) -> None:
        """Raise an InputError unless the bands lie within what a sample rate can hold."""
        high = rate / 2 if self.f_max is None else self.f_max
        if not self.f_min < high <= rate / 2:
            raise InputError(
                f"preprocessing f_min and f_max must rise and end at half the sample rate, {rate / 2:g} Hz, got"
                f" {self.f_min:g} and {high:g}; name others"
            )
        if (empty := int((self.filters(rate).sum(axis=1) == 0).sum())) > 0:
            raise InputError(
                f"preprocessing n_mels {self.n_mels} leaves {empty} bands without a frequency of n_fft {self.n_fft} at"
                f" {rate} Hz; give fewer n_mels or a larger n_fft"
            )

    def check_size(self, size: int, rate: int) -> None:
        """Raise an InputError unless a sound of so many values fills half a frame, as its ends need."""
        if 2 * size < self.n_fft:
            raise InputError(
                f"preprocessing seconds must fill half a frame, {self.n_fft / 2 / rate:g} s at {rate} Hz, got"
                f" {size / rate:g} s; give more seconds or a smaller n_fft"
            )

    def edges(self, rate: int) -> _Array:
        """Return where bands begin, peak and end, in Hz: (n_mels + 2,), equal steps on the Mel scale.

        Band m rises from edge m to its peak at m + 1, and falls to edge m + 2.
        """
        low, high = to_mel(np.array([self.f_min, rate / 2 if self.f_max is None else self.f_max]), self.mel)
        return to_hertz(np.linspace(low, high, self.n_mels + 2, dtype=np.float64), self.mel)

    def filters(self, rate: int) -> _Array:
        """Return the triangles of the bands over the frequencies of the Fourier transform, (n_mels, n_fft // 2 + 1).

        Each has the area 1 in Hz (Slaney's normalization).
        """
        edges = self.edges(rate)
        hertz = np.fft.rfftfreq(self.n_fft, 1 / rate)
        low, peak, high = (edges[i : i + self.n_mels, None] for i in range(3))
        rising, falling = (hertz - low) / (peak - low), (high - hertz) / (high - peak)
        return np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)

    def power(self, values: NDArray[np.floating], rate: int) -> _Array:
        """Return P of a sound: (n_mels, 1 + n // hop)."""
        from scipy.signal import ShortTimeFFT, get_window

        stft = ShortTimeFFT(get_window("hann", self.n_fft), self.hop, fs=rate)
        spectrum = stft.stft(values.astype(np.float64), p0=0, p1=self.frames(len(values)))
        power: _Array = self.filters(rate) @ np.abs(spectrum) ** 2
        return power

    def frames(self, size: int) -> int:
        """Return how many frames a sound of so many values has."""
        return 1 + size // self.hop

    def __call__(self, values: NDArray[np.floating], rate: int) -> NDArray[np.float32]:
        """Return L of a sound, in dB: (n_mels, 1 + n // hop) float32.

        Args:
            values: (n,).
            rate: Values a second.

        Example:
            >>> tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
            >>> found = LogMel(n_mels=40)(tone, 8000)
            >>> found.shape, round(float(LogMel(n_mels=40).edges(8000)[1 + found[:, 12].argmax()]))
            ((40, 26), 972)
        """
        level = 10 * np.log10(np.maximum(self.power(values, rate), _LEAST_POWER))
        floored: NDArray[np.float32] = np.maximum(level, level.max() - self.top_db).astype(np.float32)
        return floored
