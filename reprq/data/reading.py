"""How the files of a data set are to be read: as their modality can be asked for, and without those that are broken."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from reprq.data.dataset import Dataset
from reprq.data.failures import in_words, is_broken, none_left
from reprq.data.modality import MODALITIES, Rereadable
from reprq.errors import DataError, InputError


def read_as(data: Dataset, *, skip_broken: bool = False, **reading: Any) -> Dataset:
    """Return a data set whose files are read as asked.

    Args:
        data: A data set; where it has no files that can be read in several ways, only None can be asked for.
        skip_broken: Whether files that do not decode are left out, and listed in `reading` and `notes`; every file is
            decoded once to find them. Those that merely need an option are never left out.
        **reading: What its modality can be asked for, None for what is not asked. Of images `intensity_range`: the
            stored values that become black and white, as (0, 4095) for a camera of 12 bits; needed by images of more
            than 8 bits a channel. What lies outside is clipped. It joins the fingerprint.

    Raises:
        InputError: An option that there is not, of other data, or with a value that cannot be one.
        DataError: All files are broken.
    """
    if asked := {name: value for name, value in reading.items() if value is not None}:
        data = _reread(data, asked)
    return _without_broken(data) if skip_broken else data


def _reread(data: Dataset, asked: Mapping[str, Any]) -> Dataset:
    for option in asked:
        takers = [modality for modality in MODALITIES.values() if option in modality.reading]
        if not takers:
            known = sorted({name for modality in MODALITIES.values() for name in modality.reading})
            raise InputError(f"there is no argument {option!r}; how files are read is said by {', '.join(known)}")
        if data.modality not in {modality.name for modality in takers} or not isinstance(data.source, Rereadable):
            files = " or ".join(f"{modality.item} files" for modality in takers)
            held = f"holds {data.noun}s" if data.modality != takers[0].name else "is in memory"
            raise InputError(f"{option} is for {files}, and {data.name} {held}; leave it out")
    source, record = data.source.reread(**asked)  # type: ignore[attr-defined]
    return replace(data, source=source, reading={**data.reading, **record})


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
