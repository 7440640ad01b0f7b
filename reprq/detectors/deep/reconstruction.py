"""An encoder with a decoder that rebuilds its input: a detector by itself, and the start of Deep SVDD."""

import torch
from torch import Tensor, nn

from reprq.detectors.deep.networks import Scaling
from reprq.training import Examples, Step


class Reconstruction(nn.Module):
    """A decoder after an encoder, and the squared error between their output and the scaled input.

    Args:
        scaling: Of the inputs.
        phi: The encoder.
        mirror: The decoder.
        noise: Standard deviation of Gaussian noise that the encoder's input has in training; the error is against the
            input without it (Vincent et al. 2008).
    """

    def __init__(self, scaling: Scaling, phi: nn.Module, mirror: nn.Module, noise: float = 0.0) -> None:
        super().__init__()
        self.scaling, self.phi, self.mirror, self.noise = scaling, phi, mirror, noise

    def errors(self, x: Tensor) -> Tensor:
        """Return the squared error of every value, in the shape of the input: float64 in evaluation mode."""
        scaled: Tensor = self.scaling(x)
        given = scaled + self.noise * torch.randn_like(scaled) if self.training and self.noise else scaled
        error: Tensor = self.mirror(self.phi(given)).float() - scaled
        return (error if self.training else error.double()).square()

    def forward(self, x: Tensor) -> Tensor:
        """Return the squared error, summed over the values of a sample: (n,)."""
        return self.errors(x).flatten(1).sum(1)


class MeanStep(Step):
    """The mean of what the module returns for each sample, such as a squared error."""

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the mean over the batch."""
        each: Tensor = self.model(batch.inputs)
        return each.mean()
