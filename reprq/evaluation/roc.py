"""The area under the ROC curve, exact with ties, and its interval."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, ndtri

from reprq.errors import InputError
from reprq.statistics.estimate import Estimate
from reprq.statistics.ranks import midranks
from reprq.validation import as_labels, as_scores

FEW_ROWS = 30
_FEW_MISPLACED = 5.0


@dataclass(frozen=True, eq=False)
class Placements:
    """Where each score stands among the scores of the other class: DeLong's structural components.

    The mean of either is the AUROC; their variances are what its variance is made of.

    Args:
        anomalous: (p,) share of the benign scores below each anomalous one, a tie counting one half.
        benign: (q,) share of the anomalous scores above each benign one, a tie counting one half.
    """

    anomalous: NDArray[np.float64]
    benign: NDArray[np.float64]


def placements(labels: ArrayLike, scores: ArrayLike) -> Placements:
    """Compute the structural components of the AUROC in O(n log n) from midranks (Sun & Xu 2014, Theorem 1).

    With R the midranks of all scores and R' those within the class of a row, an anomalous row is placed at
    (R - R') / q and a benign row at 1 - (R - R') / p, for p anomalous and q benign rows.

    Args:
        labels: (n,) 1 is anomalous, 0 is benign.
        scores: (n,) anomaly scores, higher is more anomalous.

    Raises:
        InputError: shapes that differ, labels other than 0 and 1, a nan or inf, or a class without a row.

    Example:
        >>> placements([0, 1, 0, 1], [1, 2, 3, 3]).anomalous
        array([0.5 , 0.75])
    """
    values = as_scores(scores)
    anomalous = as_labels(labels, len(values)).astype(bool)
    positives, negatives = values[anomalous], values[~anomalous]
    if not len(positives) or not len(negatives):
        missing = "anomalous (1)" if not len(positives) else "benign (0)"
        raise InputError(
            f"labels must hold both classes, got no {missing} row among {len(values)}; AUROC compares the two"
        )
    ranks = midranks(values)
    return Placements(
        (ranks[anomalous] - midranks(positives)) / len(negatives),
        1.0 - (ranks[~anomalous] - midranks(negatives)) / len(positives),
    )


def auroc(labels: ArrayLike, scores: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Area under the ROC curve: P(an anomaly scores higher than a benign row) + P(they tie) / 2.

    The value A is the Mann-Whitney statistic, exact with ties. Its variance is DeLong's (1988), s10 / p + s01 / q with
    s10 and s01 the sample variances (n - 1) of the placements, computed in O(n log n) (Sun & Xu 2014). The interval is
    symmetric on the logit scale (Pepe 2003, section 5.2.4), so it stays inside [0, 1].

    That variance is itself an estimate from few rows where a class is small, or where few rows are out of order: with
    m rows in the smaller class, where m < 30 or m min(A, 1 - A) < 5; and it is zero where all scores are tied. There
    `method` is "newcombe", the score interval of Newcombe (2006, part 2, method 5): the theta within z sqrt(c V(theta))
    of A, V(theta) = theta (1 - theta) (1 + (n / 2 - 1) ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (p q)
    (Hanley & McNeil 1982). Newcombe has c = 1; scores that vary more than V expects, as those of anomalies that are
    found or wholly missed do, widen it: c is DeLong's variance over V(A) where that is more than 1.

    Args:
        labels: (n,) 1 is anomalous, 0 is benign.
        scores: (n,) anomaly scores, higher is more anomalous.
        confidence: The level of the interval, inside (0, 1).

    Returns:
        The AUROC in [0, 1] (0.5 is chance, 1 is perfect) with its interval; `n` counts the rows, and `notes` say where
        a class has under 30.

    Raises:
        InputError: shapes that differ, labels other than 0 and 1, a nan or inf, or a class without a row.

    Example:
        >>> print(auroc([0, 0, 0, 1, 1, 1], [0.1, 0.4, 0.3, 0.4, 0.8, 0.2]))
        0.722 [0.252, 0.949]
        >>> auroc([0, 0, 1, 1], [1, 2, 3, 4]).notes
        ('only 2 anomalous rows', 'only 2 benign rows')
    """
    z = critical_value(confidence)
    place = placements(labels, scores)
    p, q = len(place.anomalous), len(place.benign)
    value = float(np.clip(place.anomalous.mean(), 0.0, 1.0))
    variance = placement_variance(place)
    if variance == 0.0 or few_decide(value, p, q):
        method, (low, high) = "newcombe", score_interval(value, p, q, variance, z)
    else:
        method, (low, high) = "delong-logit", _logit_interval(value, math.sqrt(variance), z)
    return Estimate(value, low, high, p + q, method, confidence, few_rows(p, q))


