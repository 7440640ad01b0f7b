"""What variational models share: the likelihood of what is rebuilt, and the divergence of a Gaussian code."""

import math

import torch
from torch import Tensor, nn

_EPS = 1e-6  # of Bernoulli probabilities, and the least variance that is learned
_SHARE = 0.1  # of a batch in the variance that is kept


class Likelihood(nn.Module):
    """-log p(x | x'): Bernoulli of values in [0, 1], or Gaussian with one variance for all values.

    Args:
        bernoulli: Whether it is Bernoulli.
        variance: Of the Gaussian; None learns it: in training it is the mean squared error of the batch, which is the
            best (Rybkin et al. 2021), and elsewhere `learned`.
    """

    learned: Tensor | None

    def __init__(self, bernoulli: bool, variance: float | None = 1.0) -> None:
        super().__init__()
        self.bernoulli, self.variance = bernoulli, variance
        self.register_buffer(
            "learned", None if bernoulli or variance is not None else torch.ones((), dtype=torch.float64)
        )

    def forward(self, x: Tensor, rebuilt: Tensor) -> Tensor:
        """Return it summed over the values of each sample: (n,), float64 in evaluation mode."""
        return self.values(x, rebuilt).flatten(1).sum(1)

    def values(self, x: Tensor, rebuilt: Tensor) -> Tensor:
        """Return it for each value, in nats, in the shape of x."""
        x, rebuilt = (x.float(), rebuilt.float()) if self.training else (x.double(), rebuilt.double())
        if self.bernoulli:
            p, x = rebuilt.clamp(_EPS, 1 - _EPS), x.clamp(0, 1)
            return -(x * p.log() + (1 - x) * (-p).log1p())
        square = (x - rebuilt).square()
        if self.learned is None:
            assert self.variance is not None
            return (square / self.variance + math.log(2 * math.pi * self.variance)) / 2
        if self.training:
            variance = square.detach().mean().clamp_min(_EPS)
            self.learned.lerp_(variance.double(), _SHARE)
        else:
            variance = self.learned.to(x.dtype)
        return (square / variance + (2 * math.pi * variance).log()) / 2

    def learn(self, squares: Tensor) -> None:
        """Set the variance, where it is learned, by squared errors of training samples."""
        if self.learned is not None:
            self.learned.copy_(squares.mean().clamp_min(_EPS))


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, diag(variance)) || N(0, I)) of (n, d) codes, in nats: (n,).

    Example:
        >>> divergence(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2))
        tensor([2.])
    """
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
