"""AnoGAN and AD-GAN: the noise from which a generator of benign samples comes nearest to a sample is searched for."""

import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, vmap

from reprq.detectors.deep.gan import GANDetector, WassersteinGAN, WassersteinStep, check_numbers
from reprq.detectors.rows.base import check_count
from reprq.errors import InputError
from reprq.training import Epoch, Inputs, Schedule, Step

_AT_ONCE = 64  # samples that are searched for side by side, each from all starts


@dataclass(kw_only=True, eq=False, repr=False)
class AnoGAN(GANDetector):
    """How near a generator of benign samples comes to a sample, when the noise for it is searched for.

    Of a GAN as that of `FAnoGAN`, z minimizes by Adam, from `restarts` draws of N(0, I),

    (1 - lambda) ||x - G(z)||_1 + lambda ||f(x) - f(G(z))||_1,

    f the features of the critic, and the score is the smallest over restarts after the last step (Schlegl et al. 2017,
    whose GAN is a DCGAN, and who start once). `adapted` is AD-GAN (Deecke et al. 2018): from each start the weights of
    a generator of the sample's own move too (by Adam), the loss is ||x - G(z)||^2, and the score is its mean over
    restarts.

    Searches are of one sample each, from the same starts, which are kept in the file, and in float64: a score does not
    depend on the samples beside it.

    Args:
        restarts: Starts of z for each sample.
        search_steps: Steps of each search.
        search_lr: The learning rate of z.
        feature_weight: lambda.
        adapted: Whether generators are adapted.
        adapted_lr: The learning rate of their weights.
        network: This and the others as in `FAnoGAN`.

    Attributes:
        spread_: As that of `FAnoGAN`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> detector = AnoGAN(epochs=40, dim=4, search_steps=5).fit(rng.normal(size=(80, 5)))
        >>> detector.anomaly_score(rng.normal(size=(3, 5))).shape
        (3,)
    """

    restarts: int = 4
    search_steps: int = 100
    search_lr: float = 0.05
    feature_weight: float = 0.1
    adapted: bool = False
    adapted_lr: float = 5e-4

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        super().check_parameters()
        check_count("restarts", self.restarts)
        check_count("search_steps", self.search_steps)
        check_numbers(self, "search_lr", "adapted_lr", "feature_weight")
        if self.feature_weight > 1:
            raise InputError(f"feature_weight must be at most 1, got {self.feature_weight!r}")
        if not isinstance(self.adapted, bool):
            raise InputError(f"adapted must be True or False, got {self.adapted!r}")

    def describe(self) -> str:
        """Return for example "anogan[epochs=100,lr=0.0001]", and whatever is not at its default."""
        return self._described()

    def _build(self) -> WassersteinGAN:
        gan = self._build_gan()
        gan.register_buffer("starts", torch.randn(self.restarts, gan.latent))
        return gan

    def _learn(self, schedule: Schedule, kept: NDArray[np.int64], besides: dict[str, Inputs | Tensor]) -> list[Epoch]:
        history = super()._learn(schedule, kept, besides)
        self._see_spread(kept)
        return history

    def _step(self, schedule: Schedule) -> Step:
        return WassersteinStep(self._gan, schedule, self.critic_steps, self.penalty)

    def _scores(self, x: Any) -> Tensor:
        return self._search(x).scores

    def _embedding(self, x: Any) -> Tensor:
        return self._search(x).noise

    def _map(self, x: Any) -> Tensor:
        return self._search(x).residuals.sum(1)

    def _search(self, x: Tensor) -> "Found":
        gan = copy.deepcopy(self._gan).double().eval().requires_grad_(False)
        search = Search(gan, self.search_steps, self.search_lr, self.feature_weight)
        find = partial(search.of_noise_and_weights, lr=self.adapted_lr) if self.adapted else search.of_noise
        with torch.enable_grad():
            parts = [find(part) for part in torch.split(x, _AT_ONCE)]
        return Found(*(torch.cat(each) for each in zip(*parts, strict=True)))

    @property
    def _gan(self) -> WassersteinGAN:
        gan: WassersteinGAN = self.network_  # type: ignore[assignment]
        return gan


class Found(NamedTuple):
    """What searches found.

    Attributes:
        scores: (n,)
        noise: (n, latent) z of the best restart.
        residuals: The term of the values, in the shape of the samples.
    """

    scores: Tensor
    noise: Tensor
    residuals: Tensor


class Search:
    """Searches for the noise of samples, from every start for each; Adam moves each number by itself.

    Args:
        gan: In float64 and evaluation mode, with `starts`.
        steps: Of each search.
        lr: The learning rate of z.
        feature_weight: lambda.
    """

    def __init__(self, gan: WassersteinGAN, steps: int, lr: float, feature_weight: float) -> None:
        self.gan, self.steps, self.lr, self.weight = gan, steps, lr, feature_weight
        starts = gan.starts
        assert isinstance(starts, Tensor)
        self.starts = starts

    def of_noise(self, x: Tensor) -> Found:
        """Search for z, as AnoGAN does."""
        scaled, z, n, restarts = *self._begin(x), len(x), len(self.starts)
        features = self.gan.features(scaled)

        def losses() -> tuple[Tensor, Tensor]:
            made = self.gan.generator(z)
            residuals = (1 - self.weight) * (scaled - made).abs()
            far = (features - self.gan.features(made)).abs().sum(1)
            return residuals, residuals.flatten(1).sum(1) + self.weight * far

        self._descend(torch.optim.Adam([z], lr=self.lr), lambda: losses()[1])
        with torch.no_grad():
            residuals, lost = losses()
        best = lost.reshape(n, restarts).argmin(1)
        chosen = torch.arange(n, device=x.device) * restarts + best
        return Found(lost[chosen], z.detach()[chosen], residuals[chosen])

    def of_noise_and_weights(self, x: Tensor, lr: float) -> Found:
        """Search for z and for weights of a generator of its own, as AD-GAN does."""
        scaled, z, n, restarts = *self._begin(x), len(x), len(self.starts)
        generator = self.gan.generator
        own = {
            name: weight.detach().expand(len(z), *weight.shape).clone().requires_grad_()
            for name, weight in generator.named_parameters()
        }

        def residuals() -> Tensor:
            made: Tensor = vmap(_generated(generator))(own, z[:, None])
            return (scaled - made[:, 0]).square()

        groups: list[dict[str, Any]] = [{"params": [z]}, {"params": list(own.values()), "lr": lr}]
        self._descend(torch.optim.Adam(groups, lr=self.lr), lambda: residuals().flatten(1).sum(1))
        with torch.no_grad():
            square = residuals()
        lost = square.flatten(1).sum(1).reshape(n, restarts)
        chosen = torch.arange(n, device=x.device) * restarts + lost.argmin(1)
        return Found(lost.mean(1), z.detach()[chosen], square.reshape(n, restarts, *square.shape[1:]).mean(1))

    def _begin(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The scaled samples, once for each start, and the starts, once for each sample."""
        scaled = self.gan.scaled(x.double()).detach().repeat_interleave(len(self.starts), dim=0)
        return scaled, self.starts.repeat(len(x), 1).requires_grad_()

    def _descend(self, optimizer: torch.optim.Optimizer, losses: Any) -> None:
        for _ in range(self.steps):
            optimizer.zero_grad()
            losses().sum().backward()
            optimizer.step()


def _generated(generator: nn.Module) -> Any:
    """The generator as a function of its weights and of noise."""

    def made(weights: dict[str, Tensor], z: Tensor) -> Any:
        return functional_call(generator, weights, (z,))

    return made
