"""Pretext tasks, which train a teacher: each is a head, the views it makes of a batch, and a loss."""

from typing import TYPE_CHECKING

from reprq.lazy import from_modules
from reprq.pretext.registry import TASKS, names

if TYPE_CHECKING:
    from reprq.pretext.supervised import as_benign_or_anomalous
    from reprq.pretext.task import PretextTask, Shapes
    from reprq.pretext.teacher import train_teacher

_HOMES = {
    "PretextTask": "reprq.pretext.task",
    "Shapes": "reprq.pretext.task",
    "as_benign_or_anomalous": "reprq.pretext.supervised",
    "train_teacher": "reprq.pretext.teacher",
}

__all__ = ["TASKS", "PretextTask", "Shapes", "as_benign_or_anomalous", "names", "train_teacher"]

__getattr__ = from_modules(__name__, _HOMES)
