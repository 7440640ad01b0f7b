"""p-values adjusted for the number of tests: by Holm, and by Westfall and Young from flips that the tests share."""

from collections.abc import Sequence

import numpy as np

from reprq.errors import InputError
from reprq.evaluation.coefficients import Floats
from reprq.evaluation.flips import SAME


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
    """Adjust p-values for all tests that were made with the same flips, step-down minP of Westfall & Young (1993).

    With p_(1) <= ... <= p_(m), the k-th is adjusted to the share of flips in which the least p-value of tests k to m is
    at most p_(k), the p-value of a flip being the share of flips as extreme in its test. Tests that say the same thing
    are then counted once, where Holm's correction counts each.

    Args:
        family: `flipped_ratios` of every test, of the same flips in the same order; None stands for a test that could
            not be made, is not counted and stays None.

    Returns:
        The adjusted p-values, in the given order.

    Example:
        >>> ratios = np.array([1.0, 0.3, 0.5, 0.2])
        >>> westfall_young([ratios, None, ratios, ratios[[0, 2, 1, 3]] * [1, 9, 9, 9]])
        [0.25, None, 0.25, 1.0]
    """
    tested = [index for index, ratios in enumerate(family) if ratios is not None]
    adjusted: list[float | None] = [None] * len(family)
    if not tested:
        return adjusted
    shares = np.array([_shares(ratios) for ratios in family if ratios is not None])
    order = np.argsort(shares[:, 0], kind="stable")
    least = np.minimum.accumulate(shares[order][::-1])[::-1]
    found = np.maximum.accumulate(np.mean(least <= shares[order, :1] + SAME, axis=1))
    for place, value in zip(order, found, strict=True):
        adjusted[tested[place]] = float(value)
    return adjusted


def _shares(ratios: Floats) -> Floats:
    """The share of flips at least as extreme as each flip."""
    ordered = np.sort(ratios)
    below = np.searchsorted(ordered, ratios * (1 - SAME), side="left")
    return 1 - below / len(ratios)
