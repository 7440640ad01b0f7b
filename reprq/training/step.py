"""What is trained, and how a batch moves it: the part of a method that the loop does not know."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.errors import InputError
from reprq.training.schedule import Schedule


class Examples(NamedTuple):
    """Inputs with a target each: all of a source, or a batch of it.

    Attributes:
        inputs: n items as a network takes them, (C, H, W) float32 each if they are images: `Inputs`, a tensor or a
            mapping of tensors.
        targets: (n, ...) a tensor of one target an item; None where the loss needs none.
        sets: (n,) which of several sets each item is of, of a source that `train` balances by them and by `targets`.
    """

    inputs: Any
    targets: Any = None
    sets: NDArray[np.int64] | None = None


class Step(ABC):
    """What is trained: networks, their optimizers, the loss of a batch, a figure of merit, and the state of all that.

    A method of learning is a subclass with a `loss`. One with several networks puts them into one module; one with
    several optimizers sets `optimizers` and overrides `update`. What else it learns (a center, a radius) are buffers of
    the module, and so in its state.

    Args:
        model: All that is trained, on its device.
        schedule: Learning rate, weight decay, clipping, precision.

    Attributes:
        optimizers: Adam over all weights; their learning rates at construction are what the schedule multiplies.
        steps: How many an epoch has; `train` sets it before the first.
    """

    steps: int = 0

    def __init__(self, model: nn.Module, schedule: Schedule) -> None:
        self.model, self.schedule = model, schedule
        self.device = next(model.parameters()).device
        model.to(memory_format=torch.channels_last)
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Adam(model.parameters(), lr=schedule.lr, weight_decay=schedule.weight_decay, fused=True)
        ]

    @abstractmethod
    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the mean loss of a batch, and of one of the second source where there is one.

        What it draws comes from torch's global generator.
        """

    def update(self, batch: Examples, other: Examples | None) -> Tensor:
        """Learn from a batch, and return its loss, detached."""
        with self.autocast():
            loss = self.loss(batch, other)
        self.descend(loss, self.optimizers[0])
        return loss.detach()

    def judge(self, batch: Examples) -> dict[str, float | None]:
        """Return figures of a batch held out, as means; training stops early by "loss".

        They become the columns held_out_NAME of the history.
        """
        return {"loss": float(self.loss(batch, None))}

    def start(self, epoch: int) -> None:  # noqa: B027 - most need nothing
        """Prepare for an epoch, counted from 1; nothing by default."""

    def end(self, epoch: int) -> None:  # noqa: B027
        """Conclude an epoch, before the hold-out is judged; nothing by default."""

    def descend(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Move the weights of an optimizer down the gradient of a loss, clipped as the schedule says."""
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.schedule.clip is not None:
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            torch.nn.utils.clip_grad_norm_(weights, self.schedule.clip)
        optimizer.step()

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which a forward pass has the schedule's precision."""
        if self.schedule.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def state(self) -> dict[str, Any]:
        """Return all that must be known to go on, in tensors and plain values."""
        return {"model": self.model.state_dict(), "optimizer": [each.state_dict() for each in self.optimizers]}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned.

        Raises:
            InputError: It is the state of something else.
        """
        kept = state["optimizer"]
        try:
            self.model.load_state_dict(state["model"])
            for each, saved in zip(self.optimizers, kept if isinstance(kept, list) else [kept], strict=True):
                each.load_state_dict(saved)
        except (RuntimeError, ValueError, KeyError) as error:
            said = " ".join(str(error).split())
            raise InputError(f"the checkpoint is of another training: {said[:200]}; delete it to train anew") from None


class Rates:
    """The learning rates of a step's optimizers, multiplied by its schedule."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._lr = [[float(group["lr"]) for group in optimizer.param_groups] for optimizer in step.optimizers]

    def set(self, factor: float) -> None:
        """Set every rate to what it was at the start, times a factor."""
        for group, lr in self._groups():
            group["lr"] = lr * factor

    def _groups(self) -> Iterator[tuple[dict[str, Any], float]]:
        for optimizer, rates in zip(self._step.optimizers, self._lr, strict=True):
            yield from zip(optimizer.param_groups, rates, strict=True)
