"""Deep SVDD: a network that maps benign samples into a small sphere (Ruff et al. 2018; Ruff 2021, section 2.2)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.data import Batch, Dataset
from reprq.detectors.deep.encoding import EncodingDetector
from reprq.detectors.deep.networks import Scaling, decoder, encoder
from reprq.detectors.deep.reconstruction import MeanStep, Reconstruction
from reprq.detectors.deep.remedies import TURNS, Remedies, RemedyStep, encoder_weights, start_encoder, weights_digest
from reprq.detectors.deep.samples import Samples
from reprq.detectors.registry import name_of
from reprq.detectors.rows.base import check_choice
from reprq.errors import InputError
from reprq.notices import notice
from reprq.training import Epoch, Examples, Inputs, Schedule, Step, split_rows, train

EPS = 0.1
COLLAPSED = 1e-4
_PROBED = 256
_SEED_OF_PRETRAINING = 2_000_003


@dataclass(kw_only=True, eq=False, repr=False)
class DeepSVDD(EncodingDetector):
    """Squared distance to a center c, of embeddings phi(x) that were trained to lie close to it.

    One-class: (1/n) sum_i d_i, with d_i = ||phi(x_i) - c||^2 (Ruff 2021, equation 2.11). Soft-boundary:
    R^2 + 1/(nu n) sum_i max(0, d_i - R^2) (equation 2.10). Both add (lambda / 2) ||W||^2. The score is d, and d - R^2
    for the soft boundary.

    A constant phi would minimize either. So c is fixed: the mean output of the untrained or pretrained network, with
    every component of less than 0.1 moved to +-0.1 (0 to 0.1); no layer has a bias, and no activation is bounded
    (Propositions 1 to 3). R^2 is the value at place floor(nu n) + 1 of the training distances in descending order,
    after every epoch from `warm_up_epochs` on, 0 before: then a share of at most nu of them lies outside, and one of at
    least nu on or outside (Proposition 4). Training goes on to the last epoch: distances of the hold-out also fall
    where phi becomes constant, and are no reason to stop. A phi that hardly reacts to its input at the end is a line of
    the log "reprq", with numbers.

    Args:
        objective: "one-class" or "soft-boundary".
        nu: Of the soft boundary: the share of training samples that may lie outside, in (0, 1).
        network: "mnist" or "fashion_mnist" (28 x 28, gray), "cifar10" (32 x 32, RGB), "mlp" or "mlp:128-64-32" for
            rows, or a backbone's such as "resnet18", "resnet18:64" for images of 64 x 64 or "timm:resnet18:64", with
            random weights, without its biases and with a last layer of 128. By default "mlp" for rows, "mnist" where
            the first images are gray, and "cifar10".
        preprocessing: "contrast" (L1 contrast normalization, then min-max), "min-max" or "z-score"; see
            `reprq.detectors.deep.networks.Scaling`. By default "contrast" for images and "z-score" for rows.
        dim: Width of the embedding, if not the network's own.
        leakiness: Slope of the leaky ReLU below 0; the released code has 0.01, the thesis says 0.1.
        pretrain_epochs: Of an autoencoder by whose encoder phi starts, with the decoder mirrored and the squared error
            summed over all values; 0 for none.
        warm_up_epochs: Epochs of the soft boundary before R is first set.
        start_from: The file of a saved deep_svdd, deep_sad or autoencoder of the same network, by whose encoder phi
            starts; center and scaling are still those of the samples. None for random weights.
        reconstruction: This and the next four are remedies against a collapse (Ruff 2021, section 2.2.3), weights of
            what is added to the loss: of the squared error of a decoder that learns beside phi,
        inverse_variance: of 1 / (trace of the covariance of the embeddings of a batch),
        artificial_negatives: of 1 / d for as much uniform noise between the extremes of the batch, and
        pseudo_labels: of the cross-entropy of a linear classifier on phi that learns by how many quarter turns images
            were turned, which rows of numbers cannot be. 0 leaves one out.
        frozen: Whether all but the last layer of phi stays as pretraining or `start_from` made it.
        epochs: Passes over the training samples.
        batch_size: Samples a step.
        lr: The learning rate of Adam.
        milestones: Epochs after which the rate is divided by 10; beyond `epochs` they do nothing.
        weight_decay: lambda.
        held_out: Share of the samples that only serve the threshold of `predict`; 0 trains on all of them.
        precision: "float32", or "bfloat16" for autocast.
        seed: Of the weights, the hold-out and the order of samples.
        device: A torch device.
        checkpoint: A file for the state between epochs, so that an interrupted fit goes on.
        progress: Whether to show progress on stderr.

    Attributes:
        start_: Digest of the weights in `start_from`, which stands in the identifier; "" for none.
        center_: (d,) float32, c.
        radius_: R, of the soft boundary; 0 for one-class.
        spread_: Trace of the covariance of the embeddings of training samples and uniform noise, before and after the
            training on d; the second is below 1e-4 ||c||^2 where phi collapsed.
        pretraining_: One row an epoch of the autoencoder; none where `fit` went on from a checkpoint after it.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> detector = DeepSVDD(epochs=2).fit(rng.normal(size=(40, 5)))
        >>> detector.embed(rng.normal(size=(3, 5))).shape
        (3, 8)
    """

    objective: Literal["one-class", "soft-boundary"] = "one-class"
    nu: float = 0.1
    pretrain_epochs: int = 0
    warm_up_epochs: int = 10
    start_from: str | None = None
    reconstruction: float = 0.0
    inverse_variance: float = 0.0
    artificial_negatives: float = 0.0
    pseudo_labels: float = 0.0
    frozen: bool = False
    epochs: int = 150
    batch_size: int = 200
    lr: float = 1e-4
    milestones: tuple[int, ...] | list[int] = (50,)
    weight_decay: float = 1e-6
    start_: str = field(init=False)
    spread_: tuple[float, float] = field(init=False)
    pretraining_: list[Epoch] = field(init=False)

    @property
    def center_(self) -> NDArray[np.float32]:
        """(d,) the center c."""
        center: NDArray[np.float32] = self._sphere.center.cpu().numpy()
        return center

    @property
    def radius_(self) -> float:
        """R."""
        return math.sqrt(float(self._sphere.squared_radius))

    @property
    def _sphere(self) -> "_Sphere":
        sphere: _Sphere = self.network_  # type: ignore[assignment]
        return sphere

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        check_choice("objective", self.objective, ("one-class", "soft-boundary"))
        if isinstance(self.nu, bool) or not isinstance(self.nu, int | float) or not 0 < self.nu < 1:
            raise InputError(f"nu must be in (0, 1), got {self.nu!r}; 0.1 lets a tenth of the samples lie outside")
        super().check_parameters()
        for name in ("pretrain_epochs", "warm_up_epochs"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise InputError(f"{name} must be a whole number of at least 0, got {value!r}")
        if self.start_from is not None and not isinstance(self.start_from, str):
            raise InputError(f"start_from must be the path of a saved detector, got {self.start_from!r}")
        if self._remedies.frozen and not self.pretrain_epochs and self.start_from is None:
            raise InputError("frozen keeps weights that were learned, and none are; give pretrain_epochs or start_from")

    def describe(self) -> str:
        """Return for example "deep_svdd[one-class,epochs=150,lr=0.0001]", and whatever is not at its default."""
        return self._described("objective")

    def _word(self, name: str, value: Any) -> str:
        if name != "start_from":
            return super()._word(name, value)
        return getattr(self, "start_", "") or weights_digest(encoder_weights(value, self._key))

    def _known(self) -> dict[str, Any]:
        return {**super()._known(), "start": self.start_, "spread": self.spread_, "pretraining": self.pretraining_}

    def _reopen(self, made: dict[str, Any], path: str | Path) -> None:
        super()._reopen(made, path)
        self.start_ = made.get("start", self.start_from or "")  # the path in files of before
        first, last = made["spread"]
        self.spread_, self.pretraining_ = (float(first), float(last)), made["pretraining"]

    @property
    def _remedies(self) -> Remedies:
        added = {name: getattr(self, name) for name in ("inverse_variance", "artificial_negatives", "pseudo_labels")}
        return Remedies(self.reconstruction, frozen=self.frozen, **added)

    def _open(self, samples: Samples) -> None:
        super()._open(samples)
        if self._architecture.backbone and (self.frozen or self.reconstruction or self.pretrain_epochs):
            raise InputError(
                f"network {self._network} can be neither frozen nor rebuilt from, nor pretrained by an autoencoder;"
                " leave out frozen, reconstruction and pretrain_epochs, or name another"
            )
        if self.pseudo_labels and not isinstance(samples, Dataset):
            raise InputError("pseudo_labels tell how images were turned, got rows of numbers; leave it out")
        self.start_ = ""
        if self.start_from is not None:
            self._start = encoder_weights(self.start_from, self._key)
            self.start_ = weights_digest(self._start)

    def _build(self) -> "_Sphere":
        phi = encoder(self._architecture, self._channels(), leakiness=self.leakiness)
        sphere = _Sphere(Scaling(self._scaling, self._columns), phi, self._architecture.widths[-1])
        if self.reconstruction:
            sphere.mirror = decoder(self._architecture, self._channels(), leakiness=self.leakiness)
        if self.pseudo_labels:
            sphere.turns = nn.Linear(self._architecture.widths[-1], TURNS)
        return sphere

    def _learn(self, schedule: Schedule, kept: NDArray[np.int64], besides: dict[str, Inputs | Tensor]) -> list[Epoch]:
        self.pretraining_ = []
        history = super()._learn(schedule, kept, besides)
        self.spread_ = (float(self._sphere.first_spread), float(self._spread(kept)))
        self._warn_of_collapse()
        return history

    def _prepare(self, schedule: Schedule, kept: NDArray[np.int64]) -> None:
        super()._prepare(schedule, kept)
        if self.start_from is not None:
            start_encoder(self._sphere.phi, self._start, self.start_from)
        self.pretraining_ = self._pretrain(schedule)
        outputs = self._in_batches(self._embedding, self.inputs_, kept)
        self._sphere.center.copy_(away_from_zero(outputs.double().mean(0)))
        self._sphere.first_spread.copy_(self._spread(kept))

    def _pretrain(self, schedule: Schedule) -> list[Epoch]:
        """Train the encoder with a decoder, which is then forgotten unless the training on d has one too."""
        if not self.pretrain_epochs:
            return []
        mirror = self._sphere.mirror
        if mirror is None:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(schedule.seed + _SEED_OF_PRETRAINING)
                mirror = decoder(self._architecture, self._channels(), leakiness=self.leakiness).to(self.device)
        model = Reconstruction(self._sphere.scaling, self._sphere.phi, mirror)
        how = replace(schedule, epochs=self.pretrain_epochs, milestones=(), other_batch_size=None)
        bar = {"desc": f"{name_of(self)} autoencoder", "show": self.progress, "leave": False}
        step = MeanStep(model, how)
        return train(step, Examples(self.inputs_), checkpoint=self._checkpoint("autoencoder"), bar=bar)

    def _step(self, schedule: Schedule) -> Step:
        plain = self._plain_step(schedule)
        if not self._remedies:
            return plain
        objective = plain.objective if isinstance(plain, _SoftBoundaryStep) else torch.mean
        return RemedyStep(self._sphere, schedule, self._remedies, objective, plain.end)

    def _plain_step(self, schedule: Schedule) -> Step:
        if self.objective == "one-class":
            return MeanStep(self._sphere, schedule)
        kept, _ = split_rows(len(self.inputs_), schedule.seed, schedule.held_out)

        def distances() -> Tensor:
            return self._in_batches(self._sphere, self.inputs_, kept)

        return _SoftBoundaryStep(self._sphere, schedule, self.nu, self.warm_up_epochs, distances)

    def _scores(self, x: Batch) -> Tensor:
        distances: Tensor = self._sphere(x)
        return distances - self._sphere.squared_radius

    def _spread(self, kept: NDArray[np.int64]) -> Tensor:
        """How far apart phi maps training samples and as much uniform noise between their extremes.

        It is the trace of the covariance of their embeddings; phi should not map them to one point.
        """
        known: Tensor = self.inputs_[torch.from_numpy(kept[:_PROBED])].cpu()
        low, high = known.amin(0), known.amax(0)
        noise = torch.rand(known.shape, generator=torch.Generator().manual_seed(self.seed))
        probe = torch.cat([known, low + (high - low) * noise])
        return self._in_batches(self._embedding, probe, np.arange(len(probe))).double().var(0, correction=0).sum()

    def _warn_of_collapse(self) -> None:
        length = float(self._sphere.center.double().square().sum())
        if not self.spread_[1] > COLLAPSED * length:
            notice(
                "%s maps nearly everything to one point: over training samples and noise the variance of its"
                " embeddings is %.3g (before training %.3g), and the squared length of its center %.3g; its scores say"
                " little, so give fewer epochs, a lower lr, or inverse_variance",
                name_of(self),
                *self.spread_[::-1],
                length,
            )


class _Sphere(nn.Module):
    """phi on scaled inputs, the center, the squared radius, and where phi is trained to rebuild inputs a decoder."""

    center: Tensor
    squared_radius: Tensor
    first_spread: Tensor

    def __init__(self, scaling: Scaling, phi: nn.Module, dim: int) -> None:
        super().__init__()
        self.scaling, self.phi = scaling, phi
        self.mirror: nn.Module | None = None
        self.turns: nn.Module | None = None  # tells how an image was turned
        self.register_buffer("center", torch.zeros(dim))
        self.register_buffer("squared_radius", torch.zeros((), dtype=torch.float64))
        self.register_buffer("first_spread", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the squared distances to the center: (n,) float32 in training, float64 of scores."""
        outputs = self.phi(self.scaling(x)).float()
        if not self.training:
            outputs = outputs.double()
        distances: Tensor = (outputs - self.center).square().sum(1)
        return distances


