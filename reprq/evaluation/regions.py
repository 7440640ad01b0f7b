"""The area under the curve of per-region overlap of anomaly maps, exact with ties, with an interval over images."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.evaluation.pixels import checked_map, estimate_over_images, marked_pixels, resampled_images
from reprq.evaluation.roc import critical_value
from reprq.statistics.estimate import Estimate

Array = NDArray[np.float64]
AUPRO_COLUMNS = ("aupro", "aupro_low", "aupro_high")
LIMIT = 0.3
_POINTS = 500  # thresholds of the curves that are resampled
_EIGHT = np.ones((3, 3))  # regions hang together at corners, too


def aupro(
    masks: Sequence[Any],
    maps: Any,
    confidence: float = 0.95,
    *,
    limit: float = LIMIT,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    r"""Area under the curve of per-region overlap, up to a false positive rate and divided by it.

    Regions C_1 ... C_K are the connected parts of all masks, pixels that touch at a corner connected. At a threshold t,
    PRO(t) = 1 / K sum_k \|{x in C_k: map(x) >= t}\| / \|C_k\|, and FPR(t) is the share of all pixels that are in no
    region and whose map is at least t. AUPRO is the integral of PRO over FPR from 0 to `limit`, by the trapezoidal rule
    over all thresholds, divided by `limit` (Bergmann et al. 2021, section 6.1.2; MVTec AD's evaluation code).

    It is computed pixel by pixel: with F+ and F- the FPR at a pixel's own value and right above it, the pixel adds
    (limit - (F+ + F-) / 2) / limit where F+ <= limit, 0 where F- >= limit, and else what of the line between lies
    below `limit`. So memory holds the masks, the values of anomalous pixels, and one map.

    The interval resamples whole images, as that of `pixel_auroc`; its curves are read at 500 thresholds.

    Args:
        masks: As of `pixel_auroc`.
        maps: As of `pixel_auroc`.
        confidence: The level of the interval, inside (0, 1).
        limit: In (0, 1]; 0.3 is the papers'.
        resamples: How many.
        seed: The same seed, the same interval.

    Raises:
        InputError: As of `pixel_auroc`, or `limit` is not in (0, 1].

    References:
        Bergmann et al., "The MVTec anomaly detection dataset", IJCV 2021, and CVPR 2019.

    Example:
        >>> masks = [np.array([[1, 0], [0, 0]]), None]
        >>> maps = np.array([[[3, 1], [1, 2]], [[0, 0], [5, 0]]])
        >>> round(aupro(masks, maps, limit=0.5).value, 3)  # one of seven benign pixels is above the region
        0.714
    """
    critical_value(confidence)
    if not 0.0 < limit <= 1.0:
        raise InputError(f"limit must be in (0, 1], got {limit!r}; 0.3 is usual")
    if resamples < 1:
        raise InputError(f"resamples must be at least 1, got {resamples}; 1000 is usual")
    marked, rows = marked_pixels(masks, maps)
    pixels = _region_pixels(marked, maps, rows)
    curves = _Curves.over(pixels, len(marked), limit)
    above, least = curves.count(pixels.values, marked, maps)
    benign = curves.benign.sum()
    if not benign:
        raise InputError("masks must leave a pixel that is not anomalous, got none")
    value = float(np.sum(_share_below(above / benign, least / benign, limit) * pixels.weights) / pixels.regions.sum())
    drawn = curves.area(*resampled_images(rows, len(marked), resamples, seed))
    whole = curves.area(np.ones((1, len(rows))), np.ones((1, len(marked))))
    drawn = np.clip(drawn[np.isfinite(drawn)] + value - whole, 0.0, 1.0)  # the few points of the curves shift all alike
    others = len(marked) - len(rows)
    return estimate_over_images(value, drawn, (len(rows), max(others, len(rows))), len(marked), confidence)


class _Pixels(NamedTuple):
    """Anomalous pixels of all images, by ascending value.

    Attributes:
        values: (p,) of the maps.
        weights: (p,) 1 over the pixels of its region.
        owners: (p,) which of the anomalous images.
        regions: (a,) regions of each of these.
    """

    values: NDArray[Any]
    weights: Array
    owners: NDArray[np.int64]
    regions: Array


def _region_pixels(marked: Sequence[Any], maps: Any, rows: NDArray[np.int64]) -> _Pixels:
    from scipy.ndimage import label  # which tables of figures do not take

    values, weights, regions = [], [], np.zeros(len(rows))
    for place, i in enumerate(rows):
        numbers, regions[place] = label(marked[i], structure=_EIGHT)
        inside = numbers[marked[i]]
        values.append(checked_map(maps, marked, i)[marked[i]])
        weights.append(1.0 / np.bincount(inside)[inside])
    owners = np.repeat(np.arange(len(rows)), [len(each) for each in values])
    scores = np.concatenate(values)
    order = np.argsort(scores, kind="stable")
    return _Pixels(scores[order], np.concatenate(weights)[order], owners[order], regions)


def _share_below(above: Array, least: Array, limit: float) -> Array:
    """Of [0, limit], the part in which a pixel is found: from the rate right above its value, on a line, to its own."""
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = (limit - above) ** 2 / (2.0 * (least - above))
    found = np.where(least <= limit, limit - (above + least) / 2.0, np.where(above >= limit, 0.0, cut))
    return found / limit


class _Curves:
    """What each image adds to both rates at some thresholds, from high to low.

    Attributes:
        thresholds: (t,).
        overlap: (a, t) overlaps of its regions, summed, of the anomalous images.
        regions: (a,) how many it has.
        false: (n, t) benign pixels found, of all images.
        benign: (n,) how many it has.
        limit: Of the false positive rate.
    """

    def __init__(self, thresholds: NDArray[Any], overlap: Array, regions: Array, n: int, limit: float) -> None:
        self.thresholds, self.overlap, self.regions, self.limit = thresholds, overlap, regions, limit
        self.false, self.benign = np.zeros((n, len(thresholds))), np.zeros(n)

    @classmethod
    def over(cls, pixels: _Pixels, n: int, limit: float) -> "_Curves":
        """Take thresholds between which lie about as many anomalous pixels, and what they find of regions."""
        thresholds = np.unique(np.quantile(pixels.values, np.linspace(0, 1, _POINTS), method="nearest"))[::-1]
        found = np.zeros((len(pixels.regions), len(thresholds)))
        first = len(thresholds) - np.searchsorted(thresholds[::-1], pixels.values, "right")
        np.add.at(found, (pixels.owners, first), pixels.weights)
        return cls(thresholds, np.cumsum(found, axis=1), pixels.regions, n, limit)

    def count(self, values: NDArray[Any], marked: Sequence[Any], maps: Any) -> tuple[Array, Array]:
        """Read the benign pixels of all images; return how many are above each sorted value, and how many at least."""
        ends = np.zeros((2, len(values) + 1))  # how many benign pixels are above so many of the values, or not below
        for i, mask in enumerate(marked):
            found = checked_map(maps, marked, i)
            benign = np.sort(found.ravel() if mask is None else found[~mask])
            np.add.at(ends[0], np.searchsorted(values, benign, "left"), 1.0)
            np.add.at(ends[1], np.searchsorted(values, benign, "right"), 1.0)
            self.false[i] = len(benign) - np.searchsorted(benign, self.thresholds, "left")
            self.benign[i] = len(benign)
        above, least = ends[:, ::-1].cumsum(axis=1)[:, -2::-1]
        return above, least

    def area(self, anomalous: Array, images: Array) -> Array:
        """The AUPRO of (r,) resamples, by how often each anomalous image and each of all is drawn."""
        with np.errstate(divide="ignore", invalid="ignore"):
            pro = anomalous @ self.overlap / (anomalous @ self.regions)[:, None]
            fpr = images @ self.false / (images @ self.benign)[:, None]
        found = np.empty(len(pro))
        for i, (x, y) in enumerate(zip(fpr, pro, strict=True)):
            inside = x <= self.limit
            across = np.concatenate([[0.0], x[inside], [self.limit]])
            up = np.concatenate([[0.0], y[inside], [np.interp(self.limit, x, y)]])
            found[i] = np.sum(np.diff(across) * (up[1:] + up[:-1])) / 2.0 / self.limit
        return found
