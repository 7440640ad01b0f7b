"""Where a detector finds anomalies: its maps against the masks of a split."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError, counted
from reprq.evaluation.pixels import PIXEL_COLUMNS, PixelAUROC, pixel_auroc
from reprq.evaluation.regions import AUPRO_COLUMNS, aupro
from reprq.statistics.estimate import Estimate

MAP_COLUMNS = (*PIXEL_COLUMNS, *AUPRO_COLUMNS)
_BATCH = 64
_KEPT = 2**29  # bytes of maps that are kept; more are made again at every pass


@dataclass(frozen=True)
class MapFigures:
    """How well the maps of a detector agree with masks.

    Attributes:
        auroc: Of pixels.
        aupro: Per-region overlap up to a false positive rate of 0.3.
        by_class: The same of each anomalous class beside all benign images, by the number of the class.
    """

    auroc: PixelAUROC
    aupro: Estimate
    by_class: Mapping[int, "MapFigures"] = field(default_factory=dict)

    def columns(self) -> dict[str, float]:
        """Return the figures over all classes with their intervals, by `MAP_COLUMNS`."""
        ends = (self.aupro.value, self.aupro.low, self.aupro.high)
        return {**self.auroc.columns(), **dict(zip(AUPRO_COLUMNS, ends, strict=True))}


def has_maps(detector: Any) -> bool:
    """Whether a detector, or a class of such, can say where in a sample the anomaly is."""
    return callable(getattr(detector, "anomaly_map", None))


def judge_maps(
    detector: Any,
    samples: Any,
    masks: Any,
    labels: NDArray[Any],
    *,
    classes: NDArray[Any] | None = None,
    seed: int = 0,
) -> MapFigures:
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
        classes: (n,) class numbers, by which the anomalous ones are judged apart, too.
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
    maps, known = _Maps(detector, samples, rows), [marked.get(i) for i in rows.tolist()]
    found = _figures(known, maps, seed)
    if left := len(labels) - len(rows):
        note = f"{counted(left, 'anomalous image')} without a marked pixel left out"
        pooled, single = (
            replace(each, notes=(*each.notes, note)) for each in (found.auroc.pooled, found.auroc.per_image)
        )
        found = replace(found, auroc=PixelAUROC(pooled, single))
    if classes is None:
        return found
    kinds = classes[rows]
    numbers = np.unique(kinds[labels[rows] == 1]).tolist()
    by_class = {numbers[0]: found} if len(numbers) == 1 else {}
    for number in numbers if not by_class else ():
        places = np.flatnonzero((labels[rows] == 0) | (kinds == number))
        by_class[number] = _figures([known[i] for i in places], _Chosen(maps, places), seed)
    return replace(found, by_class=by_class)


def _figures(masks: list[Any], maps: Any, seed: int) -> MapFigures:
    return MapFigures(pixel_auroc(masks, maps, seed=seed), aupro(masks, maps, seed=seed))


class _Chosen:
    """Some of several maps."""

    def __init__(self, maps: "_Maps", places: NDArray[Any]) -> None:
        self._maps, self._places = maps, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, i: int) -> Any:
        return self._maps[int(self._places[i])]


class _Maps:
    """The maps of some samples by their place among `rows`, made a batch at a time; few are kept, of many the last."""

    def __init__(self, detector: Any, samples: Any, rows: NDArray[Any]) -> None:
        self._detector, self._samples, self._rows = detector, samples, rows
        self._batches: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: int) -> Any:
        number, place = divmod(i, _BATCH)
        if number not in self._batches:
            rows = self._rows[number * _BATCH : (number + 1) * _BATCH]
            chosen = self._samples.select(rows) if hasattr(self._samples, "select") else self._samples[rows]
            found = self._detector.anomaly_map(chosen)
            if found[0].nbytes * len(self._rows) > _KEPT:
                self._batches.clear()
            self._batches[number] = found
        return self._batches[number][place]
