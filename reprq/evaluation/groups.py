"""Objects that are scored by their parts."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprq.conversion import to_numpy
from reprq.errors import InputError
from reprq.validation import as_scores


def max_over_groups(scores: ArrayLike, groups: ArrayLike) -> NDArray[np.float64]:
    """Score each object by the most anomalous of its parts: patches of an image, or of both views of a parcel.

    The labels of the objects are `max_over_groups(labels, groups)`: an object with an anomalous part is anomalous.

    Args:
        scores: (n,) anomaly scores of the parts, higher is more anomalous.
        groups: (n,) integers, the object that each part belongs to.

    Returns:
        (g,) float64, one score an object, in ascending order of the numbers in `groups`.

    Raises:
        InputError: scores that are not finite numbers, or groups of another length or type.

    Example:
        >>> max_over_groups([0.1, 0.9, 0.3, 0.2], [7, 7, 2, 2])
        array([0.3, 0.9])
    """
    values = as_scores(scores)
    numbers = to_numpy(groups, "groups")
    if numbers.shape != values.shape or numbers.dtype.kind not in "iu":
        raise InputError(
            f"groups must be integers of shape {values.shape}, one a score, got {numbers.dtype} of {numbers.shape}"
        )
    found, place = np.unique(numbers, return_inverse=True)
    largest = np.full(len(found), -np.inf)
    np.maximum.at(largest, place, values)
    return largest
