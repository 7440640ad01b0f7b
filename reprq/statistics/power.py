"""Which correlation a study of so many networks could see, before it is run: the sign-flip test, simulated."""

from functools import cache

import numpy as np

from reprq.errors import InputError
from reprq.statistics.coefficients import Floats
from reprq.statistics.flips import SAME, sign_flips
from reprq.statistics.ranks import midranks

_POWER = 0.8
LEVEL = 0.05
_DRAWS, _FLIPS = 1000, 2000
_MOST_NETWORKS = 1000


def detectable_correlation(n: int, tests: int = 1) -> float | None:
    """Return the least correlation between n networks that the sign-flip test finds in 80 % of studies, to 0.01.

    Networks are simulated as pairs of normal values with that correlation (1,000 draws, Monte Carlo error of the power
    0.013), tested by Spearman's rho at a level of 5 % over the number of tests, which is where Holm's correction
    starts. Layers of a network add little where networks differ; clusters that are not independent take from it.

    Args:
        n: Networks, or whatever is independent, at least 1.
        tests: Metrics that are tried, at least 1.

    Returns:
        A number in (0, 1), or None where none is found so often; 2^(1 - n) is the least p-value that there is.

    Raises:
        InputError: n or tests below 1.

    Example:
        >>> detectable_correlation(5) is None
        True
        >>> 0.47 <= detectable_correlation(34) <= 0.53
        True
    """
    _check(n, tests)
    if power(n, 0.99, tests) < _POWER:
        return None
    low, high = 0, 99
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(n, middle / 100, tests) >= _POWER else (middle, high)
    return high / 100


def networks_needed(rho: float, tests: int = 1) -> int | None:
    """Return how many networks find a correlation in 80 % of studies, as in `detectable_correlation`.

    Args:
        rho: In (0, 1).
        tests: Metrics that are tried.

    Returns:
        The least number, give or take the Monte Carlo error; None above 1,000.

    Raises:
        InputError: rho or tests out of range.
    """
    if not 0 < rho < 1:
        raise InputError(f"rho must be between 0 and 1, got {rho}")
    _check(1, tests)
    low, high = 3, 8
    while power(high, rho, tests) < _POWER:
        low, high = high, 2 * high
        if high > _MOST_NETWORKS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, rho, tests) >= _POWER else (middle, high)
    return high


@cache
def power(n: int, rho: float, tests: int = 1) -> float:
    """Return the share of studies of n networks in which the test finds a correlation rho; the draws are seeded."""
    if 2.0 ** (1 - n) > LEVEL / tests:
        return 0.0
    rng = np.random.default_rng(0)
    signs = sign_flips(n, _FLIPS, rng)
    first, second = rng.standard_normal((2, _DRAWS, n))
    x, y = (_centred_ranks(values) for values in (first, rho * first + np.sqrt(1 - rho**2) * second))
    top = np.abs(signs @ (x * y).T)
    extreme = np.zeros(_DRAWS)
    for flipped in (x, y):
        draws = top / np.sqrt((flipped**2).sum(1) - (signs @ flipped.T) ** 2 / n)
        extreme += (draws >= draws[0] * (1 - SAME)).mean(0) / 2
    return float(np.mean(extreme <= LEVEL / tests))


def _centred_ranks(values: Floats) -> Floats:
    ranks: Floats = np.ascontiguousarray(midranks(values.T).T) - (values.shape[1] + 1) / 2
    return ranks


def _check(n: int, tests: int) -> None:
    if n < 1:
        raise InputError(f"n must be at least 1 network, got {n}")
    if tests < 1:
        raise InputError(f"tests must be at least 1, got {tests}")
