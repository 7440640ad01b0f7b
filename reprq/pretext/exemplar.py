"""Match a central exemplar: the simplest objective of Mai's thesis."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from reprq.backbones.batch import count
from reprq.data import Batch, Dataset
from reprq.pretext.task import PretextTask
from reprq.training import Inputs

_BATCH = 256


class CentralExemplar(PretextTask):
    """Mean squared error between the embedding of a sample and that of a central one, which stays as it began.

    The exemplar is the benign sample whose embedding by the initial network is nearest to the mean of all; its
    embedding is the target of every sample. The thesis names the task and prints no formula. As in Deep SVDD with
    biases the network can put all samples to the one place (Ruff 2021, Proposition 2): the early stop ends it before.

    Attributes:
        exemplar_: The row of the exemplar in the training samples.
        target_: (width,) its embedding.
    """

    exemplar_: int
    target_: Tensor

    def head(self, data: Dataset) -> nn.Module:
        """Return nothing on top of the embedding."""
        return nn.Identity()

    def prepare(self, trunk: nn.Module, inputs: Inputs | Tensor) -> None:
        """Find the exemplar."""
        trunk.eval()
        with torch.no_grad():
            batches = torch.split(torch.arange(len(inputs)), _BATCH)
            found = torch.cat([trunk(inputs[rows]) for rows in batches]).double()
        self.exemplar_ = int((found - found.mean(dim=0)).square().sum(dim=1).argmin())
        self.target_ = found[self.exemplar_].float()

    def views(self, inputs: Batch, labels: Tensor) -> tuple[Batch, Tensor]:
        """Return the inputs, and the target once a sample."""
        return inputs, self.target_.to(labels.device).expand(count(inputs), -1)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean of (output - target)^2 over samples and columns."""
        return functional.mse_loss(outputs, targets)
