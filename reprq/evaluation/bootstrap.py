"""Intervals by resampling: of the AUROC, a check of DeLong's that needs no normal approximation, and of the AP."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprq.errors import InputError
from reprq.evaluation.operating import average_precision
from reprq.evaluation.roc import auroc, critical_value
from reprq.statistics.estimate import Estimate
from reprq.validation import as_labels, as_scores


def auroc_bootstrap(
    labels: ArrayLike, scores: ArrayLike, confidence: float = 0.95, *, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """AUROC with the percentile interval of a bootstrap that resamples anomalous and benign rows apart.

    A resample is a count for every distinct score, so each costs O(n) after one sort. Where few rows decide, resamples
    agree too often (at an AUROC of 0 or 1 all of them), and the interval is the "newcombe" of `auroc`.

    Args:
        labels: (n,) 1 is anomalous, 0 is benign.
        scores: (n,) anomaly scores, higher is more anomalous.
        confidence: The level of the interval, inside (0, 1).
        resamples: How many.
        seed: The same seed, the same interval.

    Raises:
        InputError: as `auroc`, or fewer than one resample.

    Example:
        >>> labels, scores = [0] * 40 + [1] * 40, [*range(40), *range(20, 60)]
        >>> print(auroc_bootstrap(labels, scores))
        0.875 [0.796, 0.938]
    """
    _check(confidence, resamples)
    closed = auroc(labels, scores, confidence)
    if closed.method == "newcombe":
        return closed
    values = np.array([_area(up, down) for up, down in _drawn(labels, scores, resamples, seed)])
    return _estimate(closed.value, values, closed.n, confidence)


def average_precision_bootstrap(
    labels: ArrayLike, scores: ArrayLike, confidence: float = 0.95, *, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """`average_precision` with the percentile interval of a bootstrap that resamples both classes apart.

    The share of anomalous rows, on which average precision depends, is that of the rows in every resample. Where all
    anomalous rows score highest every resample agrees, and the interval has no width.

    Args:
        labels: (n,) 1 is anomalous, 0 is benign.
        scores: (n,) anomaly scores, higher is more anomalous.
        confidence: The level of the interval, inside (0, 1).
        resamples: How many.
        seed: The same seed, the same interval.

    Raises:
        InputError: as `average_precision`, or fewer than one resample.

    Example:
        >>> labels, scores = [0] * 40 + [1] * 40, [*range(40), *range(20, 60)]
        >>> print(average_precision_bootstrap(labels, scores))
        0.883 [0.815, 0.941]
    """
    _check(confidence, resamples)
    value = average_precision(labels, scores)
    values = np.array([_precision(up, down) for up, down in _drawn(labels, scores, resamples, seed)])
    return _estimate(value, values, np.size(scores), confidence)


Counts = NDArray[np.int64]


def _check(confidence: Any, resamples: int) -> None:
    critical_value(confidence)
    if resamples < 1:
        raise InputError(f"resamples must be at least 1, got {resamples}; 2000 is usual")


def _drawn(labels: ArrayLike, scores: ArrayLike, resamples: int, seed: int) -> Iterator[tuple[Counts, Counts]]:
    """Of each resample how many anomalous and benign rows have each of the distinct scores, from low to high."""
    found = as_scores(scores)
    marks = as_labels(labels, len(found))
    groups = np.unique(found, return_inverse=True)[1]
    anomalous, benign = (np.bincount(groups[marks == mark], minlength=groups.max() + 1) for mark in (1, 0))
    p, q = int(anomalous.sum()), int(benign.sum())
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield rng.multinomial(p, anomalous / p), rng.multinomial(q, benign / q)


def _area(up: Counts, down: Counts) -> float:
    return float((up @ (np.cumsum(down) - down / 2.0)) / (up.sum() * down.sum()))


def _precision(up: Counts, down: Counts) -> float:
    hits, called = np.cumsum(up[::-1]), np.cumsum((up + down)[::-1])
    return float(up[::-1] @ (hits / np.maximum(called, 1)) / hits[-1])


def _estimate(value: float, values: NDArray[np.float64], n: int, confidence: float) -> Estimate:
    low, high = np.quantile(values, [0.5 - confidence / 2.0, 0.5 + confidence / 2.0])
    return Estimate(value, float(low), float(high), n=n, method="bootstrap-percentile", confidence=confidence)
