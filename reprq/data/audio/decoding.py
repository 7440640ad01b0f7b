"""From a sound file to one channel of floats: by libsndfile, several channels by their mean."""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.data.failures import FileError
from reprq.errors import InputError, first_line
from reprq.optional import require

VERSION = 1  # joins the digest of every file: embeddings of sounds that were read otherwise must not be found again
EXTENSIONS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".mp3")
_MOST_VALUES = 2**28  # of all channels: three quarters of an hour of stereo at 48 kHz, 1 GiB
_END_OF_STREAM = 4  # the flag of the last page of an Ogg file
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # what a program writes that cannot go back to the head of its WAV
_KNOWN_STARTS = (
    (rb"$", "it is empty"),
    (rb"....ftyp|\x00\x00\x01[\xb3\xba]", "it is a video, or sound packed as one (MP4, M4A)"),
    (rb"\x1a\x45\xdf\xa3", "it is a video (Matroska, WebM)"),
    (rb"RIFF....AVI ", "it is a video (AVI)"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|BM....\0\0\0\0", "it is an image"),
    (rb"\x30\x26\xb2\x75", "it is WMA or WMV"),
    (rb"version https://git-lfs", "it is a pointer of Git LFS, whose sound was not fetched"),
    (rb"%PDF", "it is a PDF"),
    (rb"\x1f\x8b|PK\x03\x04", "it is a compressed archive"),
    (rb"\s*<", "it is an HTML or XML page"),
)


class SoundFileError(FileError):
    """A sound file that cannot be used."""

    def __init__(self, path: Path | str, reason: str, hint: str = "") -> None:
        super().__init__("the sound", path, reason, hint)


@dataclass(frozen=True, eq=False)
class Clip:
    """A sound of one channel.

    Attributes:
        values: (n,) float32, n at least 1; files of integers lie in [-1, 1).
        rate: Values a second.
    """

    values: NDArray[np.float32]
    rate: int

    def __post_init__(self) -> None:
        x = self.values
        if not isinstance(x, np.ndarray) or x.dtype != np.float32 or x.ndim != 1 or not len(x):
            raise InputError(f"values of a clip must be (n,) float32 with n at least 1, got {_shown(x)}")
        if type(self.rate) is not int or self.rate < 1:
            raise InputError(f"rate of a clip must be a whole number of values a second, got {self.rate!r}")

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.values) / self.rate

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clip) and self.rate == other.rate and np.array_equal(self.values, other.values)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class SoundHeader:
    """What a file says of its sound before it is decoded.

    Attributes:
        rate: Values a second, of each channel.
        channels: How many.
        values: Of each channel.
    """

    rate: int
    channels: int
    values: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.values / self.rate


def read_bytes(path: Path) -> bytes:
    """Return what a file holds; raises a `SoundFileError` where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SoundFileError(path, f"cannot be read: {error.strerror or error}") from error


def read_header(path: Path) -> SoundHeader:
    """Return what can be said of a file without decoding it; raises a `SoundFileError` where it is no sound."""
    return _header(_opened(read_bytes(path), path))


def decode(path: Path) -> Clip:
    """Return the sound of a file: of several channels the mean.

    Args:
        path: A file that libsndfile reads: WAV, FLAC, Ogg Vorbis and Opus, AIFF, MP3. What it holds counts, and not
            what it is called.

    Raises:
        SoundFileError: The file is missing, empty, cut short or no sound, has no value, has a nan or an inf, or so
            many values that they would fill the memory.
        InputError: soundfile, of the extra "audio", is not installed.
    """
    content = read_bytes(path)
    file = _opened(content, path)
    header = _header(file)
    if _is_cut(content):  # first: libsndfile 1.2.0 makes up a length then
        raise SoundFileError(path, "is truncated")
    if header.values * header.channels > _MOST_VALUES:
        raise SoundFileError(path, f"lasts {header.seconds / 60:.0f} minutes", "cut it into shorter clips")
    try:
        values = file.read(dtype="float32", always_2d=True)
    except RuntimeError as error:  # soundfile's own is one
        raise SoundFileError(path, f"does not decode: {first_line(error)}") from error
    if len(values) < header.values:
        raise SoundFileError(path, "is truncated")
    if not len(values):
        raise SoundFileError(path, "holds no sound: it has no value")
    mono = values.mean(axis=1, dtype=np.float64).astype(np.float32)
    if not np.isfinite(mono).all():
        raise SoundFileError(path, "holds a nan or an inf")
    return Clip(mono, header.rate)


def _opened(content: bytes, path: Path) -> Any:
    soundfile = require("soundfile", "audio", f"the sound {path}")
    try:
        return soundfile.SoundFile(io.BytesIO(content))
    except RuntimeError as error:
        known = (what for start, what in _KNOWN_STARTS if re.match(start, content[:64], re.DOTALL))
        reason = next(known, first_line(error).rpartition(": ")[2].rstrip("."))
        raise SoundFileError(path, f"is no sound that libsndfile reads: {reason}") from error


def _header(file: Any) -> SoundHeader:
    return SoundHeader(int(file.samplerate), int(file.channels), int(file.frames))


def _is_cut(content: bytes) -> bool:
    """Whether a WAV has fewer bytes than its head says, or an Ogg file no last page: libsndfile says nothing of it."""
    if content[:4] == b"RIFF":
        stated = int.from_bytes(content[4:8], "little")
        return stated not in _UNKNOWN_SIZES and len(content) < stated + 8
    if content[:4] == b"OggS":
        last = content.rfind(b"OggS")
        return not content[last + 5] & _END_OF_STREAM
    return False


def _shown(x: Any) -> str:
    return f"{x.dtype} of shape {x.shape}" if isinstance(x, np.ndarray) else f"a {type(x).__name__}"
