"""Data sets of sounds by name: ESC-10 (Piczak, "ESC: Dataset for environmental sound classification", MM 2015)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reprq.data.audio.decoding import EXTENSIONS
from reprq.data.audio.sources import SoundFiles
from reprq.data.dataset import Dataset
from reprq.data.image.named import data_root
from reprq.errors import DataError, counted

ESC10_CLASSES = {
    **{"dog_bark": 0, "rain": 10, "sea_waves": 11, "baby_cry": 20, "clock_tick": 38, "person_sneeze": 21},
    **{"helicopter": 40, "chainsaw": 41, "rooster": 1, "fire_crackling": 12},
}
"""The ten classes, each with its number among the fifty of ESC-50."""
_FOLDS = range(1, 6)
_CLIP = re.compile(r"([1-5])-.+")
_NUMBERED = re.compile(r"([1-5])-\d+-[A-Z]+-(\d+)")


class _Clip(NamedTuple):
    file: str
    label: str
    fold: int


def load_esc10(name: str, split: str, seed: int, root: Path | str | None) -> Dataset:
    """Return one side of ESC-10: 400 clips of 5 s, in five folds by the recordings that they were cut from.

    One fold is scored, the other four train. Which one follows the seed: fold 5 for seed 0, 1 for 1, ... 4 for 4, and
    so on, so that five seeds are the five folds.

    Args:
        name: "esc10".
        split: "train" or "test".
        seed: Which fold is scored.
        root: The folder of ESC-10, a folder a class with FOLD-*.ogg in it (with or without a number before its name),
            or one with it in `ESC-10` or `esc10`; or ESC-50, with the clips in `audio/FOLD-CLIP-TAKE-TARGET.wav`, of
            which the ten classes are taken. See `data_root`.

    Raises:
        DataError: The files are not there, or lack a class or a fold.
    """
    where = data_root(root)
    held = [where, *(where / each for each in ("ESC-10", "esc10", "ESC-50", "ESC-50-master"))]
    folder, clips = next(((each, found) for each in held if (found := list(_clips(each)))), (where, []))
    if not clips:
        raise DataError(
            f"{name} is not in {where}, which must hold a folder a class, such as dog_bark/1-*.ogg, or the audio folder"
            " of ESC-50; unpack it there, or point --root or $REPRQ_DATA to it"
        )
    classes = tuple(sorted(ESC10_CLASSES))
    there = {(clip.label, clip.fold) for clip in clips}
    if lacking := [(label, fold) for label in classes for fold in _FOLDS if (label, fold) not in there]:
        raise DataError(
            f"{name} must have clips of every class in every fold, {folder} has none of {lacking[0][0]} in fold"
            f" {lacking[0][1]}"
        )
    fold = (seed - 1) % len(_FOLDS) + 1
    wanted = [clip for clip in clips if (clip.fold == fold) == (split == "test")]
    files = [clip.file for clip in wanted]
    said = f"fold {fold}" if split == "test" else f"the folds but {fold}"
    return Dataset(
        name=name,
        split=split,
        classes=classes,
        labels=np.array([classes.index(clip.label) for clip in wanted], dtype=np.int64),
        ids=np.array(files, dtype=np.str_),
        source=SoundFiles(folder, files),
        rows=np.arange(len(files)),
        split_info={"kind": "official", "fold": fold},
        notes=(f"{name} {split} is {said}: {counted(len(files), 'clip')}",),
        modality="audio",
    )


def _clips(folder: Path) -> Iterator[_Clip]:
    """The clips of ESC-10's folders, or of ESC-50's one folder, in the order of their names."""
    by_number = {str(number): label for label, number in ESC10_CLASSES.items()}
    for path in sorted((folder / "audio").glob("*.wav")):
        found = _NUMBERED.fullmatch(path.stem)
        if found and found[2] in by_number:
            yield _Clip(f"audio/{path.name}", by_number[found[2]], int(found[1]))
    for inside in sorted(folder.iterdir() if folder.is_dir() else ()):
        label = re.sub(r"^\d+ - ", "", inside.name).lower().replace(" ", "_")
        label = {"rain": "rain", "dog": "dog_bark"}.get(label, label)
        if label in ESC10_CLASSES and inside.is_dir():
            for path in sorted(inside.iterdir()):
                found = _CLIP.fullmatch(path.stem)
                if found and path.suffix.lower() in EXTENSIONS:
                    yield _Clip(f"{inside.name}/{path.name}", label, int(found[1]))
