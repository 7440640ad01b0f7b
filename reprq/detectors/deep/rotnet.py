"""Out-of-distribution scores of a classifier that tells by how much benign images were turned: MSP and ODIN."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from reprq.detectors.deep.encoding import EncodingDetector
from reprq.detectors.deep.exposure import Headed
from reprq.detectors.deep.networks import Scaling, encoder
from reprq.detectors.deep.remedies import TURNS
from reprq.errors import InputError
from reprq.training import Examples, Schedule, Step


@dataclass(kw_only=True, eq=False, repr=False)
class MSP(EncodingDetector):
    """Minus the largest softmax probability of a classifier of quarter turns, of an image as it stands.

    Hendrycks & Gimpel 2017 on RotNet (Gidaris et al. 2018), as the baseline of Deecke et al. 2021: a network learns on
    benign images by how many quarter turns each of four copies was turned, by cross-entropy; of images unlike them it
    is less sure. `geometric` asks instead how probable each turn is that was done.

    Args:
        network: As in `DeepSVDD`, with biases. By default "fashion_mnist" where the first images are gray, and
            "exposure".
        preprocessing: "contrast", the default, or "min-max"; before the turn.
        dim: This and the others as in `HSC`.

    Example:
        >>> from reprq.data import load_dataset
        >>> zeros = load_dataset("digits").restrict(["0"]).sample(20)
        >>> MSP(network="mnist", epochs=1).fit(zeros).describe()
        'msp[epochs=1,lr=0.001,network=mnist]'
    """

    epochs: int = 200
    batch_size: int = 128
    lr: float = 1e-3
    milestones: tuple[int, ...] | list[int] = (100, 150)
    weight_decay: float = 5e-7
    takes_rows = False
    default_networks: ClassVar[dict[str, str]] = {"gray": "fashion_mnist", "rgb": "exposure", "rows": "mlp"}

    def describe(self) -> str:
        """Return for example "msp[epochs=200,lr=0.001]", and whatever is not at its default."""
        return self._described()

    def _build(self) -> nn.Module:
        phi = encoder(self._architecture, self._channels(), leakiness=self.leakiness, bias=True)
        return Headed(Scaling(self._scaling), phi, nn.Linear(self._architecture.widths[-1], TURNS))

    def _step(self, schedule: Schedule) -> Step:
        return _TurningStep(self._net, schedule)

    def _scores(self, x: Any) -> Tensor:
        return largest_probability(self._net(x), 1.0)

    @property
    def _net(self) -> Headed:
        net: Headed = self.network_  # type: ignore[assignment]
        return net


@dataclass(kw_only=True, eq=False, repr=False)
class ODIN(MSP):
    """As `MSP`, at a temperature and of an image that is moved to where the network is surer of its answer.

    Liang, Li & Srikant 2018: minus max_k S_k(x~; T), S the softmax of logits over T, x~ = x - epsilon sign(-grad_x log
    S_max(x; T)), equations 1 to 3. It is `MSP` at T = 1 and epsilon = 0; for T to infinity T (K S_max - 1) is how far
    the largest logit is above their mean. The paper chooses T and epsilon on anomalies; the defaults here are its
    values for CIFAR-10, and nothing is chosen.

    Args:
        temperature: T, above 0.
        epsilon: In units of what the network sees, scaled images (`preprocessing`); at least 0.
        network: This and the others as in `MSP`.

    Example:
        >>> ODIN(temperature=10.0).describe()
        'odin[epochs=200,lr=0.001,temperature=10.0]'
    """

    temperature: float = 1000.0
    epsilon: float = 0.0014

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        for name, value, least in (("temperature", self.temperature, 1e-6), ("epsilon", self.epsilon, 0.0)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
                raise InputError(
                    f"{name} must be a number of at least {least:g}, got {value!r}; see the paper's values"
                )
        super().check_parameters()

    def _scores(self, x: Any) -> Tensor:
        net = self._net
        scaled = net.scaling(x)
        moved = surer(lambda each: net.head(net.phi(each)), scaled, self.temperature, self.epsilon)
        return largest_probability(net.head(net.phi(moved)), self.temperature)


class _TurningStep(Step):
    """Cross-entropy over the four turns of every image of a batch."""

    def __init__(self, net: Headed, schedule: Schedule) -> None:
        super().__init__(net, schedule)
        self.net = net

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the loss."""
        scaled = self.net.scaling(batch.inputs)
        turned = torch.cat([torch.rot90(scaled, turn, dims=(2, 3)) for turn in range(TURNS)])
        turns = torch.arange(TURNS, device=turned.device).repeat_interleave(len(scaled))
        turned = turned.contiguous(memory_format=torch.channels_last)
        return cross_entropy(self.net.head(self.net.phi(turned)).float(), turns)


def largest_probability(logits: Tensor, temperature: float) -> Tensor:
    """Return minus the largest softmax probability of logits over a temperature: (n,) float64.

    Example:
        >>> largest_probability(torch.tensor([[0.0, 0.0], [9.0, 0.0]]), 1.0).round(decimals=3)
        tensor([-0.5000, -1.0000], dtype=torch.float64)
    """
    return -(logits.double() / temperature).softmax(1).amax(1)


def surer(classify: Any, x: Tensor, temperature: float, epsilon: float) -> Tensor:
    """Return x + epsilon sign(grad_x log max_k S_k(x; T)): inputs of which a classifier is surer of its answer.

    Args:
        classify: From inputs to (n, K) logits, each by its own input.
        x: (n, ...).
        temperature: T.
        epsilon: How far each value goes; 0 returns x.
    """
    if epsilon == 0:
        return x
    with torch.enable_grad():
        at = x.detach().clone().requires_grad_(True)
        logs = (classify(at).float() / temperature).log_softmax(1)
        (gradient,) = torch.autograd.grad(logs.amax(1).sum(), at)
    return x + epsilon * gradient.sign()
