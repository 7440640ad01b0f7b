"""Pictures of items that are no images, which networks of images take."""

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reprq.data.modality import MODALITIES

if TYPE_CHECKING:
    from reprq.data.image.preprocessing import Preprocessing


class Axes(NamedTuple):
    """What the sides of a picture mean.

    Attributes:
        across: What runs along its width, "time in s".
        columns: (width,) the value at every column, rising.
        up: What runs along its height, "frequency in Hz".
        rows: (height,) the value at every row, from the top, falling.
    """

    across: str
    columns: NDArray[np.float64]
    up: str
    rows: NDArray[np.float64]


def drawing_of(modality: str, preprocessing: "Preprocessing") -> "Preprocessing | None":
    """Return what draws items of a modality for a network of images; None where nothing does."""
    if not MODALITIES[modality].drawing:
        return None
    drawn: Preprocessing = _class_of(modality).drawing_for(preprocessing)
    return drawn


def drawing_with(keys: Iterable[str], preprocessing: "Preprocessing") -> "Preprocessing | None":
    """Return what draws items and can be asked for one of these keys; None where nothing can."""
    asked = set(keys)
    drawn = (modality.name for modality in MODALITIES.values() if modality.drawing)
    found = next((modality for modality in drawn if asked & set(_class_of(modality).keys)), None)
    return None if found is None else drawing_of(found, preprocessing)


def _class_of(modality: str) -> Any:
    module, _, name = MODALITIES[modality].drawing.partition(":")
    return getattr(importlib.import_module(module), name)
