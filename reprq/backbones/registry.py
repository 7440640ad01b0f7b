"""Backbones by name, with their weights."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reprq.backbones.assembly import assemble, fit_file
from reprq.backbones.backbone import Backbone
from reprq.backbones.entries import BACKBONES, modalities_of, source_names
from reprq.backbones.layers.stages import head_of, layers_of
from reprq.backbones.learning import Learned
from reprq.backbones.sources import python, timm
from reprq.backbones.sources.architectures import (
    OWN,
    build_network,
    default_preprocessing,
    default_weights,
    torchvision_names,
)
from reprq.backbones.sources.downloads import default_weights_file
from reprq.backbones.weights.files import read_metadata
from reprq.data import Transform
from reprq.data.image.preprocessing import Preprocessing
from reprq.errors import InputError, ReprqError, UnknownNameError, WeightsError

_TEACHER = "teacher:"
_OF_NAMES = ("reprq", "torchvision")  # sources whose networks are called by their own names
_MOST_COUNTED = 60


@dataclass(frozen=True)
class BackboneInfo:
    """What can be said of a backbone without loading it.

    Attributes:
        name: As `load_backbone` takes it.
        source: Which source has it.
        default_weights: What they are called; None where there are none, or its source must be asked.
        parameters: How many; None where that is not known.
        takes: The modalities of the data that it goes with.
    """

    name: str
    source: str
    default_weights: str | None
    parameters: int | None
    takes: tuple[str, ...] = ()


def available(search: str = "", source: str | None = None) -> list[BackboneInfo]:
    """Return the backbones that `load_backbone` knows by name, our own first, then torchvision's, then timm's.

    timm's are listed where it is installed. It does not state their parameters, and counting takes a moment for each:
    they are counted if no more than 60 are listed.

    Args:
        search: What the name contains, whatever its case.
        source: "reprq", "torchvision", "timm" or that of another package; None for all.

    Raises:
        UnknownNameError: No such source.

    Example:
        >>> first = available("cifar_resnet")[0]
        >>> first.name, first.source, first.parameters, first.takes
        ('cifar_resnet20', 'reprq', 269722, ('image', 'audio'))
    """
    wanted = [replace(info, takes=modalities_of(info.source)) for info in _listed(search, source)]
    uncounted = [info for info in wanted if info.parameters is None and info.source == "timm"]
    if len(uncounted) > _MOST_COUNTED:
        return wanted
    return [replace(info, parameters=timm.count_timm(info.name)) if info in uncounted else info for info in wanted]


def names(search: str = "", source: str | None = None) -> tuple[str, ...]:
    """Return the names of the backbones that `available` lists.

    Args:
        search: What the name contains, whatever its case.
        source: One of theirs; None for all.

    Raises:
        UnknownNameError: No such source.

    Example:
        >>> names("cifar", "reprq")[:2]
        ('cifar_resnet20', 'cifar_resnet32')
    """
    return tuple(info.name for info in _listed(search, source))


def _listed(search: str, source: str | None) -> list[BackboneInfo]:
    if source is not None and source not in source_names():
        raise UnknownNameError("source of backbones", source, source_names())
    found = [*_own(), *_torchvision(), *(_timm() if source in (None, "timm") else ()), *_brought()]
    return [info for info in found if search.lower() in info.name.lower() and source in (None, info.source)]


def _own() -> list[BackboneInfo]:
    with torch.device("meta"):
        return [BackboneInfo(name, "reprq", None, _count(build_network(name))) for name in OWN]


def _torchvision() -> list[BackboneInfo]:
    theirs = [(name, default_weights(name)) for name in torchvision_names()]
    return [BackboneInfo(name, "torchvision", w.name, w.meta["num_params"]) for name, w in theirs]


def _timm() -> list[BackboneInfo]:
    return [BackboneInfo(name, "timm", tag, None) for name, tag in timm.timm_names()]


def _brought() -> list[BackboneInfo]:
    """What sources say that they have, and the form of one of another package that says nothing."""
    listed = (entry for entry in BACKBONES if entry.facts.get("listed", True))
    others = (entry for entry in listed if "names" in entry.facts or not BACKBONES.is_built_in(entry.name))
    return [
        BackboneInfo(name, entry.name.partition(":")[0], None, None)
        for entry in others
        for name in entry.facts.get("names", (entry.name,))
    ]


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def load_backbone(
    name: str, weights: str | Path = "default", *, preprocessing: Mapping[str, Any] | None = None, seed: int = 0
) -> Backbone:
    """Return a backbone in evaluation mode, float32, on the CPU.

    Args:
        name: A torchvision classification model, "lenet", "lenet5", "cifar_resnet20" and the like, "resnet26",
            "timm:NAME", "hf:NAME_OR_PATH" for a model of Hugging Face that takes images or texts, "words:PATH" for
            vectors of words, "bow", "tfidf" or "lsa" for counts of terms, "identity" or "mlp" for rows of tables,
            "pca:150" for images on so many principal components, which learn from benign samples (`Backbone.fit`),
            "package.module:callable" for a network of one's own (see `as_backbone`), or "teacher:PATH" for a teacher
            that reprq trained.
        weights: "default" (those of its source, downloaded once), "random", or the path of a safetensors or state-dict
            file; `PATH#PART` names the part to take of a file in which several fit ("last.ckpt#teacher"). A network of
            one's own comes as its callable makes it, unless a path is given.
            The number of classes follows the file. A file may hold the features only, or be cut off at some depth: the
            layers that it does not reach are then left out, and a note says so.
        preprocessing: Values that differ from what the default weights expect; see `Preprocessing.replace`.
        seed: Seed of random weights.

    Raises:
        UnknownNameError: No such backbone.
        InputError: Preprocessing with an unknown key or a wrong value, or that the network cannot take; an optional
            library that is not installed; a callable that gives no network.
        WeightsError: A file that is missing, truncated, foreign or of another architecture.
        DownloadError: Default weights that are neither cached nor to be had.

    Example:
        >>> backbone = load_backbone("resnet18", "random", preprocessing={"size": 64})
        >>> [layer.name for layer in backbone.select_layers("0,3-4,-1")]
        ['stem', 'layer3', 'layer4', 'pooled']
        >>> backbone.weights, backbone.preprocessing.size
        ('random(seed=0)', 64)
    """
    if name in BACKBONES and name not in _OF_NAMES:
        entry = BACKBONES.find(name)
        load = entry.load() if BACKBONES.is_built_in(entry.name) else entry.call
        backbone = load(name, weights, preprocessing, seed)
        if not isinstance(backbone, Backbone):
            raise InputError(
                f"the source of {name} must give a reprq.backbones.Backbone, got {type(backbone).__name__}"
            )
        return backbone
    if python.is_callable_name(name):
        return python.load_callable(name, weights, preprocessing, seed)
    return load_named(name, weights, preprocessing, seed)


def load_named(name: str, weights: str | Path, preprocessing: Mapping[str, Any] | None, seed: int) -> Backbone:
    """Return a network of reprq or torchvision; as `load_backbone`."""
    prepared = default_preprocessing(name).replace(**(preprocessing or {}))
    if str(weights) == "random":
        network = _build(name, prepared, seed=seed)
        return assemble(name, network, prepared, layers_of(network), f"random(seed={seed})")
    if str(weights) == "default":
        path, entry = default_weights_file(name)
        label = f"default: {entry}"
    else:
        path = Path(weights).expanduser()
        label = f"file:{path.name}"
    network = _build(name, prepared)
    fitted = fit_file(network, path, name=name, head=head_of(network))
    return assemble(name, network, prepared, layers_of(network), label, fitted=fitted)


def _build(name: str, preprocessing: Preprocessing, seed: int = 0, **arguments: Any) -> nn.Module:
    options = {"in_channels": preprocessing.in_channels, "size": preprocessing.size} | arguments
    return build_network(name, seed=seed, **options)


def load_teacher(name: str, weights: str | Path, preprocessing: Mapping[str, Any] | None, seed: int = 0) -> Backbone:
    """Return a teacher that reprq trained; as `load_backbone`. Nothing is drawn, whatever the seed."""
    if str(weights) != "default":
        raise InputError(f"{name} brings its own weights, got weights {str(weights)!r}; leave them out")
    path = Path(name.removeprefix(_TEACHER)).expanduser()
    text = read_metadata(path).get("reprq")
    if text is None:
        raise WeightsError(f"{path} is not a teacher of reprq: its metadata has no key 'reprq'; name its architecture")
    try:
        made = json.loads(text)
        architecture = str(made["architecture"])
        if made["preprocessing"].get("modality") == "text":
            return _teacher_of_texts(path, architecture, made, preprocessing)
        if "learned" in made:
            return _learned_teacher(made, path, preprocessing or {})
        prepared = Preprocessing.from_dict(made["preprocessing"]).replace(**(preprocessing or {}))
        network = _build(architecture, prepared, **made.get("arguments", {}))
    except ReprqError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"{path} is not a teacher of reprq: its metadata is damaged; train it again") from error
    return _teacher(made, path, network, prepared)


def _learned_teacher(made: Mapping[str, Any], path: Path, preprocessing: Mapping[str, Any]) -> Backbone:
    """A teacher whose input was learned from benign samples too."""
    learned, own = Learned.from_dict(made["learned"]), dict(made["preprocessing"])
    modality = own.pop("modality")
    for key, value in preprocessing.items():
        if own.get(key, value) != value:
            raise InputError(f"{path} was trained with {key} {own[key]!r}, got {value!r}; leave it out, or train anew")
    fresh = load_backbone(str(made["architecture"]), "random", preprocessing={**own, **preprocessing})
    if fresh.preprocessing.modality != modality:
        raise ValueError(modality)
    built = fresh.with_learned(learned)
    backbone = _teacher(made, path, built.network, built.preprocessing)
    both = hashlib.sha256((backbone.weights_digest + learned.digest).encode()).hexdigest()
    return replace(backbone, weights_digest=both)


def _teacher(made: Mapping[str, Any], path: Path, network: nn.Module, prepared: Transform) -> Backbone:
    """The network of a teacher with the weights of its file."""
    architecture = str(made["architecture"])
    fitted = fit_file(network, path, name=architecture, head=head_of(network))
    note = f"a {architecture} trained on the task {made.get('task')!r}"
    label = f"{_TEACHER}{path.name}"
    return assemble(architecture, network, prepared, layers_of(network), label, fitted=fitted, notes=[note])


def _teacher_of_texts(
    path: Path, architecture: str, made: Mapping[str, Any], preprocessing: Mapping[str, Any] | None
) -> Backbone:
    """A model of Hugging Face with the weights of a file; configuration and tokenizer are those of its folder."""
    known = made["preprocessing"]
    found = load_backbone(
        architecture, path, preprocessing={"max_length": known["max_length"], **(preprocessing or {})}
    )
    if found.preprocessing.to_dict().get("tokenizer") != known["tokenizer"]:
        raise WeightsError(
            f"{path} was trained with another tokenizer than {architecture} has now; give it back its own"
        )
    note = f"a {architecture} trained on the task {made.get('task')!r}"
    return replace(found, weights=f"{_TEACHER}{path.name}", notes=(*found.notes, note))
