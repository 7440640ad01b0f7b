"""Tasks that bring two views of one image together: SimCLR and VICReg."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms import v2

from reprq.data import Dataset
from reprq.pretext.image_task import ImageTask
from reprq.pretext.task import Shapes

TEMPERATURE = 0.5
SIMILARITY, VARIANCE, COVARIANCE = 25.0, 25.0, 1.0
EPS = 1e-4
_PROJECTION, _EXPANSION = 128, 1024
_STRENGTH = 0.5


def augmentation(size: int) -> v2.Transform:
    """Return SimCLR's random view of one (3, H, W) image in [0, 1] (Chen et al. 2020, appendix A).

    Crop of 8 to 100 % of the area, flip, color distortion of strength 0.5 (the paper's for CIFAR-10), gray with
    probability 0.2, and Gaussian blur with probability 0.5 and a kernel of a tenth of the side.
    """
    s = _STRENGTH
    kernel = max(3, size // 10 // 2 * 2 + 1)
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.08, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.8 * s, 0.8 * s, 0.8 * s, 0.2 * s)], p=0.8),
            v2.RandomGrayscale(p=0.2),
            v2.RandomApply([v2.GaussianBlur(kernel, sigma=(0.1, 2.0))], p=0.5),
        ]
    )


class TwoViews(ImageTask):
    """A projector on the embedding, and two random views of every image.

    Every image draws its own: a transform of torchvision that is given a whole batch crops all of it alike, and then
    two images of a batch share what the task should learn to ignore.
    """

    def __init__(self, shapes: Shapes) -> None:
        super().__init__(shapes)
        self._augment = augmentation(self.preprocessing.size)

    def views(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (2n, C, size, size) first and then second views, and the number of the image of each."""
        pixels = self.preprocessing.to_pixels(images)
        views = torch.stack([self._augment(image) for image in torch.cat([pixels, pixels])])
        return self.preprocessing.normalize(views), torch.arange(len(images), device=images.device).repeat(2)


class SimCLR(TwoViews):
    """NT-Xent, in nats (Chen et al. 2020, equation 1), temperature 0.5, over the 2n views of a batch."""

    def head(self, data: Dataset) -> nn.Module:
        """Return the projection head: one hidden layer, 128 outputs."""
        width = self.shapes.width
        return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, _PROJECTION))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over views i of -log exp(s_ij / t) / sum_{k != i} exp(s_ik / t), j the other view of i.

        s is the cosine.
        """
        unit = functional.normalize(outputs.float())
        logits = (unit @ unit.T / TEMPERATURE).fill_diagonal_(-torch.inf)
        n = len(outputs) // 2
        partner = torch.arange(2 * n, device=outputs.device).roll(n)
        return functional.cross_entropy(logits, partner)


class VICReg(TwoViews):
    """Variance, invariance and covariance (Bardes, Ponce & LeCun 2022, equations 1 to 6), weights 25, 25 and 1.

    The expander has three layers of 1,024; the paper's 8,192 go with ImageNet.
    """

    def head(self, data: Dataset) -> nn.Module:
        """Return the expander."""
        layers: list[nn.Module] = []
        width = self.shapes.width
        for _ in range(2):
            layers += [nn.Linear(width, _EXPANSION), nn.BatchNorm1d(_EXPANSION), nn.ReLU()]
            width = _EXPANSION
        return nn.Sequential(*layers, nn.Linear(width, _EXPANSION))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return 25 s(Z, Z') + 25 (v(Z) + v(Z')) + c(Z) + c(Z').

        s is the mean squared distance of two views, divided by d as in the authors' code; v the mean over columns of
        max(0, 1 - sqrt(variance + 1e-4)); c the sum of the squared covariances off the diagonal, divided by d.
        Variances and covariances divide by n - 1. The authors' code halves v, their equations do not.
        """
        first, second = outputs.float().chunk(2)
        spread = _variance(first) + _variance(second)
        return (
            SIMILARITY * functional.mse_loss(first, second)
            + VARIANCE * spread
            + COVARIANCE * (_covariance(first) + _covariance(second))
        )


def _variance(z: Tensor) -> Tensor:
    return functional.relu(1 - torch.sqrt(z.var(0) + EPS)).mean()


def _covariance(z: Tensor) -> Tensor:
    centred = z - z.mean(0)
    covariance = centred.T @ centred / (len(z) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]
