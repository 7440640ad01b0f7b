"""A classifier of known anomalies against everything else: what Deep SAD is measured against."""

from dataclasses import dataclass

from torch import Tensor, nn

from reprq.data import Batch
from reprq.detectors.deep.classifiers import focal_loss
from reprq.detectors.deep.encoding import EncodingDetector
from reprq.detectors.deep.exposure import Headed
from reprq.detectors.deep.labelled import LabelledDetector, LabelledStep
from reprq.detectors.deep.networks import Scaling, encoder
from reprq.training import Schedule, Step


@dataclass(kw_only=True, eq=False, repr=False)
class SupervisedClassifier(LabelledDetector, EncodingDetector):
    """The logit of a classifier of known anomalies against all other samples, which count as benign (Ruff 2021, B.1).

    Binary cross-entropy, mean over the n samples without a label and the m with one; the network of `DeepSVDD` and a
    linear layer. There must be a known anomaly. It knows the anomalies that it was shown, and need not know others.

    Args:
        network: This and the others as in `DeepSVDD`.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> benign, known = rng.normal(size=(40, 5)), rng.normal(size=(4, 5), scale=4)
        >>> SupervisedClassifier(epochs=2).fit(benign, labelled=known).describe()
        'supervised[epochs=2,lr=0.0001]'
    """

    epochs: int = 150
    batch_size: int = 200
    lr: float = 1e-4
    milestones: tuple[int, ...] | list[int] = (50,)
    weight_decay: float = 1e-6
    must_know = True

    def describe(self) -> str:
        """Return for example "supervised[epochs=150,lr=0.0001]", and whatever is not at its default."""
        return self._described()

    def _build(self) -> nn.Module:
        phi = encoder(self._architecture, self._channels(), leakiness=self.leakiness)
        return Headed(Scaling(self._scaling, self._columns), phi, nn.Linear(self._architecture.widths[-1], 1))

    def _step(self, schedule: Schedule) -> Step:
        def objective(outputs: Tensor, labels: Tensor) -> Tensor:
            return focal_loss(outputs.float().squeeze(1), labels, 0.0)

        return LabelledStep(self.network_, schedule, objective, self.labelled_share_)

    def _scores(self, x: Batch) -> Tensor:
        logits: Tensor = self.network_(x).double().squeeze(1)
        return logits

    @property
    def _net(self) -> Headed:
        net: Headed = self.network_  # type: ignore[assignment]
        return net
