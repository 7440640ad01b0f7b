"""What a pretrained network is fine-tuned by, as parts that go with any regularizer."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from reprq.detectors.deep.classifiers import focal_loss
from reprq.detectors.deep.radial import hypersphere_loss, pseudo_huber
from reprq.detectors.deep.sad import anomaly_penalty


@dataclass(frozen=True)
class Loss:
    """What a network is fine-tuned by.

    Attributes:
        width: Of a new linear layer on the deepest layer; None for none.
        each: Of outputs, or of squared distances to the center, and labels (1 is of the corpus): (n,) losses.
        score: Of the same, higher is more anomalous.
        centered: Whether it is of distances to the mean output of the benign samples at the start.
        corpus: Whether it learns from a corpus.
        distance: Whether the score is one, at least 0, and not a logit.
    """

    width: int | None
    each: Callable[[Tensor, Tensor], Tensor]
    score: Callable[[Tensor], Tensor]
    centered: bool = False
    corpus: bool = True
    distance: bool = True


_INVERSE = anomaly_penalty("inverse")
LOSSES = {
    "bce": Loss(1, lambda z, y: focal_loss(z.squeeze(1), y, 0.0), lambda z: z.squeeze(1), distance=False),
    "hsc": Loss(128, lambda z, y: hypersphere_loss(pseudo_huber(z), y), pseudo_huber),
    "deep_sad": Loss(None, lambda d, y: torch.where(y == 1, _INVERSE(d), d), lambda d: d, centered=True),
    "dsvdd": Loss(None, lambda d, y: d, lambda d: d, centered=True, corpus=False),
}
