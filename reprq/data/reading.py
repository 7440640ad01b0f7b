"""How the files of a data set are to be read: on a stated scale, and without those that are broken."""

from dataclasses import replace

import numpy as np

from reprq.data.dataset import Dataset
from reprq.data.failures import in_words, is_broken, none_left
from reprq.data.image.intensity import IntensityRange, check_intensity_range
from reprq.data.image.sources import FileSource
from reprq.errors import DataError, InputError


def read_as(data: Dataset, *, intensity_range: IntensityRange | None = None, skip_broken: bool = False) -> Dataset:
    """Return a data set whose files are read as asked.

    Args:
        data: A data set; where it has no image files, only None and False can be asked for.
        intensity_range: The stored values that become black and white, as (0, 4095) for a camera of 12 bits; needed by
            images of more than 8 bits a channel. What lies outside is clipped. It joins the fingerprint.
        skip_broken: Whether files that do not decode are left out, and listed in `reading` and `notes`; every file is
            decoded once to find them. Those that merely need an option are never left out.

    Raises:
        InputError: A range that is none, or one for images that are no files.
        DataError: All files are broken.
    """
    asked = check_intensity_range(intensity_range)
    if asked is not None:
        if not isinstance(data.source, FileSource):
            raise InputError(f"intensity_range is for image files, and {data.name} {_held(data)}; leave it out")
        source = FileSource(data.source.root, data.source.files, asked)
        data = replace(data, source=source, reading={**data.reading, "intensity_range": list(asked)})
    return _without_broken(data) if skip_broken else data


def _held(data: Dataset) -> str:
    return "is in memory, 8 bits" if data.modality == "image" else f"holds {data.noun}s"


def _without_broken(data: Dataset) -> Dataset:
    broken = {i: error for i, error in data.failures().items() if is_broken(error)}
    if not broken:
        return data
    named: dict[str, DataError] = {str(data.ids[i]): error for i, error in broken.items()}
    where = f"{data.name} {data.split}"
    if len(broken) == len(data):
        raise none_left(named, where, data.noun)
    note = f"{len(broken)} of {len(data)} {data.noun}s of {where} are broken and were left out: {in_words(named)}"
    kept = data.select(np.setdiff1d(np.arange(len(data)), list(broken)))
    return replace(kept, reading={**data.reading, "skipped": list(named)}, notes=(*data.notes, note))
