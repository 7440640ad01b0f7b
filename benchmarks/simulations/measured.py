"""What a simulation found: a share or a mean, what it should be, and its Monte Carlo error."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np


class Measured(NamedTuple):
    """One line of a section's table.

    Attributes:
        setting: The truth and the sample.
        what: What was counted or averaged.
        wanted: What it should be; None where it is only for comparison.
        found: The share or mean.
        error: Its standard error over the trials.
        trials: How many.
    """

    setting: str
    what: str
    wanted: float | None
    found: float
    error: float
    trials: int


Section = Callable[[int, int], Iterator[Measured]]


def measured(setting: str, what: str, wanted: float | None, values: Any) -> Measured:
    """Average what each trial gave: booleans make a share, numbers a mean; none makes nan."""
    found = np.asarray(values, dtype=np.float64)
    if not len(found):
        return Measured(setting, what, wanted, np.nan, np.nan, 0)
    error = float(found.std() / np.sqrt(len(found)))
    return Measured(setting, what, wanted, float(found.mean()), error, len(found))
