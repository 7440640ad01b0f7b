"""The networks of timm, as `timm:NAME`; an optional extra."""

import difflib
import importlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reprq.backbones.assembly import assemble, fit_file
from reprq.backbones.backbone import Backbone
from reprq.backbones.layers.children import child_layers, numbered
from reprq.backbones.layers.selection import Layer
from reprq.backbones.layers.submodules import in_order
from reprq.backbones.sources.hub import hub_session
from reprq.data import Transform
from reprq.data.image.preprocessing import Preprocessing
from reprq.errors import DownloadError, InputError, UnknownNameError, WeightsError, first_line
from reprq.optional import require
from reprq.seeding import seeded

PREFIX = "timm:"
_STEMS = ("stem", "patch_embed")  # what most families call what comes before their first stage


def load_timm(name: str, weights: str | Path, preprocessing: Mapping[str, Any] | None, seed: int) -> Backbone:
    """Return `timm:NAME`, NAME with or without the tag of its weights ("resnet18.a1_in1k"); see `load_backbone`.

    The layers are those that timm itself gives as features, named by their modules, after the stem or patch embedding
    and before "pooled", the input of the classifier.
    """
    timm: Any = require("timm", "timm", name)
    short = name.removeprefix(PREFIX)
    if not timm.is_model(short):
        near = difflib.get_close_matches(short, timm.list_models(), n=8, cutoff=0.4)
        more = "... (`reprq backbones --source timm` lists all)"
        raise UnknownNameError("backbone", name, [*(f"{PREFIX}{each}" for each in near), more])
    config = timm.get_pretrained_cfg(short)
    if str(weights) == "default" and not config.has_weights:
        raise WeightsError(f"{name} has no default weights; give --weights random or --weights PATH")
    stated = config.to_dict()
    expected, notes = timm_preprocessing(stated)
    prepared = expected.replace(**(preprocessing or {}))
    options: dict[str, Any] = {"in_chans": prepared.in_channels}
    if prepared.size != expected.size and stated.get("fixed_input_size"):
        options["img_size"] = prepared.size
    head = timm_head(stated)
    fitted = None
    with seeded(seed):
        if str(weights) == "default":
            network = _pretrained(timm, name, options)
            label = f"default: {stated.get('tag') or short}"
        else:
            network = _created(timm, name, options)
            label = f"random(seed={seed})"
    if str(weights) not in ("default", "random"):
        path = Path(weights).expanduser()
        label = f"file:{path.name}"
        fitted = fit_file(network, path, name=name, head=head)
    layers = timm_layers(network.eval(), head, prepared)
    return assemble(name, network, prepared, layers, label, fitted=fitted, notes=notes)


def timm_names() -> list[tuple[str, str | None]]:
    """Return the name of every network of timm, and of its default weights; none where timm is not installed."""
    try:
        timm: Any = importlib.import_module("timm")
    except ImportError:
        return []
    names = timm.list_models()
    configs = ((name, timm.get_pretrained_cfg(name)) for name in names)
    return [(f"{PREFIX}{name}", (config.tag or name) if config.has_weights else None) for name, config in configs]


def count_timm(name: str) -> int:
    """Return the number of parameters of a network of timm, which is built without memory for them."""
    timm: Any = importlib.import_module("timm")
    with torch.device("meta"):
        network = timm.create_model(name.removeprefix(PREFIX))
    return sum(parameter.numel() for parameter in network.parameters())


def timm_preprocessing(stated: Mapping[str, Any]) -> tuple[Preprocessing, list[str]]:
    """Return what the weights of a network expect, from timm's `pretrained_cfg`, and notes on what differs from it."""
    data: Any = importlib.import_module("timm.data")
    config = data.resolve_data_config(pretrained_cfg=dict(stated))
    _, height, width = config["input_size"]
    notes = [f"timm crops with {config['crop_mode']!r}, here the center is cropped"] * (config["crop_mode"] == "border")
    if height != width:
        notes.append(f"timm gives images of {height} x {width} pixels, here they are square")
    return Preprocessing(
        size=height,
        resize=max(height, math.floor(height / config["crop_pct"])),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation="bilinear" if config["interpolation"] == "random" else config["interpolation"],
        squash=config["crop_mode"] == "squash",
    ), notes


def timm_layers(network: nn.Module, head: str | None, transform: Transform) -> list[Layer]:
    """Return the stages of a network of timm; its children where timm states none."""
    info: Any = getattr(network, "feature_info", [])
    entries = info if isinstance(info, list) else info.info
    modules = {name for name, _ in network.named_modules() if name}
    features = [entry["module"] for entry in entries if entry.get("module") in modules]
    before = [stem for stem in _STEMS if stem in modules and not any(f.startswith(stem) for f in features)]
    names = dict.fromkeys([*before[:1], *features])
    stages = [Layer(0, name, name, layout="auto", call=-1) for name in names]
    if head in modules:
        stages.append(Layer(0, "pooled", str(head), where="input", layout="auto", call=-1))
    found = in_order(network, stages, transform, optional=[stage.name for stage in stages])
    return numbered(found) if any(layer.name in features for layer in found) else child_layers(network, transform)


def timm_head(stated: Mapping[str, Any]) -> str | None:
    """Return the module that timm calls the classifier, the first of several."""
    head = stated.get("classifier")
    return head[0] if isinstance(head, (tuple, list)) else head


def _created(timm: Any, name: str, options: Mapping[str, Any]) -> nn.Module:
    try:
        network: nn.Module = timm.create_model(name.removeprefix(PREFIX), **options)
    except OSError:  # no network; some of the hub's are ValueErrors too
        raise
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        wanted = ", ".join(f"{key}={value}" for key, value in options.items())
        raise InputError(f"{name} cannot be built with {wanted} ({error}); give another size or channels") from error
    return network


def _pretrained(timm: Any, name: str, options: Mapping[str, Any]) -> nn.Module:
    try:
        with hub_session():
            return _created(timm, name, {**options, "pretrained": True})
    except InputError:
        raise
    except Exception as error:  # the hub, the network, the disk: each has errors of its own
        raise DownloadError(
            f"the default weights of {name} are not on this machine and could not be downloaded:"
            f" {first_line(error)}; give --weights random or --weights PATH"
        ) from error