class _SoftBoundaryStep(Step):
    """R^2 + mean of max(0, d - R^2) / nu; R^2 is set after every epoch."""

    def __init__(
        self, sphere: _Sphere, schedule: Schedule, nu: float, warm_up: int, distances: Callable[[], Tensor]
    ) -> None:
        super().__init__(sphere, schedule)
        self.sphere, self.nu, self.warm_up, self.distances = sphere, nu, warm_up, distances

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        return self.objective(self.sphere(batch.inputs))

    def objective(self, distances: Tensor) -> Tensor:
        """Return the loss of squared distances."""
        squared_radius = self.sphere.squared_radius.float()
        outside = (distances - squared_radius).relu()
        return squared_radius + outside.mean() / self.nu

    def end(self, epoch: int) -> None:
        """Set the radius by the training distances."""
        if epoch >= min(self.warm_up, self.schedule.epochs):
            self.sphere.squared_radius.copy_(order_statistic(self.distances(), self.nu))


def away_from_zero(center: Tensor, eps: float = EPS) -> Tensor:
    """Return a center with every component of less than eps moved to +-eps, and those of 0 to eps.

    Example:
        >>> away_from_zero(torch.tensor([0.5, -0.01, 0.0]))
        tensor([ 0.5000, -0.1000,  0.1000])
    """
    moved = torch.where(center < 0, -eps, eps).to(center.dtype)
    return torch.where(center.abs() < eps, moved, center)


def order_statistic(distances: Tensor, nu: float) -> Tensor:
    """Return the value at place floor(nu n) + 1 of distances in descending order.

    At most a share nu is above it, and at least a share nu is not below it: no quantile that interpolates has both.

    Example:
        >>> order_statistic(torch.arange(10.0), 0.25)  # 9 and 8 are outside
        tensor(7.)
    """
    place = min(math.floor(nu * len(distances)), len(distances) - 1)
    return torch.sort(distances, descending=True).values[place]
