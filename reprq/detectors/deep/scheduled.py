"""Deep detectors whose parameters are the fields of a dataclass; those that all of them take stand here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reprq.detectors.deep.base import DeepDetector
from reprq.detectors.deep.networks import Scaling
from reprq.errors import InputError
from reprq.training import Epoch, Schedule

_RATE = ("lr", "milestones", "weight_decay", "clip")
_OF_SCHEDULE = {"epochs", "batch_size", "seed", "patience", "precision", "held_out", *_RATE}
_READ = 256


@dataclass(kw_only=True, eq=False, repr=False)
class TrainedDetector(DeepDetector):
    """A deep detector that takes the parameters below.

    A subclass is a dataclass too, `kw_only` and with scikit-learn's equality and repr: its fields are parameters, and
    it gives `epochs`, `batch_size` and `lr` their defaults. Those that a `Schedule` has too, such as `patience` and
    `clip`, are given to it; without `patience` it trains to the last epoch.

    `on_epoch` is called before the training (epoch 0) and after each of its epochs with the detector and the row of
    `history_`; while it runs the detector scores, embeds and saves as it then is. What it draws changes nothing. A
    training that goes on from a checkpoint does not call it for the epochs that are done.
    """

    epochs: int
    batch_size: int
    lr: float
    seed: int = 0
    device: str = "cpu"
    checkpoint: str | Path | None = None
    progress: bool = False
    on_epoch: Callable[[Any, Epoch], object] | None = None

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        if self.on_epoch is not None and not callable(self.on_epoch):
            raise InputError(f"on_epoch must be a function of the detector and an epoch's row, got {self.on_epoch!r}")
        self.schedule()

    def schedule(self) -> Schedule:
        """Return how long and how fast it trains."""
        given = {name: value for name, value in self.get_params().items() if name in _OF_SCHEDULE}
        return Schedule(**{"patience": None, **given})

    def _learn_scaling(self, scaling: Scaling, rows: NDArray[np.int64]) -> None:
        """Set the constants of a scaling by these rows of the benign samples."""
        batches = torch.split(torch.from_numpy(rows), _READ)
        scaling.learn([self.inputs_[each].to(self.device) for each in batches])


@dataclass(kw_only=True, eq=False, repr=False)
class ScheduledDetector(TrainedDetector):
    """A deep detector that trains to the last epoch, at a rate that falls, on inputs scaled by benign samples.

    Its `network_` has a `Scaling` for inputs, `scaling`.
    """

    milestones: tuple[int, ...] | list[int]
    weight_decay: float
    held_out: float = 0.1
    precision: str = "float32"

    def _prepare(self, schedule: Schedule, kept: NDArray[np.int64]) -> None:
        self._learn_scaling(self.network_.scaling, kept)  # type: ignore[arg-type]
