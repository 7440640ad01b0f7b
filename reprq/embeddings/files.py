"""Embeddings that somebody else extracted, from .npy and .npz files."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from reprq.embeddings.embeddings import Embeddings
from reprq.errors import CacheError, InputError

LABEL_NAMES = ("y", "labels", "label")


def load_embeddings(path: Path | str, key: str | None = None) -> Embeddings:
    """Read an (n, d) array, and labels where the file has them, without unpickling anything.

    Args:
        path: A `.npy` file, or an `.npz` file with one two-dimensional array (or the one named by `key`) and, if it
            has them, labels (n,) under `y`, `labels` or `label`.
        key: The name of the array in an `.npz` file that has several.

    Returns:
        The embeddings; their layer is the file's name.

    Raises:
        CacheError: the file is missing, truncated, foreign, or holds pickled objects.
        InputError: no array or several fit, or the array is not a finite (n, d) matrix.
    """
    path = Path(path)
    if path.suffix not in (".npy", ".npz"):
        raise CacheError(f"{path} must be a .npy or .npz file; save the embeddings with numpy.save")
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            arrays = {"": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except FileNotFoundError:
        raise CacheError(f"the embeddings file {path} does not exist; check the path") from None
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise CacheError(f"{path} cannot be read as embeddings ({error}); save them with numpy.save") from None
    matrices = [name for name, array in arrays.items() if array.ndim == 2]
    if key is None and len(matrices) != 1 and "" not in arrays:
        raise InputError(
            f"{path} must hold one (n, d) array, got {matrices or 'none'}; name one of {list(arrays)} as key"
        )
    if key is not None and key not in arrays:
        raise InputError(f"key must be an array of {path}, got {key!r}; it has {list(arrays)}")
    array = arrays[key if key is not None else (matrices or [""])[0]]
    labels = next((arrays[name] for name in LABEL_NAMES if name in arrays and arrays[name].ndim == 1), None)
    provenance = {"backbone": "file", "file": path.name}
    return Embeddings(array, path.stem, labels=labels, provenance=provenance)
