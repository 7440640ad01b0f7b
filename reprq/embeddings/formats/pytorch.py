"""PyTorch's .pt and .pth files, of which only tensors, NumPy arrays and plain values are loaded."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.embeddings.formats.stored import Stored, read_arrays
from reprq.errors import CacheError, WeightsError


def read_torch(path: Path, key: str | None, labels: str | None) -> Stored:
    """Read a tensor, a list of tensors (one a row), or a mapping of tensors by name, however nested."""
    from reprq.backbones.weights.unpickling import load_inert

    try:
        content = load_inert(path)
    except WeightsError as error:
        if "Python objects" not in str(error):
            raise ValueError("it is damaged or no file of torch.save") from None
        raise CacheError(
            f"{path} holds pickled objects, which are never loaded; save its tensors alone, as in"
            " torch.save({'X': x}, path)"
        ) from None
    if isinstance(content, Mapping) and (rows := _one_vector_each(list(content.values()))) is not None:
        return Stored(rows, ids=np.array([str(name) for name in content]))
    arrays = dict(_named(content, ""))
    if list(arrays) == [""] and key is None and labels is None:
        return Stored(arrays[""])
    return read_arrays(path, {name: array.shape for name, array in arrays.items()}, arrays.__getitem__, key, labels)


def _named(content: Any, name: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays in nested mappings and lists, by dotted names; a list of rows or of labels is one array."""
    if hasattr(content, "detach"):
        tensor = content.detach()
        yield name, (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    elif isinstance(content, np.ndarray):
        yield name, content
    elif isinstance(content, Mapping):
        for inner, value in content.items():
            yield from _named(value, f"{name}.{inner}" if name else str(inner))
    elif isinstance(content, Sequence) and not isinstance(content, str) and len(content):
        rows = _one_vector_each(content)
        if rows is not None:
            yield name, rows
        elif all(isinstance(value, str | int | float) for value in content):
            yield name, np.array(content)
        else:
            for number, value in enumerate(content):
                yield from _named(value, f"{name}.{number}" if name else str(number))


def _one_vector_each(values: Sequence[Any]) -> NDArray[Any] | None:
    """Vectors of one length, (d,) or (1, d) each, as a matrix; None for anything else, which (n, d) and (n,) is."""
    shapes = {tuple(value.shape) if hasattr(value, "shape") else None for value in values}
    if len(values) < 2 or len(shapes) != 1 or None in shapes:
        return None
    (shape,) = shapes
    if shape is None or len(shape) not in (1, 2) or (len(shape) == 2 and shape[0] != 1):
        return None
    return np.stack([array.reshape(-1) for _, array in (next(_named(value, "")) for value in values)])
