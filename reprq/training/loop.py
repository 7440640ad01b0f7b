"""Adam, a seeded hold-out, an early stop, and a checkpoint after every epoch."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.backbones.batch import mapped
from reprq.errors import InputError
from reprq.progress import track
from reprq.seeding import seeded
from reprq.training.checkpoint import Checkpoint
from reprq.training.inputs import Inputs

HELD_OUT = 0.1

Epoch = dict[str, float | int | None]
Objective = Callable[[nn.Module, Any, Tensor], tuple[Tensor, float | None]]
Batches = list[Tensor]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        epochs: The most passes over the training items.
        batch_size: Items a step.
        lr: The learning rate of Adam.
        seed: Of the hold-out, the order of items, and whatever the objective draws.
        patience: Epochs without a better loss on the hold-out before training stops.
        precision: "float32", or "bfloat16" for autocast.

    Raises:
        InputError: A value out of its range.
    """

    epochs: int
    batch_size: int
    lr: float
    seed: int
    patience: int = 5
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 2), ("seed", 0), ("patience", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}")
        if not (isinstance(self.lr, int | float) and math.isfinite(self.lr) and self.lr > 0):
            raise InputError(f"lr must be a positive number, got {self.lr!r}; 0.001 is usual")
        if self.precision not in ("float32", "bfloat16"):
            raise InputError(f"precision must be float32 or bfloat16, got {self.precision!r}")


def split_rows(n: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that train and the rows held out, a seeded tenth and at least 2, of n >= 4 items."""
    held_out, kept = np.split(np.random.default_rng(seed).permutation(n), [max(2, round(HELD_OUT * n))])
    return kept, held_out


def train(
    model: nn.Module,
    objective: Objective,
    inputs: Inputs | Tensor,
    targets: Tensor,
    schedule: Schedule,
    *,
    checkpoint: Path | None = None,
    bar: dict[str, Any] | None = None,
) -> list[Epoch]:
    """Train a model in place with Adam, and leave it in evaluation mode as it was at its best on the hold-out.

    What an epoch draws depends on the seed and the epoch alone, so that training which goes on from a checkpoint ends
    where it would have ended without the interruption.

    Args:
        model: On its device; batches are moved there.
        objective: From the model, a batch of inputs and their targets to the mean loss, and the share of right answers
            or None.
        inputs: n >= 4 items, (C, H, W) float32 each if they are images.
        targets: (n, ...) one target an item.
        schedule: Epochs, batch size, learning rate, seed, patience, precision.
        checkpoint: Where to keep the state between epochs; it goes when training is done.
        bar: Keyword arguments of `reprq.progress.track`; no progress by default.

    Returns:
        One row an epoch: epoch, loss (mean over the training steps), held_out_loss, held_out_accuracy.

    Raises:
        InputError: The loss is no longer finite.
        ReprqError: The checkpoint is damaged or cannot be written.
    """
    device = next(model.parameters()).device
    kept, held_out = split_rows(len(inputs), schedule.seed)
    run = _TrainingRun(model, objective, inputs, targets, schedule, device)
    saved, file = _State(), Checkpoint(checkpoint)
    if (found := file.load(device)) is not None:
        saved = run.resume(found)
    shown = {"desc": "training", "show": False, **(bar or {})}
    with track(total=schedule.epochs, unit="epoch", initial=saved.epoch, **shown) as progress:
        for epoch in range(saved.epoch + 1, schedule.epochs + 1):
            if saved.stale >= schedule.patience:
                break
            row = run.epoch(epoch, kept, held_out)
            saved.add(row, model)
            progress.update()
            progress.set_postfix_str(f"loss {row['loss']:.4f}, held out {row['held_out_loss']:.4f}")
            file.save(run.state(saved))
    model.load_state_dict(saved.best)
    model.eval()
    file.remove()
    return saved.history


class _State:
    """The history, and the model at its best."""

    def __init__(self, history: list[Epoch] | None = None, best: dict[str, Tensor] | None = None) -> None:
        self.history, self.best = history or [], best or {}

    @property
    def epoch(self) -> int:
        return len(self.history)

    @property
    def _losses(self) -> list[float]:
        return [float(row["held_out_loss"] or 0.0) for row in self.history]

    @property
    def stale(self) -> int:
        """Epochs since the best one."""
        return self.epoch - 1 - int(np.argmin(self._losses)) if self.history else 0

    def add(self, row: Epoch, model: nn.Module) -> None:
        self.history.append(row)
        if self.stale == 0:
            self.best = copy.deepcopy(model.state_dict())


class _TrainingRun:
    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        inputs: Inputs | Tensor,
        targets: Tensor,
        schedule: Schedule,
        device: torch.device,
    ) -> None:
        self.model, self.objective, self.inputs, self.targets = model, objective, inputs, targets
        self.schedule, self.device = schedule, device
        model.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=schedule.lr)

    def resume(self, state: dict[str, Any]) -> _State:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        return _State(state["history"], state["best"])

    def state(self, saved: _State) -> dict[str, Any]:
        return {
            "history": saved.history,
            "model": self.model.state_dict(),
            "best": saved.best,
            "optimizer": self.optimizer.state_dict(),
        }

    def epoch(self, epoch: int, kept: NDArray[np.int64], held_out: NDArray[np.int64]) -> Epoch:
        """Train on every row once and judge on the rows held out, whose draws are the same in every epoch."""
        seed, size = self.schedule.seed, self.schedule.batch_size
        order = np.random.default_rng([seed, 1, epoch]).permutation(kept)
        with seeded(int(np.random.default_rng([seed, 2, epoch]).integers(2**62)), self.device):
            loss = float(np.mean([self._step(rows) for rows in _batches(order, size)]))
        with seeded(seed, self.device):
            judged, accuracy = self._judge(_batches(held_out, size))
        if not math.isfinite(loss + judged):
            raise InputError(f"the loss is not finite in epoch {epoch}; give an lr below {self.schedule.lr}")
        return {"epoch": epoch, "loss": loss, "held_out_loss": judged, "held_out_accuracy": accuracy}

    def _step(self, rows: Tensor) -> float:
        self.model.train()
        loss, _ = self._loss(rows)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return float(loss.detach())

    @torch.no_grad()
    def _judge(self, batches: Batches) -> tuple[float, float | None]:
        """Return the mean loss and accuracy over batches, in evaluation mode."""
        self.model.eval()
        judged = [self._loss(rows) for rows in batches]
        sizes = [len(rows) for rows in batches]
        right = [accuracy for _, accuracy in judged if accuracy is not None]
        accuracy = float(np.average(right, weights=sizes)) if right else None
        return float(np.average([float(loss) for loss, _ in judged], weights=sizes)), accuracy

    def _loss(self, rows: Tensor) -> tuple[Tensor, float | None]:
        inputs = mapped(self.inputs[rows], lambda tensor: tensor.to(self.device))
        targets = self.targets[rows].to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.schedule.precision == "bfloat16"):
            return self.objective(self.model, inputs, targets)


def _batches(rows: NDArray[np.int64], size: int) -> Batches:
    """Split rows into batches as equal as can be, none of a single row, which batch normalisation cannot take."""
    count = max(1, min(math.ceil(len(rows) / size), len(rows) // 2))
    return [torch.from_numpy(part) for part in np.array_split(rows, count)]
