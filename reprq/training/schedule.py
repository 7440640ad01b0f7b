"""How long and how fast to train."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError

HELD_OUT = 0.1
_FIRST = ("epochs", "batch_size", "lr", "seed", "patience", "precision")


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    The learning rate of batch s = 1, 2, ... in epoch e is
    lr * gamma^(milestones before e) * epoch_decay^(e - 1) * step_decay^(s - 1) * min(1, s / warm_up),
    where s counts on from epoch to epoch, and with `cosine` times (1 + cos(pi (s - 1) / S)) / 2 of all S steps
    (Loshchilov & Hutter 2017, equation 5, without restarts).

    Attributes:
        epochs: The most passes over the training items.
        batch_size: Items a step.
        lr: The learning rate at the start, after the warm-up.
        seed: Of the hold-out, the order of items, and whatever the loss draws.
        patience: Epochs without a better loss on the hold-out before training stops; None never stops early, and keeps
            the last epoch, not the best.
        precision: "float32", or "bfloat16" for autocast.
        weight_decay: Added to the gradient times the weight, as torch's optimizers do it: (lambda / 2) ||W||^2.
        clip: The largest norm of all gradients together; None leaves them as they are.
        milestones: Epochs after which the rate is multiplied by `gamma`.
        gamma: What the rate is multiplied by at a milestone.
        epoch_decay: What the rate is multiplied by after every epoch.
        step_decay: What the rate is multiplied by after every step.
        warm_up: Steps over which the rate rises linearly at the start; 0 for none.
        cosine: Whether the rate falls towards 0 along half a cosine over all epochs.
        held_out: Share of the items that is held out, at least 2 of them; 0 for none, and then patience is None.
        other_batch_size: Items a step of the second source; `batch_size` by default.

    Raises:
        InputError: A value out of its range.
    """

    epochs: int
    batch_size: int
    lr: float
    seed: int
    patience: int | None = 5
    precision: Literal["float32", "bfloat16"] = "float32"
    weight_decay: float = 0.0
    clip: float | None = None
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    epoch_decay: float = 1.0
    step_decay: float = 1.0
    warm_up: int = 0
    cosine: bool = False
    held_out: float = HELD_OUT
    other_batch_size: int | None = None

    def __post_init__(self) -> None:
        counts = {"epochs": 1, "batch_size": 2, "seed": 0, "warm_up": 0}
        counts |= {"patience": 1} if self.patience is not None else {}
        counts |= {"other_batch_size": 1} if self.other_batch_size is not None else {}
        for name, least in counts.items():
            _check_count(name, getattr(self, name), least)
        if not isinstance(self.milestones, list | tuple):
            raise InputError(f"milestones must be a list of epochs, got {self.milestones!r}")
        object.__setattr__(self, "milestones", tuple(self.milestones))
        for epoch in self.milestones:
            _check_count("milestones", epoch, 1)
        if not _is_number(self.lr) or self.lr <= 0:
            raise InputError(f"lr must be a positive number, got {self.lr!r}; 0.001 is usual")
        if self.clip is not None and (not _is_number(self.clip) or self.clip <= 0):
            raise InputError(f"clip must be a positive number or None, got {self.clip!r}")
        if not _is_number(self.weight_decay) or self.weight_decay < 0:
            raise InputError(f"weight_decay must be a number of at least 0, got {self.weight_decay!r}")
        for name in ("gamma", "epoch_decay", "step_decay"):
            if not _is_number(value := getattr(self, name)) or not 0 < value <= 1:
                raise InputError(f"{name} must be in (0, 1], got {value!r}")
        if not isinstance(self.cosine, bool):
            raise InputError(f"cosine must be True or False, got {self.cosine!r}")
        if self.precision not in ("float32", "bfloat16"):
            raise InputError(f"precision must be float32 or bfloat16, got {self.precision!r}")
        if not _is_number(self.held_out) or not 0 <= self.held_out < 1:
            raise InputError(f"held_out must be a share in [0, 1), got {self.held_out!r}")
        if not self.held_out and self.patience is not None:
            raise InputError("patience looks at the samples held out, and held_out is 0; give patience=None")

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """Return what the learning rate is multiplied by in a step, counted from 1 over all epochs of so many steps.

        Example:
            >>> halved = Schedule(9, 32, 0.1, seed=0, milestones=(4,), gamma=0.5, warm_up=10)
            >>> halved.rate(1, 5, 10), halved.rate(4, 40, 10), halved.rate(5, 41, 10)
            (0.5, 1.0, 0.5)
            >>> falling = Schedule(10, 32, 0.1, seed=0, cosine=True)
            >>> falling.rate(1, 1, 4), falling.rate(6, 21, 4)
            (1.0, 0.5)
        """
        passed = sum(milestone < epoch for milestone in self.milestones)
        warm = min(1.0, step / self.warm_up) if self.warm_up else 1.0
        bent = (1 + math.cos(math.pi * (step - 1) / (self.epochs * steps))) / 2 if self.cosine else 1.0
        fallen = self.gamma**passed * self.epoch_decay ** (epoch - 1) * self.step_decay ** (step - 1)
        return float(fallen * warm * bent)

    def to_dict(self) -> dict[str, Any]:
        """Return the values in types of JSON, without those that are at their defaults and came after version 0.1."""
        said = {field.name: field.default for field in fields(self) if field.name not in _FIRST}
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {name: value for name, value in values.items() if name in _FIRST or getattr(self, name) != said[name]}


def split_rows(n: int, seed: int, share: float = HELD_OUT) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that train and the rows held out, a seeded share and at least 2, of n >= 4 items."""
    count = max(2, round(share * n)) if share else 0
    held_out, kept = np.split(np.random.default_rng(seed).permutation(n), [count])
    return kept, held_out


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_count(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}")
