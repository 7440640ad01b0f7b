"""DAGMM: energy of a sample's code and errors under a Gaussian mixture that learned with them (Zong et al. 2018)."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from reprq.detectors.deep.encoding import EncodingDetector
from reprq.detectors.deep.mixture import Mixture, check_regular, energy, mixture_of, smallest_eigenvalues
from reprq.detectors.deep.networks import Scaling, decoder, encoder
from reprq.detectors.registry import name_of
from reprq.detectors.rows.base import check_count
from reprq.errors import InputError
from reprq.notices import notice
from reprq.training import Epoch, Examples, Inputs, Schedule, Step

_LEAST_NORM = 1e-6
_HELD_BY_RIDGE = 10.0


@dataclass(kw_only=True, eq=False, repr=False)
class DAGMM(EncodingDetector):
    """Energy of a sample under a Gaussian mixture over its code and how badly the code rebuilds it, in nats.

    An autoencoder gives the code z_c and x', and z = [z_c, ||x - x'|| / ||x||, cos(x, x')]; a network gives the soft
    memberships of z in K components, from which the mixture phi, mu, Sigma of a batch follows (equation 5). Training
    minimizes (equation 7)

    mean ||x - x'||^2 + energy_weight * mean E(z) + variance_weight * sum_kj 1 / Sigma_kjj,

    E(z) = -log sum_k phi_k N(z; mu_k, Sigma_k), of which some implementations leave out phi_k. After training phi, mu
    and Sigma are those of all training samples, without dropout, and are not touched again: a score is E(z) under them
    and the same whatever the batch. To Sigma, in the energy, `ridge` times I is added; a covariance that is singular
    for all that is refused, and one that the ridge holds up is told on the log "reprq".

    On rows the layers are dense with tanh, as in the paper; on images they are those of `Autoencoder`.

    Args:
        components: K.
        dim: Width of z_c.
        energy_weight: lambda_1 of the paper.
        variance_weight: lambda_2 of the paper.
        ridge: Added to the diagonal of covariances, in the units of z squared; 0 refuses singular ones.
        hidden: Width of the hidden layer of the network of memberships.
        dropout: Of that layer, in training.
        network: "mlp:60-30-10-1" by default for rows, as the paper has for KDDCUP ("mlp:12-4-1" for Thyroid); this and
            the others as in `Autoencoder`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> detector = DAGMM(epochs=2).fit(rng.normal(size=(40, 5)))
        >>> detector.mixture_.means.shape
        torch.Size([4, 3])
    """

    components: int = 4
    dim: int | None = 1
    energy_weight: float = 0.1
    variance_weight: float = 0.005
    ridge: float = 1e-6
    hidden: int = 10
    dropout: float = 0.5
    epochs: int = 200
    batch_size: int = 1024
    lr: float = 1e-3
    milestones: tuple[int, ...] | list[int] = (150,)
    weight_decay: float = 0.0
    default_networks: ClassVar[dict[str, str]] = {"gray": "mnist", "rgb": "cifar10", "rows": "mlp:60-30-10-1"}

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        super().check_parameters()
        check_count("components", self.components)
        check_count("hidden", self.hidden)
        for name in ("energy_weight", "variance_weight", "ridge"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise InputError(f"{name} must be a number of at least 0, got {value!r}")
        if isinstance(self.dropout, bool) or not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be in [0, 1), got {self.dropout!r}")

    def describe(self) -> str:
        """Return for example "dagmm[4,epochs=200,lr=0.001]", and whatever is not at its default."""
        return self._described("components")

    @property
    def mixture_(self) -> Mixture:
        """The mixture of the training samples, in float64."""
        return self._model.mixture

    def _build(self) -> "DeepMixture":
        of, channels = self._architecture, self._channels()
        if self._columns is None:
            phi = encoder(of, channels, leakiness=self.leakiness, bias=True)
            mirror: nn.Module = decoder(of, channels, leakiness=self.leakiness, bias=True)
        else:
            phi, mirror = _dense((channels, *of.widths)), _dense((*reversed(of.widths), channels))
        width = of.widths[-1] + 2
        layers = (nn.Linear(width, self.hidden), nn.Tanh(), nn.Dropout(self.dropout))
        members = nn.Sequential(*layers, nn.Linear(self.hidden, self.components))
        return DeepMixture(Scaling(self._scaling, self._columns), phi, mirror, members, width)

    def _step(self, schedule: Schedule) -> Step:
        return _MixtureStep(self._model, schedule, self.energy_weight, self.variance_weight, self.ridge)

    def _learn(self, schedule: Schedule, kept: NDArray[np.int64], besides: dict[str, Inputs | Tensor]) -> list[Epoch]:
        history = super()._learn(schedule, kept, besides)
        joined = self._in_batches(self._joined, self.inputs_, kept)
        mixture = mixture_of(joined[:, : -self.components], joined[:, -self.components :])
        self._model.freeze(mixture)
        check_regular(mixture, self.ridge)
        self._warn_of_singular(mixture)
        return history

    def _joined(self, x: Any) -> Tensor:
        """Return z and its memberships, side by side."""
        z, memberships, _ = self._model(x)
        return torch.cat([z, memberships], dim=1)

    def _warn_of_singular(self, mixture: Mixture) -> None:
        smallest = smallest_eigenvalues(mixture)
        held = int((smallest < _HELD_BY_RIDGE * self.ridge).sum())
        if held:
            notice(
                "%s has a mixture in which %d of %d covariances are nearly singular and held up by the ridge of %g:"
                " their smallest eigenvalue is %.3g; weights of the components: %s",
                name_of(self),
                held,
                len(smallest),
                self.ridge,
                float(smallest.min()),
                ", ".join(f"{weight:.3g}" for weight in mixture.weights.tolist()),
            )

    def _scores(self, x: Any) -> Tensor:
        return energy(self._model(x)[0], self._model.mixture, self.ridge)

    def _embedding(self, x: Any) -> Tensor:
        z: Tensor = self._model(x)[0]
        return z

    @property
    def _model(self) -> "DeepMixture":
        model: DeepMixture = self.network_  # type: ignore[assignment]
        return model


class DeepMixture(nn.Module):
    """The autoencoder, the network of memberships, and the mixture that `freeze` sets.

    Args:
        scaling: Of the inputs.
        phi: From scaled inputs to codes.
        mirror: From codes to scaled inputs.
        members: From z to the logits of memberships.
        width: Of z.
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor

    def __init__(self, scaling: Scaling, phi: nn.Module, mirror: nn.Module, members: nn.Sequential, width: int) -> None:
        super().__init__()
        self.scaling, self.phi, self.mirror, self.members = scaling, phi, mirror, members
        k = members[-1].out_features
        assert isinstance(k, int)
        self.register_buffer("weights", torch.full((k,), 1.0 / k, dtype=torch.float64))
        self.register_buffer("means", torch.zeros(k, width, dtype=torch.float64))
        self.register_buffer("covariances", torch.eye(width, dtype=torch.float64).repeat(k, 1, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return z (n, width), memberships (n, K), both float64, and the squared error of each sample (n,)."""
        scaled: Tensor = self.scaling(x).float()
        code = self.phi(scaled).float()
        given, rebuilt = scaled.flatten(1), self.mirror(code).float().flatten(1)
        if not self.training:
            given, rebuilt = given.double(), rebuilt.double()
        square = (given - rebuilt).square().sum(1)
        distance = (square + _LEAST_NORM**2).sqrt() / given.norm(dim=1).clamp_min(_LEAST_NORM)
        z = torch.cat([code, torch.stack([distance, cosine_similarity(given, rebuilt, dim=1)], dim=1)], dim=1)
        memberships = self.members(z.float()).double().softmax(1)
        return z.double(), memberships, square

    def freeze(self, mixture: Mixture) -> None:
        """Set the mixture by which samples are scored."""
        for own, found in zip(self.mixture, mixture, strict=True):
            own.copy_(found)

    @property
    def mixture(self) -> Mixture:
        """The mixture that was set."""
        return Mixture(self.weights, self.means, self.covariances)


class _MixtureStep(Step):
    """The objective of `DAGMM`, by the mixture of each batch."""

    def __init__(
        self, model: DeepMixture, schedule: Schedule, energy_weight: float, variance_weight: float, ridge: float
    ) -> None:
        super().__init__(model, schedule)
        self.energy_weight, self.variance_weight, self.ridge = energy_weight, variance_weight, ridge

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the objective of a batch."""
        z, memberships, square = self.model(batch.inputs)
        mixture = mixture_of(z, memberships)
        variances = mixture.covariances.diagonal(dim1=1, dim2=2) + self.ridge
        mean_energy = energy(z, mixture, self.ridge).mean()
        total: Tensor = square.mean() + self.energy_weight * mean_energy + self.variance_weight * (1 / variances).sum()
        return total


def _dense(widths: tuple[int, ...]) -> nn.Sequential:
    """Dense layers with tanh between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.Tanh()]
        nn.init.xavier_uniform_(layers[-2].weight)  # type: ignore[arg-type]
        nn.init.zeros_(layers[-2].bias)  # type: ignore[arg-type]
    return nn.Sequential(*layers[:-1])
