"""Autoencoder: what it cannot rebuild is anomalous (the AE of Ruff 2021, Table 2.1)."""

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from reprq.data import Batch
from reprq.detectors.deep.networks import Scaling, decoder, encoder
from reprq.detectors.deep.reconstruction import MeanStep, RebuildingDetector, Reconstruction
from reprq.detectors.rows.base import check_count
from reprq.errors import InputError
from reprq.training import Schedule, Step


@dataclass(kw_only=True, eq=False, repr=False)
class Autoencoder(RebuildingDetector):
    """Squared error of a decoder that rebuilds scaled samples from a narrow code, summed over their values.

    It minimizes the mean of ||x - x'||^2 over benign samples, where x is scaled and x' = decoder(encoder(x)), and the
    score is that error. The decoder mirrors the encoder: pooling becomes doubling by the nearest pixel, and images end
    in a sigmoid. What keeps it from rebuilding everything, beside a narrow code:

    - denoising (Vincent et al. 2008): in training the encoder sees x + noise * Gaussian, and x' is compared with x;
    - sparse (Makhzani & Frey 2014, the k-sparse autoencoder): of a code only the `active` largest numbers are kept;
    - contractive: in training contraction * ||dx'/dx||_F^2 is added, by one draw of random signs s, as ||s^T J||^2,
      whose mean it is, with the running statistics of batch normalization. It is that of Alain & Bengio 2014. The
      Jacobian of the encoder alone (Rifai et al. 2011, whose weights are tied) vanishes here with the scale of the
      code, which the decoder's batch normalization makes up for.

    Args:
        network: "mnist" or "fashion_mnist" (28 x 28, gray), "cifar10" (32 x 32, RGB), "mlp" or "mlp:128-64-32" for
            rows. By default "mlp" for rows, "mnist" where the first images are gray, and "cifar10".
        preprocessing: "contrast" (L1 contrast normalization, then min-max), "min-max" or "z-score"; see
            `reprq.detectors.deep.networks.Scaling`. By default "contrast" for images and "z-score" for rows.
        dim: Width of the code, if not the network's own.
        leakiness: Slope of the leaky ReLU below 0; the released code has 0.01, the thesis says 0.1.
        bias: Whether layers have biases; the thesis' networks have none.
        noise: Standard deviation of the noise in training, in units of the scaled input; 0 for none.
        active: How many numbers of a code are kept; None for all.
        contraction: Weight of the squared norm of the Jacobian; that of noise is about noise^2. 0 for none.
        sigma: Of a Gaussian that blurs maps, in pixels; 0 for none. Beside FCDD, 1.2 (Ruff 2021, section 3.1).
        seed: Of the weights, the hold-out, the order of samples and the noise.
        epochs: This and the others as in `DeepSVDD`.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> detector = Autoencoder(epochs=2).fit(rng.normal(size=(40, 5)))
        >>> detector.embed(rng.normal(size=(3, 5))).shape
        (3, 8)
    """

    bias: bool = False
    noise: float = 0.0
    active: int | None = None
    contraction: float = 0.0
    epochs: int = 350
    batch_size: int = 200
    lr: float = 1e-4
    milestones: tuple[int, ...] | list[int] = (250,)
    weight_decay: float = 1e-6

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        super().check_parameters()
        for name, said in (("noise", "no denoising"), ("contraction", "none")):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise InputError(f"{name} must be a number of at least 0, got {value!r}; 0 is {said}")
        if self.active is not None:
            check_count("active", self.active)
        if not isinstance(self.bias, bool):
            raise InputError(f"bias must be True or False, got {self.bias!r}")

    def describe(self) -> str:
        """Return for example "autoencoder[epochs=350,lr=0.0001]", and whatever is not at its default."""
        return self._described()

    def _build(self) -> Reconstruction:
        of, channels = self._architecture, self._channels()
        phi = encoder(of, channels, leakiness=self.leakiness, bias=self.bias)
        mirror = decoder(of, channels, leakiness=self.leakiness, bias=self.bias)
        scaling = Scaling(self._scaling, self._columns)
        return Reconstruction(scaling, phi, mirror, self.noise, active=self.active, contraction=self.contraction)

    def _step(self, schedule: Schedule) -> Step:
        return MeanStep(self._model, schedule)

    def _scores(self, x: Batch) -> Tensor:
        errors: Tensor = self._model(x)
        return errors

    def _embedding(self, x: Any) -> Tensor:
        return self._model.code(self._model.scaling(x))

    def _map(self, x: Any) -> Tensor:
        return self._model.errors(x).sum(1)

    @property
    def _model(self) -> Reconstruction:
        model: Reconstruction = self.network_  # type: ignore[assignment]
        return model
