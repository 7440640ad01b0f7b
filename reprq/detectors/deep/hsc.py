"""Hypersphere classification with outlier exposure (Ruff 2021, sections 2.3.5 and 2.3.6)."""

from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from reprq.detectors.deep.exposure import ExposureDetector
from reprq.detectors.deep.networks import LEAKINESS
from reprq.detectors.deep.radial import RADIAL, hypersphere_loss
from reprq.detectors.rows.base import check_choice


class HSC(ExposureDetector):
    """A radial function h of embeddings phi(x), small on benign samples and large on a corpus.

    The loss is the mean of h(phi(x)) over benign samples and of -log(1 - exp(-h(phi(x)))) over those of the corpus:
    cross-entropy, with exp(-h) in the place of a sigmoid. There is no center; the bias of the last layer takes its
    place. The score is h, and not 1 - exp(-h), which is 1 for all that is far away.

    Args:
        radial: h: "l1", "l2", "squared" (||z||^2), or "pseudo-huber" (sqrt(||z||^2 + 1) - 1).
        network: As in `DeepSVDD`, with biases; "exposure" (32 x 32, RGB) is the thesis's for CIFAR-10, with dense
            layers of 512 and 256. By default "mlp" for rows, "mnist" where the first images are gray, and "exposure".
        preprocessing: "min-max", "contrast" or "z-score"; by default "contrast" for images and "z-score" for rows.
        dim: Width of the embedding, if not the network's own.
        leakiness: Slope of the leaky ReLU below 0.
        corpus_size: How many samples of the corpus are used, drawn by `seed`; a smaller draw is part of a larger.
            Default: all.
        augmentations: Of training images: "flip", "crop", "noise"; see `reprq.detectors.deep.augmentation`. The thesis
            has all three on CIFAR-10, and a jitter of colors by 0.01, which is not offered.
        epochs: Passes over the benign samples.
        batch_size: Benign samples a step, and as many of the corpus.
        lr: The learning rate of Adam.
        milestones: Epochs after which the rate is divided by 10; beyond `epochs` they do nothing.
        weight_decay: lambda.
        held_out: Share of the benign samples that only serve the threshold of `predict`; 0 trains on all of them.
        precision: "float32", or "bfloat16" for autocast.
        seed: Of the weights, the hold-out, the corpus and the order of samples.
        device: A torch device.
        checkpoint: A file for the state between epochs, so that an interrupted fit goes on.
        progress: Whether to show progress on stderr.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> benign, corpus = rng.normal(size=(40, 5)), rng.normal(size=(90, 5), scale=4)
        >>> detector = HSC(epochs=2).fit(benign, auxiliary=corpus)
        >>> detector.anomaly_score(corpus).shape
        (90,)
    """

    def __init__(
        self,
        *,
        radial: Literal["l1", "l2", "squared", "pseudo-huber"] = "pseudo-huber",
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
        self.radial = radial
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

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        check_choice("radial", self.radial, tuple(RADIAL))
        super().check_parameters()

    def describe(self) -> str:
        """Return for example "hsc[pseudo-huber,epochs=200,lr=0.001]", and whatever is not at its default."""
        return self._described("radial")

    def _head(self, dim: int) -> nn.Module:
        return nn.Identity()

    def _loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return hypersphere_loss(RADIAL[self.radial](outputs), labels)

    def _score_of(self, outputs: Tensor) -> Tensor:
        return RADIAL[self.radial](outputs)
