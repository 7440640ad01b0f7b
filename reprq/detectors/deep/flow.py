"""Real NVP: a normalizing flow, and so an exact likelihood (Dinh et al. 2017; Ruff 2021, chapter 4)."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.data import Batch, Dataset
from reprq.data.image.preprocessing import Preprocessing
from reprq.detectors.deep.networks import Scaling
from reprq.detectors.deep.reconstruction import MeanStep
from reprq.detectors.deep.samples import (
    Samples,
    check_drawing,
    check_width,
    reading_of,
    table_encoding,
    table_of_record,
    table_record,
)
from reprq.detectors.deep.scheduled import TrainedDetector
from reprq.detectors.rows.base import check_count
from reprq.errors import InputError
from reprq.training import Inputs, Schedule, Step

_BOUND = 2.0


@dataclass(kw_only=True, eq=False, repr=False)
class Flow(TrainedDetector):
    """Minus the log-likelihood, in nats, of a density that an invertible network f learned from benign rows.

    log p(x) = log N(f(x); 0, I) + log |det df/dx|, with f the z-score of each column and then affine couplings: one
    part of the columns, a, stays as it is and moves the other, b -> b * exp(s(a)) + t(a), where s, in [-2, 2], and t
    are a network with two hidden layers. Couplings come in pairs that exchange the parts, each pair with a random order
    of the columns. Training minimizes the mean of -log p(x), and stops early by that of the hold-out.

    The density is one of the rows as they were given: scores of rows in other units differ by a constant. Rows that
    lie in fewer dimensions than they have columns have no density, and a likelihood that grows with training; `noise`
    bounds it.

    Args:
        couplings: Number of affine couplings.
        hidden: Width of the two hidden layers of each.
        noise: Standard deviation of Gaussian noise that rows have in training, in standard deviations of a column.
        size: Side in pixels to which images are scaled; their gray values are a row of size^2 columns.
        epochs: The most passes over the training samples.
        batch_size: Samples a step.
        lr: The learning rate of Adam.
        patience: Epochs without a better likelihood of the hold-out before training stops; None for no early stop.
        weight_decay: lambda of (lambda / 2) ||W||^2.
        held_out: Share of the samples that is held out; 0, with patience None, trains on all of them.
        clip: The largest norm of the gradient.
        seed: Of the weights, the order of columns and of samples, the hold-out and the noise.
        device: This, `checkpoint` and `progress` as in `DeepSVDD`.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> detector = Flow(epochs=2).fit(rng.normal(size=(40, 5)))
        >>> detector.embed(rng.normal(size=(3, 5))).shape
        (3, 5)
    """

    couplings: int = 8
    hidden: int = 64
    noise: float = 0.01
    size: int = 8
    drawing: dict[str, Any] | None = None
    epochs: int = 200
    batch_size: int = 200
    lr: float = 1e-3
    patience: int | None = 20
    weight_decay: float = 1e-6
    held_out: float = 0.1
    clip: float | None = 10.0
    takes_rows = True

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        for name in ("couplings", "hidden", "size"):
            check_count(name, getattr(self, name))
        if isinstance(self.noise, bool) or not isinstance(self.noise, int | float) or not 0 <= self.noise < math.inf:
            raise InputError(f"noise must be a number of at least 0, got {self.noise!r}; 0.01 is usual")
        check_drawing(self.drawing)
        super().check_parameters()

    def describe(self) -> str:
        """Return for example "flow[8,epochs=200,lr=0.001]", and whatever is not at its default."""
        return self._described("couplings")

    def _open(self, samples: Samples) -> None:
        table = table_encoding(samples, self.drawing)
        if not isinstance(samples, Dataset):
            self._remember(samples.shape[1], images=False)
        elif table is not None:
            assert table.shape is not None
            self._remember(table.shape[0], images=False)
            self.transform_ = table
        else:
            self._remember(self.size**2, images=True)
            assert self.transform_ is not None
            self.transform_ = reading_of(samples, self.transform_, self.drawing)

    def _remember(self, columns: int, images: bool) -> None:
        if columns < 2:
            raise InputError(f"flow moves columns by other columns and needs at least 2, got {columns}; give more")
        self._columns = columns
        size = {"size": self.size, "resize": self.size, "squash": True}
        self.transform_ = Preprocessing(**size).replace(channels="gray", mean=0.0, std=1.0) if images else None  # type: ignore[arg-type]

    def _known(self) -> dict[str, Any]:
        table = table_record(self.transform_)
        images = self.transform_ is not None and table is None
        return {"made": {"columns": self._columns, "images": images}, "table": table}

    def _reopen(self, made: dict[str, Any], path: str | Path) -> None:
        self._remember(made["made"]["columns"], made["made"]["images"])
        if made.get("table"):  # files of older versions have none
            self.transform_ = table_of_record(made["table"], self.drawing)

    def _inputs(self, samples: Samples) -> Inputs | Tensor:
        if self.transform_ is None:
            check_width(samples, self._columns, type(self).__name__)
        return super()._inputs(samples)

    def _build(self) -> "RealNVP":
        return RealNVP(self._columns, self.couplings, self.hidden, self.noise)

    def _prepare(self, schedule: Schedule, kept: NDArray[np.int64]) -> None:
        self._learn_scaling(self._flow.scaling, kept)

    def _step(self, schedule: Schedule) -> Step:
        return MeanStep(self._flow, schedule)

    def _scores(self, x: Batch) -> Tensor:
        surprise: Tensor = self._flow(x)
        return surprise

    def _embedding(self, x: Any) -> Tensor:
        return self._flow.encode(x)[0]

    @property
    def _flow(self) -> "RealNVP":
        flow: RealNVP = self.network_  # type: ignore[assignment]
        return flow


class RealNVP(nn.Module):
    """An invertible map of rows, of known determinant, after which they are standard normal.

    Args:
        columns: d, at least 2.
        couplings: Number of affine couplings.
        hidden: Width of the two hidden layers of each.
        noise: Added to scaled rows in training.
    """

    def __init__(self, columns: int, couplings: int, hidden: int, noise: float = 0.0) -> None:
        super().__init__()
        self.noise = noise
        self.scaling = Scaling("z-score", columns)
        self.couplings = nn.ModuleList()
        order = torch.arange(columns)
        for i in range(couplings):
            order = torch.randperm(columns) if i % 2 == 0 else order.flip(0)
            self.couplings.append(AffineCoupling(order, hidden))

    def forward(self, x: Tensor) -> Tensor:
        """Return -log p(x) in nats: (n,), float64 in evaluation mode."""
        z, log_det = self.encode(x)
        if not self.training:
            z, log_det = z.double(), log_det.double()
        constant = 0.5 * z.shape[1] * math.log(2 * math.pi)
        return 0.5 * z.square().sum(1) + constant - log_det

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return z = f(x), (n, d), and log |det df/dx|, (n,)."""
        z: Tensor = self.scaling(x.flatten(1))
        if self.training and self.noise:
            z = z + self.noise * torch.randn_like(z)
        log_det = -self.scaling.scale.log().sum().expand(len(z))
        for coupling in self.couplings:
            z, added = coupling(z)
            log_det = log_det + added
        return z, log_det

    def decode(self, z: Tensor) -> Tensor:
        """Return the rows x, (n, d), with f(x) = z."""
        for coupling in reversed(self.couplings):
            assert isinstance(coupling, AffineCoupling)
            z = coupling.inverse(z)
        return z * self.scaling.scale + self.scaling.shift


