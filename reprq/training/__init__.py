"""The one training loop of teachers and deep detectors: what is trained is a `Step`, what it learns from `Examples`."""

from reprq.training.inputs import Inputs
from reprq.training.loop import Epoch, train
from reprq.training.schedule import Schedule, split_rows
from reprq.training.step import Examples, Step

__all__ = ["Epoch", "Examples", "Inputs", "Schedule", "Step", "split_rows", "train"]
