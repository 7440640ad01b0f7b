"""Binary classifiers of benign samples against a corpus, which hypersphere classification is measured against."""

import math
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from reprq.detectors.deep.exposure import ExposureDetector
from reprq.detectors.deep.networks import LEAKINESS
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

    def __init__(
        self,
        *,
        network: str | None = None,
        preprocessing: Literal["contrast", "min-max", "z-score"] | None = None,
        dim: int | None = None,
        leakiness: float = LEAKINESS,
        corpus_size: int | None = None,
        augmentations: tuple[str, ...] | list[str] = (),
        epochs: int = 200,
        batch_size: int = 128,
        lr: float = 1e-3,
        milestones: tuple[int, ...] | list[int] = (100, 150),
        weight_decay: float = 5e-7,
        held_out: float = 0.1,
        precision: str = "float32",
        seed: int = 0,
        device: str = "cpu",
        checkpoint: str | Path | None = None,
        progress: bool = False,
    ) -> None:
        self.network = network
        self.preprocessing = preprocessing
        self.dim = dim
        self.leakiness = leakiness
        self.corpus_size = corpus_size
        self.augmentations = augmentations
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.milestones = milestones
        self.weight_decay = weight_decay
        self.held_out = held_out
        self.precision = precision
        self.seed = seed
        self.device = device
        self.checkpoint = checkpoint
        self.progress = progress

    def describe(self) -> str:
        """Return for example "bce[epochs=200,lr=0.001]", and whatever is not at its default."""
        return self._described()

    def _head(self, dim: int) -> nn.Module:
        return nn.Linear(dim, 1)

    def _loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return focal_loss(outputs.squeeze(1), labels, 0.0)

    def _score_of(self, outputs: Tensor) -> Tensor:
        return outputs.squeeze(1)


class Focal(BCE):
    """As `BCE`, with the focal loss (1 - p)^gamma (-log p), p the probability of the true class (Lin et al. 2017).

    Args:
        gamma: How much less what is well told apart counts; 0 is `BCE`.
        network: This and the others as in `HSC`.
    """

    def __init__(
        self,
        *,
        gamma: float = 2.0,
        network: str | None = None,
        preprocessing: Literal["contrast", "min-max", "z-score"] | None = None,
        dim: int | None = None,
        leakiness: float = LEAKINESS,
        corpus_size: int | None = None,
        augmentations: tuple[str, ...] | list[str] = (),
        epochs: int = 200,
        batch_size: int = 128,
        lr: float = 1e-3,
        milestones: tuple[int, ...] | list[int] = (100, 150),
        weight_decay: float = 5e-7,
        held_out: float = 0.1,
        precision: str = "float32",
        seed: int = 0,
        device: str = "cpu",
        checkpoint: str | Path | None = None,
        progress: bool = False,
    ) -> None:
        super().__init__(
            network=network,
            preprocessing=preprocessing,
            dim=dim,
            leakiness=leakiness,
            corpus_size=corpus_size,
            augmentations=augmentations,
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            milestones=milestones,
            weight_decay=weight_decay,
            held_out=held_out,
            precision=precision,
            seed=seed,
            device=device,
            checkpoint=checkpoint,
            progress=progress,
        )
        self.gamma = gamma

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
