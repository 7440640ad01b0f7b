"""The scores of detectors that trained a network: relevance of what it reads, and functions with derivatives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.data import Batch
from reprq.detectors.deep.autoencoder import Autoencoder
from reprq.detectors.deep.base import DeepDetector
from reprq.detectors.deep.svdd import DeepSVDD
from reprq.errors import InputError
from reprq.explain.propagation import canonical_stack, rule

Relevance = Callable[[Any], Tensor]


def of_autoencoder(detector: Autoencoder, X: Any) -> NDArray[np.float64]:
    """Return the squared error of every value of what the network reads; it sums to the score."""
    return _of_samples(detector, X, autoencoder_relevance(detector))


def of_deep_svdd(detector: DeepSVDD, X: Any) -> NDArray[np.float64]:
    """Return the relevance of every value of what phi reads; it sums to the squared distance to the center."""
    return _of_samples(detector, X, svdd_relevance(detector))


def autoencoder_relevance(detector: Autoencoder) -> Relevance:
    """Return the squared error of every value as a function of a batch."""
    return lambda x: detector._model.errors(x).double()


def svdd_relevance(detector: DeepSVDD) -> Relevance:
    """Return relevance as a function of a batch: h_k = (phi_k(x) - c_k)^2, down phi by the z+ rule.

    Raises:
        InputError: phi is a backbone.
    """
    sphere: Any = detector.network_
    if not isinstance(sphere.phi, nn.Sequential):
        raise InputError(
            f"relevance of deep_svdd goes through its own networks, got {type(sphere.phi).__name__};"
            " choose another method, such as integrated_gradients"
        )
    phi = canonical_stack(sphere.phi)
    composite = rule(phi, "deep_svdd")

    def found(x: Tensor) -> Tensor:
        scaled = sphere.scaling(x).detach().requires_grad_()
        with torch.enable_grad(), composite.context(phi):
            outputs = phi(scaled)
            given = (outputs.detach() - sphere.center).square()
            values: Tensor = torch.autograd.grad(outputs, scaled, given)[0].double()
        return values

    return found


def _of_samples(detector: DeepDetector, X: Any, found: Relevance) -> NDArray[np.float64]:
    detector.anomaly_score(X)  # which refuses what cannot be explained
    return np.asarray(detector._of_samples(found, X).numpy(), dtype=np.float64)


class DeepScore:
    """The score of a detector with a network of its own, as a function of what that takes.

    Args:
        detector: Fitted.
    """

    def __init__(self, detector: DeepDetector) -> None:
        detector.check_fitted()
        self.detector, self.device = detector, detector.device
        self.transform: Any = detector.transform_
        detector.network_.eval()

    def forward(self) -> Callable[[Batch], Tensor]:
        """Return the score as a function of a batch; whether it has derivatives shows when one is asked for."""
        return self.detector._scores

    def values(self, x: Batch) -> NDArray[np.float64]:
        """Return the scores of a batch, whether they have derivatives or not."""
        with torch.no_grad():
            return np.asarray(self.detector._scores(self.detector._here(x)).double().cpu().numpy(), dtype=np.float64)

    def relevance(self) -> Callable[[Tensor], Tensor]:
        """Return the relevance of what the network takes, summed over channels: (n, C, H, W) to (n, H, W).

        Raises:
            InputError: There is no rule for the detector.
        """
        rules = {"Autoencoder": autoencoder_relevance, "DeepSVDD": svdd_relevance, "DeepSAD": svdd_relevance}
        name = type(self.detector).__name__
        if name not in rules:
            raise InputError(
                f"relevance of a network's own detector is of autoencoder, deep_svdd and deep_sad, got {name};"
                " choose another method, such as integrated_gradients"
            )
        found: Relevance = rules[name](self.detector)
        return lambda x: found(x).sum(1)
