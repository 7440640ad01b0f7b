"""A user's own network as a backbone: a module in Python, or `package.module:callable` by name."""

import copy
import importlib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reprq.backbones.assembly import assemble, fit_file
from reprq.backbones.backbone import Backbone
from reprq.backbones.layers.children import child_layers, numbered
from reprq.backbones.layers.selection import Layer, select
from reprq.backbones.layers.stages import is_known, layers_of
from reprq.backbones.layers.submodules import in_order, submodules_named
from reprq.backbones.sources.huggingface import huggingface_layers
from reprq.backbones.sources.timm import timm_head, timm_layers
from reprq.backbones.weights.fitting import Fit
from reprq.data import Transform
from reprq.data.image.preprocessing import Preprocessing
from reprq.errors import InputError, ReprqError, one_line
from reprq.seeding import seeded

_CALLABLE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def as_backbone(
    module: nn.Module,
    *,
    preprocessing: Transform | Mapping[str, Any],
    layers: str | Sequence[str] | None = None,
    name: str | None = None,
) -> Backbone:
    """Return a network of one's own as a backbone.

    The module is copied, so that evaluation mode, a device or further training on either side do not reach the other.

    Args:
        module: A network that takes (N, C, H, W) images, or what else `preprocessing` makes.
        preprocessing: From an image to its input; a mapping changes `Preprocessing`'s defaults, which are ImageNet's.
            For other data a transform (`reprq.data.Transform`).
        layers: The dotted names or globs of the submodules to be its layers, numbered in the order of computation.
            None takes the stages of a known family; for any other network its children that put out tensors (those of
            a list of modules or of a wrapper one by one) and "pooled", the input of a last linear layer.
        name: What to call it; the name of its class by default.

    Raises:
        InputError: Something that is no module, that cannot be copied, or that cannot run on such images.
        UnknownNameError: A layer that there is not.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 2))
        >>> backbone = as_backbone(network, preprocessing={"size": 8})
        >>> [(layer.number, layer.name, layer.layout) for layer in backbone.layers[-2:]]
        [(3, '3', 'ND'), (4, 'pooled', 'ND')]
    """
    return _as_backbone(module, preprocessing, layers, name)


def is_callable_name(name: str) -> bool:
    """Whether a backbone's name is of the form `package.module:callable`."""
    return _CALLABLE.fullmatch(name) is not None


def load_callable(name: str, weights: str | Path, preprocessing: Mapping[str, Any] | None, seed: int) -> Backbone:
    """Return what `package.module:callable` makes, called without arguments under a seed; see `load_backbone`.

    The module is found in the current folder or the environment. The callable gives an `nn.Module` or a `Backbone`.
    """
    with seeded(seed):
        made = _called(name)
    if isinstance(made, Backbone):
        prepared = made.preprocessing.replace(**(preprocessing or {}))
        if str(weights) not in ("default", "random"):
            raise InputError(f"{name} gives a Backbone with its own weights, got {str(weights)!r}; leave them out")
        return replace(made, preprocessing=prepared)
    if not isinstance(made, nn.Module):
        raise InputError(f"{name} must give a torch.nn.Module or a reprq Backbone, got a {type(made).__name__}")
    if not preprocessing or "size" not in preprocessing:
        raise InputError(f"{name} states no preprocessing; give a size (--size), and its mean and std")
    label = f"as {name} makes them (seed={seed})"
    if str(weights) in ("default", "random"):
        return _as_backbone(made, preprocessing, None, name, label)
    path = Path(weights).expanduser()
    fitted = fit_file(made, path, name=name, head=_last_linear(made))
    return _as_backbone(made, preprocessing, None, name, f"file:{path.name}", fitted)


def _as_backbone(
    module: nn.Module,
    preprocessing: Transform | Mapping[str, Any],
    layers: str | Sequence[str] | None,
    name: str | None,
    label: str = "own",
    fitted: Fit | None = None,
) -> Backbone:
    if not isinstance(module, nn.Module):
        raise InputError(f"module must be a torch.nn.Module, got a {type(module).__name__}")
    if any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
        raise InputError(
            "module must be of Python, got TorchScript, whose layers cannot be read; give what it was made of"
        )
    name = name or type(module).__name__
    if any(tensor.is_meta for tensor in chain(module.parameters(), module.buffers())):
        raise InputError(f"{name} must have weights, got some on the meta device, which holds none; load them first")
    prepared = Preprocessing.from_dict(preprocessing) if isinstance(preprocessing, Mapping) else preprocessing
    try:
        network = copy.deepcopy(getattr(module, "_orig_mod", module)).eval().float()  # the module before torch.compile
    except Exception as error:  # a module may hold anything
        raise InputError(
            f"module must be one that copy.deepcopy can copy, got {one_line(error, 300, kind=True)}"
        ) from error
    found = _default_layers(network, prepared) if layers is None else _named_layers(network, layers, prepared, name)
    if not found:
        raise InputError(f"{name} must have submodules that put out tensors, got none; give layers")
    return assemble(name, network, prepared, found, label, fitted=fitted, own=True)


def _named_layers(network: nn.Module, layers: str | Sequence[str], transform: Transform, name: str) -> list[Layer]:
    chosen = select((), layers, name, lambda token: submodules_named(network, token, name))
    return numbered(in_order(network, chosen, transform, optional=[layer.name for layer in chosen]))


def _default_layers(network: nn.Module, transform: Transform) -> list[Layer]:
    if is_known(network):
        return list(layers_of(network))
    stated: Any = getattr(network, "pretrained_cfg", None)
    if isinstance(stated, dict) and hasattr(network, "feature_info"):
        return timm_layers(network, timm_head(stated), transform)
    if type(network).__module__.startswith("transformers."):
        return huggingface_layers(network, transform)
    return child_layers(network, transform)


def _last_linear(network: nn.Module) -> str | None:
    linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    return linear[-1] if linear else None


@contextmanager
def _current_folder() -> Iterator[None]:
    """Let modules of the current folder be imported, as `python -m` does and an installed command does not."""
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path[:] = before


def _called(name: str) -> Any:
    path, _, attribute = name.partition(":")
    importlib.invalidate_caches()  # the file may be younger than the last look into its folder
    with _current_folder():
        try:
            module = importlib.import_module(path)
        except ImportError as error:
            raise InputError(
                f"{name} must be in a module of the current folder or the environment, got {error}"
            ) from error
        except Exception as error:  # other people's code
            raise InputError(f"{path} must import, got {one_line(error, 300, kind=True)}") from error
        make = getattr(module, attribute, None)
        if not callable(make):
            what = "no such name" if make is None else f"a {type(make).__name__}"
            raise InputError(f"{name} must name a callable of {path}, got {what}")
        try:
            return make()
        except ReprqError:
            raise
        except Exception as error:  # other people's code
            raise InputError(
                f"{name} must make a network when called without arguments, got {one_line(error, 300, kind=True)}"
            ) from error
