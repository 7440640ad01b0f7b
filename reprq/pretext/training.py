"""The one training loop of all pretext tasks."""

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import trange

from reprq.errors import InputError
from reprq.pretext.task import PretextTask

HELD_OUT = 0.1
PATIENCE = 5

Epoch = dict[str, float | int | None]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        epochs: The most passes over the training images.
        batch_size: Images a step, before the task makes views of them.
        lr: The learning rate of Adam.
        seed: Of the hold-out and of the order of images.
    """

    epochs: int
    batch_size: int
    lr: float
    seed: int

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 2)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}")
        if not (isinstance(self.lr, int | float) and math.isfinite(self.lr) and self.lr > 0):
            raise InputError(f"lr must be a positive number, got {self.lr!r}; 0.001 is usual")


def train(
    model: nn.Module, task: PretextTask, images: Tensor, labels: Tensor, schedule: Schedule, bar: Any = None
) -> list[Epoch]:
    """Train a network and its head in place with Adam, and leave it as it was at its best on a seeded hold-out.

    A tenth of the images is held out; training stops where its loss has not improved for five epochs.

    Args:
        model: From a batch of images to the outputs that the task's loss takes; on its device.
        task: Views, loss and accuracy.
        images: (n, C, size, size) float32, n >= 4; batches are moved to the model's device.
        labels: (n,) int64.
        schedule: Epochs, batch size, learning rate, seed.
        bar: Keyword arguments of tqdm.

    Returns:
        One row an epoch: epoch, loss (mean over the training steps), held_out_loss, held_out_accuracy.

    Raises:
        InputError: the loss is no longer finite.
    """
    order = np.random.default_rng(schedule.seed).permutation(len(images))
    held_out, kept = np.split(order, [max(2, round(HELD_OUT * len(images)))])
    rng = np.random.default_rng([schedule.seed, 1])
    optimizer = torch.optim.Adam(model.parameters(), lr=schedule.lr)
    history: list[Epoch] = []
    best, best_epoch, best_state = math.inf, 0, {}
    with trange(1, schedule.epochs + 1, unit="epoch", **(bar or {})) as progress:
        for epoch in progress:
            batches = _batches(rng.permutation(kept), schedule.batch_size)
            loss = float(np.mean([_step(model, task, images[rows], labels[rows], optimizer) for rows in batches]))
            judged, accuracy = _judge(model, task, images, labels, _batches(held_out, schedule.batch_size))
            if not math.isfinite(loss + judged):
                raise InputError(f"the loss is not finite in epoch {epoch}; give an lr below {schedule.lr}")
            history.append({"epoch": epoch, "loss": loss, "held_out_loss": judged, "held_out_accuracy": accuracy})
            progress.set_postfix(loss=f"{loss:.4f}", held_out=f"{judged:.4f}")
            if judged < best:
                best, best_epoch, best_state = judged, epoch, copy.deepcopy(model.state_dict())
            elif epoch - best_epoch >= PATIENCE:
                break
    model.load_state_dict(best_state)
    return history


def _batches(rows: Any, size: int) -> list[Tensor]:
    """Split rows into batches as equal as can be, none of a single row, which batch normalisation cannot take."""
    count = max(1, min(math.ceil(len(rows) / size), len(rows) // 2))
    return [torch.from_numpy(part) for part in np.array_split(rows, count)]


def _step(
    model: nn.Module, task: PretextTask, images: Tensor, labels: Tensor, optimizer: torch.optim.Optimizer
) -> float:
    model.train()
    device = next(model.parameters()).device
    inputs, targets = task.views(images.to(device), labels.to(device))
    loss = task.loss(model(inputs), targets)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return float(loss.detach())


@torch.no_grad()
def _judge(
    model: nn.Module, task: PretextTask, images: Tensor, labels: Tensor, batches: list[Tensor]
) -> tuple[float, float | None]:
    """Return the mean loss and accuracy over batches, in evaluation mode."""
    model.eval()
    device = next(model.parameters()).device
    losses, accuracies, sizes = [], [], []
    for rows in batches:
        inputs, targets = task.views(images[rows].to(device), labels[rows].to(device))
        outputs = model(inputs)
        losses.append(float(task.loss(outputs, targets)))
        accuracies.append(task.accuracy(outputs, targets))
        sizes.append(len(rows))
    right = [accuracy for accuracy in accuracies if accuracy is not None]
    return float(np.average(losses, weights=sizes)), float(np.average(right, weights=sizes)) if right else None
