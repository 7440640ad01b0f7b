"""How much each value of a sample adds to its anomaly score, in closed form, by the name of the detector."""

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.detectors.entries import DETECTORS
from reprq.detectors.registry import name_of
from reprq.errors import InputError

# what explains each detector: a function of the fitted detector and its samples; those of rows load no torch
_RULES = {
    "autoencoder": "reprq.explain.deep:of_autoencoder",
    "centroid": "reprq.explain.rows:of_centroid",
    "deep_sad": "reprq.explain.deep:of_deep_svdd",
    "deep_svdd": "reprq.explain.deep:of_deep_svdd",
    "gaussian": "reprq.explain.rows:of_gaussian",
    "kde": "reprq.explain.neuralized:of_kde",
    "knn": "reprq.explain.rows:of_knn",
    "mahalanobis": "reprq.explain.rows:of_mahalanobis",
    "mve": "reprq.explain.rows:of_mve",
    "ocsvm": "reprq.explain.neuralized:of_ocsvm",
    "pca": "reprq.explain.rows:of_pca",
}


def relevance(detector: Any, X: Any) -> NDArray[np.float64]:
    r"""Return how much each value of a sample adds to the score that a detector gives it.

    Relevance is conserved: that of a sample sums to its score s, or where said to another measure o that rises with it.

    - `kde` is neuralized (Kauffmann et al. 2020; Ruff 2021, chapter 4). With h_j = \|x - u_j\|^2 and g = 1 / (2 h^2),
      in units of the scaled rows, o = -(1/g) log mean_j exp(-g h_j), R_j = o exp(-g h_j) / sum_k exp(-g h_k) and
      R_i = sum_j R_j (x_i - u_ji)^2 / h_j. The score is g o and a constant.
    - `ocsvm`, a Gaussian kernel: the same, with the dual's weights, which add to 1, for the mean; s = -exp(-g o). With
      a cosine kernel -u_i w_i, u of length 1: signed, sums to s.
    - `knn`: (x_i - u_i)^2 / \|x - u\| of the k-th neighbor u, or the mean or sum over k; sums to s. With cosines half
      the square of differences of rows of length 1.
    - `centroid`: (x_i - mean_i)^2.
    - `mahalanobis`: (x - mean)_i (S^-1 (x - mean))_i, signed; sums to s. The form "class" takes the nearest mean, and
      "relative" subtracts what the pooled one gives. `gaussian`: half of it, and s less its constant. `mve`: the same
      about the center of the ellipsoid, by its shape.
    - `pca`: the squared residual.
    - `autoencoder`: the squared error of each value, (x_i - x'_i)^2; of images in the shape that the network reads.
    - `deep_svdd` and `deep_sad`: h_k = (phi_k(x) - c_k)^2, which sum to the score (soft boundary: and R^2), down the
      layers of phi by zennit's z+ rule; conserved up to what dead channels lose. Needs the extra "explain".

    A row that lies on some u_j loses what R_j would be (h_j = 0 points nowhere); kNN has distance 0 there.

    Args:
        detector: Fitted; one of the above.
        X: Samples, in any form that its `anomaly_score` takes.

    Returns:
        (m, d) float64, in the order of the columns; of images (m, C, H, W).

    Raises:
        InputError: No such rule for the detector; or as of its `anomaly_score`.
        NotFittedError: `fit` has not been called.

    Example:
        >>> from reprq.detectors import Centroid
        >>> relevance(Centroid().fit([[0.0, 0.0], [2.0, 0.0]]), [[1.0, 3.0], [2.0, 2.0]])
        array([[0., 9.],
               [1., 4.]])
    """
    module, _, function = _RULES[checked(detector)].partition(":")
    found: NDArray[np.float64] = getattr(importlib.import_module(module), function)(detector, X)
    return found


def checked(detector: Any) -> str:
    """Return the name of a detector, and raise an InputError where there is no rule for it."""
    known = _registered(detector)
    if known not in _RULES:
        raise InputError(
            f"relevance is of the detectors {', '.join(_RULES)}, got {known or type(detector).__name__}; use one of"
            " them"
        )
    return known


def _registered(detector: Any) -> str:
    """The name of a detector, "" where it has none."""
    kind = type(detector)
    if any(entry.target in (kind, f"{kind.__module__}:{kind.__name__}") for entry in DETECTORS):
        return name_of(detector)
    return ""
