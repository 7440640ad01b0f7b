"""Detectors on disk, without pickle: a safetensors file of the benign rows, with the name and parameters as JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reprq.detectors.registry import create, name_of
from reprq.detectors.rows.base import ArrayDetector
from reprq.errors import InputError, OutputExistsError
from reprq.storage import write_whole

_KEY = "reprq.detector"


def save(detector: ArrayDetector, path: str | Path, *, force: bool = False) -> None:
    """Write a fitted detector: its name, its parameters and the rows it was fitted on.

    Loading fits it again, which every detector does to the same numbers; so a file holds no code and no state of a
    library's internals, and outlives them.

    Args:
        detector: A fitted array detector.
        path: The file to write.
        force: Whether to replace a file that is there.

    Raises:
        NotFittedError: the detector has not been fitted.
        OutputExistsError: the file is there and `force` is False.
        ReprqError: the file cannot be written.
    """
    path = Path(path)
    detector.check_fitted()
    if path.exists() and not force:
        raise OutputExistsError(f"{path} exists already; give another path or force=True")
    spec = {"name": name_of(detector), **detector.get_params()}
    arrays: dict[str, NDArray[Any]] = {"benign": detector.benign_}
    classes = None
    if detector.labels_ is not None:
        found, arrays["labels"] = np.unique(detector.labels_, return_inverse=True)
        classes = found.tolist()
    metadata = {_KEY: json.dumps({"spec": spec, "classes": classes})}
    write_whole(path, lambda temporary: save_file(arrays, temporary, metadata))


def load(path: str | Path) -> Any:
    """Read a detector that `save` wrote, and fit it.

    Raises:
        InputError: the file is missing, damaged, or holds no detector.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})[_KEY])
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        spec, classes = header["spec"], header["classes"]
        benign = arrays["benign"]
        labels = None if classes is None else np.asarray(classes)[arrays["labels"]]
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path} must be a detector that reprq saved, got {error!r}; save it again") from error
    return create(spec).fit(benign, labels)
