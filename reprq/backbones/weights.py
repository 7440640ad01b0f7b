"""Weights files: read without running any code in them, fitted to a network, and digested."""

import hashlib
import json
import pickle
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn
from torchvision.models.vision_transformer import interpolate_embeddings

from reprq.errors import WeightsError

State = dict[str, torch.Tensor]

_NESTS = ("state_dict", "model", "model_state_dict")
_WRAPPERS = ("module", "backbone", "encoder", "model", "encoder_q")
# Names that torchvision's own older files use: densenets before 2018, vision transformers before 2022.
_LEGACY = (
    (re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)"), r"\1\2"),
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)


@dataclass(frozen=True)
class Fit:
    """How a file fitted a network: which keys of the network it filled, and what else there is to say."""

    loaded: frozenset[str]
    missing: tuple[str, ...]
    notes: tuple[str, ...]


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


def read_state(path: Path) -> State:
    """Return the float32 tensors of a safetensors file or a PyTorch state dict, by name.

    A state dict may be nested under "state_dict" or "model". Nothing in the file is executed.

    Raises:
        WeightsError: Missing, truncated, not a weights file, with a nan or an inf, or with Python objects that only
            unpickling could read.
    """
    start = _check_file(path)
    state = _read_torch(path) if start.startswith((b"PK", b"\x80")) else _read_safetensors(path)
    state = {key: value.float() for key, value in state.items()}
    if not state:
        raise WeightsError(f"the weights file {path} holds no tensors; give a state dict or a safetensors file")
    for key, value in state.items():
        if not torch.isfinite(value).all():
            raise WeightsError(f"the weights file {path} has a nan or an inf in {key!r}; give another file")
    return state


