"""Weights files: read without running any code in them, part by part."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from reprq.backbones.weights.file_kinds import archive_kind, folder_kind, kind_of
from reprq.backbones.weights.unpickling import load_inert
from reprq.errors import WeightsError

State = dict[str, torch.Tensor]

_NO_WEIGHTS = re.compile(r"optim|^opt$|sched|momentum_buffer|exp_avg|^(ema_)?grads?$", re.IGNORECASE)

_DEEPEST = 40


def split_part(weights: str | Path) -> tuple[Path, str | None]:
    """Return the file of `PATH` or `PATH#PART`, and the part; a file whose own name has a "#" is a file.

    Example:
        >>> split_part("runs/last.ckpt#model_ema")
        (PosixPath('runs/last.ckpt'), 'model_ema')
    """
    path = Path(weights).expanduser()
    before, mark, part = str(path).rpartition("#")
    return (path, None) if not mark or path.exists() else (Path(before), part)


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file, empty where it has none.

    Raises:
        WeightsError: Missing, truncated, or not a safetensors file.
    """
    _check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise WeightsError(_unreadable_safetensors(path, error)) from error


def read_parts(path: Path) -> dict[str, State]:
    """Return every mapping of tensors in a safetensors file or what torch.save wrote, by where it is nested.

    A state dict that is the file itself is the part ""; one under "model" or in a list under "models" is "model" or
    "models.0". The states of optimizers are left out. Nothing in the file is executed.

    Raises:
        WeightsError: Missing, truncated, not a weights file, or with Python objects that only unpickling could read.
    """
    start = _check_file(path)
    if start.startswith((b"PK", b"\x80")) and not _is_safetensors(start):
        if other := archive_kind(path) or kind_of(start, path):
            raise WeightsError(_not_weights(path, other))
        content = load_inert(path)
        if not isinstance(content, (Mapping, list, tuple)):
            raise WeightsError(f"the weights file {path} holds a {type(content).__name__}, not a state dict")
    else:
        content = _read_safetensors(path)
    parts = {where: state for where, state in _nested(content, "", set()) if state}
    if parts:
        return parts
    if not isinstance(content, Mapping):
        raise WeightsError(f"the weights file {path} holds a {type(content).__name__}, not a state dict")
    raise WeightsError(f"the weights file {path} holds no tensors; give a state dict or a safetensors file")


def _nested(content: Any, where: str, seen: set[int]) -> Iterator[tuple[str, State]]:
    """Yield the tensors of a mapping, then those of the mappings and lists in it, each of which is searched once."""
    if isinstance(content, Mapping):
        tensors = ((str(key), _as_tensor(value)) for key, value in content.items())
        yield where, {key: value for key, value in tensors if value is not None}
        items = [(str(key), value) for key, value in content.items()]
    else:
        items = [(str(number), value) for number, value in enumerate(content) if isinstance(value, Mapping)]
    if id(content) in seen or where.count(".") > _DEEPEST:
        return
    seen.add(id(content))
    for key, value in items:
        if isinstance(value, (Mapping, list, tuple)) and not _NO_WEIGHTS.search(key):
            yield from _nested(value, f"{where}.{key}" if where else key, seen)


def _as_tensor(value: Any) -> torch.Tensor | None:
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return torch.from_numpy(np.ascontiguousarray(value).astype(value.dtype.newbyteorder("=")))
    return value.detach() if isinstance(value, torch.Tensor) else None


def _check_file(path: Path) -> bytes:
    """Return the first bytes of a file."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise WeightsError(f"the weights file {path} {what}; {folder_kind(path)}")
    try:
        with path.open("rb") as file:
            return file.read(32)
    except OSError as error:
        raise WeightsError(f"the weights file {path} cannot be read: {error.strerror}") from error


def _is_safetensors(start: bytes) -> bool:
    """Whether a file begins with the length of a header (below 256 TB) and the header's brace."""
    return start[6:9] == b"\0\0{"


def _read_safetensors(path: Path) -> State:
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(_unreadable_safetensors(path, error)) from error


def _unreadable_safetensors(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(32)
    if not _is_safetensors(start):
        return _not_weights(path, kind_of(start, path))
    return f"the weights file {path} is truncated or damaged ({error}); fetch or save it again"


def _not_weights(path: Path, kind: str) -> str:
    return f"{path} is not a weights file: neither safetensors nor a PyTorch state dict{kind}"
