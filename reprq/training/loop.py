"""The one training loop: a seeded hold-out and order, an early stop, and a checkpoint after every epoch."""

import copy
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reprq.backbones.batch import mapped, sent
from reprq.errors import InputError
from reprq.progress import track
from reprq.seeding import seeded
from reprq.training.balance import balanced, mixed
from reprq.training.checkpoint import Checkpoint
from reprq.training.schedule import split_rows
from reprq.training.step import Examples, Rates, Step

Epoch = dict[str, float | int | None]
Rows = NDArray[np.int64]


def train(
    step: Step,
    examples: Examples,
    *,
    other: Examples | None = None,
    checkpoint: Path | None = None,
    bar: dict[str, Any] | None = None,
    on_batch: Callable[[Step, Tensor], object] | None = None,
    on_epoch: Callable[[Step, Epoch], object] | None = None,
) -> list[Epoch]:
    """Train what a step holds, and leave it in evaluation mode: at its best on the hold-out, or after the last epoch.

    What an epoch draws depends on the seed and the epoch alone, so that training which goes on from a checkpoint ends
    where it would have ended without the interruption, to the bit on a CPU.

    Args:
        step: What is trained and how; its schedule says how long and how fast.
        examples: n >= 4 items, a share of which is held out as the schedule says. Where they are of several sets, those
            that train are then resampled to the largest set of each label, and every batch holds all sets.
        other: A second source, such as labelled samples or a corpus. Every step gets a batch of it too, in a new order
            each time all of it has been seen.
        checkpoint: Where to keep the state between epochs; it goes when training is done.
        bar: Keyword arguments of `reprq.progress.track`; no progress by default.
        on_batch: Called after every step with the step and its loss. What it draws does not change the training.
        on_epoch: Called after every epoch, once its state is kept, with the step and the epoch's row.

    Returns:
        One row an epoch: epoch, loss (mean over the training steps), and held_out_NAME for each figure of the step.

    Raises:
        InputError: The loss is no longer finite, or the checkpoint is of another training.
        ReprqError: The checkpoint is damaged or cannot be written.
    """
    run = _TrainingRun(step, examples, other, on_batch)
    schedule, saved, file = step.schedule, _State(stops=step.schedule.patience is not None), Checkpoint(checkpoint)
    if (found := file.load(step.device)) is not None:
        step.load_state(found)
        saved.history, saved.best = found["history"], found["best"]
    shown = {"desc": "training", "show": False, **(bar or {})}
    with track(total=schedule.epochs, unit="epoch", initial=saved.epoch, **shown) as progress:
        for epoch in range(saved.epoch + 1, schedule.epochs + 1):
            if schedule.patience is not None and saved.stale >= schedule.patience:
                break
            row = run.epoch(epoch)
            saved.add(row, step)
            progress.update()
            progress.set_postfix_str(_said(row))
            if checkpoint is not None:
                file.save({"history": saved.history, "best": saved.best, **step.state()})
            if on_epoch is not None:
                with seeded(schedule.seed, step.device):
                    on_epoch(step, row)
    if saved.stops:
        step.model.load_state_dict(saved.best)
    step.model.eval()
    file.remove()
    return saved.history


class _State:
    """The history, and where training stops early the model at its best."""

    def __init__(self, stops: bool) -> None:
        self.stops = stops
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] = {}

    @property
    def epoch(self) -> int:
        return len(self.history)

    @property
    def stale(self) -> int:
        """Epochs since the best one."""
        losses = [float(row["held_out_loss"] or 0.0) for row in self.history]
        return self.epoch - 1 - int(np.argmin(losses)) if losses else 0

    def add(self, row: Epoch, step: Step) -> None:
        self.history.append(row)
        if self.stops and self.stale == 0:
            self.best = copy.deepcopy(step.model.state_dict())


