"""Deep SAD: Deep SVDD that also learns from labelled samples (Ruff et al. 2020; Ruff 2021, section 2.3)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from reprq.detectors.deep.labelled import LabelledDetector, LabelledStep
from reprq.detectors.deep.svdd import DeepSVDD
from reprq.detectors.rows.base import check_choice
from reprq.errors import InputError
from reprq.training import Schedule, Step

Penalty = Callable[[Tensor], Tensor]
_LOSSES = ("inverse", "negative", "hampel", "hinge")


@dataclass(kw_only=True, eq=False, repr=False)
class DeepSAD(LabelledDetector, DeepSVDD):
    """Squared distance to a center c, of embeddings phi(x) trained to lie close to it, and known anomalies far off.

    1/(n + m) [sum_i d_i + eta sum_j l(d_j)] + (lambda / 2) ||W||^2 over n samples without a label, most of them benign,
    and m with one, d = ||phi(x) - c||^2; l(d) is d for a known benign sample, and 1 / (d + eps) for a known anomaly
    (Ruff 2021, equation 2.13). The score is d. Without labelled samples it is one-class `DeepSVDD`, to the bit.

    Center, networks, preprocessing, pretraining and the look for a collapse are those of `DeepSVDD`: constants, c and
    the autoencoder know only the samples without a label. A batch holds both kinds in their shares, at least one
    labelled sample, in one forward pass; the loss weighs them by n and m. Ruff (2021) scales images to [0, 1] here,
    which `preprocessing="min-max"` does.

    Args:
        eta: Weight of labelled samples; Ruff tries 0.01 to 100.
        eps: Keeps the inverse finite at the center.
        anomaly_loss: l of known anomalies: "inverse"; or, as an ablation, what was rejected for it: "negative", -d,
            which has no lower bound and may diverge; "hampel", minus the robust loss of Hampel on sqrt(d), with corners
            at 1, 2 and 4 times `scale`; "hinge", max(0, scale - d).
        scale: Of "hampel" and "hinge".
        network: This and the others as in `DeepSVDD`.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> benign, known = rng.normal(size=(40, 5)), rng.normal(size=(4, 5), scale=4)
        >>> detector = DeepSAD(epochs=2).fit(benign, labelled=known)
        >>> detector.describe(), detector.labelled_share_
        ('deep_sad[epochs=2,lr=0.0001]', 0.1)
    """

    eta: float = 1.0
    eps: float = 1e-6
    anomaly_loss: Literal["inverse", "negative", "hampel", "hinge"] = "inverse"
    scale: float = 1.0
    objective: Literal["one-class", "soft-boundary"] = field(default="one-class", init=False)  # no soft boundary
    nu: float = field(default=0.1, init=False)
    warm_up_epochs: int = field(default=10, init=False)
    reconstruction: float = field(default=0.0, init=False)  # labelled anomalies take the place of remedies
    inverse_variance: float = field(default=0.0, init=False)
    artificial_negatives: float = field(default=0.0, init=False)
    pseudo_labels: float = field(default=0.0, init=False)
    frozen: bool = field(default=False, init=False)

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        check_choice("anomaly_loss", self.anomaly_loss, _LOSSES)
        for name in ("eta", "eps", "scale"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise InputError(f"{name} must be a positive number, got {value!r}")
        super().check_parameters()

    def describe(self) -> str:
        """Return for example "deep_sad[epochs=150,lr=0.0001]", and whatever is not at its default."""
        return self._described()

    def _step(self, schedule: Schedule) -> Step:
        penalty = anomaly_penalty(self.anomaly_loss, eps=self.eps, scale=self.scale)

        def objective(distances: Tensor, labels: Tensor) -> Tensor:
            return torch.where(labels == 1, penalty(distances), distances)

        return LabelledStep(self.network_, schedule, objective, self.labelled_share_, self.eta)


def anomaly_penalty(name: str, *, eps: float = 1e-6, scale: float = 1.0) -> Penalty:
    """Return l, the loss of a known anomaly as a function of its squared distances, by its name in `DeepSAD`.

    Example:
        >>> d = torch.tensor([0.0, 0.25, 99.0])
        >>> [anomaly_penalty(name)(d)[1].item() for name in ("negative", "hampel", "hinge")]
        [-0.25, -0.125, 0.75]
        >>> anomaly_penalty("inverse", eps=0.25)(d)[:2]
        tensor([4., 2.])
    """
    losses: dict[str, Penalty] = {
        "inverse": lambda d: 1.0 / (d + eps),
        "negative": lambda d: -d,
        "hampel": lambda d: -_hampel(d, scale),
        "hinge": lambda d: (scale - d).relu(),
    }
    return losses[name]


def _hampel(d: Tensor, a: float) -> Tensor:
    """Hampel's loss of r = sqrt(d): r^2 / 2 up to a, then of slope a up to 2a, then a parabola, constant from 4a on."""
    b, c = 2 * a, 4 * a
    r = d.clamp(min=a * a, max=c * c).sqrt()
    line = a * r - a * a / 2
    parabola = a * b - a * a / 2 + a * (c - b) / 2 * (1 - ((c - r) / (c - b)).square())
    return torch.where(d <= a * a, d / 2, torch.where(r <= b, line, parabola))
