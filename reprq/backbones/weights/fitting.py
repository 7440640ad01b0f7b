"""Weights fitted to a network, and digested."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torchvision.models.vision_transformer import interpolate_embeddings

from reprq.backbones.networks.one_channel import stem_of
from reprq.backbones.weights.matching import State, WeightsPart, likely_parts, uncounted, weights_of
from reprq.errors import WeightsError


@dataclass(frozen=True)
class Fit:
    """How a file fitted a network: which keys of the network it filled, and what else there is to say."""

    loaded: frozenset[str]
    missing: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Comparison:
    """A part of a file beside the network: what they have in common, and what not.

    Attributes:
        part: The part.
        state: Its tensors, positions of patches interpolated.
        head: A classifier with as many classes as the part has; None where the network's own will do.
        expected: The network's tensors, those of the new head included.
        unequal: Keys of both whose tensors are of another shape or kind.
        missing: Keys of the network that the part lacks.
        foreign: Keys of the part inside parts of the network that do not know them.
    """

    part: WeightsPart
    state: State
    head: nn.Module | None
    expected: State
    unequal: tuple[str, ...]
    missing: tuple[str, ...]
    foreign: tuple[str, ...]

    @property
    def matching(self) -> list[str]:
        """The keys that can be copied, in the order of depth."""
        return [key for key in self.expected if key in self.state and key not in self.unequal]

    @property
    def fits(self) -> bool:
        """Whether the part is of this network: keys may be missing at the deep end alone."""
        order = tuple(self.expected)
        deep = self.missing == order[len(order) - len(self.missing) :]
        return deep and not self.unequal and not self.foreign and len(self.matching) >= self.part.least


def fit(network: nn.Module, state: State, *, name: str, source: str, head: str | None = None) -> Fit:
    """Copy `state` into `network`, with a new head where the number of classes differs; see `fit_parts`."""
    return fit_parts(network, {"": state}, name=name, source=source, head=head)


def fit_parts(
    network: nn.Module,
    nests: Mapping[str, State],
    *,
    name: str,
    source: str,
    head: str | None = None,
    chosen: str | None = None,
) -> Fit:
    """Copy the part of a file that fits into `network`, with a new head where the number of classes differs.

    Any prefix ("module.", "_orig_mod.", "model.backbone.") is taken off where that makes keys match; the weights of a
    child may have been saved alone; the numbers of an `nn.Sequential` of the network's children follow their order.
    Keys may be missing at the deep end only: a network without its head, or cut off at some depth. Keys of parts that
    the architecture does not have (projection heads, auxiliary classifiers) are passed over.

    Args:
        network: The network, changed in place.
        nests: The tensors of every nest of the file, by where it is.
        name: The architecture, for the message.
        source: The file, for the message.
        head: Dotted path of the classifier, None where there is none.
        chosen: The part to take, where more than one fits.

    Raises:
        WeightsError: The weights are of another architecture (says how many keys match), more than one part fits and
            none is chosen, or there is a nan or an inf.
    """
    compared = [_compared(network, part, head) for part in likely_parts(network, nests, chosen)]
    if not compared:
        raise WeightsError(_no_part(network, nests, source, name, head, chosen))
    found = _the_one([each for each in compared if each.fits], source, name, chosen)
    if found is None:
        plain = [each for each in compared if not each.part.child and not each.part.in_order]
        if not plain:
            raise WeightsError(_no_part(network, nests, source, name, head, chosen))
        raise WeightsError(_difference(plain[0], f"{source}#{chosen}" if chosen else source, name))
    _check_finite(found, source)
    if found.head is not None:
        network.set_submodule(str(head), found.head)
    own = weights_of(network)
    with torch.no_grad():
        for key in found.matching:
            own[key].copy_(found.state[key])
    return Fit(frozenset(found.matching), found.missing, tuple(_notes(found, source, nests)))


def _the_one(fitting: list[_Comparison], source: str, name: str, chosen: str | None) -> _Comparison | None:
    """Return the only one that fits, the first of equal ones; None where none does."""
    exact = [each for each in fitting if each.part.name == chosen]
    fitting = exact or fitting
    rivals = [each for each in fitting[1:] if not _equal(each, fitting[0])]
    if not rivals:
        return fitting[0] if fitting else None
    choices = dict.fromkeys(each.part.name or "." for each in (fitting[0], *rivals))
    raise WeightsError(
        f"more than one part of {source} fits {name}: {_some(list(choices), 6)}; name the one to take after a #,"
        f" as {source}#{next(iter(choices))}"
    )


def _no_part(
    network: nn.Module, nests: Mapping[str, State], source: str, name: str, head: str | None, chosen: str | None
) -> str:
    """Say which parts there are: those that fit, or else all nests, under the names that choose them."""
    compared = (_compared(network, part, head) for part in likely_parts(network, nests))
    there = list(dict.fromkeys(each.part.name for each in compared if each.fits)) or list(nests)
    parts = "none but the whole file, which needs no #" if there == [""] else _some([each or "." for each in there], 8)
    return f"{source} has no part {chosen!r} that fits {name}; it has {parts}"


def _equal(one: _Comparison, other: _Comparison) -> bool:
    """Whether all that two parts both hold is the same, and neither is the whole of less."""
    common = set(one.matching) & set(other.matching)
    return bool(common) and all(torch.equal(one.state[key].float(), other.state[key].float()) for key in common)


def _compared(network: nn.Module, part: WeightsPart, head: str | None) -> _Comparison:
    state = _adapted(network, part.state)
    expected = weights_of(network)
    new = _new_head(network, state, head)
    if new is not None:
        expected |= {f"{head}.{key}": value for key, value in new.state_dict().items()}
    parts = {name for name, _ in network.named_children()} - {(head or "").split(".")[0]}
    return _Comparison(
        part=part,
        state=state,
        head=new,
        expected=expected,
        unequal=tuple(key for key, value in expected.items() if key in state and _differs(state[key], value)),
        missing=tuple(key for key in expected if key not in state),
        foreign=tuple(key for key in state if key not in expected and key.split(".")[0] in parts),
    )


def _differs(there: torch.Tensor, here: torch.Tensor) -> bool:
    """Whether a tensor cannot be copied: another shape, or bare integers, of which the scale is elsewhere."""
    numbers = there.is_floating_point() or not here.is_floating_point()
    return there.shape != here.shape or not numbers or there.is_quantized or there.is_meta


def _adapted(network: nn.Module, state: State) -> State:
    """Sum a stem over three channels where the network's has one; interpolate the positions of a transformer's patches.

    The positions are those of a vision transformer, should it have been trained on another size.
    """
    stem = stem_of(network)
    if stem in state and _is_one_of_three(network.get_parameter(stem), state[stem]):
        state = {**state, stem: state[stem].sum(1, keepdim=True)}
    key = "encoder.pos_embedding"
    if type(network).__name__ != "VisionTransformer" or key not in state:
        return state
    here: Any = network
    if state[key].shape != here.encoder.pos_embedding.shape and state[key].shape[-1] == here.hidden_dim:
        return dict(interpolate_embeddings(here.image_size, here.patch_size, dict(state)))
    return state


def _is_one_of_three(here: torch.Tensor, there: torch.Tensor) -> bool:
    """Whether a convolution takes one channel, and another three and is the same otherwise."""
    one, three = here.shape, there.shape
    return len(one) == 4 and one[1] == 1 and three == (one[0], 3, *one[2:])


def _new_head(network: nn.Module, state: State, name: str | None) -> nn.Module | None:
    """Return a classifier of as many classes as the file's, None where the network's own has as many."""
    head = network.get_submodule(name) if name else None
    weight = state.get(f"{name}.weight")
    if weight is None or not isinstance(head, (nn.Linear, nn.Conv2d)):
        return None
    own = head.weight
    if weight.shape == own.shape or weight.shape[1:] != own.shape[1:]:
        return None
    classes, width = weight.shape[:2]
    bias = head.bias is not None
    return nn.Linear(width, classes, bias) if own.ndim == 2 else nn.Conv2d(width, classes, 1, bias=bias)


def _check_finite(found: _Comparison, source: str) -> None:
    for key in found.matching:
        if not torch.isfinite(found.state[key].float()).all():
            raise WeightsError(f"the weights file {source} has a nan or an inf in {key!r}; give another file")


def _notes(found: _Comparison, source: str, nests: Mapping[str, State]) -> list[str]:
    tensors, taken = sum(len(uncounted(state)) for state in nests.values()), len(found.part.state)
    notes = [f"took the part {found.part.name or '.'!r} of {source}, {taken} of {tensors} tensors"] * (taken < tensors)
    if not any(found.state[key].count_nonzero() for key in found.matching):
        notes.append(f"every weight taken of {source} is zero: it may never have been filled")
    if any(_is_one_of_three(found.expected[key], found.part.state[key]) for key in found.matching):
        notes.append(f"summed the first convolution of {source} over its three channels: images are gray")
    if found.part.child:
        notes.append(f"took {source} for the weights of {found.part.child!r} alone")
    if found.part.in_order:
        notes.append(f"gave the numbered modules of {source} to the network's in their order")
    if found.missing:
        notes.append(f"{source} lacks {_some(found.missing)}")
    if extra := [key for key in found.state if key not in found.expected]:
        notes.append(f"passed over {_some(extra)} of {source}")
    return notes


def _difference(nearest: _Comparison, source: str, name: str) -> str:
    if nearest.unequal:
        key = nearest.unequal[0]
        there, here = nearest.state[key], nearest.expected[key]
        what = [f"{tuple(each.shape)}" if there.shape != here.shape else f"of {each.dtype}" for each in (there, here)]
        why = f"{key} is {what[0]} there and {what[1]} here"
    elif nearest.foreign:
        why = f"unknown here: {_some(nearest.foreign)}"
    else:
        why = f"missing there: {_some(nearest.missing)}"
    matching = len(nearest.matching)
    first = "" if matching else f"; its first keys are {_some(list(nearest.part.state), 3)}"
    return (
        f"the weights in {source} are not of {name}: {matching} of {len(nearest.expected)} keys match ({why}){first};"
        f" name the architecture that they are of"
    )


def _some(keys: Sequence[str], most: int = 2) -> str:
    rest = len(keys) - most
    return ", ".join(keys[:most]) + (f" and {rest} more" if rest > 0 else "")


def digest(network: nn.Module, keys: Iterable[str] | None = None) -> str:
    """Return the SHA-256 (hex) over name, dtype, shape and bytes of a network's weights, in the order of their names.

    Args:
        network: The network.
        keys: Which weights; None takes all. Counters of batches are left out.
    """
    state = weights_of(network)
    sha = hashlib.sha256()
    for key in sorted(state if keys is None else keys):
        value = state[key].detach().cpu().contiguous()
        sha.update(json.dumps([key, str(value.dtype), list(value.shape)]).encode())
        sha.update(value.numpy().tobytes())
    return sha.hexdigest()