def _check_file(path: Path) -> bytes:
    """Return the first bytes of a file."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise WeightsError(f"the weights file {path} {what}; give 'default', 'random' or the path of a file")
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError as error:
        raise WeightsError(f"the weights file {path} cannot be read: {error.strerror}") from error


def _read_safetensors(path: Path) -> State:
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(_unreadable_safetensors(path, error)) from error


def _unreadable_safetensors(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        if file.read(9)[8:] != b"{":
            return f"{path} is not a weights file: neither safetensors nor a PyTorch state dict"
    return f"the weights file {path} is truncated or damaged ({error}); fetch or save it again"


def _read_torch(path: Path) -> State:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error):
            raise WeightsError(
                f"the weights file {path} holds Python objects, which are not run here; save its state_dict alone"
            ) from error
        raise WeightsError(f"the weights file {path} is damaged or not a PyTorch state dict") from error
    except Exception as error:  # torch has no one error for a damaged archive
        raise WeightsError(f"the weights file {path} is truncated or damaged; fetch or save it again") from error
    for nest in _NESTS:
        if isinstance(content, Mapping) and isinstance(content.get(nest), Mapping):
            content = content[nest]
    if not isinstance(content, Mapping):
        raise WeightsError(f"the weights file {path} holds a {type(content).__name__}, not a state dict")
    return {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}


def fit(network: nn.Module, state: State, *, name: str, source: str, head: str | None = None) -> Fit:
    """Copy `state` into `network`, with a new head where the number of classes differs.

    Prefixes ("module.", "backbone.", "encoder." and the like, in any nesting) are taken off where that matches more
    keys. Keys may be missing at the deep end only: a network without its head, or cut off at some depth. Keys of parts
    that the architecture does not have (projection heads, auxiliary classifiers) are passed over.

    Args:
        network: The network, changed in place.
        state: Float32 tensors by name.
        name: The architecture, for the message.
        source: The file, for the message.
        head: Dotted path of the classifier, None where there is none.

    Raises:
        WeightsError: The weights are of another architecture; says how many keys match.
    """
    expected = _weights_of(network)
    state = _adapted(network, _without_prefix(_renamed(state), expected))
    _resize_head(network, state, head)
    expected = _weights_of(network)
    matching = {key for key, value in state.items() if key in expected and value.shape == expected[key].shape}
    order = list(expected)
    missing = [key for key in order if key not in state]
    foreign = _foreign(network, state, expected, head)
    unequal = [key for key in order if key in state and key not in matching]
    if unequal or foreign or not matching or missing != order[len(order) - len(missing) :]:
        why = _first_difference(state, expected, unequal, missing, foreign)
        raise WeightsError(
            f"the weights in {source} are not of {name}: {len(matching)} of {len(expected)} keys match ({why});"
            f" name the architecture that they are of"
        )
    with torch.no_grad():
        for key in matching:
            expected[key].copy_(state[key])
    notes = [f"{source} lacks {_some(missing)}"] if missing else []
    if extra := [key for key in state if key not in expected]:
        notes.append(f"passed over {_some(extra)} of {source}")
    return Fit(frozenset(matching), tuple(missing), tuple(notes))


def _weights_of(network: nn.Module) -> State:
    """Return the tensors of a network by name, in the order of depth, sharing its memory."""
    return {key: value for key, value in network.state_dict().items() if not _counts(key)}


def _counts(key: str) -> bool:
    """Whether a key is a counter of batches, which no embedding depends on and which older files do not have."""
    return key.endswith("num_batches_tracked")


def _renamed(state: State) -> State:
    renamed = {}
    for key, value in state.items():
        if _counts(key):
            continue
        for pattern, replacement in _LEGACY:
            key = pattern.sub(replacement, key)
        renamed[key] = value
    return renamed


def _without_prefix(state: State, expected: Iterable[str]) -> State:
    """Return the variant of `state` that shares most keys with `expected`; the plain one wins a tie."""
    names = set(expected)
    prefixes = {prefix for key in state for prefix in _prefixes(key)}
    best = max(sorted(prefixes, key=len), key=lambda prefix: sum(f"{prefix}{key}" in state for key in names))
    return {key.removeprefix(best): value for key, value in state.items() if key.startswith(best)}


def _prefixes(key: str) -> list[str]:
    """Return "" and every beginning of a key that is made of wrappers: "", "module.", "module.encoder."."""
    wrappers = list(takewhile(_WRAPPERS.__contains__, key.split(".")[:-1]))
    return ["".join(f"{wrapper}." for wrapper in wrappers[:n]) for n in range(len(wrappers) + 1)]


def _adapted(network: nn.Module, state: State) -> State:
    """Interpolate the positions of a vision transformer, should it have been trained on another size."""
    key = "encoder.pos_embedding"
    if type(network).__name__ != "VisionTransformer" or key not in state:
        return state
    here: Any = network
    if state[key].shape != here.encoder.pos_embedding.shape and state[key].shape[-1] == here.hidden_dim:
        return dict(interpolate_embeddings(here.image_size, here.patch_size, dict(state)))
    return state


def _resize_head(network: nn.Module, state: State, name: str | None) -> None:
    head = network.get_submodule(name) if name else None
    weight = state.get(f"{name}.weight")
    if weight is None or not isinstance(head, (nn.Linear, nn.Conv2d)):
        return
    own = head.weight
    if weight.shape == own.shape or weight.shape[1:] != own.shape[1:]:
        return
    classes, width = weight.shape[:2]
    new = nn.Linear(width, classes, head.bias is not None) if own.ndim == 2 else nn.Conv2d(width, classes, 1)
    network.set_submodule(str(name), new)


def _foreign(network: nn.Module, state: State, expected: State, head: str | None) -> list[str]:
    """Return the keys inside parts that the network has, other than its classifier, which it does not know."""
    parts = {name for name, _ in network.named_children()} - {(head or "").split(".")[0]}
    return [key for key in state if key not in expected and key.split(".")[0] in parts]


def _first_difference(state: State, expected: State, unequal: list[str], missing: list[str], foreign: list[str]) -> str:
    if unequal:
        there, here = tuple(state[unequal[0]].shape), tuple(expected[unequal[0]].shape)
        return f"{unequal[0]} is {there} there and {here} here"
    if foreign:
        return f"unknown here: {_some(foreign)}"
    return f"missing there: {_some(missing)}"


def _some(keys: list[str]) -> str:
    rest = len(keys) - 2
    return ", ".join(keys[:2]) + (f" and {rest} more" if rest > 0 else "")


def digest(network: nn.Module, keys: Iterable[str] | None = None) -> str:
    """Return the SHA-256 (hex) over name, dtype, shape and bytes of a network's weights, in the order of their names.

    Args:
        network: The network.
        keys: Which weights; None takes all. Counters of batches are left out.
    """
    state = _weights_of(network)
    sha = hashlib.sha256()
    for key in sorted(state if keys is None else keys):
        value = state[key].detach().cpu().contiguous()
        sha.update(json.dumps([key, str(value.dtype), list(value.shape)]).encode())
        sha.update(value.numpy().tobytes())
    return sha.hexdigest()
