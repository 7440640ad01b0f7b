"""Models on disk: a folder of JSON and safetensors, without pickle, written whole or not at all.

`model.json` says how the model was made; `detector.safetensors` is what `reprq.detectors.save` writes of the detector;
`calibration.safetensors` holds the scores of held-out samples where the detector cannot be asked for them again;
`weights.safetensors` holds the weights of the backbone where that was asked for; `learned.safetensors` what it learned
from benign samples where it learns.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_tensors

from reprq.backbones import Backbone, load_backbone
from reprq.backbones.entries import learns
from reprq.backbones.learning import Learned
from reprq.detectors import load as load_detector
from reprq.detectors import save as save_detector
from reprq.detectors.calibration import Calibration, calibrate
from reprq.detectors.rows.base import ArrayDetector
from reprq.errors import InputError, OutputExistsError, ReprqError, WeightsError, one_line
from reprq.models.embedder import Embedder
from reprq.models.model import Model
from reprq.storage import write_text, write_whole

FORMAT = 2
_MODEL, _DETECTOR, _CALIBRATION, _WEIGHTS, _LEARNED = (
    "model.json",
    "detector.safetensors",
    "calibration.safetensors",
    "weights.safetensors",
    "learned.safetensors",
)


def save_model(model: Model, path: str | Path, *, with_weights: bool = False, force: bool = False) -> None:
    """Write a model to a folder.

    Args:
        model: A fitted model.
        path: The folder, which is made.
        with_weights: Whether the weights of the backbone are written too, so that nothing else is needed.
        force: Whether to replace a model that is there.

    Raises:
        OutputExistsError: Something is there and `force` is False, or what is there is no model.
        InputError: The backbone came as an object, cannot be found again by its name, and its weights are not written.
        ReprqError: The folder cannot be written.
    """
    path = Path(path)
    check_free(path, force)
    known, network = model.record["backbone"], _network_of(model)
    learned = network is not None and network.learned is not None
    whole = learned and network is not None and network.recipe is not None  # what it learned is all that it has
    if known is not None and known["weights"] is None and not with_weights and not whole:
        raise InputError(
            f"backbone {known['name']} was given as an object, which a model cannot find again; save it with"
            " with_weights=True, or fit with the backbone's name"
        )
    temporary = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        temporary.mkdir(parents=True)
        save_detector(model.detector, temporary / _DETECTOR)
        if learned or not isinstance(model.detector, ArrayDetector):
            held = {"held_out": model.calibration.folds[0][1], "distinct": np.array([model.calibration.distinct])}
            write_whole(temporary / _CALIBRATION, lambda file: save_file(held, file))
        if learned and network is not None:
            network.save_learned(temporary / _LEARNED)
        if with_weights and not whole and network is not None:
            state = {name: x.detach().cpu().contiguous() for name, x in network.network.state_dict().items()}
            write_whole(temporary / _WEIGHTS, lambda file: save_tensors(state, file))
        record = {"format": FORMAT, **model.record, "reads_rows": model.reads_rows, "with_weights": with_weights}
        record["files"] = {file.name: _digest(file) for file in sorted(temporary.iterdir())}
        write_text(temporary / _MODEL, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        _put(temporary, path)
    except (OSError, SafetensorError) as error:
        raise ReprqError(f"{path} cannot be written: {getattr(error, 'strerror', None) or one_line(error)}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_free(path: Path, force: bool) -> None:
    """Raise an OutputExistsError where something stands at a path that may not be replaced.

    Raises:
        ReprqError: No folder can be made there.
    """
    if not path.exists():
        above = next(parent for parent in path.absolute().parents if parent.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise ReprqError(f"{path} cannot be written: {above} takes no folder; give another path")
        return
    if not (path / _MODEL).is_file():
        raise OutputExistsError(f"{path} exists and is no model of reprq; give another path")
    if not force:
        raise OutputExistsError(f"{path} exists; give another path, or force=True (--force) to replace it")


def _put(temporary: Path, path: Path) -> None:
    """Rename a folder to its place, what stood there aside until it is there."""
    old = path.with_name(f"{temporary.name}.old")
    if path.exists():
        path.rename(old)
    temporary.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def load_model(
    path: str | Path,
    *,
    backbone: Backbone | None = None,
    weights: str | Path | None = None,
    device: str = "cpu",
) -> Model:
    """Read a model that `save` wrote; it gives the scores that it gave.

    Args:
        path: The folder.
        backbone: The network, where it is not to be loaded by its name.
        weights: The file of its weights, where it is no longer where it was.
        device: A torch device.

    Raises:
        InputError: The folder is missing, damaged, or holds no model.
        WeightsError: The backbone is not to be had, or its weights are others than those of the fitting.
    """
    path = Path(path)
    if not (path / _MODEL).is_file():
        raise InputError(f"{path} must be a model that `reprq fit` wrote, got no {_MODEL} in it; give its folder")
    try:
        record = json.loads((path / _MODEL).read_text(encoding="utf-8"))
        if not isinstance(record, dict) or "format" not in record:
            raise InputError(f"{path} must be a model that `reprq fit` wrote, got a {_MODEL} of something else")
        if record["format"] != FORMAT:
            raise InputError(
                f"{path} must be a model of format {FORMAT}, got format {record['format']}; use the reprq that wrote it"
            )
        _check_files(path, record.pop("files"))
        reads_rows, known = record["reads_rows"], record["backbone"]
        network = None if known is None else _network(path, known, record["with_weights"], backbone, weights)
        given: dict[str, Any] = {} if network is None else {"backbone": network}
        held_out = (path / _CALIBRATION).exists()
        array = not held_out or bool(record.get("scales"))  # a detector of rows
        detector = load_detector(path / _DETECTOR, **({} if array else {**given, "device": device}))
        if not held_out:
            calibration = calibrate(detector, record["false_alarms"])
        else:
            held = load_file(path / _CALIBRATION)
            folds = ((detector, held["held_out"]),)
            calibration = Calibration(folds, int(held["distinct"][0]), record["false_alarms"])
        embedder = None
        if array and network is not None:
            layers, scales = tuple(record["layers"]), tuple(record["scales"])
            embedder = Embedder(network, layers, record["pooling"], scales, device, record["batch_size"])
    except ReprqError:
        raise
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{path} must be a model that `reprq fit` wrote, got {one_line(error, kind=True)}") from error
    return Model(detector, calibration, embedder, record, reads_rows)


def _digest(file: Path) -> str:
    """SHA-256 (hex) of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _check_files(path: Path, digests: Mapping[str, str]) -> None:
    """Raise an InputError where a file of a model is not the one that was written."""
    for name, digest in digests.items():
        if not (path / name).is_file():
            raise InputError(f"{path} must be a model that `reprq fit` wrote, got no {name} in it; fit again")
        if _digest(path / name) != digest:
            raise InputError(f"{path} must be as `reprq fit` wrote it, got a {name} that was changed; fit again")


