"""An encoder with a decoder that rebuilds its input: a detector by itself, and the start of Deep SVDD."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.data import Batch
from reprq.detectors.deep.encoding import EncodingDetector
from reprq.detectors.deep.maps import blurred, check_blur
from reprq.detectors.deep.networks import Scaling
from reprq.errors import InputError
from reprq.training import Examples, Step


@dataclass(kw_only=True, eq=False, repr=False)
class RebuildingDetector(EncodingDetector):
    """A detector that rebuilds samples, and whose map is what it loses at each pixel; a subclass writes `_map`."""

    sigma: float = 0.0

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        super().check_parameters()
        check_blur(self.sigma)

    def anomaly_map(self, X: Any) -> NDArray[np.float64]:
        """Return what is lost at every pixel, summed over channels: (m, H, W), which sums to the score.

        H and W are the network's: 28 or 32 pixels, where its name has no size. With `sigma` it is blurred, and sums to
        less at the borders. Where a score has other terms, the map is of that of the image alone, and of a VAE that of
        its score "reconstruction".

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: It was fitted on rows, or `X` is not of the kind that it was fitted on.
        """
        self.check_fitted()
        if self._columns is not None:
            raise InputError("anomaly_map is of images, and this detector was fitted on rows; use anomaly_score")
        found: NDArray[np.float64] = self._of_samples(self._blurred_map, X).numpy()
        return found

    def _blurred_map(self, x: Batch) -> Tensor:
        return blurred(self._map(x).double(), self.sigma)

    def _map(self, x: Batch) -> Tensor:
        """What is lost at every pixel of a batch, summed over channels: (n, H, W)."""
        raise NotImplementedError


class Reconstruction(nn.Module):
    """A decoder after an encoder, and the squared error between their output and the scaled input.

    Args:
        scaling: Of the inputs.
        phi: The encoder.
        mirror: The decoder.
        noise: Standard deviation of Gaussian noise that the encoder's input has in training; the error is against the
            input without it (Vincent et al. 2008).
        active: How many numbers of a code are kept, the largest; the others become 0. None keeps all.
        contraction: Weight of the squared norm of the Jacobian of what is rebuilt, in training.
    """

    def __init__(
        self,
        scaling: Scaling,
        phi: nn.Module,
        mirror: nn.Module,
        noise: float = 0.0,
        *,
        active: int | None = None,
        contraction: float = 0.0,
    ) -> None:
        super().__init__()
        self.scaling, self.phi, self.mirror, self.noise = scaling, phi, mirror, noise
        self.active, self.contraction = active, contraction

    def errors(self, x: Tensor) -> Tensor:
        """Return the squared error of every value, in the shape of the input: float64 in evaluation mode."""
        scaled: Tensor = self.scaling(x)
        given = scaled + self.noise * torch.randn_like(scaled) if self.training and self.noise else scaled
        error: Tensor = self.rebuilt(given).float() - scaled
        return (error if self.training else error.double()).square()

    def code(self, scaled: Tensor) -> Tensor:
        """Return the codes of scaled inputs: (n, d)."""
        codes: Tensor = self.phi(scaled)
        return codes if self.active is None else largest(codes, self.active)

    def rebuilt(self, scaled: Tensor) -> Tensor:
        """Return what the codes of scaled inputs are decoded to, in their shape."""
        outputs: Tensor = self.mirror(self.code(scaled))
        return outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return the squared error, summed over the values of a sample, and in training the penalty: (n,)."""
        lost = self.errors(x).flatten(1).sum(1)
        if not (self.training and self.contraction):
            return lost
        return lost + self.contraction * self._squared_jacobian(self.scaling(x))

    def _squared_jacobian(self, scaled: Tensor) -> Tensor:
        """An estimate of ||d rebuilt / d scaled||_F^2, by the statistics of normalization that scores have."""
        self.phi.eval()
        self.mirror.eval()
        signs = 2.0 * torch.randint(2, scaled.shape, device=scaled.device) - 1
        found = squared_jacobian(self.rebuilt, scaled, signs)
        self.train()
        return found


def largest(codes: Tensor, k: int) -> Tensor:
    """Return codes whose k largest numbers are kept, and the others 0 (Makhzani & Frey 2014).

    Example:
        >>> largest(torch.tensor([[3.0, -5.0, 1.0, 2.0]]), 2)
        tensor([[3., 0., 0., 2.]])
    """
    kept = codes.topk(min(k, codes.shape[1]), dim=1).indices
    return torch.zeros_like(codes).scatter(1, kept, codes.gather(1, kept))


def squared_jacobian(function: Callable[[Tensor], Tensor], x: Tensor, signs: Tensor) -> Tensor:
    """Return ||signs^T J||^2 of each sample, J the Jacobian of a function of it: (n,).

    Over random signs, of the shape of the outputs, its mean is the squared Frobenius norm of J (Hutchinson 1990).
    """
    inputs = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad((function(inputs) * signs).sum(), inputs, create_graph=True)
    return gradient.flatten(1).square().sum(1)


class MeanStep(Step):
    """The mean of what the module returns for each sample, such as a squared error."""

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the mean over the batch."""
        each: Tensor = self.model(batch.inputs)
        return each.mean()
