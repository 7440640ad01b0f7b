"""The one object that flows from the caches to the metrics and detectors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.conversion import to_numpy
from reprq.errors import InputError
from reprq.validation import as_classes, as_matrix


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The embeddings of n rows at one layer. It carries no metrics and no model.

    Args:
        array: (n, d), float16, float32 or float64, finite.
        layer: The name of the layer.
        ids: (n,) a name for each row; the row numbers where none are given.
        labels: (n,) class numbers, or 0/1 with 1 for anomalous, or None.
        provenance: How the array was made: backbone, weights digest, data set and its fingerprint, split,
            preprocessing, pooling, versions.

    Raises:
        InputError: the array is not a finite (n, d) matrix, or ids or labels have another length.

    Example:
        >>> x = Embeddings(np.eye(3, dtype=np.float32), layer="pooled")
        >>> len(x), x.width, x.ids.tolist()
        (3, 3, ['0', '1', '2'])
    """

    array: NDArray[np.floating]
    layer: str = ""
    ids: NDArray[np.str_] = field(default_factory=lambda: np.array([], dtype=np.str_))
    labels: NDArray[np.int64] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        array = as_matrix(self.array, f"the embeddings of layer {self.layer!r}" if self.layer else "the embeddings")
        object.__setattr__(self, "array", array)
        n = len(array)
        ids = to_numpy(self.ids, "ids").astype(np.str_)
        object.__setattr__(self, "ids", ids if ids.size else np.arange(n).astype(np.str_))
        if self.ids.shape != (n,):
            raise InputError(f"ids must have shape ({n},), one a row of the array, got {self.ids.shape}")
        if self.labels is not None:
            object.__setattr__(self, "labels", as_classes(self.labels, n))

    def __len__(self) -> int:
        return len(self.array)

    @property
    def width(self) -> int:
        """The number of columns, d."""
        return int(self.array.shape[1])

    def __repr__(self) -> str:
        backbone = self.provenance.get("backbone", "?")
        return f"Embeddings({backbone} {self.layer}, {len(self)} x {self.width} {self.array.dtype})"