def few_decide(value: float, p: int, q: int) -> bool:
    """Whether too few rows are in the smaller class, or out of order, to estimate the variance of the AUROC."""
    smaller = min(p, q)
    return smaller < FEW_ROWS or smaller * min(value, 1.0 - value) < _FEW_MISPLACED


def few_rows(p: int, q: int) -> tuple[str, ...]:
    """Return a note on each class that has few rows."""
    classes = ((p, "anomalous"), (q, "benign"))
    return tuple(f"only {n} {name} row{'s' * (n > 1)}" for n, name in classes if n < FEW_ROWS)


def placement_variance(place: Placements) -> float:
    """DeLong's variance of the AUROC, s10 / p + s01 / q; 0 where a class has one row and leaves it undefined."""
    p, q = len(place.anomalous), len(place.benign)
    if p < 2 or q < 2:
        return 0.0
    return float(place.anomalous.var(ddof=1) / p + place.benign.var(ddof=1) / q)


def critical_value(confidence: Any) -> float:
    """The normal quantile z with P(-z <= N(0, 1) <= z) = confidence.

    Raises:
        InputError: `confidence` is outside (0, 1).

    Example:
        >>> round(critical_value(0.95), 3)
        1.96
    """
    if not 0.0 < confidence < 1.0:
        raise InputError(f"confidence must be between 0 and 1, got {confidence!r}; 0.95 is usual")
    return float(ndtri(0.5 + confidence / 2.0))


def _logit_interval(value: float, error: float, z: float) -> tuple[float, float]:
    half = z * error / (value * (1.0 - value))
    return float(expit(logit(value) - half)), float(expit(logit(value) + half))


def score_interval(value: float, p: int, q: int, variance: float, z: float) -> tuple[float, float]:
    """Return Newcombe's interval of an AUROC, widened where DeLong's variance is more than Hanley & McNeil's."""
    expected = value * (1.0 - value) * _dispersion(value, p, q)
    reach = z * z * (max(1.0, variance / expected) if expected > 0.0 else 1.0)
    return _low_end(value, p, q, reach), 1.0 - _low_end(1.0 - value, p, q, reach)


def _low_end(value: float, p: int, q: int, reach: float) -> float:
    """The least theta with (theta - value)^2 <= reach V(theta); V is the same for theta and 1 - theta."""
    from scipy.optimize import brentq  # the tables of a study need no more than the names of columns

    if value <= 0.0:
        return 0.0
    if value >= 1.0:  # both sides have the factor 1 - theta
        return float(brentq(lambda theta: 1.0 - theta - reach * theta * _dispersion(theta, p, q), 0.0, 1.0))
    return float(
        brentq(
            lambda theta: (theta - value) ** 2 - reach * theta * (1.0 - theta) * _dispersion(theta, p, q), 0.0, value
        )
    )


def _dispersion(theta: float, p: int, q: int) -> float:
    """Hanley and McNeil's variance over theta (1 - theta)."""
    spread = (1.0 - theta) / (2.0 - theta) + theta / (1.0 + theta)
    return (1.0 + ((p + q) / 2.0 - 1.0) * spread) / (p * q)
