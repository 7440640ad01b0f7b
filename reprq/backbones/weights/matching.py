"""Which part of a weights file may be a network's, and how its keys become the network's: by prefix or by order."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import torch
from torch import nn

State = dict[str, torch.Tensor]

# Wrappers that stand anywhere in a key: those of torch.compile, FSDP, activation checkpoints and Lightning Fabric.
_WRAPPERS = re.compile(r"(?<![^.])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\.")
# Names that torchvision's own older files use: densenets before 2018, vision transformers before 2022.
_LEGACY = (
    (re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)"), r"\1\2"),
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)


@dataclass(frozen=True)
class WeightsPart:
    """A part of a file, with its keys as the network would name them.

    Attributes:
        name: Where it is in the file, the prefix of its keys included ("state_dict.backbone"); "" is all of it.
        state: Its tensors.
        least: How many tensors it must have in common with the network not to be a coincidence: many begin alike.
        child: The child of the network that it was saved of, "" where it was the network.
        in_order: Whether its keys are numbers, as of `nn.Sequential(*children)`, given to the children by their order.
    """

    name: str
    state: State
    least: float = 1
    child: str = ""
    in_order: bool = False


@dataclass(frozen=True)
class _Reading:
    """One way to read a nest: without a prefix, as the weights of the network ("") or of one of its children."""

    where: str
    prefix: str
    child: str = ""
    in_order: bool = False

    @property
    def name(self) -> str:
        return ".".join(filter(None, (self.where, self.prefix.removesuffix("."))))

    @property
    def plain(self) -> bool:
        return not self.child and not self.in_order


def weights_of(network: nn.Module) -> State:
    """Return the tensors of a network by name, in the order of depth, sharing its memory."""
    return uncounted(network.state_dict())


def uncounted(state: Mapping[str, torch.Tensor]) -> State:
    """Return a state without its counters of batches, which no embedding depends on and older files do not have."""
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


def likely_parts(network: nn.Module, nests: Mapping[str, State], chosen: str | None = None) -> list[WeightsPart]:
    """Return the parts of a file that have most keys in common with a network, and those with half as many or more.

    The first has most; on a tie, the first in the file. There is always one with the network's own names to compare.

    Args:
        network: The network.
        nests: The tensors of every nest of the file, by where it is.
        chosen: The only part to look into; "." is the file itself.
    """
    nests = {where: _renamed(state) for where, state in nests.items()}
    counts: Counter[_Reading] = Counter()
    for where, state in nests.items():
        counts.update(_by_name(where, state, network))
        counts.update(_by_order(where, state, network))
    if chosen is not None:
        counts = Counter({reading: n for reading, n in counts.items() if _inside(reading.name, chosen)})
    most = max(counts.values(), default=0)
    likely = [reading for reading, count in counts.items() if 2 * count >= most]
    likely.sort(key=lambda reading: (-counts[reading], not reading.plain, reading.prefix != ""))
    if not any(reading.plain for reading in likely):
        likely += [_Reading(where, "") for where in nests if chosen is None or _inside(where, chosen)][:1]
    return [_read(reading, nests[reading.where], network) for reading in likely]


def _inside(name: str, chosen: str) -> bool:
    return name == ("" if chosen == "." else chosen) or name.startswith(f"{chosen}.")


def _renamed(state: State) -> State:
    renamed = {}
    for key, value in uncounted(state).items():
        key = _WRAPPERS.sub("", key)
        for pattern, replacement in _LEGACY:
            key = pattern.sub(replacement, key)
        renamed[key] = value
    return renamed


def _by_name(where: str, state: State, network: nn.Module) -> Counter[_Reading]:
    """Count the keys in common for every prefix of the file's, and every child that may have been saved alone."""
    children: dict[str, list[str]] = {}
    for name in weights_of(network):
        child, _, rest = name.partition(".")
        children.setdefault(name, []).append("")
        children.setdefault(rest, []).append(child)
    found: Counter[_Reading] = Counter()
    for key in state:
        for start in _starts(key):
            prefix = key[:start]
            for child in children.get(key[start:], ()):
                if not child or not f".{prefix}".endswith(f".{child}."):  # else it is part of what is read without it
                    found[_Reading(where, prefix, child)] += 1
    return found


def _by_order(where: str, state: State, network: nn.Module) -> Counter[_Reading]:
    """Count the keys in common for every prefix with nothing but numbers after it."""
    expected = weights_of(network)
    starts = dict.fromkeys(key[:start] for key in state for start in _starts(key) if _number(key[start:]))
    prefixes = [start for start in starts if all(_number(key[len(start) :]) for key in state if key.startswith(start))]
    readings = [_Reading(where, prefix, child, True) for prefix in prefixes for child in ("", *_children(network))]
    found = {reading: sum(key in expected for key in _read(reading, state, network).state) for reading in readings}
    return Counter({reading: count for reading, count in found.items() if count})


def _read(reading: _Reading, state: State, network: nn.Module) -> WeightsPart:
    keys = {key: key[len(reading.prefix) :] for key in state if key.startswith(reading.prefix)}
    if reading.in_order:
        children = _children(network.get_submodule(reading.child))
        keys = dict(zip(keys, _in_order(list(keys.values()), children), strict=True))
    added = f"{reading.child}." if reading.child else ""
    named = {f"{added}{new}": state[old] for old, new in keys.items()}
    least = 1 if reading.plain and not reading.prefix else min(len(state), len(weights_of(network))) / 2
    return WeightsPart(reading.name, named, least, reading.child, reading.in_order)


def _in_order(keys: list[str], children: list[str]) -> list[str]:
    """Return keys with the name of the n-th child instead of the n-th number."""
    numbers = sorted({int(key.partition(".")[0]) for key in keys})
    names = dict(zip(map(str, numbers), children, strict=False))
    split = (key.partition(".") for key in keys)
    return [f"{names.get(number, number)}.{rest}" for number, _, rest in split]


def _children(network: nn.Module) -> list[str]:
    """Return the names of the children that have weights."""
    tensors = ((name, chain(child.parameters(), child.buffers())) for name, child in network.named_children())
    return [name for name, each in tensors if next(each, None) is not None]


def _number(key: str) -> bool:
    first, dot, _ = key.partition(".")
    return bool(dot) and first.isdecimal()


def _starts(key: str) -> Iterator[int]:
    yield 0
    yield from (found.end() for found in re.finditer(r"\.", key))
