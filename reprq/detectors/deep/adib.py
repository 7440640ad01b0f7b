"""ADIB and ADRA: transfer-based semantic anomaly detection (Deecke et al. 2021)."""

from dataclasses import dataclass, field
from typing import Literal

from reprq.detectors.deep.transfer import Transfer

_Regularizer = Literal["none", "l2_sp", "ewc", "adapters", "early_stop"]


@dataclass(kw_only=True, eq=False, repr=False)
class ADIB(Transfer):
    """Anomaly detection with an inductive bias: cross-entropy against a corpus, and alpha ||theta - theta0||^2.

    Deecke et al. 2021, equations 1 and 2. Every weight of the backbone learns, and is drawn back to where it started;
    the score is the logit, not its sigmoid, which would end in ties. `norm="unsquared"` is what the released code has.
    It is `Transfer` with the loss "bce" and the regularizer "l2_sp".

    Args:
        backbone: This and the others as in `Transfer`.

    Example:
        >>> ADIB(epochs=5).describe()
        'adib[epochs=5,lr=0.1]'
    """

    loss: Literal["bce", "hsc", "deep_sad", "dsvdd"] = field(default="bce", init=False)
    regularizer: _Regularizer = field(default="l2_sp", init=False)
    fisher: Literal["true", "empirical"] = field(default="true", init=False)
    fisher_samples: int = field(default=256, init=False)
    most_steps: int = field(default=2300, init=False)
    lr: float = 0.1

    def describe(self) -> str:
        """Return for example "adib[epochs=100,lr=0.1]", and whatever is not at its default."""
        return self._described()


@dataclass(kw_only=True, eq=False, repr=False)
class ADRA(Transfer):
    """Anomaly detection with residual adaptation: cross-entropy against a corpus, by adapters of a frozen backbone.

    Deecke et al. 2021, equation 3: y = BN(W0 * x + V * x), W0 frozen and V a convolution of 1 x 1 with the stride and
    groups of W0, beside every convolution wider than 1 x 1; V, the batch normalizations and a new linear output learn.
    V = 0 is the backbone itself, in evaluation mode. A file holds no W0: many tasks share one backbone, and
    `stored_bytes_` says what each adds. It is `Transfer` with the loss "bce" and the regularizer "adapters".

    Args:
        backbone: This and the others as in `Transfer`.

    Example:
        >>> ADRA(epochs=5).describe()
        'adra[epochs=5,lr=0.1]'
    """

    loss: Literal["bce", "hsc", "deep_sad", "dsvdd"] = field(default="bce", init=False)
    regularizer: _Regularizer = field(default="adapters", init=False)
    alpha: float | None = field(default=None, init=False)
    norm: Literal["squared", "unsquared"] = field(default="squared", init=False)
    fisher: Literal["true", "empirical"] = field(default="true", init=False)
    fisher_samples: int = field(default=256, init=False)
    most_steps: int = field(default=2300, init=False)
    lr: float = 0.1

    def describe(self) -> str:
        """Return for example "adra[epochs=100,lr=0.1]", and whatever is not at its default."""
        return self._described()
