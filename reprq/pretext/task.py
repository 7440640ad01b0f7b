"""What a pretext task is: a head, the views it makes of a batch, and a loss."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from reprq.backbones import Preprocessing
from reprq.data import Dataset


@dataclass(frozen=True)
class Shapes:
    """What a head has to fit.

    Attributes:
        width: The width of the network's embedding.
        preprocessing: What the network's input went through.
    """

    width: int
    preprocessing: Preprocessing

    @property
    def channels(self) -> int:
        """The channels of the input."""
        return self.preprocessing.in_channels

    @property
    def size(self) -> int:
        """The side of the input, in pixels."""
        return self.preprocessing.size


class PretextTask(ABC):
    """How a teacher learns; the training loop is the same for all.

    Args:
        shapes: Of the network that learns.
    """

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes

    @abstractmethod
    def head(self, data: Dataset) -> nn.Module:
        """Return the module from (n, width) embeddings to outputs.

        Raises:
            ReprqError: the data cannot teach this task.
        """

    def views(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (m, C, size, size) inputs and their m targets, made from n images and their labels.

        What they draw comes from torch's global generator.
        """
        return images, labels

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch."""

    def accuracy(self, outputs: Tensor, targets: Tensor) -> float | None:
        """Return the share of right answers, or None where a task has no answers."""
        return None
