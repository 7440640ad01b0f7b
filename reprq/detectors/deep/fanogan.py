"""f-AnoGAN: a sample is mapped to the noise of a generator of benign ones, and back (Schlegl et al. 2019)."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.detectors.deep.gan import GANDetector, WassersteinGAN, WassersteinStep, check_numbers
from reprq.detectors.deep.networks import encoder
from reprq.detectors.deep.reconstruction import MeanStep
from reprq.detectors.registry import name_of
from reprq.detectors.rows.base import check_count
from reprq.numerics.rows import Scores
from reprq.training import Epoch, Inputs, Schedule, Step, train


class ReconstructionTerms(NamedTuple):
    """What a score of `FAnoGAN` is the sum of.

    Attributes:
        image: (m,) float64, the mean squared error of the values of a sample, scaled to [-1, 1].
        features: (m,) float64, the mean squared error of its features, times kappa.
    """

    image: Scores
    features: Scores


@dataclass(kw_only=True, eq=False, repr=False)
class FAnoGAN(GANDetector):
    """How badly a generator of benign samples gives a sample back, in its values and in features of the critic.

    A Wasserstein GAN with a gradient penalty learns first: a critic D minimizes E D(G(z)) - E D(x) + penalty *
    E(||grad D(e x + (1 - e) G(z))|| - 1)^2, with one e of [0, 1] a sample, at every batch; the generator G minimizes
    -E D(G(z)) after every `critic_steps` of them. D has no normalization. Then, with both frozen and in evaluation
    mode, an encoder E minimizes (izi_f)

    1/n ||x - G(E(x))||^2 + kappa 1/n_d ||f(x) - f(G(E(x)))||^2,

    n the number of values, f the n_d inputs of the last layer of D. The score is the same expression, and `terms`
    reports both parts. It depends on no other sample.

    Args:
        kappa: Weight of the features.
        critic_steps: Batches of D a batch of G.
        penalty: Weight of the gradient penalty.
        dim: Width of z.
        network: "fashion_mnist" or "mnist" (28 x 28, gray), "cifar10" (32 x 32, RGB), each with a size such as
            "cifar10:64", or "mlp:64-32-16" for rows: G is its decoder, E its encoder, and D its encoder without
            normalization.
        preprocessing: "min-max" or, of images, "contrast"; then G ends between the extremes of benign samples.
        sigma: Of a Gaussian that blurs maps, in pixels; 0 for none.
        epochs: Of the GAN.
        encoder_epochs: Of the encoder; None for as many.
        lr: The learning rate of Adam, whose betas are 0 and 0.9 for D and G.
        encoder_lr: That of the encoder; the paper has 5e-5.
        seed: Of the weights, the hold-out, the order of samples and the noise.
        batch_size: This and the others as in `DeepSVDD`.

    Attributes:
        spread_: Variance of samples of G, and of training samples, summed over values. Where the first is below a
            twentieth of the second, the generator has collapsed, which is a line of the log "reprq".
        gan_history_: One row an epoch of the GAN; none where `fit` went on from a checkpoint after it.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> detector = FAnoGAN(epochs=40, dim=4).fit(rng.normal(size=(80, 5)))
        >>> detector.terms(rng.normal(size=(3, 5))).image.shape
        (3,)
    """

    kappa: float = 1.0
    encoder_epochs: int | None = None
    encoder_lr: float = 5e-5
    gan_history_: list[Epoch] = field(init=False)

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        super().check_parameters()
        check_numbers(self, "kappa")
        if self.encoder_epochs is not None:
            check_count("encoder_epochs", self.encoder_epochs)
        self._of_encoder(self.schedule())

    def describe(self) -> str:
        """Return for example "fanogan[epochs=100,lr=0.0001]", and whatever is not at its default."""
        return self._described()

    def terms(self, X: Any) -> ReconstructionTerms:
        """Return both parts of the scores of samples, which sum to them.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: `X` is not of the kind that it was fitted on.
        """
        both = self._of_samples(self._both, X).double().numpy()
        return ReconstructionTerms(both[:, 0].copy(), both[:, 1].copy())

    def _both(self, x: Any) -> Tensor:
        return torch.stack(self._net.terms(x), dim=1)

    def _known(self) -> dict[str, Any]:
        return {**super()._known(), "gan_history": self.gan_history_}

    def _reopen(self, made: dict[str, Any], path: str | Path) -> None:
        super()._reopen(made, path)
        self.gan_history_ = made["gan_history"]

    def _build(self) -> "EncodedGAN":
        gan = self._build_gan()
        phi = encoder(self._architecture, self._channels(), leakiness=self.leakiness, bias=True)
        return EncodedGAN(gan, phi, self.kappa)

    def _learn(self, schedule: Schedule, kept: NDArray[np.int64], besides: dict[str, Inputs | Tensor]) -> list[Epoch]:
        self.gan_history_ = []
        history = super()._learn(self._of_encoder(schedule), kept, besides)
        self._see_spread(kept)
        return history

    def _prepare(self, schedule: Schedule, kept: NDArray[np.int64]) -> None:
        self._learn_scaling(self._gan.scaling, kept)
        step = WassersteinStep(self._gan, self.schedule(), self.critic_steps, self.penalty)
        bar = {"desc": f"{name_of(self)} GAN", "show": self.progress, "leave": False}
        self.gan_history_ = train(step, self._examples(), checkpoint=self._checkpoint("gan"), bar=bar)

    def _of_encoder(self, schedule: Schedule) -> Schedule:
        return replace(schedule, epochs=self.encoder_epochs or schedule.epochs, lr=self.encoder_lr)

    def _step(self, schedule: Schedule) -> Step:
        return _EncoderStep(self._net, schedule)

    def _scores(self, x: Any) -> Tensor:
        scores: Tensor = self._net(x)
        return scores

    def _embedding(self, x: Any) -> Tensor:
        codes: Tensor = self._net.phi(self._gan.scaled(x))
        return codes

    def _map(self, x: Any) -> Tensor:
        square = self._net.squares(x)
        return square.sum(1) / square[0].numel()

    @property
    def _net(self) -> "EncodedGAN":
        net: EncodedGAN = self.network_  # type: ignore[assignment]
        return net

    @property
    def _gan(self) -> WassersteinGAN:
        return self._net.gan


class EncodedGAN(nn.Module):
    """A GAN that stays in evaluation mode, and the encoder to its noise."""

    def __init__(self, gan: WassersteinGAN, phi: nn.Module, kappa: float) -> None:
        super().__init__()
        self.gan, self.phi, self.kappa = gan, phi, kappa

    def train(self, mode: bool = True) -> "EncodedGAN":
        """Set the mode of the encoder."""
        super().train(mode)
        self.gan.eval()
        return self

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the error of the values, and kappa times that of the features: (n,) each, float64 of scores."""
        scaled = self.gan.scaled(x)
        rebuilt = self.gan.generator(self.phi(scaled))
        image, features = scaled - rebuilt, self.gan.features(scaled) - self.gan.features(rebuilt)
        if not self.training:
            image, features = image.double(), features.double()
        return image.square().flatten(1).mean(1), self.kappa * features.square().flatten(1).mean(1)

    def squares(self, x: Tensor) -> Tensor:
        """Return the squared error of each value, in the shape of x."""
        scaled = self.gan.scaled(x)
        error: Tensor = scaled - self.gan.generator(self.phi(scaled))
        return error.double().square()

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of both terms: (n,)."""
        image, features = self.terms(x)
        return image + features


class _EncoderStep(MeanStep):
    """The encoder alone learns; the hold-out is judged by both terms too."""

    def __init__(self, net: EncodedGAN, schedule: Schedule) -> None:
        net.gan.requires_grad_(False)
        super().__init__(net, schedule)
        self.net = net
        lr, decay = schedule.lr, schedule.weight_decay
        self.optimizers = [torch.optim.Adam(net.phi.parameters(), lr=lr, weight_decay=decay)]

    def judge(self, batch: Any) -> dict[str, float | None]:
        """Return the loss, and its terms."""
        image, features = (float(term.mean()) for term in self.net.terms(batch.inputs))
        return {"loss": image + features, "image": image, "features": features}
