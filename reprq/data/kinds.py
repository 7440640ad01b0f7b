"""What kinds of items a data set has: the sizes of its images, gray or color."""

from collections.abc import Mapping

from reprq.data.dataset import Dataset
from reprq.data.failures import of_each
from reprq.data.modality import Kinded, Source
from reprq.data.views import JoinedSource


def kinds_of(data: Dataset) -> dict[str, list[str]]:
    """Return the distinct values of everything that the items can be told apart by, sorted; only headers are read.

    Raises:
        DataError: Files that are none of their modality; all are named.

    Example:
        >>> from reprq.data import load_dataset
        >>> kinds_of(load_dataset("digits"))
        {'color': ['gray'], 'size': ['8 x 8 pixels']}
    """
    found: dict[str, set[str]] = {}
    for kind in of_each(data, lambda i: _kind(data.source, int(data.rows[i]))):
        for name, value in kind.items():
            found.setdefault(name, set()).add(value)
    return {name: sorted(values) for name, values in sorted(found.items())}


def _kind(source: Source, row: int) -> Mapping[str, str]:
    while isinstance(source, JoinedSource):
        source, row = source.of(row)
    return source.kind(row) if isinstance(source, Kinded) else {}
