"""From a network and its weights to a backbone."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from reprq.backbones.backbone import Backbone, computed_before
from reprq.backbones.fingerprint import network_digest
from reprq.backbones.layers.selection import Layer
from reprq.backbones.weights import fitting as files
from reprq.backbones.weights.files import read_parts, split_part
from reprq.data import Transform
from reprq.errors import WeightsError


def fit_file(network: nn.Module, path: Path, *, name: str, head: str | None) -> files.Fit:
    """Copy the weights of a file, `PATH` or `PATH#PART`, into a network, as `weights.fitting.fit_parts` does."""
    file, part = split_part(path)
    nests = read_parts(file)
    return files.fit_parts(network, nests, name=name, source=file.name, head=head, chosen=part)


def assemble(
    name: str,
    network: nn.Module,
    preprocessing: Transform,
    layers: Sequence[Layer],
    weights: str,
    *,
    fitted: files.Fit | None = None,
    notes: Sequence[str] = (),
    own: bool = False,
) -> Backbone:
    """Return the backbone of a network, without the layers that its weights file does not reach.

    Args:
        name: The name of the architecture.
        network: Changed to evaluation mode and float32.
        preprocessing: From an item to its input.
        layers: All its layers.
        weights: What the weights are called.
        fitted: How a file fitted; None where all weights are there.
        notes: What else a person should know.
        own: Whether the network is a user's own, so that its name does not stand for what it computes beside the
            weights: the digest then covers that too (`network_digest`).

    Raises:
        WeightsError: The file reaches no layer.
    """
    missing = fitted.missing[0] if fitted and fitted.missing else ""
    reached = [layer for layer in layers if not missing or computed_before(network, layer, missing)]
    if fitted and not reached:
        message = f"the weights in {weights} reach no layer of {name}: {'; '.join(fitted.notes)}; give a whole file"
        raise WeightsError(message)
    unloaded = tuple(layer for layer in layers if layer not in reached)
    notes = [*notes, *(fitted.notes if fitted else ())]
    if unloaded:
        notes.append(f"left out: {', '.join(f'{layer.number} {layer.name}' for layer in unloaded)}")
    network = network.eval().float()
    return Backbone(
        name=name,
        network=network,
        preprocessing=preprocessing,
        layers=tuple(reached),
        weights=weights,
        weights_digest=network_digest(network) if own else files.digest(network, fitted.loaded if fitted else None),
        notes=tuple(notes),
        unloaded=unloaded,
        missing=missing,
    )
