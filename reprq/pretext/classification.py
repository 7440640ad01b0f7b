"""Tell the classes of a labelled data set apart."""

from torch import Tensor, nn
from torch.nn import functional

from reprq.data import Dataset
from reprq.errors import DataError
from reprq.pretext.task import PretextTask


def check_classes(task: str, data: Dataset) -> None:
    """Raise a `DataError` unless there are images of two classes at least."""
    present = len(set(data.labels.tolist()))
    if present < 2:
        raise DataError(f"{task} needs images of at least 2 classes, {data.name} has images of {present}; give more")


class Classification(PretextTask):
    """Cross entropy, in nats, of a linear head on the embedding against the labels."""

    def head(self, data: Dataset) -> nn.Module:
        """Return a linear layer with one output a class."""
        check_classes("classification", data)
        return nn.Linear(self.shapes.width, len(data.classes))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean of -log softmax(outputs)[target]."""
        return functional.cross_entropy(outputs, targets)

    def accuracy(self, outputs: Tensor, targets: Tensor) -> float:
        """Return the share of rows whose largest output is the target."""
        return float((outputs.argmax(1) == targets).double().mean())
