"""Adversarial autoencoder: an autoencoder whose codes look as if drawn from N(0, I) (Makhzani et al. 2015)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import softplus

from reprq.detectors.deep.autoencoder import Autoencoder
from reprq.detectors.deep.reconstruction import Reconstruction
from reprq.detectors.registry import name_of
from reprq.detectors.rows.base import check_count
from reprq.notices import notice
from reprq.training import Epoch, Examples, Inputs, Schedule, Step

_COLLAPSED = 0.01


@dataclass(kw_only=True, eq=False, repr=False)
class AdversarialAutoencoder(Autoencoder):
    """Squared error of an autoencoder whose codes of benign samples are spread as N(0, I).

    Each batch is three steps, with an optimizer each: encoder and decoder minimize the squared error of `Autoencoder`;
    a discriminator D learns to tell draws z of N(0, I) from codes e(x), by log(1 + exp(-D(z))) + log(1 + exp(D(e(x))));
    and the encoder learns to be taken for such draws, by log(1 + exp(-D(e(x)))). The encoder is deterministic, and the
    score is the squared error.

    Args:
        hidden: Width of the two hidden layers of the discriminator.
        noise: This and the others as in `Autoencoder`.

    Attributes:
        code_spread_: Mean over the code of its variance over training samples, 1 under N(0, I). Below 0.01 the codes
            have collapsed, which is a line of the log "reprq".

    Example:
        >>> rng = np.random.default_rng(0)
        >>> detector = AdversarialAutoencoder(epochs=2, dim=2).fit(rng.normal(size=(40, 5)))
        >>> detector.embed(rng.normal(size=(3, 5))).shape
        (3, 2)
    """

    hidden: int = 64
    bias: bool = True
    code_spread_: float = field(init=False)

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        super().check_parameters()
        check_count("hidden", self.hidden)

    def describe(self) -> str:
        """Return for example "aae[epochs=350,lr=0.0001]", and whatever is not at its default."""
        return self._described()

    def _known(self) -> dict[str, Any]:
        return {**super()._known(), "code_spread": self.code_spread_}

    def _reopen(self, made: dict[str, Any], path: str | Path) -> None:
        super()._reopen(made, path)
        self.code_spread_ = float(made["code_spread"])

    def _build(self) -> Reconstruction:
        model = super()._build()
        first, second = nn.Linear(self._architecture.widths[-1], self.hidden), nn.Linear(self.hidden, self.hidden)
        hidden = (first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2))
        model.discriminator = nn.Sequential(*hidden, nn.Linear(self.hidden, 1))
        return model

    def _step(self, schedule: Schedule) -> Step:
        return _AdversarialStep(self._model, schedule)

    def _learn(self, schedule: Schedule, kept: NDArray[np.int64], besides: dict[str, Inputs | Tensor]) -> list[Epoch]:
        history = super()._learn(schedule, kept, besides)
        codes = self._in_batches(self._embedding, self.inputs_, kept).double()
        self.code_spread_ = float(codes.var(0, correction=0).mean())
        if self.code_spread_ < _COLLAPSED:
            notice(
                "%s maps training samples to nearly one code: the mean variance of its numbers is %.3g, and that of"
                " N(0, I) is 1; give fewer epochs or a lower lr",
                name_of(self),
                self.code_spread_,
            )
        return history


class _AdversarialStep(Step):
    """The three steps of `AdversarialAutoencoder`; the loss that is shown and judged is the squared error."""

    def __init__(self, model: Reconstruction, schedule: Schedule) -> None:
        super().__init__(model, schedule)
        assert isinstance(model.discriminator, nn.Module)
        self.net, self.discriminator = model, model.discriminator
        encoder, decoder = list(model.phi.parameters()), list(model.mirror.parameters())
        parts = ([*encoder, *decoder], list(self.discriminator.parameters()), encoder)
        lr, decay = schedule.lr, schedule.weight_decay
        self.optimizers = [torch.optim.Adam(part, lr=lr, weight_decay=decay) for part in parts]

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the mean squared error of a batch."""
        each: Tensor = self.net(batch.inputs)
        return each.mean()

    def update(self, batch: Examples, other: Examples | None) -> Tensor:
        """Learn to rebuild, to tell codes, and not to be told."""
        rebuilding, telling, fooling = self.optimizers
        with self.autocast():
            loss = self.loss(batch, other)
        self.descend(loss, rebuilding)
        with self.autocast():
            codes = self._codes(batch).detach()
            drawn = torch.randn_like(codes)
            told = softplus(-self._told(drawn)).mean() + softplus(self._told(codes)).mean()
        self.descend(told, telling)
        with self.autocast():
            fooled = softplus(-self._told(self._codes(batch))).mean()
        self.descend(fooled, fooling)
        return loss.detach()

    def judge(self, batch: Examples) -> dict[str, float | None]:
        """Return the squared error, and how sure the discriminator is: 0.69 where it cannot tell, 0 where it can."""
        unsure = softplus(self._told(self._codes(batch))).mean()
        return {"loss": float(self.loss(batch, None)), "discriminator": float(unsure)}

    def _codes(self, batch: Examples) -> Tensor:
        return self.net.code(self.net.scaling(batch.inputs)).float()

    def _told(self, codes: Tensor) -> Tensor:
        """Logits of being drawn from N(0, I)."""
        logits: Tensor = self.discriminator(codes)
        return logits
