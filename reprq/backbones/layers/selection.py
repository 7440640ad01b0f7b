"""Layers of a backbone, and how a person names them."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from reprq.errors import UnknownNameError

Layout = Literal["NCHW", "NHWC", "NLD", "LND", "ND", "auto"]


@dataclass(frozen=True)
class Layer:
    """One place in a network where embeddings are read.

    Attributes:
        number: Its place in the order of depth, from 0. A submodule that is no stage has the number of the stage that
            contains it, else of the last stage computed before it, else 0.
        name: What the network's paper calls the stage ("layer3"), "stem" or "pooled", or the submodule as it was asked
            for.
        module: Dotted path of the module that is read; "" is the network itself.
        where: Whether its "output" or its (first) "input" is read.
        layout: "NCHW" and "NHWC" are maps, "NLD" and "LND" tokens, "ND" vectors; N is the batch axis. "auto" is to be
            found by a forward pass; `Backbone.select_layers` never returns it.
        class_token: Whether the first token is a class token.
        registers: How many more tokens before the patches are none: registers, or a distillation token.
        item: Which tensor of an output that is a tuple or a dict ("1", "hidden_states.3"); empty takes
            "last_hidden_state" where there is one, else the first tensor.
        call: Which call of a module that runs more than once in a pass, from 0.
        varying: Whether the number of tokens is that of the longest item of a batch, and a mask says which count.
    """

    number: int
    name: str
    module: str
    where: Literal["output", "input"] = "output"
    layout: Layout = "NCHW"
    class_token: bool = False
    registers: int = 0
    item: str = ""
    call: int = 0
    varying: bool = False

    @property
    def batch_axis(self) -> int:
        """The axis of the items."""
        return self.layout.index("N")


def select(
    layers: Sequence[Layer],
    spec: str | int | Sequence[str | int],
    owner: str,
    submodules: Callable[[str], Iterable[Layer]] = lambda token: (),
    modules: Collection[str] = (),
) -> list[Layer]:
    """Return the layers that `spec` asks for, each once, stages first, in the order of depth.

    Args:
        layers: The stages, in the order of depth.
        spec: A number (3, "3", or -1 for the last), a name ("layer3"), a range ("1-4"), a glob ("layer*"), "all",
            several with commas between ("1,3,layer4"), or a sequence of these.
        owner: Whose layers they are, for the error.
        submodules: What else a name or a glob means; a stage of the same name goes first.
        modules: The names of all submodules: one that has commas in it is not cut at them.

    Raises:
        UnknownNameError: A layer that there is not; lists those that there are.
    """
    parts = [spec] if isinstance(spec, (str, int)) else list(spec)
    names = {layer.name for layer in layers}
    tokens = [token for part in parts for token in _tokens(str(part), names.union(modules))]
    chosen: set[int] = set()
    others: dict[str, Layer] = {}
    for token in tokens:
        found = matching(layers, token)
        more = [layer for layer in submodules(token) if layer.name not in names]
        if not found and not more:
            raise UnknownNameError(f"layer of {owner}", token, (f"{layer.number} {layer.name}" for layer in layers))
        chosen |= found
        if not found or is_glob(token):
            others |= {layer.name: layer for layer in more}
    return [*(layer for layer in layers if layer.number in chosen), *others.values()]


def _tokens(text: str, names: Collection[str]) -> Iterator[str]:
    """Yield what stands between commas; a name that has commas or spaces of its own stays whole, the longest first."""
    pieces = text.split(",")
    while pieces:
        spans = range(len(pieces), 0, -1)
        whole = next((end for end in spans if ",".join(pieces[:end]) in names), 0)
        yield ",".join(pieces[:whole]) if whole else pieces[0].strip()
        pieces = pieces[whole or 1 :]


def matching(layers: Sequence[Layer], token: str) -> set[int]:
    """Return the numbers of the stages that a number, name, range, glob or "all" means; none where it means nothing."""
    numbers = [layer.number for layer in layers]
    if token == "all":
        return set(numbers)
    if re.fullmatch(r"-\d+", token):
        return set(numbers[int(token) :][:1]) if -int(token) <= len(numbers) else set()
    if not token.isdecimal() and (exact := {layer.number for layer in layers if layer.name == token}):
        return exact
    if span := re.fullmatch(r"(\d+)-(\d+)", token):
        wanted = set(range(int(span[1]), int(span[2]) + 1))
        return wanted if wanted <= set(numbers) else set()
    if token.isdecimal():  # a number before a name: the children of a Sequential are named by numbers
        return {int(token)} & set(numbers)
    return {layer.number for layer in layers if path_matches(layer.name, token)}


def is_glob(token: str) -> bool:
    """Whether a name has one of the signs * ? [."""
    return any(sign in token for sign in "*?[")


def path_matches(path: str, pattern: str) -> bool:
    """Whether a dotted path matches a glob part by part: no sign matches a dot.

    Example:
        >>> path_matches("blocks.3", "blocks.*"), path_matches("blocks.3.attn", "blocks.*")
        (True, False)
    """
    if not is_glob(pattern):
        return path == pattern
    parts, patterns = path.split("."), pattern.split(".")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))
