"""Two views of one image without negatives: BYOL and SimSiam, which predict one view's projection from the other's."""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from reprq.data import Dataset
from reprq.pretext.two_views import TwoViews

TAU = 0.996
_BYOL_HIDDEN, _BYOL_PROJECTION = 1024, 256
_SIMSIAM_WIDTH, _BOTTLENECK = 512, 128


def momentum(share: float, base: float = TAU) -> float:
    """Return BYOL's tau, 1 - (1 - tau_base) (cos(pi k / K) + 1) / 2: from the base to 1.

    Args:
        share: k / K, of all steps those that are done.
        base: At the start.

    Example:
        >>> [round(momentum(share), 3) for share in (0, 0.5, 1)]
        [0.996, 0.998, 1.0]
    """
    return 1 - (1 - base) * (math.cos(math.pi * share) + 1) / 2


class Predicting(TwoViews):
    """A predictor q guesses from a view's projection that of the other view, through which no gradient flows.

    Both views go through the network in one batch, as for SimCLR, so batch normalization sees them together; the
    papers normalize them apart. Outputs are (2n, 2d): predictions, and beside them the projections that are guessed.
    The loss is lowest where all projections are one, so it stops nothing: the last epoch is kept.
    """

    by_loss = False

    def figures(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Return "spread": sqrt(d) times the mean over columns of the deviation of the projections on the unit sphere.

        Near 1 is healthy, as of Gaussian rows, and 0 is collapse (Chen & He 2021, figure 2, which shows it without
        sqrt(d)). The deviation is over the first views of a batch and divides by n.
        """
        projections = outputs.float().chunk(2, dim=1)[1].chunk(2)[0]
        unit = functional.normalize(projections)
        return {"spread": float(unit.std(dim=0, correction=0).mean() * math.sqrt(unit.shape[1]))}


class BYOL(Predicting):
    """Guess the projection of a slower copy of the network (Grill et al. 2020, equations 1 and 2).

    The target network xi is a copy of trunk and projector that follows them, xi <- tau xi + (1 - tau) theta after
    every step, with tau = 1 - 0.004 (cos(pi k / K) + 1) / 2 after step k of the K of all epochs. Averaged are the
    weights; the copy's batch normalization keeps statistics of its own. Deviations: views are SimCLR's on both sides,
    without solarization; the optimizer is the loop's, not LARS; the hidden layers of projector and predictor have 1,024
    units (4,096 in the paper). What is kept as teacher is the online network.
    """

    def head(self, data: Dataset) -> nn.Module:
        """Return the projector and the predictor, each one hidden layer and 256 outputs."""
        return nn.ModuleDict(
            {
                "projector": _two_layers(self.shapes.width, _BYOL_HIDDEN, _BYOL_PROJECTION),
                "predictor": _two_layers(_BYOL_PROJECTION, _BYOL_HIDDEN, _BYOL_PROJECTION),
            }
        )

    def model(self, trunk: nn.Module, head: nn.Module) -> nn.Module:
        """Return both networks as one module."""
        assert isinstance(head, nn.ModuleDict)
        return OnlineAndTarget(nn.Sequential(trunk, head["projector"]), head["predictor"])

    def stepped(self, model: nn.Module, share: float) -> None:
        """Move the target network towards the online one."""
        assert isinstance(model, OnlineAndTarget)
        model.follow(momentum(share))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over images of L + L~, L = 2 - 2 cos(q(z), z') and L~ with the views exchanged: in [0, 8]."""
        return 2 * (2 - 2 * _cosines(outputs)).mean()


class SimSiam(Predicting):
    """Guess the network's own projection of the other view, held still (Chen & He 2021, equations 1 to 4).

    The projector has three layers of 512, all with batch normalization, the last without ReLU; the predictor has a
    bottleneck of 128. The paper's are 2,048 and 512, with SGD; views are SimCLR's.
    """

    def head(self, data: Dataset) -> nn.Module:
        """Return projector and predictor."""
        wide = _SIMSIAM_WIDTH
        projector = nn.Sequential(
            *(*_hidden(self.shapes.width, wide), *_hidden(wide, wide)),
            *(nn.Linear(wide, wide, bias=False), nn.BatchNorm1d(wide)),
        )
        return PredictionBeside(projector, _two_layers(wide, _BOTTLENECK, wide))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return D(p1, z2) / 2 + D(p2, z1) / 2, D the negative cosine, as a mean over images: in [-1, 1]."""
        return -_cosines(outputs).mean()


class OnlineAndTarget(nn.Module):
    """A network with a predictor, and a copy that no gradient moves.

    Args:
        online: From inputs to projections.
        predictor: From projections to predictions.

    Shape:
        Inputs of m items to (m, 2d): predictions, and the copy's projections.
    """

    def __init__(self, online: nn.Module, predictor: nn.Module) -> None:
        super().__init__()
        self.online, self.predictor = online, predictor
        self.target = copy.deepcopy(online).requires_grad_(False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return predictions and, beside them, what they should be."""
        with torch.no_grad():
            projections = self.target(inputs)
        return torch.cat([self.predictor(self.online(inputs)), projections], dim=1)

    @torch.no_grad()
    def follow(self, tau: float) -> None:
        """Set every weight of the copy to tau times itself and 1 - tau times the online one."""
        for slow, fast in zip(self.target.parameters(), self.online.parameters(), strict=True):
            slow.lerp_(fast, 1 - tau)


class PredictionBeside(nn.Module):
    """From embeddings to predictions, and beside them the projections that they are made of, without gradient."""

    def __init__(self, projector: nn.Module, predictor: nn.Module) -> None:
        super().__init__()
        self.projector, self.predictor = projector, predictor

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return (m, 2d) of (m, width) embeddings."""
        projections = self.projector(embeddings)
        return torch.cat([self.predictor(projections), projections.detach()], dim=1)


def _cosines(outputs: Tensor) -> Tensor:
    """Return the (2n,) cosines of each view's prediction and the other view's projection."""
    predictions, projections = outputs.float().chunk(2, dim=1)
    return functional.cosine_similarity(predictions, projections.roll(len(projections) // 2, dims=0))


def _hidden(width: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(width, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]


def _two_layers(width: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*_hidden(width, hidden), nn.Linear(hidden, outputs))
