"""A Wasserstein GAN with a gradient penalty (Gulrajani et al. 2017), and what detectors that have one share."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.detectors.deep.networks import Scaling, decoder, encoder
from reprq.detectors.deep.reconstruction import RebuildingDetector
from reprq.detectors.registry import name_of
from reprq.detectors.rows.base import check_choice, check_count
from reprq.errors import InputError
from reprq.notices import notice
from reprq.training import Examples, Schedule, Step

_PROBED = 256
_COLLAPSED = 0.05
_BETAS = (0.0, 0.9)
_LEAST = 1e-12  # under the root of a norm, whose gradient at 0 is not finite


class WassersteinGAN(nn.Module):
    """A generator of scaled samples, in [-1, 1], and a critic that has no normalization.

    Args:
        scaling: Of the inputs, to [0, 1].
        generator: From (n, latent) to samples.
        critic: From samples to (n, 1); its last layer is linear, and what comes before it are the features f.
        latent: Width of the noise.
    """

    updates: Tensor

    def __init__(self, scaling: Scaling, generator: nn.Module, critic: nn.Sequential, latent: int) -> None:
        super().__init__()
        self.scaling, self.generator, self.critic, self.latent = scaling, generator, critic, latent
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def scaled(self, x: Tensor) -> Tensor:
        """Return inputs between -1 and 1, of training samples; others may lie beyond."""
        between: Tensor = self.scaling(x)
        return 2 * between - 1

    def features(self, scaled: Tensor) -> Tensor:
        """Return f of scaled samples: (n, d)."""
        outputs: Tensor = self.critic[:-1](scaled)
        return outputs

    def noise(self, n: int) -> Tensor:
        """Return draws of N(0, I): (n, latent)."""
        return torch.randn(n, self.latent, device=self.updates.device)


class Doubled(nn.Module):
    """2 x - 1: from [0, 1] to [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        """Return values of the same shape."""
        return 2 * x - 1


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, made: Tensor, shares: Tensor) -> Tensor:
    """Return (||grad D(e x + (1 - e) x')|| - 1)^2 of each pair of samples, of one share e each: (n,).

    Example:
        >>> x, made = torch.zeros(2, 3), torch.ones(2, 3)
        >>> gradient_penalty(lambda x: 3 * x[:, :1], x, made, torch.tensor([0.2, 0.7]))
        tensor([4., 4.])
    """
    e = shares.reshape(-1, *[1] * (real.ndim - 1))
    between = (e * real.detach() + (1 - e) * made.detach()).requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norm = (gradient.float().flatten(1).square().sum(1) + _LEAST).sqrt()
    return (norm - 1).square()


class WassersteinStep(Step):
    """The critic learns from every batch, the generator after every `critic_steps` of them.

    The critic minimizes mean D(G(z)) - mean D(x) + penalty * mean gradient penalty, and the generator -mean D(G(z)).
    """

    def __init__(self, gan: WassersteinGAN, schedule: Schedule, critic_steps: int, penalty: float) -> None:
        super().__init__(gan.requires_grad_(True), schedule)
        self.gan, self.critic_steps, self.penalty = gan, critic_steps, penalty
        parts = (gan.critic, gan.generator)
        lr, decay = schedule.lr, schedule.weight_decay
        self.optimizers = [
            torch.optim.Adam(part.parameters(), lr=lr, weight_decay=decay, betas=_BETAS) for part in parts
        ]

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the loss of the critic."""
        real = self.gan.scaled(batch.inputs)
        made = self.gan.generator(self.gan.noise(len(real))).detach()
        shares = torch.rand(len(real), device=self.device)
        apart = self.gan.critic(made).mean() - self.gan.critic(real).mean()
        penalized: Tensor = apart + self.penalty * gradient_penalty(self.gan.critic, real, made, shares).mean()
        return penalized

    def update(self, batch: Examples, other: Examples | None) -> Tensor:
        """Learn from a batch, and return the critic's loss."""
        with self.autocast():
            loss = self.loss(batch, other)
        self.descend(loss, self.optimizers[0])
        self.gan.updates += 1
        if int(self.gan.updates) % self.critic_steps == 0:
            with self.autocast():
                fooled = -self.gan.critic(self.gan.generator(self.gan.noise(len(batch.inputs)))).mean()
            self.descend(fooled, self.optimizers[1])
        return loss.detach()

    def judge(self, batch: Examples) -> dict[str, float | None]:
        """Return mean D(G(z)) - mean D(x): minus the distance that the critic sees."""
        real = self.gan.scaled(batch.inputs)
        made = self.gan.generator(self.gan.noise(len(real)))
        return {"loss": float(self.gan.critic(made).mean() - self.gan.critic(real).mean())}


