"""Detectors on disk, without pickle: a safetensors file with the name and parameters as JSON.

Beside them stand the benign rows of an array detector, and the weights of a deep one.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reprq.detectors.entries import DETECTORS
from reprq.detectors.raw import Raw
from reprq.detectors.registry import create, name_of
from reprq.detectors.rows.base import ArrayDetector
from reprq.errors import InputError, OutputExistsError
from reprq.numerics.tensors import host
from reprq.storage import write_whole

_NETWORKS = ("backbone", "teacher")
_KEY, _BESIDES = "reprq.detector", "besides."
_DEEP = ("reprq.deep", "reprq.distillation", "reprq.hybrid", "reprq.patch")


def save(detector: Any, path: str | Path, *, force: bool = False) -> None:
    """Write a fitted detector: its name, its parameters, and the rows it was fitted on or the network that it trained.

    Loading fits an array detector again, which every one does to the same numbers; so a file holds no code and no state
    of a library's internals, and outlives them. A deep detector is written by its own `save`.

    Args:
        detector: A fitted detector.
        path: The file to write.
        force: Whether to replace a file that is there.

    Raises:
        NotFittedError: the detector has not been fitted.
        OutputExistsError: the file is there and `force` is False.
        ReprqError: the file cannot be written.
    """
    path = Path(path)
    rows = getattr(detector, "detector_", detector._made()) if isinstance(detector, Raw) else detector
    if not isinstance(rows, ArrayDetector):
        _saver(detector)(path, force=force)
        return
    rows.check_fitted()
    if path.exists() and not force:
        raise OutputExistsError(f"{path} exists already; give another path or force=True")
    spec = {"name": name_of(detector), **detector.get_params()}
    arrays: dict[str, NDArray[Any]] = {"benign": host(rows.benign_)}
    arrays |= {_BESIDES + name: array for name, array in rows.besides().items()}
    classes = None
    if rows.labels_ is not None:
        found, arrays["labels"] = np.unique(rows.labels_, return_inverse=True)
        classes = found.tolist()
    transform = getattr(detector, "transform_", None)
    read = {} if transform is None else {"modality": transform.modality}
    metadata = {_KEY: json.dumps({"spec": spec, "classes": classes, "origin": rows.origin_, **read})}
    write_whole(path, lambda temporary: save_file(arrays, temporary, metadata))


def load(path: str | Path, **given: Any) -> Any:
    """Read a detector that `save` wrote; an array detector is fitted.

    Args:
        path: The file.
        **given: What a deep detector's file does not hold: the device, and of one with a backbone the `backbone` (of a
            distillation also called `teacher`).

    Raises:
        InputError: the file is missing, damaged, or holds no detector; or the backbone is not given.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if (deep := next((key for key in _DEEP if key in metadata), None)) is not None:
                name = json.loads(metadata[deep]).get("detector", "distillation")  # older files do not say
            else:
                header = json.loads(metadata[_KEY])
                arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                spec, classes = header["spec"], header["classes"]
                benign = arrays["benign"]
                labels = None if classes is None else np.asarray(classes)[arrays["labels"]]
                besides = {name[len(_BESIDES) :]: arrays[name] for name in arrays if name.startswith(_BESIDES)}
    except (OSError, SafetensorError, KeyError, ValueError, AttributeError) as error:
        raise InputError(f"{path} must be a detector that reprq saved, got {error!r}; save it again") from error
    if deep is None:
        made = create(spec)
        if isinstance(made, Raw):
            return made.fit_pixels(benign, header.get("modality", "image"))
        fitted = made.fit(benign, labels, **besides)
        fitted.origin_ = header.get("origin", {})  # which files of before did not say
        return fitted
    kind = DETECTORS.find(name).load()
    if "backbone" in DETECTORS.find(name).needs:
        own = next(word for word in _NETWORKS if hasattr(kind, word))
        network = next((given.pop(word) for word in _NETWORKS if word in given), None)
        if network is None:
            raise InputError(f"{path} is a {name}, whose network is not in the file; give load(path, {own}=...)")
        given[own] = network
    return kind.load(path, **given)


def _saver(detector: Any) -> Any:
    """The method by which a detector writes itself."""
    if not callable(method := getattr(detector, "save", None)):
        raise InputError(f"detector must be one that can be saved, got {type(detector).__name__}; save one of rows")
    return method
