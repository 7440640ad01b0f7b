"""What the vision models of Hugging Face take: what their image processors do, and images of which size."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reprq.backbones.sources.image_processors import followed
from reprq.backbones.sources.prepared import Prepared
from reprq.data.image.preprocessing import Preprocessing
from reprq.errors import InputError, first_line


def reader(
    transformers: Any, name: str, source: str, config: Any, overrides: Mapping[str, Any]
) -> Callable[[nn.Module], Prepared]:
    """Read what a model expects, and return what turns its network into one of images.

    Args:
        transformers: The library.
        name: The backbone, for messages.
        source: The folder or name of the model.
        config: Its configuration.
        overrides: What the user says of the preprocessing.

    Raises:
        InputError: An image processor that cannot be read or followed.
    """
    preprocessing, notes = _preprocessing(transformers, name, source, config, overrides)
    trained = _trained_size(config, name)

    def prepare(model: nn.Module) -> Prepared:
        network: nn.Module = getattr(model, "vision_model", getattr(model, "timm_model", model))
        more = [*_unmasked(network), *_interpolated(network, trained, preprocessing.size)]
        return Prepared(network, preprocessing, [*notes, *more])

    return prepare


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
            f"the image processor of {name} cannot be read ({first_line(error)}); give the size, mean and standard"
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
