"""Vision models of Hugging Face, as `hf:NAME_OR_PATH`; an optional extra."""

import importlib
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reprq.backbones.assembly import assemble, fit_file
from reprq.backbones.backbone import Backbone
from reprq.backbones.layers.children import head_input, numbered
from reprq.backbones.layers.selection import Layer
from reprq.backbones.layers.submodules import in_order
from reprq.backbones.sources.hub import hub_session
from reprq.backbones.sources.image_processors import followed
from reprq.backbones.sources.timm import timm_head, timm_layers
from reprq.data import Transform
from reprq.data.image.preprocessing import Preprocessing
from reprq.errors import DownloadError, InputError, ReprqError, WeightsError
from reprq.optional import offline_reason, require
from reprq.seeding import seeded

PREFIX = "hf:"
_EMBEDDINGS = ("embeddings", "embedder")


def load_huggingface(name: str, weights: str | Path, preprocessing: Mapping[str, Any] | None, seed: int) -> Backbone:
    """Return `hf:NAME_OR_PATH`, a model of the hub or a folder that `save_pretrained` wrote; see `load_backbone`.

    Its layers are the embeddings ("stem"), the blocks or stages of the encoder, named by their modules, and "pooled",
    which is `pooler_output` or, of a classifier, what its head takes. Of a model of images and texts the vision part is
    taken. A weights file names its weights as `state_dict()` does. No code that comes with a model is run.
    """
    transformers: Any = require("transformers", "hf", name)
    source = name.removeprefix(PREFIX)
    local = Path(source).expanduser().is_dir()
    source = str(Path(source).expanduser()) if local else source
    fitted = None
    missing: tuple[str, ...] = ()
    with _quiet(transformers), seeded(seed), nullcontext() if local else hub_session():
        config = _fetched(name, lambda: transformers.AutoConfig.from_pretrained(source))
        prepared, notes = _fetched(
            name, lambda: _preprocessing(transformers, name, source, config, preprocessing or {})
        )
        if str(weights) == "default":
            network, info = _fetched(
                name, lambda: transformers.AutoModel.from_pretrained(source, output_loading_info=True)
            )
            label, missing = f"default: {Path(source).name}", tuple(info["missing_keys"])
        else:
            network, label = transformers.AutoModel.from_config(config), f"random(seed={seed})"
    network = getattr(network, "vision_model", getattr(network, "timm_model", network)).eval().float()
    if str(weights) not in ("default", "random"):
        path = Path(weights).expanduser()
        label = f"file:{path.name}"
        fitted = fit_file(network, path, name=name, head=None)
    notes += _unmasked(network)
    notes += _interpolated(network, _trained_size(config, name), prepared.size)
    layers = huggingface_layers(network, prepared)
    if missing:
        notes.append(f"{Path(source).name} lacks {', '.join(sorted(missing)[:2])}, among {len(missing)} weights")
        layers = _with_weights(name, layers, missing)
    return assemble(name, network, prepared, layers, label, fitted=fitted, notes=notes)


def _unmasked(network: nn.Module) -> list[str]:
    """Let a masked autoencoder see every patch, in order, where it would drop most of them at random in every pass."""
    embeddings: Any = getattr(network, "embeddings", None)
    if not hasattr(embeddings, "random_masking"):
        return []
    embeddings.random_masking = _whole
    share = getattr(getattr(network, "config", None), "mask_ratio", 0)
    return [f"it masks {share:.0%} of the patches at random when it is trained, here none"]


