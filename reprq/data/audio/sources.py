"""Where clips come from: files on disk, or what is in memory, one row a clip."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reprq.data.audio.decoding import VERSION, Clip, SoundHeader, decode, read_bytes, read_header
from reprq.data.modality import Source
from reprq.data.views import JoinedSource
from reprq.errors import InputError


class SoundFiles:
    """Sound files, read when they are asked for (see `reprq.data.audio.decoding`).

    Args:
        root: The folder that `files` are relative to.
        files: Relative paths, one a row.
    """

    def __init__(self, root: Path, files: Sequence[str]) -> None:
        self.root, self.files = root, tuple(files)
        self._headers: dict[int, SoundHeader] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_headers": {}}  # what is kept is for one process

    def path(self, i: int) -> Path:
        """Return the file of clip `i`."""
        return self.root / self.files[i]

    def item(self, i: int) -> Clip:
        """Return clip `i`; a `SoundFileError` names the file that is none."""
        return decode(self.root / self.files[i])

    def header(self, i: int) -> SoundHeader:
        """Return the rate, channels and length of clip `i`, without decoding it."""
        if i not in self._headers:
            self._headers[i] = read_header(self.root / self.files[i])
        return self._headers[i]

    def kind(self, i: int) -> dict[str, str]:
        """Return the rate of clip `i`, and how many channels it has."""
        header = self.header(i)
        return {"rate": f"{header.rate} Hz", "channels": "mono" if header.channels == 1 else f"{header.channels}"}

    def digest(self, i: int) -> bytes:
        """Return a SHA-256 of the bytes of file `i` and of how they are read."""
        content = hashlib.sha256(read_bytes(self.root / self.files[i])).digest()
        return hashlib.sha256(content + f"sound {VERSION}".encode()).digest()

    def verify(self, i: int) -> None:
        """Decode clip `i`, and raise a `SoundFileError` that names it if that fails."""
        self.item(i)


class Clips:
    """Clips that are in memory."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self.clips = tuple(clips)

    def item(self, i: int) -> Clip:
        """Return clip `i`."""
        return self.clips[i]

    def header(self, i: int) -> SoundHeader:
        """Return the rate and length of clip `i`."""
        return SoundHeader(self.clips[i].rate, 1, len(self.clips[i].values))

    def digest(self, i: int) -> bytes:
        """Return the SHA-256 of the rate and the values of clip `i`."""
        clip = self.clips[i]
        return hashlib.sha256(f"{clip.rate}".encode() + clip.values.tobytes()).digest()

    def verify(self, i: int) -> None:
        """Do nothing: a clip was checked when it was made."""


def header_of(source: Source, row: int) -> SoundHeader:
    """Return the header of a clip of a source, which may be several joined.

    Raises:
        InputError: The source has no clips.
    """
    while isinstance(source, JoinedSource):
        source, row = source.of(row)
    if isinstance(source, SoundFiles | Clips):
        return source.header(row)
    clip = source.item(row)
    if not isinstance(clip, Clip):
        raise InputError(f"data must hold clips (reprq.data.audio.decoding.Clip), got a {type(clip).__name__}")
    return SoundHeader(clip.rate, 1, len(clip.values))
