"""Named data sets of images, and the one-class tasks that their classes give.

Nothing here imports torch until one of torchvision's data sets is loaded.
"""

from reprq.data.dataset import ImageDataset
from reprq.data.registry import DatasetInfo, available, load_dataset
from reprq.data.sources import ArraySource, FileSource, ImageSource
from reprq.data.tasks import Task, one_class_tasks, select_tasks

__all__ = [
    "ArraySource",
    "DatasetInfo",
    "FileSource",
    "ImageDataset",
    "ImageSource",
    "Task",
    "available",
    "load_dataset",
    "one_class_tasks",
    "select_tasks",
]
