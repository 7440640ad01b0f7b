"""A band around a ROC curve that covers where few rows are out of order, and so where a bootstrap does not."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprq.errors import InputError
from reprq.evaluation.operating import Curves, curves
from reprq.evaluation.roc import critical_value
from reprq.validation import as_labels, as_scores

Floats = NDArray[np.float64]


def roc_band(
    labels: ArrayLike, scores: ArrayLike, at: ArrayLike, confidence: float = 0.95
) -> tuple[Floats, Floats, Floats]:
    """Return the ROC curve at some false positive rates, and a pointwise band.

    At a false positive rate t the curve R(t) is off for two reasons: few anomalies say how many are found, and few
    benign rows say which threshold has that rate. The first is Wilson's interval [l, u] of R(t) over the p anomalous
    rows; the second the curve at t -+ z sqrt(t (1 - t) / q), q benign rows, taken for 0 where that is below 0: a rate
    so low is not measured by so few rows. They are joined as independent errors are: the low end is
    R - sqrt((R - l)^2 + (R - R(t-))^2), the high end R + sqrt((u - R)^2 + (R(t+) - R)^2) (Zou & Donner 2008).

    Args:
        labels: (n,) 1 is anomalous, 0 is benign.
        scores: (n,) anomaly scores, higher is more anomalous.
        at: (k,) false positive rates in [0, 1].
        confidence: The level at each of them; the whole curve lies inside the band less often.

    Returns:
        (k,) the true positive rate, between points of the curve by a line, and the low and high end of its interval.

    Raises:
        InputError: as `curves`, a rate outside [0, 1], or a confidence outside (0, 1).

    Example:
        >>> labels, scores = [0] * 40 + [1] * 40, [*range(40), *range(20, 60)]
        >>> [ends.round(2).tolist() for ends in roc_band(labels, scores, [0.05, 0.5])]
        [[0.55, 1.0], [0.0, 0.82], [0.71, 1.0]]
    """
    z = critical_value(confidence)
    places = as_scores(at, "at")
    if places.min() < 0.0 or places.max() > 1.0:
        raise InputError(f"at must be false positive rates in [0, 1], got {places.min():g} to {places.max():g}")
    found = curves(labels, scores)
    p = int(as_labels(labels, len(as_scores(scores))).sum())
    q = len(as_scores(scores)) - p
    reach = z * np.sqrt(places * (1.0 - places) / q)
    height = _height(found, places)
    below = np.where(places > reach, _height(found, np.maximum(places - reach, 0.0)), 0.0)
    above = _height(found, np.minimum(places + reach, 1.0))
    low, high = _wilson(height, p, z)
    return (
        height,
        np.maximum(height - np.hypot(height - low, height - below), 0.0),
        np.minimum(height + np.hypot(high - height, above - height), 1.0),
    )


def _height(found: Curves, places: Floats) -> Floats:
    """The curve at some false positive rates: on its line between points, at the top where it is vertical."""
    alarms, hits = found.false_positive_rate, found.true_positive_rate
    last = np.minimum(np.searchsorted(alarms, places + 1e-12, side="right"), len(alarms) - 1)
    first = np.maximum(last - 1, 0)
    run = alarms[last] - alarms[first]
    part = np.where(run > 0, (places - alarms[first]) / np.where(run > 0, run, 1.0), 1.0)
    heights: Floats = hits[first] + np.clip(part, 0.0, 1.0) * (hits[last] - hits[first])
    return heights


def _wilson(share: Floats, n: int, z: float) -> tuple[Floats, Floats]:
    """The score interval of a binomial share."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return np.minimum(middle - half, share), np.maximum(middle + half, share)
