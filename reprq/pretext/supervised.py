"""Tell benign images from anomalies: the ceiling, since its teacher alone sees anomalies."""

from dataclasses import replace

from torch import nn

from reprq.data import Dataset, Task
from reprq.errors import DataError
from reprq.pretext.classification import Classification, check_classes

CLASSES = ("benign", "anomalous")


def as_benign_or_anomalous(data: Dataset, task: Task) -> Dataset:
    """Return the same images with the two classes "benign" (0) and "anomalous" (1) of a one-class task.

    Example:
        >>> from reprq.data import load_dataset, one_class_tasks
        >>> digits = load_dataset("digits")
        >>> as_benign_or_anomalous(digits, one_class_tasks(digits.classes)[0]).classes
        ('benign', 'anomalous')
    """
    return replace(data, classes=CLASSES, labels=task.anomaly_labels(data.labels))


class Supervised(Classification):
    """Cross entropy, in nats, of benign (0) against anomalous (1)."""

    def head(self, data: Dataset) -> nn.Module:
        """Return a linear layer with two outputs."""
        if data.classes != CLASSES:
            raise DataError(
                f"the supervised task needs images of the classes benign and anomalous, {data.name} has"
                f" {len(data.classes)} others; name the one-class task that tells them apart"
            )
        check_classes("supervised", data)
        return super().head(data)
