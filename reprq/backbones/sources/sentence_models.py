"""Folders of sentence-transformers: how tokens become the one embedding of a text, which is a layer of its own."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from reprq.backbones.backbone import Backbone
from reprq.backbones.batch import MASK
from reprq.backbones.layers.selection import Layer
from reprq.errors import WeightsError
from reprq.provenance import digest

LAYER = "sentence"
_ITEM = "sentence_embedding"
_MODULES = "modules.json"
_LEGACY = {  # a switch for each, in the order in which rows stand side by side
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
Pool = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _weighted(tokens: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (tokens * weights[:, :, None]).sum(1) / weights.sum(1, keepdim=True)


# Of tokens (N, L, d) and a mask (N, L) of 1 and 0, padded on the right.
_POOLS: Mapping[str, Pool] = {
    "cls": lambda tokens, mask: tokens[:, 0],
    "max": lambda tokens, mask: tokens.masked_fill(mask[:, :, None] == 0, -torch.inf).amax(1),
    "mean": _weighted,
    "mean_sqrt_len_tokens": lambda tokens, mask: _weighted(tokens, mask) * mask.sum(1, keepdim=True).sqrt(),
    "weightedmean": lambda tokens, mask: _weighted(tokens, mask * mask.cumsum(1)),
    "lasttoken": lambda tokens, mask: tokens[torch.arange(len(tokens)), mask.sum(1).long() - 1],
}


@dataclass(frozen=True)
class SentencePooling:
    """The embedding of a text as sentence-transformers makes it, added to what a network puts out.

    Args:
        modes: "mean", "cls", "max", ...; several stand side by side.
        normalize: Whether rows are of unit length.
    """

    modes: tuple[str, ...]
    normalize: bool

    def __call__(self, module: nn.Module, given: Any, named: Mapping[str, Any], output: Any) -> Any:
        """As a forward hook: put the embedding beside the other items of the output."""
        tokens = output["last_hidden_state"].float()
        mask = named[MASK].to(tokens.dtype) if MASK in named else tokens.new_ones(tokens.shape[:2])
        row = torch.cat([_POOLS[mode](tokens, mask) for mode in self.modes], dim=1)
        output[_ITEM] = functional.normalize(row, dim=1) if self.normalize else row
        return output


def with_sentence(backbone: Backbone, folder: Path) -> Backbone:
    """Return a backbone with the layer "sentence" in place of "pooled", of a folder of sentence-transformers.

    Where it has a module that is not computed here, such as a dense layer, the layer is left out, which a note says.

    Raises:
        WeightsError: A folder whose files are damaged.
    """
    if not (folder / _MODULES).is_file():
        return backbone
    try:
        found = _pooling(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{folder} is not a whole folder of sentence-transformers: {_MODULES} or the config.json of its pooling"
            " cannot be read; fetch it anew"
        ) from error
    if isinstance(found, str):
        return replace(backbone, notes=(*backbone.notes, f"no layer {LAYER!r}: {found}, which is not computed here"))
    backbone.network.register_forward_hook(found, with_kwargs=True)
    kept = [layer for layer in backbone.layers if layer.name != "pooled"]
    number = 1 + max(layer.number for layer in kept)
    layer = Layer(number, LAYER, "", layout="ND", item=_ITEM)
    made = digest([backbone.weights_digest, list(found.modes), found.normalize])
    return replace(backbone, layers=(*kept, layer), weights_digest=made)


def _pooling(folder: Path) -> SentencePooling | str:
    """How a folder pools, or what of it is not computed here."""
    modules = json.loads((folder / _MODULES).read_text(encoding="utf-8"))
    kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        other = next((kind for kind in kinds if kind not in ("Transformer", "Pooling", "Normalize")), "their order")
        return f"the model has {other}"
    config = json.loads((folder / str(modules[1]["path"]) / "config.json").read_text(encoding="utf-8"))
    stated = config.get("pooling_mode") or [mode for switch, mode in _LEGACY.items() if config.get(switch)] or "mean"
    modes = (stated,) if isinstance(stated, str) else tuple(stated)
    if unknown := [mode for mode in modes if mode not in _POOLS]:
        return f"the model pools by {unknown[0]!r}"
    own = folder / "config_sentence_transformers.json"
    if own.is_file() and json.loads(own.read_text(encoding="utf-8")).get("default_prompt_name"):
        return "the model puts a prompt before every text"
    return SentencePooling(modes, "Normalize" in kinds)
