"""Pretext tasks, which train a teacher: each is a head, the views it makes of a batch, and a loss."""

from reprq.pretext.supervised import as_benign_or_anomalous
from reprq.pretext.teacher import TASKS, names, train_teacher

__all__ = ["TASKS", "as_benign_or_anomalous", "names", "train_teacher"]
