"""p-values adjusted for the number of tests: by Holm, and by Westfall and Young from flips that the tests share."""

from collections.abc import Sequence

import numpy as np

from reprq.errors import InputError
from reprq.statistics.coefficients import Floats
from reprq.statistics.flips import SAME


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values for the number of hypotheses tried, by the step-down procedure of Holm (1979).

    With p_(1) <= ... <= p_(m), the k-th smallest becomes max over j <= k of min(1, (m - j + 1) p_(j)). Rejecting where
    the result is at most alpha keeps the chance of any false rejection at or below alpha, whatever the dependence.

    Args:
        p_values: Numbers in [0, 1]; None stands for a test that could not be made, is not counted and stays None.

    Returns:
        The adjusted p-values, in the given order.

    Raises:
        InputError: a value is outside [0, 1] or nan.

    Example:
        >>> holm([0.01, None, 0.04, 0.03])
        [0.03, None, 0.06, 0.06]
    """
    for p in p_values:
        if p is not None and not 0 <= p <= 1:
            raise InputError(f"p_values must be in [0, 1] or None, got {p}")
    adjusted: list[float | None] = [None] * len(p_values)
    tested = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    highest = 0.0
    for k, (p, i) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - k) * p))
        adjusted[i] = highest
    return adjusted


def westfall_young(family: Sequence[Floats | None]) -> list[float | None]:
    """Adjust p-values for all tests that were made with the same flips, step-down maxT of Westfall & Young (1993).

    The statistic of each test is divided by its root mean square over the flips. With t_(1) >= ... >= t_(m), the k-th
    test is adjusted to the share of flips in which the largest of tests k to m is at least t_(k). Tests that say the
    same thing are then counted once, where Holm's correction counts each. Least p-values would do as well, but those of
    many tests need more flips than there are.

    Args:
        family: `flipped_ratios` of every test, of the same flips in the same order; None stands for a test that could
            not be made, is not counted and stays None.

    Returns:
        The adjusted p-values, in the given order.

    Example:
        >>> ratios = np.array([1.0, 0.3, 0.5, 0.2])
        >>> westfall_young([ratios, None, ratios, [1.0, 1.5, 0.5, 0.5]])
        [0.25, None, 0.25, 0.5]
    """
    adjusted: list[float | None] = [None if ratios is None else 1.0 for ratios in family]
    tested = [k for k, ratios in enumerate(family) if ratios is not None and np.isfinite(ratios).all()]
    if not tested:
        return adjusted
    sizes = np.array([family[k] for k in tested])
    sizes /= np.sqrt(np.mean(sizes**2, axis=1, keepdims=True))
    order = np.argsort(-sizes[:, 0], kind="stable")
    most = np.maximum.accumulate(sizes[order][::-1])[::-1]
    found = np.maximum.accumulate(np.mean(most >= sizes[order, :1] * (1 - SAME), axis=1))
    for place, value in zip(order, found, strict=True):
        adjusted[tested[place]] = float(value)
    return adjusted
