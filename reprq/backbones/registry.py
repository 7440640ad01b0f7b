"""Backbones by name, with their weights."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reprq.backbones import weights as files
from reprq.backbones.architectures import (
    OWN,
    build_network,
    default_preprocessing,
    default_weights,
    torchvision_names,
)
from reprq.backbones.backbone import Backbone
from reprq.backbones.downloads import default_weights_file
from reprq.backbones.layers import Layer
from reprq.backbones.preprocessing import Preprocessing
from reprq.backbones.stages import layers_of
from reprq.errors import InputError, ReprqError, WeightsError

_TEACHER = "teacher:"


@dataclass(frozen=True)
class BackboneInfo:
    """What can be said of a backbone without loading it."""

    name: str
    source: str
    default_weights: str | None
    parameters: int | None


def available() -> list[BackboneInfo]:
    """Return every backbone that `load_backbone` knows by name, our own first.

    Example:
        >>> available()[1]
        BackboneInfo(name='cifar_resnet20', source='reprq', default_weights=None, parameters=269722)
    """
    with torch.device("meta"):
        own = [BackboneInfo(name, "reprq", None, _count(build_network(name))) for name in OWN]
    theirs = [(name, default_weights(name)) for name in torchvision_names()]
    return own + [BackboneInfo(name, "torchvision", w.name, w.meta["num_params"]) for name, w in theirs]


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def load_backbone(
    name: str, weights: str | Path = "default", *, preprocessing: Mapping[str, Any] | None = None, seed: int = 0
) -> Backbone:
    """Return a backbone in evaluation mode, float32, on the CPU.

    Args:
        name: A torchvision classification model, "lenet", "cifar_resnet20" and the like, or "teacher:PATH" for a
            teacher that reprq trained.
        weights: "default" (torchvision's, downloaded once), "random", or the path of a safetensors or state-dict file.
            The number of classes follows the file. A file may hold the features only, or be cut off at some depth: the
            layers that it does not reach are then left out, and a note says so.
        preprocessing: Values that differ from what the default weights expect; see `Preprocessing.replace`.
        seed: Seed of random weights.

    Raises:
        UnknownNameError: No such backbone.
        InputError: Preprocessing with an unknown key or a wrong value, or that the network cannot take.
        WeightsError: A file that is missing, truncated, foreign or of another architecture.
        DownloadError: Default weights that are neither cached nor to be had.

    Example:
        >>> backbone = load_backbone("resnet18", "random", preprocessing={"size": 64})
        >>> [layer.name for layer in backbone.select_layers("0,3-4,-1")]
        ['stem', 'layer3', 'layer4', 'pooled']
        >>> backbone.weights, backbone.preprocessing.size
        ('random(seed=0)', 64)
    """
    if name.startswith(_TEACHER):
        return _load_teacher(name, weights, preprocessing)
    prepared = default_preprocessing(name).replace(**(preprocessing or {}))
    if str(weights) == "random":
        return _assemble(name, _build(name, prepared, seed=seed), prepared, f"random(seed={seed})")
    if str(weights) == "default":
        path, entry = default_weights_file(name)
        label = f"default: {entry}"
    else:
        path = Path(weights).expanduser()
        label = f"file:{path.name}"
    state = files.read_state(path)
    network = _build(name, prepared)
    fitted = files.fit(network, state, name=name, source=path.name)
    return _assemble(name, network, prepared, label, fitted)


def _build(name: str, preprocessing: Preprocessing, seed: int = 0, **arguments: Any) -> nn.Module:
    options = {"in_channels": preprocessing.in_channels, "size": preprocessing.size} | arguments
    return build_network(name, seed=seed, **options)


def _assemble(
    name: str, network: nn.Module, preprocessing: Preprocessing, weights: str, fitted: files.Fit | None = None
) -> Backbone:
    layers = layers_of(network)
    missing = fitted.missing[0] if fitted and fitted.missing else None
    reached = [layer for layer in layers if missing is None or _before(network, layer, missing)]
    if fitted and not reached:
        message = f"the weights in {weights} reach no layer of {name}: {'; '.join(fitted.notes)}; give a whole file"
        raise WeightsError(message)
    unloaded = tuple(layer for layer in layers if layer not in reached)
    notes = list(fitted.notes if fitted else ())
    if unloaded:
        notes.append(f"left out: {', '.join(f'{layer.number} {layer.name}' for layer in unloaded)}")
    return Backbone(
        name=name,
        network=network.eval(),
        preprocessing=preprocessing,
        layers=tuple(reached),
        weights=weights,
        weights_digest=files.digest(network, fitted.loaded if fitted else None),
        notes=tuple(notes),
        unloaded=unloaded,
    )


def _before(network: nn.Module, layer: Layer, key: str) -> bool:
    """Whether a layer is computed without the weight `key`, by the order in which the network registers its modules."""
    order = [name for name, _ in network.named_modules()]
    owner = key.rpartition(".")[0]
    inside = owner == layer.module or owner.startswith(f"{layer.module}.")
    return (inside and layer.where == "input") or (not inside and order.index(layer.module) < order.index(owner))


def _load_teacher(name: str, weights: str | Path, preprocessing: Mapping[str, Any] | None) -> Backbone:
    if str(weights) != "default":
        raise InputError(f"{name} brings its own weights, got weights {str(weights)!r}; leave them out")
    path = Path(name.removeprefix(_TEACHER)).expanduser()
    text = files.read_metadata(path).get("reprq")
    if text is None:
        raise WeightsError(f"{path} is not a teacher of reprq: its metadata has no key 'reprq'; name its architecture")
    try:
        made = json.loads(text)
        architecture = str(made["architecture"])
        prepared = Preprocessing.from_dict(made["preprocessing"]).replace(**(preprocessing or {}))
        network = _build(architecture, prepared, **made.get("arguments", {}))
    except ReprqError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"{path} is not a teacher of reprq: its metadata is damaged; train it again") from error
    fitted = files.fit(network, files.read_state(path), name=architecture, source=path.name)
    backbone = _assemble(architecture, network, prepared, f"{_TEACHER}{path.name}", fitted)
    note = f"a {architecture} trained on the task {made.get('task')!r}"
    return replace(backbone, notes=(note, *backbone.notes))
