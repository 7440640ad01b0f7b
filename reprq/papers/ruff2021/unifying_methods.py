"""The nine methods of the unifying comparison of Ruff (2021), fitted: their scores and what explains them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.backbones import Backbone
from reprq.data import Dataset
from reprq.detectors import create, describe
from reprq.embeddings import extract
from reprq.explain import relevance
from reprq.papers.engine import PaperRun

Array = NDArray[np.floating]
Spec = dict[str, Any]
ToRows = Callable[[Dataset], Array]


@dataclass(frozen=True)
class Method:
    """A method that was fitted.

    Attributes:
        name: The identifier of its detector.
        score: Of samples, (n,).
        explain: Of samples, (n, height, width), None where it is not explained.
    """

    name: str
    score: ToRows
    explain: ToRows | None = None


def specs(network: str, epochs: tuple[int, int], gan: tuple[int, int, int], covariance: str = "empirical") -> Spec:
    """Return the detector of each method on pixels in [0, 1], and of an ensemble of three.

    Args:
        network: Of the autoencoder, whose halves are the generator and the critic of AGAN.
        epochs: Of the autoencoder, and after how many the rate falls to a tenth.
        gan: Epochs of AGAN, and the steps and starts of its search for each sample.
        covariance: How that of the Gaussian and of DSVDD is estimated.
    """
    deep = {"network": network, "preprocessing": "min-max", "dim": 64, "lr": 1e-3, "held_out": 0.0}
    searched = {"epochs": gan[0], "search_steps": gan[1], "restarts": gan[2]}
    return {
        "Gaussian": {"name": "gaussian"} | ({} if covariance == "empirical" else {"covariance": covariance}),
        "MVE": {"name": "mahalanobis", "covariance": "mcd"},
        "PCA": {"name": "pca", "variance": 0.9},
        "KDE": {"name": "kde"},
        "SVDD": {"name": "ocsvm", "nu": 0.1},
        "kPCA": {"name": "kpca", "variance": 0.9},
        "ensemble": {"name": "ensemble", "of": "gaussian+pca+kde"},
        "DSVDD": {"name": "mahalanobis", "covariance": covariance},
        # of rates from 0.05 to 1, 0.5 came nearest to clean training digits in 20 steps
        "AGAN": {"name": "anogan", **deep, **searched, "search_lr": 0.5},
        "AE": {"name": "autoencoder", **deep, "epochs": epochs[0], "milestones": [epochs[1]]},
    }


def of_rows(spec: Spec, benign: Dataset, to_rows: ToRows, explain: Callable[[Any], ToRows] | None = None) -> Method:
    """Fit a detector of rows.

    Args:
        spec: The detector.
        benign: What it learns.
        to_rows: Makes rows of samples.
        explain: From the fitted detector to what explains it.
    """
    detector: Any = create(spec).fit(to_rows(benign))

    def score(data: Dataset) -> Array:
        return np.asarray(detector.anomaly_score(to_rows(data)))

    return Method(describe(detector), score, None if explain is None else explain(detector))


def by_relevance(to_rows: ToRows) -> Callable[[Any], ToRows]:
    """Return what each value of a row adds to the score, as `explain` of `of_rows`."""
    return lambda detector: lambda data: relevance(detector, to_rows(data))


def of_network(spec: Spec, benign: Dataset, run: PaperRun, seed: int, *, explained: bool = True) -> Method:
    """Fit a detector with a network of its own, which its own maps explain."""
    deep: Any = create({**spec, "seed": seed, "device": run.device}).fit(benign)
    return Method(describe(deep), deep.anomaly_score, deep.anomaly_map if explained else None)


def of_features(spec: Spec, benign: Dataset, backbone: Backbone, layer: str, run: PaperRun) -> Method:
    """Fit a detector of features of a frozen network; its relevance goes down to the pixels, of images of one size."""
    from reprq.explain.layers import LayerScore
    from reprq.explain.pictures import maps_of

    def explain(detector: Any) -> ToRows:
        score = LayerScore(detector, backbone, layer, device=run.device)
        return lambda data: np.stack([values for _, values in maps_of(score, data, "relevance")])

    return of_rows(spec, benign, partial(_features, backbone, layer, run), explain)


def _features(backbone: Backbone, layer: str, run: PaperRun, data: Dataset) -> Array:
    where = {"device": run.device, "cache_dir": run.out / "embeddings", "progress": False}
    cache = extract(backbone, data, layer, **where)  # type: ignore[arg-type]
    (found,) = cache.values()
    return np.asarray(found.array)


def occluded(score: Callable[[Array], Array], images: Array, blank: Array, width: int) -> Array:
    """Return by how much a score falls where squares of images are set to those of a blank one.

    Args:
        score: From (n, channels, side, side) to (n,).
        images: (n, channels, side, side).
        blank: (channels, side, side).
        width: Side of the squares, each next to the other.

    Returns:
        (n, side, side), every pixel with what its square adds.

    Example:
        >>> images = np.arange(8.0).reshape(1, 2, 2, 2)
        >>> occluded(lambda x: x.sum((1, 2, 3)), images, np.zeros((2, 2, 2)), 1)
        array([[[ 4.,  6.],
                [ 8., 10.]]])
    """
    whole, side = score(images), images.shape[-1]
    found = np.zeros((len(images), side, side))
    for top in range(0, side, width):
        for left in range(0, side, width):
            square = (..., slice(top, top + width), slice(left, left + width))
            hidden = images.copy()
            hidden[square] = blank[square]
            found[square] = (whole - score(hidden))[:, None, None]
    return found
