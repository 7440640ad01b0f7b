"""Relevance of the values of samples for detectors that trained a network."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from reprq.detectors.deep.autoencoder import Autoencoder


def of_autoencoder(detector: Autoencoder, X: Any) -> NDArray[np.float64]:
    """Return the squared error of every value of what the network reads; it sums to the score."""

    def errors(x: Any) -> Tensor:
        return detector._model.errors(x).double()

    detector.anomaly_score(X)
    return np.asarray(detector._of_samples(errors, X).numpy(), dtype=np.float64)
