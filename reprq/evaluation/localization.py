"""Where a detector finds anomalies: its maps against the masks of a split."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError, counted
from reprq.evaluation.pixels import PixelAUROC, pixel_auroc

_BATCH = 64


def has_maps(detector: Any) -> bool:
    """Whether a detector, or a class of such, can say where in a sample the anomaly is."""
    return callable(getattr(detector, "anomaly_map", None))


def judge_maps(detector: Any, samples: Any, masks: Any, labels: NDArray[Any], *, seed: int = 0) -> PixelAUROC:
    """Judge the maps of a fitted detector by masks, as they lie over what it saw of the images.

    All pixels of a benign image are benign. An anomalous image counts if its mask marks a pixel of what the detector
    saw; one without a mask, with an empty one, or whose defect was cut off or is too thin for its input, is left out,
    and `notes` say how many are.

    Args:
        detector: Fitted, with an `anomaly_map`. Its `transform_`, if it has one, lays masks over its input; without,
            its maps are taken to lie over whole images.
        samples: The images, in the order of `labels`.
        masks: `reprq.data.Masks`, or anything with `over(i, transform, shape)`.
        labels: (n,) 1 is anomalous.
        seed: Of the intervals.

    Raises:
        InputError: No anomalous image counts, the mask of a benign image marks pixels, or maps are not as large as the
            detector's input.
        DataError: A mask that cannot be used.
    """
    transform, shape = getattr(detector, "transform_", None), _Maps(detector, samples, np.arange(1))[0].shape
    laid: dict[int, Any] = {i: masks.over(i, transform, shape) for i in range(len(labels)) if masks.present[i]}
    marked = {i: mask for i, mask in laid.items() if mask.any()}
    if benign := [i for i in marked if labels[i] == 0]:
        raise InputError(
            f"masks must mark anomalies, and {counted(len(benign), 'benign image')} of the split, such as"
            f" {benign[0]}, have some marked too"
        )
    if not marked:
        raise InputError("masks mark no pixel of what the detector sees; give it larger images, or check the masks")
    rows = np.array([i for i in range(len(labels)) if labels[i] == 0 or i in marked])
    found = pixel_auroc([marked.get(i) for i in rows.tolist()], _Maps(detector, samples, rows), seed=seed)
    if not (left := len(labels) - len(rows)):
        return found
    note = f"{counted(left, 'anomalous image')} without a marked pixel left out"
    pooled, single = (replace(each, notes=(*each.notes, note)) for each in (found.pooled, found.per_image))
    return PixelAUROC(pooled, single)


class _Maps:
    """The maps of some samples by their place among `rows`; a batch is made at a time, and the last is kept."""

    def __init__(self, detector: Any, samples: Any, rows: NDArray[Any]) -> None:
        self._detector, self._samples, self._rows = detector, samples, rows
        self._batch: tuple[int, Any] = -1, None

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: int) -> Any:
        number, place = divmod(i, _BATCH)
        if self._batch[0] != number:
            rows = self._rows[number * _BATCH : (number + 1) * _BATCH]
            chosen = self._samples.select(rows) if hasattr(self._samples, "select") else self._samples[rows]
            self._batch = number, self._detector.anomaly_map(chosen)
        return self._batch[1][place]
