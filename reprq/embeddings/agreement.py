"""Do rows agree? Those of a network with themselves in other batches, and those of a cache with the network at hand.

Floating-point sums come out a little different in batches of another size, on another processor and on a GPU, and a
difference that small must be no difference. Two rows x and y of a layer agree if in every column

    |x - y| <= relative max(|x|, |y|) + absolute rms,

where rms is the root mean square of what the layer puts out before it is pooled: the average of a normalized map is
near nothing, and all of it rounding. Seen on 9 networks were at most 6e-6 rms between batches of one image and of 8 in
float32, and 3e-5 rms between a processor's oldest and newest instructions.
"""

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from reprq.backbones.batch import part
from reprq.data import Batch, Transform
from reprq.embeddings.forward import Forward, Measured, Names
from reprq.errors import InputError

_REPEATS, _LARGE_REPEATS, _COPIES = 8, 4, 16  # of a network that draws random numbers: few draws may change a row
_FEW = 4  # items that a batch is compared by: as many as a network is tried on at most


class Samples(NamedTuple):
    """Some items as a transform gives them, and their names."""

    items: Sequence[Any]
    ids: Sequence[str]


class Tolerance(NamedTuple):
    """How far rows may differ and still agree; see the module."""

    relative: float
    absolute: float


_EXACT = Tolerance(1e-5, 1e-6)  # of the same batch, passed twice
_FLOAT32 = Tolerance(1e-3, 3e-4)
_TF32 = Tolerance(1e-2, 3e-3)  # what GPUs multiply in float32 by default has 10 bits
_HALF = Tolerance(5e-2, 5e-2)


def tolerance_of(precision: str, devices: Sequence[str]) -> Tolerance:
    """Return the tolerance between passes of a precision on devices of these types."""
    if precision != "float32":
        return _HALF
    return _TF32 if "cuda" in devices else _FLOAT32


def difference(x: Measured, y: Measured, tolerance: Tolerance) -> float | None:
    """Return the largest difference as a share of the largest value, None where the rows agree.

    Args:
        x: (n, d) rows.
        y: As many rows.
        tolerance: How far they may differ.
    """
    if x.rows.shape != y.rows.shape:
        return float("inf")
    a, b = (rows.astype(np.float64) for rows in (x.rows, y.rows))
    allowed = tolerance.relative * np.maximum(abs(a), abs(b)) + tolerance.absolute * max(x.rms, y.rms)
    with np.errstate(invalid="ignore"):
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, abs(a - b))
    if not (apart > allowed).any() and not np.isnan(apart).any():
        return None
    return float(apart.max() / max(abs(a).max(), abs(b).max()))


def check_repeatable(
    forward: Forward, transform: Transform, samples: Samples, name: str, *, smallest: int = 1
) -> dict[str, Measured]:
    """Raise unless the rows of an item are the same in a second pass, among other items, and alone.

    Args:
        forward: The network and its layers.
        transform: What made the samples.
        samples: At least one.
        name: What to call the network.
        smallest: How many items the smallest batch to come has: a network that cannot take one alone need not.

    Returns:
        What the first pass gave, by the layer's name in a cache.

    Raises:
        InputError: A row that differs, with its layer and by how much; a network that cannot run on the items.
    """
    states = _random_states(forward.device)
    items, ids = samples
    batch = transform.collate(items)
    first = forward.measure(batch, ids)
    drew = any(not np.array_equal(x, y) for x, y in zip(states, _random_states(forward.device), strict=True))
    usual = tolerance_of(forward.precision, [forward.device.type])
    for _ in range(_REPEATS if drew else 1):
        if found := differing(first, forward.measure(batch, ids), _EXACT if drew else usual):
            raise InputError(_changes(name, *found, forward))
    for _ in range(_LARGE_REPEATS if drew else 0):
        copies = forward.measure(transform.collate([*items] * _COPIES), [*ids] * _COPIES)
        expected = {layer: x._replace(rows=np.tile(x.rows, (_COPIES, 1))) for layer, x in first.items()}
        if found := differing(expected, copies, usual):
            raise InputError(_changes(name, *found, forward))
    other = transform.altered(items[0])
    among = forward.measure(transform.collate([other, *items[::-1]]), [ids[0], *ids[::-1]])
    if found := differing(first, {layer: x._replace(rows=x.rows[:0:-1]) for layer, x in among.items()}, usual):
        raise InputError(_by_neighbours(name, *found, forward))
    try:
        alone = forward.measure(transform.collate(items[:1]), ids[:1])
    except InputError:
        if smallest > 1:
            return first
        raise
    if found := differing({layer: x._replace(rows=x.rows[:1]) for layer, x in first.items()}, alone, usual):
        raise InputError(_by_neighbours(name, *found, forward))
    return first


