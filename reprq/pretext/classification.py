"""Tell the classes of a labelled data set apart."""

from torch import Tensor, nn
from torch.nn import functional

from reprq.data import ImageDataset
from reprq.errors import DataError
from reprq.pretext.task import PretextTask


class Classification(PretextTask):
    """Cross entropy, in nats, of a linear head on the embedding against the labels."""

    def head(self, data: ImageDataset) -> nn.Module:
        """Return a linear layer with one output a class."""
        if len(data.classes) < 2:
            raise DataError(f"classification needs at least 2 classes, {data.name} has {len(data.classes)}; give more")
        return nn.Linear(self.shapes.width, len(data.classes))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean of -log softmax(outputs)[target]."""
        return functional.cross_entropy(outputs, targets)

    def accuracy(self, outputs: Tensor, targets: Tensor) -> float:
        """Return the share of rows whose largest output is the target."""
        return float((outputs.argmax(1) == targets).double().mean())
