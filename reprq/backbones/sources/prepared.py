"""A network that was made ready for one modality."""

from typing import NamedTuple

from torch import nn

from reprq.data import Transform


class Prepared(NamedTuple):
    """The network of a model that embeds, what it takes, and what a person should know."""

    network: nn.Module
    transform: Transform
    notes: list[str]
