"""Variational autoencoder: how badly it explains a sample (Kingma & Welling 2014; An & Cho 2015; Ruff 2021, 4)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.detectors.deep.networks import Scaling, decoder, encoder
from reprq.detectors.deep.reconstruction import MeanStep, RebuildingDetector
from reprq.detectors.deep.samples import Samples
from reprq.detectors.deep.variational import Likelihood, divergence
from reprq.detectors.registry import name_of
from reprq.detectors.rows.base import check_choice, check_count
from reprq.errors import InputError
from reprq.notices import notice
from reprq.training import Epoch, Examples, Inputs, Schedule, Step

_SCORES = ("likelihood", "reconstruction", "elbo")
_MOST = 20.0  # of |log variance|, which nears it smoothly
_ACTIVE = 0.01


@dataclass(kw_only=True, eq=False, repr=False)
class VAE(RebuildingDetector):
    """How badly a variational autoencoder of benign samples explains a sample, in nats.

    With q(z | x) = N(mean(x), diag variance(x)), the prior p(z) = N(0, I) and p(x | z) Gaussian around decoder(z), it
    minimizes the mean of -log p(x | z) + gamma |KL(q(z | x) || p(z)) - capacity|, by one draw of z ~ q(z | x) (Kingma &
    Welling 2014; the capacity is that of Burgess et al. 2018, and 0 with gamma 1 leaves the evidence lower bound). x
    is the scaled sample, and p(x | z) has one variance for all values. The scores, by L draws z_l of q(z | x):

    - "reconstruction": -1/L sum_l log p(x | z_l), minus the reconstruction probability (An & Cho 2015).
    - "likelihood": -log 1/L sum_l p(x | z_l) p(z_l) / q(z_l | x), an estimate of -log p(x) whose mean falls to it as L
      grows (Burda et al. 2016). Draws of the prior (Ruff 2021, chapter 4) have the same limit, and nearly all miss.
    - "elbo": the first plus KL(q(z | x) || p(z)) in closed form, which in the mean is no less than the second.

    Draws are mean(x) + std(x) * e_l with the same e_1, ..., e_L for every sample, drawn once from `seed` and kept in
    the file: a score is the same whatever the batch.

    Args:
        score: "likelihood", "reconstruction" or "elbo".
        samples: L.
        gamma: Weight of the divergence; 0.8 with capacity 0.2 are the settings of Robledo Díaz 2023.
        capacity: Of the code, in nats.
        likelihood: "gaussian", or "bernoulli" for pixels scaled to [0, 1].
        variance: Of the Gaussian, in units of the scaled values; 0.5 makes it the squared error and a constant. None
            learns it, as the mean squared error of a batch, and at the end that of the training samples (Rybkin et al.
            2021): one that is too large leaves a code that says nothing.
        dim: Width of the code; that of the network's embedding by default.
        bias: Whether layers have biases.
        network: This and the others as in `Autoencoder`.

    Attributes:
        active_: How many of the code's numbers are active: the variance of their mean(x) over training samples is over
            0.01 (Burda et al. 2016). Where none is, the code says nothing of a sample, which is a line of the log
            "reprq".

    Example:
        >>> rng = np.random.default_rng(0)
        >>> detector = VAE(epochs=2, dim=2).fit(rng.normal(size=(40, 5)))
        >>> detector.embed(rng.normal(size=(3, 5))).shape
        (3, 2)
    """

    score: Literal["likelihood", "reconstruction", "elbo"] = "likelihood"
    samples: int = 32
    gamma: float = 1.0
    capacity: float = 0.0
    likelihood: Literal["gaussian", "bernoulli"] = "gaussian"
    variance: float | None = None
    bias: bool = True
    epochs: int = 200
    batch_size: int = 200
    lr: float = 1e-3
    milestones: tuple[int, ...] | list[int] = (150,)
    weight_decay: float = 1e-6
    active_: int = field(init=False)

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        super().check_parameters()
        check_choice("score", self.score, _SCORES)
        check_choice("likelihood", self.likelihood, ("gaussian", "bernoulli"))
        check_count("samples", self.samples)
        for name in ("gamma", "capacity", "variance"):
            value = getattr(self, name)
            if name == "variance" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise InputError(f"{name} must be a number of at least 0, got {value!r}")
        if self.variance is not None and not self.variance:
            raise InputError("variance must be a positive number, or None to learn it, got 0")
        if not isinstance(self.bias, bool):
            raise InputError(f"bias must be True or False, got {self.bias!r}")

    def describe(self) -> str:
        """Return for example "vae[likelihood,epochs=200,lr=0.001]", and whatever is not at its default."""
        return self._described("score")

    def _open(self, samples: Samples) -> None:
        super()._open(samples)
        if self.likelihood == "bernoulli" and self._columns is not None:
            raise InputError("likelihood bernoulli is of pixels in [0, 1], and these are rows; give gaussian")

    def _known(self) -> dict[str, Any]:
        return {**super()._known(), "active": self.active_}

    def _reopen(self, made: dict[str, Any], path: str | Path) -> None:
        super()._reopen(made, path)
        self.active_ = int(made["active"])

    def _build(self) -> "VariationalAutoencoder":
        of, channels = self._architecture, self._channels()
        code = of.widths[-1]
        both = replace(of, widths=(*of.widths[:-1], 2 * code))
        phi = encoder(both, channels, leakiness=self.leakiness, bias=self.bias)
        mirror = decoder(of, channels, leakiness=self.leakiness, bias=self.bias)
        likelihood = Likelihood(self.likelihood == "bernoulli", self.variance)
        scaling = Scaling(self._scaling, self._columns)
        return VariationalAutoencoder(scaling, phi, mirror, likelihood, torch.randn(self.samples, code))

    def _step(self, schedule: Schedule) -> Step:
        return _CapacityStep(self._model, schedule, self.gamma, self.capacity)

    def _learn(self, schedule: Schedule, kept: NDArray[np.int64], besides: dict[str, Inputs | Tensor]) -> list[Epoch]:
        history = super()._learn(schedule, kept, besides)
        self._model.likelihood.learn(self._in_batches(self._model.squares, self.inputs_, kept))
        spread = self._in_batches(self._embedding, self.inputs_, kept).double().var(0, correction=0)
        self.active_ = int((spread > _ACTIVE).sum())
        if not self.active_:
            held = float(self._in_batches(self._held, self.inputs_, kept).mean())
            notice(
                "%s has a code that says nothing of its sample: over training samples none of the %d numbers of its"
                " mean varies by more than %.3g (a variance), and it holds %.3g nats, which is posterior collapse; give"
                " a lower gamma, a larger capacity, or a lower variance",
                name_of(self),
                len(spread),
                float(spread.max()),
                held,
            )
        return history

    def _scores(self, x: Any) -> Tensor:
        model = self._model
        of = {"reconstruction": model.reconstruction, "likelihood": model.importance, "elbo": model.elbo}
        return of[self.score](x)

    def _held(self, x: Any) -> Tensor:
        """Return KL(q(z | x) || p(z)): (n,)."""
        return divergence(*self._model.posterior(self._model.scaling(x)))

    def _embedding(self, x: Any) -> Tensor:
        return self._model.posterior(self._model.scaling(x))[0]

    def _map(self, x: Any) -> Tensor:
        return self._model.values(x).sum(1)

    @property
    def _model(self) -> "VariationalAutoencoder":
        model: VariationalAutoencoder = self.network_  # type: ignore[assignment]
        return model


class VariationalAutoencoder(nn.Module):
    """q(z | x), p(x | z) and the draws by which samples are scored.

    Args:
        scaling: Of the inputs.
        phi: From scaled inputs to the mean and the logarithm of the variance of q(z | x), side by side.
        mirror: From z to the mean of p(x | z).
        likelihood: p(x | z) around it.
        draws: (L, d) standard normal numbers.
    """

    draws: Tensor

    def __init__(
        self, scaling: Scaling, phi: nn.Module, mirror: nn.Module, likelihood: Likelihood, draws: Tensor
    ) -> None:
        super().__init__()
        self.scaling, self.phi, self.mirror, self.likelihood = scaling, phi, mirror, likelihood
        self.register_buffer("draws", draws)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and the logarithm of the variance of q(z | x), of scaled inputs: (n, d) each."""
        mean, log_variance = self.phi(x).float().chunk(2, dim=1)
        return mean, _MOST * torch.tanh(log_variance / _MOST)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return -log p(x | z) by one new draw, and KL(q(z | x) || p(z)): (n,) each."""
        scaled: Tensor = self.scaling(x)
        mean, log_variance = self.posterior(scaled)
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        return self.likelihood(scaled, self.mirror(z)), divergence(mean, log_variance)

    def reconstruction(self, x: Tensor) -> Tensor:
        """Return the mean of -log p(x | z) over the draws: (n,)."""
        return torch.stack([lost.flatten(1).sum(1) for _, lost in self._drawn(x)]).mean(0)

    def values(self, x: Tensor) -> Tensor:
        """Return the mean of -log p(x | z) over the draws for each value, in the shape of x."""
        return torch.stack([lost for _, lost in self._drawn(x)]).mean(0)

    def squares(self, x: Any) -> Tensor:
        """Return the squared error, its mean over values and draws: (n,)."""
        scaled: Tensor = self.scaling(x)
        mean, log_variance = self.posterior(scaled)
        found = [scaled - self.mirror(mean + (log_variance / 2).exp() * e) for e in self.draws]
        return torch.stack([error.double().square().flatten(1).mean(1) for error in found]).mean(0)

    def elbo(self, x: Tensor) -> Tensor:
        """Return minus the evidence lower bound, its divergence in closed form: (n,)."""
        mean, log_variance = self.posterior(self.scaling(x))
        return self.reconstruction(x) + divergence(mean.double(), log_variance.double())

    def importance(self, x: Tensor) -> Tensor:
        """Return -log of the mean importance weight p(x, z) / q(z | x) over the draws: (n,)."""
        log_variance = self.posterior(self.scaling(x))[1].double()
        weights = []
        for (z, lost), e in zip(self._drawn(x), self.draws.double(), strict=True):
            log_ratio = (e.square() - z.double().square() + log_variance).sum(1) / 2  # log p(z) / q(z | x)
            weights.append(log_ratio - lost.flatten(1).sum(1))
        return math.log(len(weights)) - torch.stack(weights).logsumexp(0)

    def _drawn(self, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Each draw z of q(z | x), and -log p(x | z) of every value."""
        scaled: Tensor = self.scaling(x)
        mean, log_variance = self.posterior(scaled)
        for e in self.draws:
            z = mean + (log_variance / 2).exp() * e
            yield z, self.likelihood.values(scaled, self.mirror(z))


class _CapacityStep(MeanStep):
    """The mean of -log p(x | z) + gamma |KL - capacity|; the hold-out is judged by both terms too."""

    def __init__(self, model: VariationalAutoencoder, schedule: Schedule, gamma: float, capacity: float) -> None:
        super().__init__(model, schedule)
        self.gamma, self.capacity = gamma, capacity

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the objective of a batch."""
        return self._total(*self.model(batch.inputs))

    def judge(self, batch: Examples) -> dict[str, float | None]:
        """Return the objective, and its terms."""
        lost, kl = self.model(batch.inputs)
        figures = {"loss": self._total(lost, kl), "reconstruction": lost.mean(), "kl": kl.mean()}
        return {name: float(value) for name, value in figures.items()}

    def _total(self, lost: Tensor, kl: Tensor) -> Tensor:
        return (lost + self.gamma * (kl - self.capacity).abs()).mean()
