"""Hypersphere classification with outlier exposure (Ruff 2021, sections 2.3.5 and 2.3.6)."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.detectors.deep.exposure import ExposureDetector
from reprq.detectors.deep.maps import blurred, check_blur, gradient_map
from reprq.detectors.deep.radial import RADIAL, hypersphere_loss
from reprq.detectors.rows.base import check_choice
from reprq.errors import InputError


@dataclass(kw_only=True, eq=False, repr=False)
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
        augmentations: Of training images: "jitter" (of colors), "flip", "crop", "noise", all of which the thesis has on
            CIFAR-10; see `reprq.data.image.augmentation.augmented`.
        epochs: Passes over the benign samples.
        batch_size: Benign samples a step, and as many of the corpus.
        sigma: Of the Gaussian that blurs maps, in pixels: that of FCDD at 32 pixels; 0 for none.
        seed: Of the weights, the hold-out, the corpus and the order of samples.
        lr: This and the others as in `DeepSVDD`.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> benign, corpus = rng.normal(size=(40, 5)), rng.normal(size=(90, 5), scale=4)
        >>> detector = HSC(epochs=2).fit(benign, auxiliary=corpus)
        >>> detector.anomaly_score(corpus).shape
        (90,)
    """

    radial: Literal["l1", "l2", "squared", "pseudo-huber"] = "pseudo-huber"
    sigma: float = 1.2

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        check_choice("radial", self.radial, tuple(RADIAL))
        check_blur(self.sigma)
        super().check_parameters()

    def describe(self) -> str:
        """Return for example "hsc[pseudo-huber,epochs=200,lr=0.001]", and whatever is not at its default."""
        return self._described("radial")

    def anomaly_map(self, X: Any) -> NDArray[np.float64]:
        """Return the sum over channels of |d score / d x| at every pixel, blurred: (m, H, W).

        A baseline of FCDD's maps (Ruff 2021, section 3.1). H and W are the network's: 28 or 32 pixels.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: It was fitted on rows, or `X` is not of the kind that it was fitted on.
        """
        self.check_fitted()
        if self._columns is not None:
            raise InputError("anomaly_map is of images, and this detector was fitted on rows; use anomaly_score")
        found: NDArray[np.float64] = self._of_samples(self._map, X).double().numpy()
        return found

    def _map(self, x: Any) -> Tensor:
        return blurred(gradient_map(self._scores, x), self.sigma)

    def _head(self, dim: int) -> nn.Module:
        return nn.Identity()

    def _loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return hypersphere_loss(RADIAL[self.radial](outputs), labels)

    def _score_of(self, outputs: Tensor) -> Tensor:
        return RADIAL[self.radial](outputs)
