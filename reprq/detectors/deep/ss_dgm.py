"""Semi-supervised deep generative models, M2 and M1+M2 (Kingma et al. 2014; SS-DGM of Ruff 2021, B.1)."""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from reprq.detectors.deep.encoding import EncodingDetector
from reprq.detectors.deep.labelled import LabelledDetector
from reprq.detectors.deep.networks import Architecture, Scaling, architecture_named, decoder, encoder
from reprq.detectors.deep.reconstruction import MeanStep
from reprq.detectors.deep.variational import Likelihood, divergence
from reprq.detectors.registry import name_of
from reprq.detectors.rows.base import check_choice, check_count
from reprq.errors import InputError
from reprq.training import Examples, Schedule, Step, train


@dataclass(kw_only=True, eq=False, repr=False)
class SSDGM(LabelledDetector, EncodingDetector):
    """Log-odds that a sample is of the class of known anomalies, in a generative model of both classes.

    M2: p(x, y, z) = p(y) N(z; 0, I) p(x | y, z), of which y is 1 for anomalies, with q(y | x) and q(z | x, y). With
    -L(x, y) = E_q(z|x,y)[log p(x | y, z)] + log p(y) - KL(q(z | x, y) || N(0, I)), by one draw of z, it minimizes

    1/(n + m) [sum_i U(x_i) + sum_j L(x_j, y_j)] + alpha (1/m) sum_j -log q(y_j | x_j),

    U(x) = sum_y q(y | x) L(x, y) - H(q(y | x)), over n samples without a label and m with one (Kingma et al. 2014,
    equations 6 to 9, divided by n + m). The score is log q(1 | x) / q(0 | x), which ranks as the probability q(1 | x)
    does and does not end in ties at 1. Nothing says that samples without a label are benign but the prior p(y).

    M1+M2: M1 is a variational autoencoder of all samples, trained for `pretrain_epochs`; M2 then learns draws of its
    code, by a multilayer perceptron, and scores its mean.

    Images are Bernoulli probabilities of pixels scaled to [0, 1], rows are Gaussian with variance 1.

    Args:
        variant: "m2" or "m1+m2".
        latent: Width of z.
        alpha: Weight of the classification of labelled samples; 0.1 in the paper.
        prior: p(y = 1); 0.5 in the paper, which knows as little of either class.
        pretrain_epochs: Of M1.
        network: This and the others as in `DeepSVDD`, with biases: encoders of q(y | x) and q(z | x, y), and its mirror
            for p(x | y, z).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> benign, known = rng.normal(size=(40, 5)), rng.normal(size=(4, 5), scale=4)
        >>> SSDGM(epochs=2).fit(benign, labelled=known).describe()
        'ss_dgm[m2,epochs=2,lr=0.001]'
    """

    variant: Literal["m2", "m1+m2"] = "m2"
    latent: int = 8
    alpha: float = 0.1
    prior: float = 0.5
    pretrain_epochs: int = 50
    epochs: int = 150
    batch_size: int = 200
    lr: float = 1e-3
    milestones: tuple[int, ...] | list[int] = (50,)
    weight_decay: float = 1e-6

    must_know = True

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        check_choice("variant", self.variant, ("m2", "m1+m2"))
        check_count("latent", self.latent)
        check_count("pretrain_epochs", self.pretrain_epochs)
        for name, most in (("alpha", math.inf), ("prior", 1.0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < most:
                wanted = "a positive number" if most == math.inf else f"in (0, {most:g})"
                raise InputError(f"{name} must be {wanted}, got {value!r}")
        super().check_parameters()

    def describe(self) -> str:
        """Return for example "ss_dgm[m2,epochs=150,lr=0.001]", and whatever is not at its default."""
        return self._described("variant")

    def _build(self) -> nn.Module:
        of, inputs, likelihood = self._architecture, self._channels(), Likelihood(bernoulli=self._columns is None)
        scaling = Scaling(self._scaling, self._columns)
        if self.variant == "m2":
            return _Network(scaling, _M2(of, inputs, self.latent, self.prior, likelihood, self.leakiness))
        code = of.widths[-1]
        rows = replace(architecture_named("mlp"), widths=(2 * code, code))
        m2 = _M2(rows, code, self.latent, self.prior, Likelihood(bernoulli=False), self.leakiness)
        return _Network(scaling, m2, _M1(of, inputs, likelihood, self.leakiness))

    def _prepare(self, schedule: Schedule, kept: NDArray[np.int64]) -> None:
        super()._prepare(schedule, kept)
        net = self._net
        if net.m1 is None:
            return
        how = replace(schedule, epochs=self.pretrain_epochs, milestones=(), other_batch_size=None)
        bar = {"desc": f"{name_of(self)} M1", "show": self.progress, "leave": False}
        step = MeanStep(nn.Sequential(net.scaling, net.m1), how)
        train(step, self._examples(), checkpoint=self._checkpoint("m1"), bar=bar)

    def _step(self, schedule: Schedule) -> Step:
        return _SemiSupervisedStep(self._net, schedule, self.labelled_share_, self.alpha)

    def _scores(self, x: Any) -> Tensor:
        net = self._net
        return net.m2.log_odds(net.code(x)).double()

    def _embedding(self, x: Any) -> Tensor:
        net = self._net
        outputs: Tensor = net.m2.phi(net.code(x))
        return outputs

    @property
    def _net(self) -> "_Network":
        net: _Network = self.network_  # type: ignore[assignment]
        return net


class _Posterior(nn.Module):
    """A Gaussian with a diagonal covariance, by its mean and the logarithm of its variance."""

    def __init__(self, inputs: int, latent: int) -> None:
        super().__init__()
        self.mean, self.log_variance = nn.Linear(inputs, latent), nn.Linear(inputs, latent)

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return a draw, and the divergence KL(q || N(0, I)) of each sample."""
        mean, log_variance = self.mean(h), self.log_variance(h)
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        return z, divergence(mean, log_variance)


class _M1(nn.Module):
    """A variational autoencoder; its output is the negative evidence lower bound of each sample."""

    def __init__(self, of: Architecture, inputs: int, likelihood: Likelihood, leakiness: float) -> None:
        super().__init__()
        width = of.widths[-1]
        self.phi = encoder(of, inputs, leakiness=leakiness, bias=True)
        self.posterior, self.likelihood = _Posterior(width, width), likelihood
        self.mirror = decoder(of, inputs, leakiness=leakiness, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        z, divergence = self.posterior(self.phi(x))
        lost: Tensor = self.likelihood(x, self.mirror(z)) + divergence
        return lost


class _M2(nn.Module):
    """q(y | x), q(z | x, y) and p(x | y, z)."""

    def __init__(
        self, of: Architecture, inputs: int, latent: int, prior: float, likelihood: Likelihood, leakiness: float
    ) -> None:
        super().__init__()
        width = of.widths[-1]
        self.phi = encoder(of, inputs, leakiness=leakiness, bias=True)
        self.head = nn.Linear(width, 1)
        self.inference = encoder(of, inputs, leakiness=leakiness, bias=True)
        self.posterior = _Posterior(width + 1, latent)
        self.widen = nn.Linear(latent + 1, width)
        self.mirror = decoder(of, inputs, leakiness=leakiness, bias=True)
        self.likelihood, self.prior = likelihood, prior

    def log_odds(self, x: Tensor) -> Tensor:
        """Return log q(1 | x) / q(0 | x): (n,)."""
        odds: Tensor = self.head(self.phi(x)).squeeze(1).float()
        return odds

    def lost(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return L(x, y), by one draw of z: (n,)."""
        y = labels.to(x.dtype)[:, None]
        z, divergence = self.posterior(torch.cat([self.inference(x), y], dim=1))
        rebuilt = self.mirror(self.widen(torch.cat([z, y], dim=1)))
        prior = torch.where(labels == 1, math.log(self.prior), math.log1p(-self.prior))
        found: Tensor = self.likelihood(x, rebuilt) + divergence - prior
        return found


class _Network(nn.Module):
    """M2 of scaled samples, or of their code by M1."""

    def __init__(self, scaling: Scaling, m2: _M2, m1: _M1 | None = None) -> None:
        super().__init__()
        self.scaling, self.m2, self.m1 = scaling, m2, m1

    def code(self, x: Tensor) -> Tensor:
        """What M2 is given: of M1 a draw in training, and else the mean."""
        scaled: Tensor = self.scaling(x)
        if self.m1 is None:
            return scaled
        m1 = self.m1.eval()  # it is trained already, its batch normalization too
        with torch.no_grad():
            h = m1.phi(scaled)
            code: Tensor = m1.posterior(h)[0] if self.training else m1.posterior.mean(h)
        return code


class _SemiSupervisedStep(Step):
    """The objective of `SSDGM`; both classes of an unlabelled sample and all labelled ones in one pass."""

    def __init__(self, net: _Network, schedule: Schedule, share: float, alpha: float) -> None:
        super().__init__(net, schedule)
        self.net, self.share, self.alpha = net, share, alpha

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the loss; of the samples without a label alone, where there are no others."""
        n, m2 = len(batch.inputs), self.net.m2
        x = self.net.code(batch.inputs if other is None else torch.cat([batch.inputs, other.inputs]))
        odds = m2.log_odds(x)
        known = torch.zeros(0, dtype=torch.int64, device=self.device) if other is None else other.targets
        both = torch.arange(2, device=self.device).repeat_interleave(n)
        lost = m2.lost(torch.cat([x[:n], x[:n], x[n:]]), torch.cat([both, known]))
        logs = torch.stack([logsigmoid(-odds[:n]), logsigmoid(odds[:n])])
        unlabelled = (logs.exp() * (lost[: 2 * n].reshape(2, n) + logs)).sum(0).mean()
        if other is None:
            return unlabelled
        classified = -logsigmoid(torch.where(known == 1, odds[n:], -odds[n:])).mean()
        return (1 - self.share) * unlabelled + self.share * lost[2 * n :].mean() + self.alpha * classified
