"""The one training loop of teachers and network detectors, and the items that it reads."""

from reprq.training.inputs import Inputs
from reprq.training.loop import Epoch, Objective, Schedule, split_rows, train

__all__ = ["Epoch", "Inputs", "Objective", "Schedule", "split_rows", "train"]
