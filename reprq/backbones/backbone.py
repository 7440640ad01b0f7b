"""A network with the preprocessing its weights expect and its layers in order."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from reprq.backbones.layers import Layer, matching, select
from reprq.backbones.preprocessing import Preprocessing
from reprq.errors import UnknownNameError, WeightsError


@dataclass(frozen=True, eq=False)
class Backbone:
    """A network that embeds images.

    Attributes:
        name: The name of the architecture.
        network: In evaluation mode, float32, on the CPU until it is moved.
        preprocessing: From an image to the network's input.
        layers: Where embeddings can be read, in the order of depth.
        weights: "default: IMAGENET1K_V2", "random(seed=0)", "file:NAME" or "teacher:NAME".
        weights_digest: SHA-256 (hex) over name, dtype, shape and bytes of the weights.
        notes: What a person should know: keys that a file does not have, keys that were passed over.
        unloaded: Layers that the architecture has and the weights file does not reach.
    """

    name: str
    network: nn.Module
    preprocessing: Preprocessing
    layers: tuple[Layer, ...]
    weights: str
    weights_digest: str
    notes: tuple[str, ...] = ()
    unloaded: tuple[Layer, ...] = ()

    @property
    def in_channels(self) -> int:
        """The number of channels of the network's input."""
        return self.preprocessing.in_channels

    def select_layers(self, spec: str | int | Sequence[str | int]) -> list[Layer]:
        """Return the layers that `spec` asks for, each once, in the order of depth.

        Args:
            spec: A number (3, "3", or -1 for the last), a name ("layer3"), a range ("1-4"), "all", several with commas
                between ("1,3,layer4"), or a sequence of these.

        Raises:
            UnknownNameError: A layer that there is not; lists those that there are.
            WeightsError: A layer that the weights file does not reach.
        """
        try:
            return select(self.layers, spec, self.name)
        except UnknownNameError as error:
            if not error.name.startswith("-") and matching((*self.layers, *self.unloaded), error.name):
                message = f"layer {error.name} of {self.name} has no weights: {'; '.join(self.notes)}"
                raise WeightsError(message) from error
            raise


def layer_shapes(backbone: Backbone) -> list[tuple[int, ...]]:
    """Return the shape of every layer's output for one image, without the batch axis, by one forward pass of zeros."""
    shapes: dict[int, tuple[int, ...]] = {}
    handles = []
    for layer in backbone.layers:
        module = backbone.network.get_submodule(layer.module)

        def note(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor, layer: Layer = layer) -> None:
            value = output if layer.where == "output" else inputs[0]
            shapes[layer.number] = tuple(value.shape[1:])

        handles.append(module.register_forward_hook(note))
    size = backbone.preprocessing.size
    device = next(backbone.network.parameters()).device
    try:
        with torch.inference_mode():
            backbone.network(torch.zeros(1, backbone.in_channels, size, size, device=device))
    finally:
        for handle in handles:
            handle.remove()
    return [shapes[layer.number] for layer in backbone.layers]
