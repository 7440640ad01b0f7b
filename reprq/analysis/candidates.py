"""The networks to choose from: by name, as a section of a study, or loaded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from reprq.backbones import Backbone, load_backbone
from reprq.embeddings.cache.cache import layers_and_poolings
from reprq.embeddings.registry import check_pooling, poolings_named
from reprq.errors import InputError
from reprq.study.loading import load_backbone_section
from reprq.study.sections import BackboneConfig

Layers = str | int | Sequence[str | int]


@dataclass(frozen=True, eq=False)
class Candidate:
    """One network, which of its layers are ranked, and how they are pooled.

    Attributes:
        backbone: The network.
        layers: Which of its layers.
        pooling: How they are pooled.
        asked: What loads the network again, in the words of `reprq.fit`.
    """

    backbone: Backbone
    layers: Layers
    pooling: str | Sequence[str]
    asked: Mapping[str, Any]

    def said(self, label: str) -> dict[str, str]:
        """Return what tells the network apart, in words: its label, weights and preprocessing."""
        transform = self.backbone.preprocessing
        how = transform.describe() if hasattr(transform, "describe") else type(transform).__name__
        return {"backbone": label, "weights": self.backbone.weights, "preprocessing": how}

    def arguments(self, layer: str) -> dict[str, Any]:
        """Return what `reprq.fit` takes to read a layer that is called so in a cache."""
        names = [each.name for each in self.backbone.select_layers(self.layers)]
        read, pooling = layers_and_poolings(names, poolings_named(self.pooling))[layer]
        return {**self.asked, "layers": read, "pooling": pooling}


def candidates(
    backbones: Any,
    *,
    weights: str = "default",
    preprocessing: Mapping[str, Any] | None = None,
    layers: Layers = "all",
    pooling: str | Sequence[str] = "avg",
    seed: int = 0,
) -> dict[str, Candidate]:
    """Load what was named, and tell all apart by name and, where that is not enough, by weights.

    Args:
        backbones: Names, `Backbone`s, or sections such as {"name": "resnet18", "weights": "random", "layers": "1-4"}.
        weights: Of those that say none.
        preprocessing: What to change in the preprocessing of those that are not loaded, unless they say it themselves.
        layers: Of those that say none.
        pooling: Of those that say none.
        seed: Of random weights.

    Raises:
        InputError: none, one twice, or something else.
        ConfigError: a section with an unknown key or a wrong value.
    """
    found: dict[str, Candidate] = {}
    for each in _listed(backbones):
        if isinstance(each, Backbone):
            label, candidate = each.name, Candidate(each, layers, pooling, {"backbone": each})
        else:
            section = _section(each)
            said = section.model_fields_set
            how: dict[str, Any] = {"weights": section.weights if "weights" in said else weights, "seed": seed}
            how["preprocessing"] = {**(preprocessing or {}), **section.preprocessing} or None
            label = section.name if isinstance(each, str) else section.label
            candidate = Candidate(
                load_backbone(section.name, **how),
                section.layers if "layers" in said else layers,
                section.pooling if "pooling" in said else pooling,
                {"backbone": section.name, **how},
            )
        chosen = candidate.backbone.select_layers(candidate.layers)
        for each in poolings_named(candidate.pooling):
            check_pooling(each, chosen)
        label = f"{label} {candidate.backbone.weights}" if label in found else label
        if label in found or any(_same(candidate, other) for other in found.values()):
            raise InputError(f"backbones must name each network once, got {label!r} more than once")
        found[label] = candidate
    return found


def _listed(backbones: Any) -> list[Any]:
    given = [backbones] if isinstance(backbones, str | Backbone | BackboneConfig | Mapping) else backbones
    if not isinstance(given, Iterable) or isinstance(given, nn.Module) or not (listed := list(given)):
        got = "none" if given is None or isinstance(given, Sequence) else type(given).__name__
        raise InputError(f"backbones must name at least one network, got {got}; `reprq backbones` lists them")
    for each in listed:
        if not isinstance(each, str | Backbone | BackboneConfig | Mapping):
            raise InputError(
                f"backbones must be names, sections or Backbones, got {type(each).__name__};"
                " reprq.backbones.as_backbone(network, preprocessing=...) makes one of a network of your own"
            )
    return listed


def _section(given: str | Mapping[str, Any] | BackboneConfig) -> BackboneConfig:
    section = given if isinstance(given, BackboneConfig) else load_backbone_section(given)
    if section.pretext is not None:
        raise InputError(f"backbone {section.label!r} has a pretext, which a study trains; name its teacher:FILE")
    return section


def _same(one: Candidate, other: Candidate) -> bool:
    alike = one.backbone.weights_digest == other.backbone.weights_digest
    return alike and (one.backbone.preprocessing, one.layers, one.pooling) == (
        other.backbone.preprocessing,
        other.layers,
        other.pooling,
    )
