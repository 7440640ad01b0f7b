"""A network with the preprocessing its weights expect and its layers in order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from reprq.backbones.layers.probing import probe
from reprq.backbones.layers.selection import Layer, is_glob, matching, select
from reprq.backbones.layers.submodules import in_order, submodules_named
from reprq.backbones.learning import Learned, Recipe, weights_fitted_on
from reprq.backbones.term_weights import NAME, TermWeights
from reprq.data import Dataset, Transform
from reprq.data.modality import Adaptable, modality_named
from reprq.errors import InputError, UnknownNameError, WeightsError


@dataclass(frozen=True, eq=False)
class Backbone:
    """A network that embeds images, texts or what else its preprocessing takes.

    Attributes:
        name: The name of the architecture.
        network: In evaluation mode, float32, on the CPU until it is moved.
        preprocessing: From an item, such as an image, to the network's input.
        layers: Where embeddings can be read, in the order of depth.
        weights: "default: IMAGENET1K_V2", "random(seed=0)", "file:NAME" or "teacher:NAME".
        weights_digest: SHA-256 (hex) over name, dtype, shape and bytes of the weights; of a network of one's own over
            all that decides what it computes (`reprq.backbones.fingerprint.network_digest`).
        notes: What a person should know: keys that a file does not have, keys that were passed over.
        unloaded: Layers that the architecture has and the weights file does not reach.
        missing: The first weight in the order of depth that the weights file lacks; empty where it is whole.
        recipe: How it learns from benign samples; None where it is whole without.
        learned: What it learned; None before.
    """

    name: str
    network: nn.Module
    preprocessing: Transform
    layers: tuple[Layer, ...]
    weights: str
    weights_digest: str
    notes: tuple[str, ...] = ()
    unloaded: tuple[Layer, ...] = ()
    missing: str = ""
    recipe: Recipe | None = None
    learned: Learned | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether it can embed: it learned what it needs, or needs nothing."""
        return self.recipe is None or self.learned is not None

    def fit(self, benign: Dataset) -> "Backbone":
        """Return the backbone with what it learns from benign training samples; itself where there is nothing.

        A network of texts learns the weights of its tokens, which the pooling "tfidf" takes, and stays as it is.

        Args:
            benign: Training samples, all of which count as benign.

        Raises:
            InputError: It has learned already, or the samples are of another modality or do not do.

        Example:
            >>> from reprq.backbones import load_backbone
            >>> from reprq.data import as_dataset
            >>> load_backbone("tfidf").fit(as_dataset(["the cat sat", "the dog sat"])).weights
            'fitted on 2 documents of python:list train'
        """
        self.check_takes(benign)
        recipe = self._recipe()
        if recipe is None:
            return self
        if self.learned is not None:
            raise InputError(f"{self.name} was {self.weights} already; load it anew to fit it on other samples")
        return self.with_learned(Learned.from_samples(recipe, self.weights_digest, benign))

    def with_learned(self, learned: Learned) -> "Backbone":
        """Return the backbone with what one like it learned.

        Raises:
            WeightsError: Another backbone learned it.
        """
        recipe = self._recipe()
        try:
            if recipe is None:
                raise KeyError
            network, transform = recipe.build(learned.lesson)
        except (KeyError, ValueError) as error:
            raise WeightsError(f"{self.name} cannot use what another backbone learned; fit it anew") from error
        return replace(
            self,
            network=network.eval().float(),
            preprocessing=transform,
            weights=weights_fitted_on(self.weights, learned.said),
            weights_digest=learned.digest,
            learned=learned,
        )

    def save_learned(self, path: str | Path) -> None:
        """Write what it learned to a safetensors file, which `load_backbone(name, PATH)` reads where it has a recipe.

        Raises:
            InputError: It has learned nothing.
        """
        if self.learned is None:
            raise InputError(f"{self.name} has learned nothing that could be saved; fit it first")
        self.learned.save(Path(path))

    @property
    def term_weights(self) -> NDArray[np.float32] | None:
        """(V + 1,) what the pooling "tfidf" weighs tokens by; None where they were not learned."""
        return None if self.learned is None else self.learned.lesson.arrays.get(NAME)

    def _recipe(self) -> Recipe | None:
        if self.recipe is None and any(layer.varying for layer in self.layers):
            return TermWeights(self.network, self.preprocessing)
        return self.recipe

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one item as the network takes it, such as (C, H, W); an `InputError` where items have no one shape."""
        shape: tuple[int, ...] | None = getattr(self.preprocessing, "shape", None)
        if shape is None:
            taken = modality_named(self.preprocessing.modality).item
            raise InputError(f"backbone {self.name} takes {taken}s, which have no one shape; give a backbone of others")
        return shape

    @property
    def in_channels(self) -> int:
        """The first axis of `input_shape`."""
        return self.input_shape[0]

    def taking(self, data: Dataset) -> "Backbone":
        """Return the backbone for data: itself, or with a transform that takes items of their modality.

        Raises:
            InputError: The network takes data of another modality, and nothing makes its input of these.
        """
        adapted = self.reading(data.modality)
        adapted.check_takes(data)
        return adapted

    def reading(self, modality: str) -> "Backbone":
        """Return the backbone with a transform that takes items of a modality, or itself where there is none."""
        if modality != self.preprocessing.modality and isinstance(self.preprocessing, Adaptable):
            adapted = self.preprocessing.adapted_to(modality)
            if adapted is not None:
                return replace(self, preprocessing=adapted)
        return self

    def check_takes(self, data: Dataset) -> None:
        """Raise an `InputError` if its transform takes items of another modality."""
        if data.modality != self.preprocessing.modality:
            taken = modality_named(self.preprocessing.modality).item
            raise InputError(
                f"backbone {self.name} takes {taken}s, and {data.name} holds {data.noun}s; give {taken}s, or a backbone"
                f" that takes {data.noun}s"
            )

    def select_layers(self, spec: str | int | Sequence[str | int]) -> list[Layer]:
        """Return the layers that `spec` asks for, each once, in the order of depth.

        Stages are asked for by number or name. Any other submodule is asked for by its dotted name, and that is then
        the layer's name; a forward pass of blank items finds its layout. Of a module that is called more than once in
        a pass the last call is read, or the one after "@". Of a tuple or dict the first tensor is read, or
        `last_hidden_state`, or the item after "#".

        Args:
            spec: A number (3, "3", or -1 for the last), a name ("layer3"), a range ("1-4"), "all", a submodule
                ("layer1.0.conv2", "layer1.0.relu@0", "encoder#1"), a glob in which * matches no dot ("blocks.*"),
                several with commas between ("1,3,layer4"), or a sequence of these.

        Raises:
            UnknownNameError: A layer that there is not; lists those that there are.
            WeightsError: A layer that the weights file does not reach.
            InputError: A submodule that cannot be read: never called, no tensor, or no batch axis where one belongs.
        """
        by_glob: set[str] = set()

        def submodules(token: str) -> list[Layer]:
            found = submodules_named(self.network, token, self.name)
            by_glob.update(layer.name for layer in found if is_glob(token) and layer.name != token)
            return found

        try:
            modules = {name for name, _ in self.network.named_modules(remove_duplicate=False)}
            chosen = select(self.layers, spec, self.name, submodules, modules)
        except UnknownNameError as error:
            if not error.name.startswith("-") and matching((*self.layers, *self.unloaded), error.name):
                raise self._without_weights(error.name) from error
            raise
        if all(layer in self.layers for layer in chosen):
            return chosen
        for layer in chosen:
            if self.missing and not computed_before(self.network, layer, self.missing):
                raise self._without_weights(layer.name)
        found = in_order(self.network, chosen, self.preprocessing, stages=self.layers, optional=by_glob)
        if not found:
            raise InputError(f"layers {spec!r} of {self.name} must put out tensors, got none; choose others")
        return found

    def _without_weights(self, name: str) -> WeightsError:
        return WeightsError(f"layer {name} of {self.name} has no weights: {'; '.join(self.notes)}")


def computed_before(network: nn.Module, layer: Layer, key: str) -> bool:
    """Whether a layer is computed without the weight `key`, by the order in which the network registers its modules."""
    order = [name for name, _ in network.named_modules()]
    owner = key.rpartition(".")[0]
    inside = layer.module in ("", owner) or owner.startswith(f"{layer.module}.")
    return (inside and layer.where == "input") or (not inside and order.index(layer.module) < order.index(owner))


def layer_shapes(backbone: Backbone) -> list[tuple[int, ...]]:
    """Return the shape of every layer's output for one blank item, without the batch axis, by one forward pass."""
    calls = probe(backbone.network, backbone.layers, backbone.preprocessing, batch=1)
    return [_without_axis(calls[layer][layer.call].shape or (), layer.batch_axis) for layer in backbone.layers]


def _without_axis(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]