class _TrainingRun:
    def __init__(
        self,
        step: Step,
        examples: Examples,
        other: Examples | None,
        on_batch: Callable[[Step, Tensor], object] | None,
    ) -> None:
        self.step, self.examples, self.other, self.on_batch = step, examples, other, on_batch
        self.rates = Rates(step)
        self.kept, self.held_out = split_rows(len(examples.inputs), step.schedule.seed, step.schedule.held_out)
        if examples.sets is not None:  # after the split: what is held out has no copies
            rng = np.random.default_rng([step.schedule.seed, 4])
            self.kept = balanced(self.kept, examples.sets, np.asarray(examples.targets), rng)
        self.steps = step.steps = len(_batches(self.kept, step.schedule.batch_size))  # of an epoch

    def epoch(self, epoch: int) -> Epoch:
        """Train on every row once and judge on the rows held out, whose draws are the same in every epoch."""
        schedule, device = self.step.schedule, self.step.device
        rng, sets = np.random.default_rng([schedule.seed, 1, epoch]), self.examples.sets
        order = rng.permutation(self.kept) if sets is None else mixed(self.kept, sets, rng)
        batches = _batches(order, schedule.batch_size)
        with seeded(int(np.random.default_rng([schedule.seed, 2, epoch]).integers(2**62)), device):
            self.step.model.train()
            self.step.start(epoch)
            losses = [self._update(epoch, i, *rows) for i, rows in enumerate(self._paired(batches, epoch), start=1)]
            self.step.end(epoch)
            loss = float(np.mean([float(each) for each in losses]))
        judged: dict[str, float | None] = {}
        if len(self.held_out):
            with seeded(schedule.seed, device):
                judged = self._judge(_batches(self.held_out, schedule.batch_size))
        if not math.isfinite(loss + (judged.get("loss") or 0.0)):
            raise InputError(f"the loss is not finite in epoch {epoch}; give an lr below {schedule.lr}")
        return {"epoch": epoch, "loss": loss, **{f"held_out_{name}": value for name, value in judged.items()}}

    def _update(self, epoch: int, number: int, rows: Tensor, others: Tensor | None) -> Tensor:
        self.rates.set(self.step.schedule.rate(epoch, (epoch - 1) * self.steps + number, self.steps))
        if not self.step.model.training:  # a hook has changed it; setting it anew takes as long as a small layer
            self.step.model.train()
        second = None if self.other is None or others is None else self._batch(self.other, others)
        loss = self.step.update(self._batch(self.examples, rows), second)
        if self.on_batch is not None:
            with seeded(0, self.step.device):
                self.on_batch(self.step, loss)
        return loss

    def _paired(self, batches: list[Tensor], epoch: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Each batch of the first source, with one of the second if there is one."""
        if self.other is None:
            yield from ((rows, None) for rows in batches)
            return
        schedule = self.step.schedule
        size, n = schedule.other_batch_size or schedule.batch_size, len(self.other.inputs)
        rng = np.random.default_rng([schedule.seed, 3, epoch])
        rounds = math.ceil(size * len(batches) / n)
        rows = torch.from_numpy(np.concatenate([rng.permutation(n) for _ in range(rounds)]))
        yield from zip(batches, torch.split(rows[: size * len(batches)], size), strict=True)

    @torch.no_grad()
    def _judge(self, batches: list[Tensor]) -> dict[str, float | None]:
        """Return the mean figures over batches, in evaluation mode."""
        self.step.model.eval()
        found = []
        for rows in batches:
            batch = self._batch(self.examples, rows)
            with self.step.autocast():
                found.append(self.step.judge(batch))
        sizes = [len(rows) for rows in batches]
        return {name: _mean([figures[name] for figures in found], sizes) for name in found[0]}

    def _batch(self, source: Examples, rows: Tensor) -> Examples:
        inputs = mapped(source.inputs[rows], lambda tensor: sent(tensor, self.step.device))
        return Examples(inputs, None if source.targets is None else sent(source.targets[rows], self.step.device))


def _batches(rows: Rows, size: int) -> list[Tensor]:
    """Split rows into batches as equal as can be, none of a single row, which batch normalization cannot take."""
    count = max(1, min(math.ceil(len(rows) / size), len(rows) // 2))
    return [torch.from_numpy(part) for part in np.array_split(rows, count)]


def _mean(values: list[float | None], sizes: list[int]) -> float | None:
    """The mean of a figure over batches; None where it has no value."""
    known = [(value, size) for value, size in zip(values, sizes, strict=True) if value is not None]
    return float(np.average([value for value, _ in known], weights=[size for _, size in known])) if known else None


def _said(row: Epoch) -> str:
    """The losses of an epoch, for the progress bar."""
    held_out = row.get("held_out_loss")
    return f"loss {row['loss']:.4f}" + ("" if held_out is None else f", held out {held_out:.4f}")
