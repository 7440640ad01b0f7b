"""torch's files read without running what they name: tensors, plain values and NumPy arrays; the rest becomes inert.

torch.load(weights_only=True) calls nothing but what rebuilds tensors, and refuses a file that names anything else. What
people commonly save beside weights (arguments, paths, dates, configurations) is let through under its name, but what
stands for it there is an empty dictionary or list of our own: no class or function of a file's choosing is ever
imported or called. NumPy's arrays and scalars are the exception, rebuilt by NumPy's own two functions.
"""

import pickle
import re
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.serialization import safe_globals

from reprq.errors import WeightsError

_STANDARD = (
    "argparse",
    "collections",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "pathlib",
    "types",
    "typing",
    "uuid",
)
_CONFIGURATIONS = ("addict", "box", "easydict", "hydra", "ml_collections", "munch", "omegaconf", "yacs", "zoneinfo")
_TRAINERS = (
    "accelerate",
    "lightning",
    "lightning_fabric",
    "lightning_utilities",
    "mmcv",
    "mmengine",
    "pytorch_lightning",
)
_PACKAGES = (*_STANDARD, *_CONFIGURATIONS, *_TRAINERS)
_BUILTINS = ("bool", "bytes", "dict", "float", "frozenset", "int", "list", "object", "range", "slice", "str", "tuple")
_TORCH = ("torch.torch_version.TorchVersion", "torch.optim.lr_scheduler.", "torch.optim.swa_utils.")
_LISTS = ("deque", "UserList", "BoxList")


class _Mapping:
    """What stands for any object: a dictionary, which takes items and attributes and does nothing with them."""

    def __new__(cls, *args: Any) -> Any:
        return OrderedDict()


class _List:
    """What stands for any list."""

    def __new__(cls, *args: Any) -> Any:
        return []


def load_inert(path: Path) -> Any:
    """Return what torch.save wrote, with inert things in the place of harmless objects.

    Raises:
        WeightsError: Damaged, or with other objects than those.
    """
    misnamed = path.suffix == ".safetensors"  # torch.load would take the name's word for it
    mapped = _is_zip(path) and not misnamed
    stand_ins: dict[str, Any] = {}
    while True:
        allowed = [*_numpy(), *((stand_in, name) for name, stand_in in stand_ins.items())]
        try:
            with safe_globals(allowed), warnings.catch_warnings(), path.open("rb") as file:
                warnings.simplefilter("ignore")  # another pickle protocol, an old kind of storage
                return torch.load(file if misnamed else path, map_location="cpu", weights_only=True, mmap=mapped)
        except pickle.UnpicklingError as error:
            name = _refused(str(error))
            if name is None or name in stand_ins or not _harmless(name):
                raise WeightsError(_reason(path, str(error), name)) from error
            stand_ins[name] = _List if name.rpartition(".")[2] in _LISTS else _Mapping
        except Exception as error:  # torch has no one error for a damaged archive
            raise WeightsError(f"the weights file {path} is truncated or damaged; fetch or save it again") from error


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _numpy() -> list[Any]:
    """What rebuilds NumPy's arrays and scalars, under the names of both its versions."""
    array, scalar = np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]
    found: list[Any] = [np.ndarray, np.dtype, *{type(np.dtype(code)) for code in np.typecodes["All"]}]
    for package in ("numpy.core", "numpy._core"):
        found += [(array, f"{package}.multiarray._reconstruct"), (scalar, f"{package}.multiarray.scalar")]
    return found


def _refused(message: str) -> str | None:
    """Return the name of what torch refused to look up; torch leaves out the package of builtins."""
    if found := re.search(r"GLOBAL (\S+)", message):
        return found[1] if "." in found[1] else f"builtins.{found[1]}"
    return None


def _harmless(name: str) -> bool:
    package, _, rest = name.partition(".")
    return package in _PACKAGES or (package == "builtins" and rest in _BUILTINS) or name.startswith(_TORCH)


def _reason(path: Path, message: str, name: str | None) -> str:
    if name is not None:
        return (
            f"the weights file {path} holds Python objects, which are not run here; save its state_dict alone"
            f" (torch.save(network.state_dict(), PATH)); the first of them is {name}"
        )
    if "Unsupported operand" in message:
        return (
            f"the weights file {path} is damaged or not a PyTorch state dict of pickle protocol 2; save the state_dict"
            f" again with torch.save and its default protocol"
        )
    return f"the weights file {path} is damaged or not a PyTorch state dict"
