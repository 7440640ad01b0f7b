"""Data sets by name, of images and of other modalities, and the one-class tasks that their classes give.

Nothing here imports torch until one of torchvision's data sets is loaded.
"""

from reprq.data.adapters import as_dataset
from reprq.data.benign import Benign, benign_rows
from reprq.data.dataset import Dataset
from reprq.data.image.masks import Masks, check_masks
from reprq.data.image.photo import to_photo
from reprq.data.image.protocols import PROTOCOLS, load_protocol
from reprq.data.image.sources import ArraySource, FileSource, ImageSource
from reprq.data.image.views import patches
from reprq.data.modality import Batch, Modality, Seen, Source, Transform
from reprq.data.oneclass import OneClassSplit, one_class_split
from reprq.data.reading import read_as
from reprq.data.registry import DATASETS, Asked, DatasetInfo, available, load_dataset, names
from reprq.data.scenarios import Scenario, Splits, named_tasks, scenario_splits
from reprq.data.small_modes import small_mode_split
from reprq.data.splits import Split, distinct, task_split
from reprq.data.tasks import Task, benign_task, one_class_tasks, select_tasks

ImageDataset = Dataset  # its name before there was data of other modalities

__all__ = [
    "DATASETS",
    "PROTOCOLS",
    "ArraySource",
    "Asked",
    "Batch",
    "Benign",
    "Dataset",
    "DatasetInfo",
    "FileSource",
    "ImageDataset",
    "ImageSource",
    "Masks",
    "Modality",
    "OneClassSplit",
    "Scenario",
    "Seen",
    "Source",
    "Split",
    "Splits",
    "Task",
    "Transform",
    "as_dataset",
    "available",
    "benign_rows",
    "benign_task",
    "check_masks",
    "distinct",
    "load_dataset",
    "load_protocol",
    "named_tasks",
    "names",
    "one_class_split",
    "one_class_tasks",
    "patches",
    "read_as",
    "scenario_splits",
    "select_tasks",
    "small_mode_split",
    "task_split",
    "to_photo",
]
