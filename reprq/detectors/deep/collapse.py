"""Trainings that ended badly are said, with numbers, on the log "reprq"."""

import numpy as np

from reprq.notices import notice
from reprq.numerics.rows import Scores

_CONSTANT = 1e-6  # of the largest score, as a share


def warn_of_constant(name: str, scores: Scores) -> None:
    """Say so where scores of held-out samples are all but the same, so that they order nothing.

    Example:
        >>> warn_of_constant("vae", np.array([1.0, 2.0]))
    """
    if len(scores) > 1 and np.ptp(scores) <= _CONSTANT * np.abs(scores).max():
        notice(
            "%s gives all %d samples held out nearly the same score, %.6g to %.6g: it has collapsed, or the samples are"
            " all alike; give other samples, fewer epochs, or a lower lr",
            name,
            len(scores),
            scores.min(),
            scores.max(),
        )