def check_batch(forward: Forward, name: str, inputs: Batch, ids: Names, pooled: Sequence[torch.Tensor]) -> None:
    """Raise unless the rows of a batch are those of its items by threes and fours (see `check_repeatable` for these).

    Args:
        forward: The network and its layers.
        name: What to call the network.
        inputs: Of n items.
        ids: (n,) their names.
        pooled: (n, d) of every layer, from one pass over all of them.

    Raises:
        InputError: A row that differs, with its layer and by how much; a network that cannot run on so few items.
    """
    count = math.ceil(len(ids) / _FEW)
    if count < 2:
        return
    spans = np.array_split(np.arange(len(ids)), count)
    parts = [forward.measure(part(inputs, slice(rows[0], rows[-1] + 1)), ids[rows[0] : rows[-1] + 1]) for rows in spans]
    whole = {layer.name: rows.float().cpu().numpy() for layer, rows in zip(forward.layers, pooled, strict=True)}
    apart = {layer: np.concatenate([each[layer].rows for each in parts]) for layer in whole}
    rms = {layer: max(each[layer].rms for each in parts) for layer in whole}
    x, y = ({layer: Measured(rows[layer], rms[layer]) for layer in whole} for rows in (whole, apart))
    if found := differing(x, y, tolerance_of(forward.precision, [forward.device.type])):
        raise InputError(_by_neighbours(name, *found, forward))


def check_unchanged(
    forward: Forward, first: Mapping[str, Measured], inputs: Batch, ids: Sequence[str], name: str
) -> None:
    """Raise an `InputError` if the items do not give any more what they gave at first, at any layer of `forward`."""
    usual = tolerance_of(forward.precision, [forward.device.type])
    now = forward.measure(inputs, ids)
    if found := differing({layer: first[layer] for layer in now}, now, usual):
        raise InputError(_changes(name, *found, forward))


def differing(x: Mapping[str, Measured], y: Mapping[str, Measured], tolerance: Tolerance) -> tuple[str, float] | None:
    """Return the first layer whose rows differ, and by how much; None where all agree."""
    shares = ((layer, difference(x[layer], y[layer], tolerance)) for layer in x)
    return next(((layer, share) for layer, share in shares if share is not None), None)


def _changes(name: str, layer: str, share: float, forward: Forward) -> str:
    return (
        f"layer {layer!r} of {name} must put out the same for the same {forward.noun}s, got rows that differ by"
        f" {percent(share)} of the largest value in a later pass{_in_training(forward)}; turn off what is random"
        f" (F.dropout needs training=self.training, a masked autoencoder mask_ratio=0) or changes from call to call"
    )


def _by_neighbours(name: str, layer: str, share: float, forward: Forward) -> str:
    padded = ", and leave out the padding (attention_mask)" if any(each.varying for each in forward.layers) else ""
    return (
        f"layer {layer!r} of {name} must depend on each {forward.noun} alone, got rows that differ by {percent(share)}"
        f" of the largest value beside other {forward.noun}s{_in_training(forward)}; let it use running statistics"
        f" (BatchNorm in evaluation mode), and normalize or attend over other axes than that of the"
        f" {forward.noun}s{padded}"
    )


def _in_training(forward: Forward) -> str:
    """Name a module that is in training mode, whatever `eval()` said."""
    leaves = ((name, module) for name, module in forward.network.named_modules() if not any(module.children()))
    return next((f" (module {name!r} is in training mode)" for name, module in leaves if module.training), "")


def percent(share: float) -> str:
    """Return a share in per cent with two digits.

    Example:
        >>> percent(0.3333), percent(0.000123)
        ('33 %', '0.012 %')
    """
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def _random_states(device: torch.device) -> list[NDArray[Any]]:
    """The states of the generators that a network may draw from without being given one."""
    legacy: Any = np.random.get_state(legacy=True)  # noqa: NPY002
    states = [torch.get_rng_state().numpy(), np.asarray(random.getstate()[1]), legacy[1]]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device).numpy())
    return [np.array(state) for state in states]
