"""The one training loop of teachers and network detectors, and the images that it reads."""

from reprq.training.images import Images
from reprq.training.loop import Epoch, Objective, Schedule, split_rows, train

__all__ = ["Epoch", "Images", "Objective", "Schedule", "split_rows", "train"]
