"""Layers that are the same rows: a last stage averaged over its map is what the head reads, under another name."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from reprq.backbones import Backbone
from reprq.embeddings.cache.cache import EmbeddingCache
from reprq.embeddings.forward import Forward, PooledLayer

_BLOCK = 512
_PROBES = 4
_TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2}  # of the largest value; of float32 1e-5
Repeats = dict[str, str]


def repeated_layers(cache: EmbeddingCache) -> Repeats:
    """Return the layers of a cache whose rows are those of a deeper one, each with the name of the deepest such.

    Rows are the same if no value differs by more than rounding: 1e-5 of the layer's largest value, or what half
    precision leaves. Most layers of one width are told apart by their first rows, and the others are not read. Of one
    layer in several poolings that are the same, the first stays.

    Args:
        cache: The layers that it shows are compared, in their order.
    """
    precision = str(cache.provenance.get("precision", "float32"))
    arrays = {name: cache.array(name) for name in cache}
    places = {name: (array.attrs["number"], -place) for place, (name, array) in enumerate(arrays.items())}
    return _repeats({name: arrays[name] for name in sorted(arrays, key=places.__getitem__)}, precision)


def repeated_on_noise(backbone: Backbone, pooling: str = "avg", seed: int = 0) -> Repeats:
    """Return the layers of a backbone whose rows are those of a deeper one on a few items of noise.

    Args:
        backbone: Its layers are compared, with the weights that it has.
        pooling: Of all layers.
        seed: Seeds the noise.
    """
    inputs = backbone.preprocessing.noise(_PROBES, seed)
    layers = [PooledLayer(**vars(layer), pooling=pooling) for layer in backbone.layers]
    with Forward(backbone.network, layers, torch.device("cpu")) as forward:
        rows = forward(inputs, [f"noise {i}" for i in range(_PROBES)])
    names = [layer.name for layer in layers]
    return _repeats({name: values.float().numpy() for name, values in zip(names, rows, strict=True)}, "float32")


def repeat_notes(repeats: Repeats) -> list[str]:
    """Return a sentence for each repeated layer."""
    return [f"{name} is the same rows as {other}, and is left out" for name, other in repeats.items()]


def _repeats(arrays: Mapping[str, Any], precision: str) -> Repeats:
    names = list(arrays)
    found: Repeats = {}
    for i, name in enumerate(names):
        for other in reversed(names[i + 1 :]):
            if _same(arrays[name], arrays[other], precision):
                found[name] = other
                break
    return found


def _same(a: Any, b: Any, precision: str) -> bool:
    if a.shape != b.shape or not a.shape[0]:
        return False
    kinds = (precision, str(a.dtype), str(b.dtype))
    tolerance = max(_TOLERANCE.get(kind, 1e-5) for kind in kinds)
    starts = [0, *range(8, a.shape[0], _BLOCK)]  # a few rows tell most layers apart
    for start, stop in zip(starts, [*starts[1:], a.shape[0]], strict=True):
        one, other = (np.asarray(x[start:stop], dtype=np.float64) for x in (a, b))
        if one.size and np.abs(one - other).max() > tolerance * max(np.abs(one).max(), np.abs(other).max()):
            return False
    return True
