"""The AUROC of pixels of anomaly maps, exact with ties, with an interval that resamples images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError, counted
from reprq.evaluation.roc import FEW_ROWS, critical_value, score_interval
from reprq.statistics.estimate import Estimate

Array = NDArray[np.float64]
PIXEL_COLUMNS = tuple(f"pixel_auroc{way}{end}" for way in ("", "_per_image") for end in ("", "_low", "_high"))
_LEAST_IMAGES = 2


@dataclass(frozen=True)
class PixelAUROC:
    """How well maps tell anomalous pixels from others, in two ways that differ.

    Attributes:
        pooled: Over all pixels of all images (the released code of FCDD; MVTec AD).
        per_image: The mean of the AUROCs of single images with anomalous pixels, each among its own pixels.
    """

    pooled: Estimate
    per_image: Estimate

    def columns(self) -> dict[str, float]:
        """Return both with their intervals, by `PIXEL_COLUMNS`."""
        ways = (self.pooled, self.per_image)
        values = [number for way in ways for number in (way.value, way.low, way.high)]
        return dict(zip(PIXEL_COLUMNS, values, strict=True))


def pixel_auroc(
    masks: Sequence[Any], maps: Any, confidence: float = 0.95, *, resamples: int = 1000, seed: int = 0
) -> PixelAUROC:
    """AUROC of the pixels of anomaly maps, exact with ties.

    With A_ij the number of pairs of an anomalous pixel of image i and another of image j in which the first scores
    higher, a tie counting one half, and p_i and q_j the numbers of those pixels, the pooled AUROC is sum A_ij /
    (sum p_i sum q_j), and that of image i alone A_ii / (p_i q_i).

    The pixels of an image are not independent, so the interval resamples whole images (percentiles of a bootstrap, of
    images with anomalous pixels and of others apart): a resample weights rows and columns of A. Where all resamples
    agree, or fewer than two images have anomalous pixels, it is Newcombe's for as many rows as there are images; see
    `auroc`.

    Memory holds the masks, the anomalous pixels' scores, A and one map. Every map is asked for twice if its image has
    anomalous pixels, else once.

    Args:
        masks: n (H, W) arrays, not 0 where a pixel is anomalous; None or one without such a pixel is a benign image.
        maps: n (H, W) maps, higher is more anomalous: an (n, H, W) array, or anything that gives them by row.
        confidence: The level of the intervals, inside (0, 1).
        resamples: How many.
        seed: The same seed, the same intervals.

    Raises:
        InputError: No anomalous or no other pixel, a mask of another shape than its map, a nan or inf in a map,
            another number of maps, or fewer than one resample.

    References:
        Liznerski et al., "Explainable deep one-class classification", ICLR 2021; Ruff 2021, section 3.1.

    Example:
        >>> masks = [np.array([[1, 0], [0, 0]]), None]
        >>> found = pixel_auroc(masks, np.array([[[3, 1], [1, 3]], [[0, 0], [5, 0]]]))
        >>> round(found.pooled.value, 3), round(found.per_image.value, 3)
        (0.786, 0.833)
    """
    critical_value(confidence)
    if resamples < 1:
        raise InputError(f"resamples must be at least 1, got {resamples}; 1000 is usual")
    marked, rows = marked_pixels(masks, maps)
    wins, p, q = _wins(marked, maps, rows)
    if not q.sum():
        raise InputError("masks must leave a pixel that is not anomalous, got none")
    first, weights = resampled_images(rows, len(marked), resamples, seed)
    n, others = len(marked), len(marked) - len(rows)
    with np.errstate(invalid="ignore"):
        pooled = ((first @ wins) * weights).sum(1) / ((first @ p) * (weights @ q))
    value = float(wins.sum() / (p.sum() * q.sum()))
    counts = len(rows), max(others, len(rows))
    whole = q[rows] > 0
    single = wins[np.arange(len(rows)), rows][whole] / (p[whole] * q[rows][whole])
    if not len(single):
        raise InputError("masks must leave pixels of an anomalous image that are not anomalous, got none")
    means = first[:, whole] @ single / np.maximum(first[:, whole].sum(1), 1)
    return PixelAUROC(
        estimate_over_images(value, pooled[np.isfinite(pooled)], counts, n, confidence),
        estimate_over_images(float(single.mean()), means[first[:, whole].any(1)], counts, len(single), confidence),
    )


def marked_pixels(masks: Sequence[Any], maps: Any) -> tuple[list[Any], NDArray[np.int64]]:
    """Return the masks as booleans, None where nothing is marked, and which images have a marked pixel.

    Raises:
        InputError: There are as many maps as masks, or no pixel is marked.
    """
    if len(maps) != len(masks):
        raise InputError(f"maps must be as many as masks, got {len(maps)} and {len(masks)}")
    marked = [None if mask is None or not (found := np.asarray(mask) != 0).any() else found for mask in masks]
    rows = np.array([i for i, mask in enumerate(marked) if mask is not None], dtype=np.int64)
    if not len(rows):
        raise InputError("masks must mark a pixel of some image, got none; pixels are judged where some are anomalous")
    return marked, rows


def resampled_images(rows: NDArray[np.int64], n: int, resamples: int, seed: int) -> tuple[Array, Array]:
    """Return how often each of some anomalous images is drawn, (r, a), and each of all n, (r, n); others apart."""
    rng = np.random.default_rng(seed)
    first = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=resamples).astype(np.float64)
    others = np.setdiff1d(np.arange(n), rows)
    weights = np.zeros((resamples, n))
    weights[:, rows] = first
    if len(others):
        weights[:, others] = rng.multinomial(len(others), np.full(len(others), 1 / len(others)), size=resamples)
    return first, weights


def _wins(marked: Sequence[Any], maps: Any, rows: NDArray[np.int64]) -> tuple[Array, Array, Array]:
    """A, (anomalous images, images), and the numbers of anomalous pixels of the first and of others of the second."""
    found = [checked_map(maps, marked, i)[marked[i]] for i in rows]
    p = np.array([len(scores) for scores in found], dtype=np.float64)
    owner = np.repeat(np.arange(len(rows)), p.astype(np.int64))
    scores = np.concatenate(found)
    order = np.argsort(scores, kind="stable")
    scores, owner = scores[order], owner[order]
    wins, q = np.zeros((len(rows), len(marked))), np.zeros(len(marked))
    for j, mask in enumerate(marked):
        values = checked_map(maps, marked, j)
        other = np.sort(values.ravel() if mask is None else values[~mask])
        wins[:, j] = np.bincount(owner, weights=_placed(scores, other), minlength=len(rows))
        q[j] = len(other)
    return wins, p, q


def _placed(scores: NDArray[Any], other: NDArray[Any]) -> Array:
    """How many of `other` each score is above, a tie counting one half; `scores` are sorted."""
    found = np.zeros(len(scores) + 1)
    for side in ("left", "right"):
        found += np.bincount(np.searchsorted(scores, other, side), minlength=len(scores) + 1)
    placed: Array = np.cumsum(found)[:-1] / 2.0
    return placed


def checked_map(maps: Any, marked: Sequence[Any], i: int) -> NDArray[Any]:
    """Return the map of an image, which must be as large as its mask and hold finite numbers."""
    found = np.asarray(maps[int(i)])
    mask = marked[i]
    if found.ndim != 2 or (mask is not None and mask.shape != found.shape):
        wanted = "(H, W)" if mask is None else str(mask.shape)
        raise InputError(f"the map of image {i} must be of shape {wanted} as its mask, got {found.shape}")
    if found.dtype.kind not in "biuf" or not np.isfinite(found).all():
        raise InputError(f"the map of image {i} must hold finite numbers, got a nan or inf, or no numbers")
    return found


def estimate_over_images(value: float, values: Array, counts: tuple[int, int], n: int, confidence: float) -> Estimate:
    """Return a figure of pixels with an interval by its values on resamples of images, or Newcombe's where they agree.

    Args:
        value: Of all images.
        values: Of resamples.
        counts: How many images have anomalous pixels, and how many others count.
        n: How many were judged.
        confidence: Of the interval.
    """
    notes = (f"only {counted(counts[0], 'image')} with anomalous pixels",) if counts[0] < FEW_ROWS else ()
    if counts[0] < _LEAST_IMAGES or np.ptp(values) == 0:
        low, high = score_interval(value, *counts, 0.0, critical_value(confidence))
        return Estimate(value, low, high, n, "newcombe", confidence, notes)
    low, high = np.quantile(values, [0.5 - confidence / 2.0, 0.5 + confidence / 2.0])
    return Estimate(value, float(low), float(high), n, "image-bootstrap", confidence, notes)
