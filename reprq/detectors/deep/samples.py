"""What deep detectors are fitted on: items of a data set, or rows of numbers, as the input of a network."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reprq.data import Dataset, Transform, as_dataset
from reprq.data.arrays import is_array
from reprq.data.modality import Adaptable
from reprq.data.table.encoding import Encoding
from reprq.errors import DataError, InputError
from reprq.training import Inputs
from reprq.validation import as_matrix

Samples = Dataset | NDArray[np.float32]


def as_samples(x: Any, *, rows: bool, name: str = "X") -> Samples:
    """Return a data set of samples, or where `rows` allows them and `x` is one an (n, d) float32 array.

    Raises:
        InputError: `x` is neither, or rows where none are allowed; or an array that is not finite, not 2-d, or too
            large for float32.

    Example:
        >>> as_samples([[1, 2], [3, 4]], rows=True).dtype
        dtype('float32')
    """
    if not rows and is_array(getattr(x, "array", x)) and is_rows(x):
        raise InputError(
            f"{name} must hold samples such as images, got rows of numbers; give such, or use a detector of rows"
        )
    if not rows or not is_rows(x):
        return as_dataset(x)
    matrix = as_matrix(x, name)
    with np.errstate(over="ignore"):
        narrow = np.asarray(matrix, dtype=np.float32)
    if not np.isfinite(narrow).all():
        raise InputError(f"{name} must have values that float32 can hold, got {np.abs(matrix).max():.3g}; rescale it")
    return narrow


def is_rows(x: Any) -> bool:
    """Whether something holds rows of numbers, and no images, paths or texts.

    Example:
        >>> is_rows(np.zeros((2, 3))), is_rows([0.5]), is_rows(np.zeros((2, 8, 8))), is_rows(["a.png"])
        (True, True, False, False)
    """
    if isinstance(x, Dataset):
        return False
    held = getattr(x, "array", None)
    if is_array(held):  # Embeddings
        return True
    if hasattr(x, "dtypes"):  # a table
        return all(getattr(kind, "kind", "O") in "biuf" for kind in np.atleast_1d(x.dtypes))
    if is_array(x):
        return x.ndim <= 2 and getattr(x.dtype, "kind", "f") not in "OUS"
    if isinstance(x, list | tuple) and len(x):
        first = x[0]
        if isinstance(first, list | tuple) and len(first):
            first = first[0]
        return isinstance(first, int | float | np.number) or (is_array(first) and first.ndim < 2)
    return False


def as_inputs(samples: Samples, transform: Transform | None) -> Inputs | Tensor:
    """Return samples as a network takes them, by row; rows of numbers need no transform."""
    if isinstance(samples, Dataset):
        assert transform is not None
        return Inputs(samples, transform)
    return torch.from_numpy(np.ascontiguousarray(samples))


def reading(transform: Transform, modality: str, drawing: Mapping[str, Any] | None = None) -> Transform | None:
    """Return what makes a network's input of items of a modality: the transform, or one that draws them as its images.

    Args:
        transform: Of images.
        modality: Of the items.
        drawing: How they are drawn, where they are: {"seconds": 2} of sounds.

    Returns:
        None where nothing does.

    Raises:
        InputError: `drawing` is of items that are not drawn, or says what cannot be said of these.

    Example:
        >>> from reprq.data.image.preprocessing import Preprocessing
        >>> reading(Preprocessing(size=32, resize=32), "audio").describe()
        '32 x 32 pixels of a log-Mel spectrogram of 128 bands and 251 frames, 5 s at 16000 Hz'
    """
    if transform.modality == modality:
        if drawing:
            raise InputError(
                f"drawing is of items that are drawn as images, and {modality} items are not; leave it out"
            )
        return transform
    drawn = transform.adapted_to(modality) if isinstance(transform, Adaptable) else None
    if drawn is None or not drawing:
        return drawn
    keys: Sequence[str] = getattr(drawn, "keys", ())
    if other := [key for key in drawing if key not in keys]:
        raise InputError(f"drawing of {modality} items has no key {other[0]!r}; valid are {', '.join(keys)}")
    return drawn.replace(**drawing)


def reading_of(samples: Dataset, transform: Transform, drawing: Mapping[str, Any] | None = None) -> Transform:
    """Return what makes a network's input of samples, as `reading` does.

    Raises:
        InputError: Nothing does: they are neither what the transform takes, nor drawn as such; or as `reading`.
    """
    found = reading(transform, samples.modality, drawing)
    if found is None:
        samples.check_modality(transform.modality)
    assert found is not None
    return found


def table_encoding(samples: Samples, drawing: Mapping[str, Any] | None = None) -> Encoding | None:
    """Return how rows of a table become numbers, as benign ones have them; None of what is no table.

    They are those of the backbone `identity`: numbers as they are, a 0 or 1 for each category.

    Args:
        samples: The benign rows.
        drawing: What of the encoding is not at its default: {"impute": "median", "scaler": "quantile"}.

    Raises:
        InputError: `drawing` has another key or value.
        DataError: Missing cells, if they are not imputed, or a column of words that are no categories.
    """
    if not isinstance(samples, Dataset) or samples.modality != "table":
        return None
    return Encoding().replace(**(drawing or {})).learned(samples)


def table_record(transform: Transform | None) -> dict[str, Any] | None:
    """Return in values of JSON what `table_encoding` learned; None of any other transform."""
    if not isinstance(transform, Encoding):
        return None
    return {**transform.record(), "scales": {name: scale.tolist() for name, scale in transform.scales.items()}}


def table_of_record(record: Mapping[str, Any], drawing: Mapping[str, Any] | None) -> Encoding:
    """Return the encoding of `table_record`."""
    scales = {name: np.asarray(scale) for name, scale in record["scales"].items()}
    return Encoding().replace(**(drawing or {})).with_record(record, scales)


def check_drawing(drawing: Any) -> None:
    """Raise an InputError for a `drawing` that is none, whatever the items."""
    if drawing is not None and not isinstance(drawing, Mapping):
        raise InputError(f"drawing must be keys with values, such as {{'seconds': 2}} of sounds, got {drawing!r}")


def check_width(samples: Samples, columns: int, name: str) -> None:
    """Raise an InputError where rows have not as many columns as those that the detector `name` was fitted on."""
    if not isinstance(samples, Dataset) and samples.shape[1] != columns:
        raise InputError(
            f"X has {samples.shape[1]} features, but {name} is expecting {columns} features as input; give rows as wide"
            " as those it was fitted on"
        )


def check_alike(other: Samples, samples: Samples, name: str) -> None:
    """Raise an InputError where samples that come besides are of another kind or width than those to fit on.

    Args:
        other: They.
        samples: What is fitted on, `X`.
        name: Of the argument: "labelled", "auxiliary".

    Raises:
        DataError: There are none.
    """
    if not len(other):
        raise DataError(f"{name} must hold at least one sample, got none; give some")
    if isinstance(other, Dataset) != isinstance(samples, Dataset):
        raise InputError(f"{name} must hold {noun_of(samples)}s as X does, got {noun_of(other)}s; give such")
    if isinstance(other, Dataset) or isinstance(samples, Dataset) or other.shape[1] == samples.shape[1]:
        return
    wanted, got = samples.shape[1], other.shape[1]
    raise InputError(f"{name} must have {wanted} columns as X has, got {got}; give rows of the same features")


def noun_of(samples: Samples) -> str:
    """Return what one of them is called in a sentence."""
    return samples.noun if isinstance(samples, Dataset) else "row"
