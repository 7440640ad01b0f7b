"""What of the images a network sees, and what a person should know of how they were read."""

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from reprq.data.dataset import Dataset
from reprq.data.failures import of_each
from reprq.data.image.decoding import Header
from reprq.data.image.sources import header_of
from reprq.data.modality import Seen
from reprq.errors import counted

if TYPE_CHECKING:
    from reprq.data.image.preprocessing import Preprocessing

_WORTH_SAYING = 0.1  # of an image's area
_MOST_NAMED = 3


def coverage(data: Dataset, preprocessing: "Preprocessing") -> Seen:
    """Return what a preprocessing keeps of some images; only their headers are read.

    The record's "dropped_area" is the share of an image's area that never reaches the network: `mean` and `largest`
    over the images, and `images`, the number that lose more than a tenth.

    Raises:
        DataError: Files that are no images; all are named.
    """
    headers = of_each(data, lambda i: header_of(data.source, int(data.rows[i])))
    dropped = np.array([1 - preprocessing.kept(*header.size) for header in headers])
    much = int((dropped > _WORTH_SAYING).sum())
    share = {"mean": round(float(dropped.mean()), 4), "largest": round(float(dropped.max()), 4), "images": much}
    notes = [*data.notes, *_remarks(data, headers)]
    if much:
        tenths = round(10 * share["mean"])  # no finer, so that both splits mostly say the same, which is said once
        part = f"about {tenths}0%" if tenths else "less than 5%"
        notes.append(
            f"the crop drops {part} of the area of {data.name}; --squash or --crop none (preprocessing squash or crop)"
            " keeps whole images"
        )
    return Seen({"dropped_area": share}, notes)


def _remarks(data: Dataset, headers: list[Header]) -> list[str]:
    """What is unusual in how files are read, with some of them by name."""
    by_remark: dict[str, list[str]] = defaultdict(list)
    for name, header in zip(data.ids.tolist(), headers, strict=True):
        if header.remark:
            by_remark[header.remark].append(name)
    of = f"of {counted(len(data), 'image')} of {data.name} {data.split}"
    return [
        f"{len(names)} {of} {remark} ({', '.join(names[:_MOST_NAMED])}{', ...' if len(names) > _MOST_NAMED else ''})"
        for remark, names in by_remark.items()
    ]
