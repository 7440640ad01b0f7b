"""What of the images a network sees, and what a person should know of how they were read."""

from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np

from reprq.backbones import Preprocessing
from reprq.data import ImageDataset

WORTH_SAYING = 0.1  # of an image's area
_MOST_NAMED = 3


class Coverage(NamedTuple):
    """What the preprocessing keeps of some images, and what should be said of them.

    Attributes:
        dropped: The share of an image's area that never reaches the network: `mean` and `largest` over the images, and
            `images`, the number that lose more than a tenth.
        notes: A sentence each.
    """

    dropped: dict[str, Any]
    notes: list[str]


def coverage(data: ImageDataset, preprocessing: Preprocessing) -> Coverage:
    """Return what a preprocessing keeps of some images; only their headers are read.

    Raises:
        DataError: A file is no image.
    """
    where = f"{data.name} {data.split}"
    dropped = np.array([1 - preprocessing.kept(*header.size) for header in data.headers])
    much = int((dropped > WORTH_SAYING).sum())
    share = {"mean": round(float(dropped.mean()), 4), "largest": round(float(dropped.max()), 4), "images": much}
    notes = [*data.notes, *_remarks(data, where)]
    if much:
        tenths = round(10 * share["mean"])  # no finer, so that both splits mostly say the same, which is said once
        part = f"about {tenths}0%" if tenths else "less than 5%"
        notes.append(
            f"the crop drops {part} of the area of {data.name}; --squash or --crop none (preprocessing squash or crop)"
            " keeps whole images"
        )
    return Coverage(share, notes)


def _remarks(data: ImageDataset, where: str) -> list[str]:
    """What is unusual in how files are read, with some of them by name."""
    by_remark: dict[str, list[str]] = defaultdict(list)
    for name, header in zip(data.ids.tolist(), data.headers, strict=True):
        if header.remark:
            by_remark[header.remark].append(name)
    return [
        f"{len(names)} of {len(data)} images of {where} {remark} ({', '.join(names[:_MOST_NAMED])}"
        f"{', ...' if len(names) > _MOST_NAMED else ''})"
        for remark, names in by_remark.items()
    ]
