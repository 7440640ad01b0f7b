"""Binary classifiers of benign samples against a corpus, which hypersphere classification is measured against."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from reprq.detectors.deep.exposure import ExposureDetector
from reprq.errors import InputError


class BCE(ExposureDetector):
    """The logit of a classifier of benign samples against a corpus, trained by binary cross-entropy.

    Parameters are those of `HSC`, without `radial`. The score is the logit, not its sigmoid, which would end in ties.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> benign, corpus = rng.normal(size=(40, 5)), rng.normal(size=(90, 5), scale=4)
        >>> BCE(epochs=2).fit(benign, auxiliary=corpus).describe()
        'bce[epochs=2,lr=0.001]'
    """

    def describe(self) -> str:
        """Return for example "bce[epochs=200,lr=0.001]", and whatever is not at its default."""
        return self._described()

    def _head(self, dim: int) -> nn.Module:
        return nn.Linear(dim, 1)

    def _loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return focal_loss(outputs.squeeze(1), labels, 0.0)

    def _score_of(self, outputs: Tensor) -> Tensor:
        return outputs.squeeze(1)


@dataclass(kw_only=True, eq=False, repr=False)
class Focal(BCE):
    """As `BCE`, with the focal loss (1 - p)^gamma (-log p), p the probability of the true class (Lin et al. 2017).

    Args:
        gamma: How much less what is well told apart counts; 0 is `BCE`.
        network: This and the others as in `HSC`.
    """

    gamma: float = 2.0

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        gamma = self.gamma
        if isinstance(gamma, bool) or not isinstance(gamma, int | float) or not 0 <= gamma < math.inf:
            raise InputError(f"gamma must be a number of at least 0, got {gamma!r}; 2 is usual")
        super().check_parameters()

    def _loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return focal_loss(outputs.squeeze(1), labels, self.gamma)


def focal_loss(logits: Tensor, labels: Tensor, gamma: float) -> Tensor:
    """Return (1 - p)^gamma (-log p) of each sample, p = sigmoid of the logit or of minus it; cross-entropy at 0.

    Args:
        logits: (n,) of being anomalous.
        labels: (n,) 1 is anomalous.
        gamma: At least 0.

    Example:
        >>> focal_loss(torch.tensor([0.0, 0.0, -2.0]), torch.tensor([1, 0, 1]), 2.0)
        tensor([0.1733, 0.1733, 1.6501])
    """
    signed = torch.where(labels == 1, logits, -logits)
    return -(gamma * logsigmoid(-signed)).exp() * logsigmoid(signed)
