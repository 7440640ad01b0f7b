"""What a pretext task is: a head, the views it makes of a batch, and a loss."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from reprq.data import ImageDataset


@dataclass(frozen=True)
class Shapes:
    """What a head has to fit.

    Attributes:
        width: The width of the network's embedding.
        channels: Of the input.
        size: The side of the input, in pixels.
    """

    width: int
    channels: int
    size: int


class PretextTask(Protocol):
    """How a teacher learns; the training loop is the same for all."""

    def head(self, shapes: Shapes, data: ImageDataset) -> nn.Module:
        """Return the module from (n, width) embeddings to outputs.

        Raises:
            ReprqError: the data cannot teach this task.
        """
        ...

    def views(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (m, C, size, size) inputs and their m targets, made from n images and their labels."""
        ...

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch."""
        ...

    def accuracy(self, outputs: Tensor, targets: Tensor) -> float | None:
        """Return the share of right answers, or None where a task has no answers."""
        ...
