"""ADIB and ADRA: transfer-based semantic anomaly detection (Deecke et al. 2021)."""

from dataclasses import dataclass
from typing import Literal

from reprq.detectors.deep.transfer import Parts, TransferDetector


@dataclass(kw_only=True, eq=False, repr=False)
class ADIB(TransferDetector):
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

    alpha: float | None = None
    norm: Literal["squared", "unsquared"] = "squared"

    def _parts(self) -> Parts:
        return Parts("bce", "l2_sp", self.alpha, self.norm)


@dataclass(kw_only=True, eq=False, repr=False)
class ADRA(TransferDetector):
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

    def _parts(self) -> Parts:
        return Parts("bce", "adapters")
