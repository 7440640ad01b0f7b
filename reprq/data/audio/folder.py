"""Folders of sounds: which files are sounds, and how they are read."""

from pathlib import Path

from reprq.data.audio.decoding import EXTENSIONS
from reprq.data.audio.sources import SoundFiles
from reprq.data.dataset import Dataset
from reprq.data.folders.listing import FileKind
from reprq.data.folders.loading import load_files

_UNREAD = {".m4a", ".aac", ".wma", ".amr", ".ape", ".wv", ".mid", ".midi", ".raw", ".pcm", ".sph", ".npy", ".caf"}
_UNREAD |= {".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".flv", ".wmv", ".3gp"}
SOUNDS = FileKind(
    "audio",
    "audio:",
    "*.wav",
    f"end in {', '.join(EXTENSIONS)}",
    extensions=EXTENSIONS,
    unread=frozenset(_UNREAD),
)


def load_audio(path: str | Path, split: str, seed: int, *, whole: bool = False) -> Dataset:
    """Return one split of a folder of sounds, which are decoded when they are asked for; see `load_files`."""
    return load_files(path, SOUNDS, lambda root, files, _: SoundFiles(root, files), split, seed, whole=whole)