class AffineCoupling(nn.Module):
    """b -> b * exp(s(a)) + t(a), where a and b are the halves of the columns in a given order; the identity at first.

    Args:
        order: (d,) the columns: the first d // 2 are a.
        hidden: Width of the two hidden layers of s and t.
    """

    order: Tensor

    def __init__(self, order: Tensor, hidden: int) -> None:
        super().__init__()
        self.register_buffer("order", order.clone())
        self.fixed = len(order) // 2
        moved = len(order) - self.fixed
        self.network = nn.Sequential(nn.Linear(self.fixed, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.last = nn.Linear(hidden, 2 * moved)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows of the same shape, and the log-determinant of each: (n,)."""
        a, b = x[:, self.order].tensor_split([self.fixed], dim=1)
        s, t = self._moves(a)
        return self._placed(a, b * s.exp() + t), s.sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """Return the rows that `forward` maps to these."""
        a, b = y[:, self.order].tensor_split([self.fixed], dim=1)
        s, t = self._moves(a)
        return self._placed(a, (b - t) * (-s).exp())

    def _moves(self, a: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.last(self.network(a)).float().chunk(2, dim=1)
        return _BOUND * torch.tanh(s / _BOUND), t

    def _placed(self, a: Tensor, b: Tensor) -> Tensor:
        """The halves, with every column back in its place."""
        return torch.cat([a, b], dim=1)[:, self.order.argsort()]