def _whole(patches: torch.Tensor, noise: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What `random_masking` returns, for a mask of nothing: the patches, the mask, and the place of each patch."""
    places = torch.arange(patches.shape[1], device=patches.device).expand(patches.shape[:2])
    return patches, torch.zeros_like(places), places


def huggingface_layers(network: nn.Module, transform: Transform) -> list[Layer]:
    """Return the stages of a vision model of Hugging Face, or of one of timm that it wraps."""
    if hasattr(network, "feature_info"):
        return timm_layers(network, timm_head(getattr(network, "pretrained_cfg", {})), transform)
    embeddings = [name for name, _ in network.named_modules() if name.rpartition(".")[2] in _EMBEDDINGS]
    stem = [Layer(0, "stem", name, layout="auto", call=-1) for name in embeddings[:1]]
    lists = [name for name, module in network.named_modules() if isinstance(module, nn.ModuleList)]
    blocks = [f"{lists[0]}.{name}" for name, _ in network.get_submodule(lists[0]).named_children()] if lists else []
    stages = [*stem, *(Layer(0, name, name, layout="auto", call=-1) for name in blocks)]
    found = in_order(network, stages, transform, optional=[stage.name for stage in stages])
    pooled = Layer(0, "pooled", "", layout="auto", item="pooler_output", call=-1)
    with suppress(InputError):  # a model without pooler_output
        return numbered([*found, *in_order(network, [pooled], transform)])
    return numbered([*found, *in_order(network, head_input(network, transform), transform)])


def _with_weights(name: str, layers: list[Layer], missing: tuple[str, ...]) -> list[Layer]:
    """Leave out the pooled layer should weights be missing that only it has, and refuse what else lacks weights."""
    if all(key.split(".")[-2].startswith("pooler") or ".pooler." in f".{key}" for key in missing):
        return [layer for layer in layers if layer.name != "pooled"]
    raise WeightsError(
        f"the weights of {name} lack {sorted(missing)[0]!r}, among {len(missing)}; name a model of this architecture"
    )


def _preprocessing(
    transformers: Any, name: str, source: str, config: Any, overrides: Mapping[str, Any]
) -> tuple[Preprocessing, list[str]]:
    """Return what the model's image processor does, changed as the user says, and a note where it has none."""
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(source)
    except (OSError, ValueError, TypeError, ImportError, KeyError, AttributeError) as error:
        if {"size", "mean", "std"} <= set(overrides):
            return Preprocessing().replace(**overrides), []
        if _has_no_processor(transformers, source):
            size = _trained_size(config, name) or 224
            assumed = f"{name} states no preprocessing: the mean and standard deviation of ImageNet are assumed"
            return Preprocessing(size=size, resize=size).replace(**overrides), [assumed]
        raise InputError(
            f"the image processor of {name} cannot be read ({offline_reason(error)}); give the size, mean and standard"
            f" deviation (--size, --mean, --std)"
        ) from error
    return followed(processor, name, overrides), []


def _has_no_processor(transformers: Any, source: str) -> bool:
    """Whether it is known that a model comes without an image processor: not where the hub cannot be asked."""
    quiet = {f"_raise_exceptions_for_{what}": False for what in ("missing_entries", "gated_repo", "connection_errors")}
    files = ("preprocessor_config.json", "processor_config.json")
    if any(transformers.utils.cached_file(source, file, **quiet) for file in files):
        return False
    hub: Any = importlib.import_module("huggingface_hub")
    return Path(source).is_dir() or hub.try_to_load_from_cache(source, files[0]) is not None


def _trained_size(config: Any, name: str) -> int | None:
    """Return the side of the images that a model was trained on; None where its configuration does not say.

    Raises:
        InputError: They were no squares.
    """
    stated = getattr(_vision(config), "image_size", None)
    sides = list(stated.values()) if isinstance(stated, Mapping) else stated
    sides = sides if isinstance(sides, (list, tuple)) else [sides]
    if len(set(sides)) > 1:
        shown = " x ".join(map(str, sides))
        raise InputError(f"{name} takes images of {shown} pixels, and here they are squares; choose another model")
    return int(sides[0]) if sides and sides[0] else None


def _vision(config: Any) -> Any:
    return getattr(config, "vision_config", config)


def _interpolated(network: nn.Module, trained: int | None, size: int) -> list[str]:
    """Let a transformer of images interpolate its positions to another size, if it can be asked to; note that."""
    if trained in (None, size) or "interpolate_pos_encoding" not in inspect.signature(network.forward).parameters:
        return []
    network.register_forward_pre_hook(_asking_to_interpolate, with_kwargs=True)
    return [f"positions are interpolated from images of {trained} pixels to {size}"]


def _asking_to_interpolate(module: nn.Module, inputs: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    return inputs, {"interpolate_pos_encoding": True} | named


def _fetched(name: str, fetch: Any) -> Any:
    """Return what `fetch` gets from a folder or the hub, its errors in one sentence."""
    try:
        return fetch()
    except ReprqError:
        raise
    except Exception as error:  # the hub, the network, the disk: each has errors of its own
        reason = offline_reason(error)
        if Path(name.removeprefix(PREFIX)).expanduser().is_dir():
            raise WeightsError(f"{name} is not the folder of a model of Hugging Face: {reason}") from error
        raise DownloadError(
            f"{name} is neither a folder, nor on this machine, nor could it be downloaded: {reason}; give hf:PATH with"
            f" the path of a folder that save_pretrained wrote"
        ) from error


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep the library from writing its warnings and progress, which say nothing that is not in notes or errors."""
    log = transformers.utils.logging
    verbosity, bar = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bar:
            log.enable_progress_bar()