def _network(
    path: Path, known: Mapping[str, Any], with_weights: bool, given: Backbone | None, weights: str | Path | None
) -> Backbone:
    """The backbone, by its name or as it is given, which must be the one of the fitting."""
    learned = Learned.load(path / _LEARNED) if (path / _LEARNED).exists() else None
    if given is None:
        stored = path / _WEIGHTS if with_weights and (path / _WEIGHTS).exists() else known["weights"]
        whole = learned is not None and learns(known["name"])
        source = weights if weights is not None else "default" if whole else stored
        if source not in ("default", "random") and not Path(source).expanduser().exists():
            raise WeightsError(
                f"the weights of {known['name']} must be where they were at the fitting, {source}; give their file"
                " (weights, --weights), or fit with --with-weights"
            )
        given = load_backbone(known["name"], source, preprocessing=known["preprocessing"], seed=known["seed"])
    if learned is not None and given.learned is None:
        given = given.with_learned(learned)
    if given.weights_digest != known["weights_digest"]:
        raise WeightsError(
            f"the backbone of {path} must have the weights of the fitting (digest {known['weights_digest'][:12]}), got"
            f" others ({given.weights_digest[:12]}); fit again, or give the weights of the fitting"
        )
    if given.preprocessing.overrides() != known["preprocessing"]:
        raise WeightsError(f"the backbone given for {path} must have the preprocessing of the fitting; fit again")
    return given


def _network_of(model: Model) -> Backbone | None:
    """The backbone of a model: the embedder's, or the detector's own."""
    if model.embedder is not None:
        return model.embedder.backbone
    found = getattr(model.detector, "backbone", None) or getattr(model.detector, "teacher", None)
    return found if isinstance(found, Backbone) else None
