"""MATLAB's .mat and HDF5 files (h5py, the optional extra `hdf5`)."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.embeddings.formats.arrays import check_fits
from reprq.embeddings.formats.stored import Stored, read_arrays
from reprq.errors import CacheError
from reprq.optional import require


def read_mat(path: Path, key: str | None, labels: str | None) -> Stored:
    """Read a .mat file; one of version 7.3 is an HDF5 file with its axes in the other order."""
    with path.open("rb") as file:
        if b"MATLAB 7.3" in file.read(128):
            return _read_hdf5(path, key, labels, reverse=True)
    from scipy.io import loadmat

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*spmatrix")  # sparse matrices of either kind are taken
        content = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    arrays = dict(_flattened(content))
    return read_arrays(path, {name: array.shape for name, array in arrays.items()}, arrays.__getitem__, key, labels)


def read_hdf5(path: Path, key: str | None, labels: str | None) -> Stored:
    """Read the data sets asked for of an HDF5 file, in whatever groups they are."""
    return _read_hdf5(path, key, labels, reverse=False)


def _read_hdf5(path: Path, key: str | None, labels: str | None, reverse: bool) -> Stored:
    h5py: Any = require("h5py", "hdf5", path, error=CacheError)
    with h5py.File(path, "r") as file:
        found: dict[str, Any] = {}

        def note(name: str, node: Any) -> None:
            if isinstance(node, h5py.Dataset) and node.shape is not None and not name.startswith("#refs#"):
                found[name] = node

        file.visititems(note)

        def get(name: str) -> NDArray[Any]:
            check_fits(path, found[name].nbytes)
            array = np.asarray(found[name][()])
            return _row_as_column(array.T) if reverse else array

        shapes = {name: node.shape[::-1] if reverse else node.shape for name, node in found.items()}
        if reverse:
            shapes = {name: shape[1:] if len(shape) == 2 and shape[0] == 1 else shape for name, shape in shapes.items()}
        return read_arrays(path, shapes, get, key, labels)


def _flattened(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays of a .mat file by name, those of structures as `name.field`; sparse ones are made dense."""
    for name, value in content.items():
        array = value.toarray() if hasattr(value, "toarray") else np.asarray(value)
        if array.dtype.names and array.size == 1:
            fields = {field: array[field].flat[0] for field in array.dtype.names}
            yield from _flattened(fields, f"{prefix}{name}.")
            continue
        if array.dtype == np.object_:  # a cell array, of texts where it holds labels
            array = np.array([str(np.squeeze(cell)) for cell in array.flat])
        yield f"{prefix}{name}", _row_as_column(array)


def _row_as_column(array: NDArray[Any]) -> NDArray[Any]:
    """MATLAB has no vectors: (1, n) becomes (n,)."""
    return array[0] if array.ndim == 2 and array.shape[0] == 1 else array
