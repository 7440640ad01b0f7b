"""Which rows of a data set are benign, by the names of its classes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reprq.data.classes import check_named
from reprq.data.dataset import Dataset
from reprq.data.folders.layout import is_benign_name
from reprq.errors import InputError, listed
from reprq.labels import anomaly_labels, named_labels


class Benign(NamedTuple):
    """Benign rows of a data set.

    Attributes:
        samples: The rows.
        note: Which classes they are, in words; "" where there is but one class, or all of a known data set's.
    """

    samples: Dataset
    note: str


def benign_rows(samples: Dataset, benign: str | Sequence[str] = ()) -> Benign:
    """Return the rows that count as benign.

    Without `benign` a class that is called "good", "normal", "ok" and the like is taken to be the benign one; where
    there is none, every class is benign, as digits are.

    Args:
        samples: A data set.
        benign: The classes that are benign, or patterns: "good", "ok_*", "*"; or several with commas between.

    Raises:
        UnknownNameError: `benign` names a class that has no samples.
        InputError: several classes have names that say benign, and nothing says which are.

    Example:
        >>> from reprq.data import load_dataset
        >>> even = benign_rows(load_dataset("digits"), "0,2,4,6,8")
        >>> len(even.samples), even.note
        (625, 'the classes 0, 2, 4, 6, 8 are benign; left out: 1, 3, 5, 7, 9')
    """
    present = [samples.classes[label] for label in np.unique(samples.labels)]
    patterns = named_labels(benign, present)
    check_named(patterns, present, samples.name)
    by_name = [name for name in present if is_benign_name(name)]
    if not patterns and len(present) > 1 and len(by_name) > 1:
        raise InputError(
            f"benign must say which classes of {samples.name} are benign, since {listed(by_name)} may all be; give it"
            f" (--benign {by_name[0]}; '*' is all of them)"
        )
    if not patterns and (len(present) < 2 or not by_name):
        note = f"all {len(present)} classes count as benign, {listed(present)}; --benign NAME says which are"
        return Benign(samples, note if len(present) > 1 and ":" in samples.name else "")
    name = f"the classes of {samples.name}"
    anomalous = anomaly_labels(samples.labels, patterns or by_name, classes=samples.classes, name=name)
    kept = samples.select(np.flatnonzero(anomalous == 0))
    chosen = [samples.classes[label] for label in np.unique(kept.labels)]
    left = [name for name in present if name not in chosen]
    said = f"the class {chosen[0]} is benign" if len(chosen) == 1 else f"the classes {listed(chosen)} are benign"
    if not patterns:
        said += ", as its name says (--benign '*' takes all)"
    return Benign(kept, f"{said}; left out: {listed(left)}" if left else said)
