"""What a pretext task is: a head, the views it makes of a batch, and a loss."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from reprq.data import Dataset, Transform
from reprq.training import Inputs


@dataclass(frozen=True)
class Shapes:
    """What a head has to fit.

    Attributes:
        width: The width of the network's embedding.
        transform: What the network's input went through.
    """

    width: int
    transform: Transform


class PretextTask(ABC):
    """How a teacher learns; the training loop is the same for all.

    Args:
        shapes: Of the network that learns.

    Attributes:
        of_tokens: Whether the head takes the (n, L, width) last hidden states of texts, not one embedding each.
        by_loss: Whether a lower loss on the hold-out is a better network; else all epochs are run and the last is kept.
    """

    of_tokens: ClassVar[bool] = False
    by_loss: ClassVar[bool] = True

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes

    @abstractmethod
    def head(self, data: Dataset) -> nn.Module:
        """Return the module from (n, width) embeddings to outputs.

        Raises:
            ReprqError: the data cannot teach this task.
        """

    def prepare(self, trunk: nn.Module, inputs: Inputs | Tensor) -> None:  # noqa: B027 - most need nothing
        """Look at the network without its head, as it was initialized, and at all samples; nothing by default."""

    def model(self, trunk: nn.Module, head: nn.Module) -> nn.Module:
        """Return all that is trained, and its buffers: a module from inputs to outputs, the head on the trunk.

        A task that needs more, such as a second network, puts it into the module: then checkpoints hold it.
        """
        return nn.Sequential(trunk, head)

    def stepped(self, model: nn.Module, share: float) -> None:  # noqa: B027 - most need nothing
        """Change what no gradient does, after a step of the optimizer; nothing by default.

        Args:
            model: What `model` returned.
            share: Of all steps of the schedule, early stop or not, those that are done: in (0, 1].
        """

    def views(self, inputs: Any, labels: Tensor) -> tuple[Any, Tensor]:
        """Return a batch of m inputs and their m targets, made from a batch of n and their labels.

        What they draw comes from torch's global generator.
        """
        return inputs, labels

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch."""

    def accuracy(self, outputs: Tensor, targets: Tensor) -> float | None:
        """Return the share of right answers, or None where a task has no answers."""
        return None

    def figures(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Return further figures of a batch held out, the columns held_out_NAME of the history; none by default."""
        return {}
