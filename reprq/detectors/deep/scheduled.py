"""Deep detectors that train to the last epoch by the usual parameters, on inputs scaled by benign samples."""

import numpy as np
import torch
from numpy.typing import NDArray

from reprq.detectors.deep.base import DeepDetector
from reprq.detectors.deep.networks import Scaling
from reprq.errors import InputError
from reprq.training import Schedule

_READ = 256


class ScheduledDetector(DeepDetector):
    """A deep detector that takes the parameters below, for its schedule, beside what `DeepDetector` asks for."""

    epochs: int
    batch_size: int
    lr: float
    milestones: tuple[int, ...] | list[int]
    weight_decay: float
    held_out: float
    precision: str

    def check_schedule(self) -> None:
        """Raise an InputError for a parameter of the schedule that cannot be used."""
        if not isinstance(self.milestones, list | tuple):
            raise InputError(f"milestones must be a list of epochs, got {self.milestones!r}")
        self.schedule()

    def schedule(self) -> Schedule:
        """Return how long and how fast it trains: to the last epoch."""
        return Schedule(
            self.epochs,
            self.batch_size,
            self.lr,
            self.seed,
            patience=None,
            precision=self.precision,  # type: ignore[arg-type]
            weight_decay=self.weight_decay,
            milestones=tuple(self.milestones),
            held_out=self.held_out,
        )

    def _learn_scaling(self, scaling: Scaling, rows: NDArray[np.int64]) -> None:
        """Set the constants of a scaling by these rows of the benign samples."""
        batches = torch.split(torch.from_numpy(rows), _READ)
        scaling.learn([self.inputs_[each].to(self.device) for each in batches])