@dataclass(kw_only=True, eq=False, repr=False)
class GANDetector(RebuildingDetector):
    """A detector with a generator of benign samples, and the critic that it learned with."""

    preprocessing: Literal["contrast", "min-max", "z-score"] | None = "min-max"
    dim: int | None = 100
    critic_steps: int = 5
    penalty: float = 10.0
    epochs: int = 100
    batch_size: int = 64
    lr: float = 1e-4
    milestones: tuple[int, ...] | list[int] = ()
    weight_decay: float = 0.0
    default_networks: ClassVar[dict[str, str]] = {"gray": "fashion_mnist", "rgb": "cifar10", "rows": "mlp:64-32-16"}
    spread_: tuple[float, float] = field(init=False)

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        check_choice("preprocessing", self.preprocessing, ("contrast", "min-max"))
        super().check_parameters()
        check_count("critic_steps", self.critic_steps)
        check_numbers(self, "penalty")

    def _known(self) -> dict[str, Any]:
        return {**super()._known(), "spread": self.spread_}

    def _reopen(self, made: dict[str, Any], path: str | Path) -> None:
        super()._reopen(made, path)
        first, second = made["spread"]
        self.spread_ = (float(first), float(second))

    def _build_gan(self) -> WassersteinGAN:
        of, channels = self._architecture, self._channels()
        generator = nn.Sequential(decoder(of, channels, leakiness=self.leakiness, bias=True))
        generator.append(nn.Tanh() if self._columns is not None else Doubled())  # images end in a sigmoid
        judge = encoder(replace(of, widths=(*of.widths[:-1], 1)), channels, leakiness=self.leakiness, bias=True)
        assert isinstance(judge, nn.Sequential)
        critic = nn.Sequential(*[layer for layer in judge if not isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)])
        return WassersteinGAN(Scaling(self._scaling, self._columns), generator, critic, of.widths[-1])

    def _see_spread(self, kept: NDArray[np.int64]) -> None:
        """Set `spread_`, and say so where the generator makes nearly one sample."""
        gan = self._gan
        noise = torch.randn(_PROBED, gan.latent, generator=torch.Generator().manual_seed(self.seed))
        made = self._in_batches(gan.generator, noise, np.arange(_PROBED))
        real = gan.scaled(self._here(self.inputs_[torch.from_numpy(kept[:_PROBED])]))  # type: ignore[arg-type]
        self.spread_ = (_trace(made), _trace(real))
        if not self.spread_[0] > _COLLAPSED * self.spread_[1]:
            notice(
                "%s has a generator that makes nearly one sample: the variance of %d of its samples, summed over their"
                " values, is %.3g, and that of benign samples %.3g; give more epochs (mode collapse needs a lower lr"
                " or more critic_steps)",
                name_of(self),
                _PROBED,
                *self.spread_,
            )

    @property
    def _gan(self) -> WassersteinGAN:
        """The generator and the critic in `network_`."""
        raise NotImplementedError


def _trace(samples: Tensor) -> float:
    """The trace of the covariance of samples."""
    return float(samples.double().flatten(1).var(0, correction=0).sum())


def check_numbers(detector: object, *names: str) -> None:
    """Raise an InputError unless parameters of these names are finite numbers of at least 0."""
    for name in names:
        value = getattr(detector, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise InputError(f"{name} must be a number of at least 0, got {value!r}")
