"""Metrics that are a formula of a spectrum: how many directions an embedding uses, and how evenly."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from reprq.errors import InputError
from reprq.metrics.moments import Moments
from reprq.metrics.spectra import Spectra, spectra

Values = Literal["singular", "eigen"]
Spectrum = NDArray[np.float64]


def rankme(x: Any, eps: float = 1e-7, *, centred: bool = False, values: Values = "singular") -> float:
    """Return RankMe: the exponential of the entropy of the singular values, a smooth count of the directions in use.

    exp(-sum_k p_k log p_k) with p_k = sigma_k / sum_j sigma_j + eps, in nats, over the min(n, d) singular values of x.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n at least 2.
        eps: Added to each share.
        centred: Whether the mean is taken away first.
        values: "singular", or "eigen" for the squares of the singular values.

    Returns:
        Between 1 (one direction, collapsed) and min(n, d) (all directions alike); higher is less collapsed.

    Raises:
        InputError: x is not a finite (n, d) matrix of at least two rows, or has nothing but zeros (centred: but equal
            rows); eps is not in [0, 1).

    References:
        Garrido et al., "RankMe", ICML 2023, equation 1. Deviation: adding eps makes the shares sum to more than one,
        which for even spectra gives a rank above min(n, d), and for d = 1 one below 1; it is cut off there.

    Example:
        >>> import numpy as np
        >>> round(rankme(np.diag([4.0, 2.0, 2.0])), 4)
        2.8284
    """
    if not 0 <= eps < 1:
        raise InputError(f"eps must be in [0, 1), got {eps}; the paper uses 1e-7")
    return rankme_of(spectrum_of(_spectra(x), values, centred), eps)


def aucev(x: Any, *, centred: bool = True, values: Values = "singular") -> float:
    """Return the area under the cumulative explained variance: how early the leading directions hold everything.

    The mean over k of sum_{j <= k} sigma_j / sum_j sigma_j, over the min(n, d) singular values of x less its mean.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n at least 2.
        centred: Whether the mean is taken away first.
        values: "singular", or "eigen" for the squares of the singular values.

    Returns:
        Between 0.5 (precisely (m + 1) / (2 m) with m = min(n, d): no collapse) and 1 (one direction, collapsed).

    Raises:
        InputError: x is not a finite (n, d) matrix of at least two rows, or its rows are all equal.

    References:
        Li, Efros & Pathak, "Understanding Collapse in Non-Contrastive Siamese Representation Learning", ECCV 2022,
        section 3.

    Example:
        >>> aucev([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        0.75
    """
    return aucev_of(spectrum_of(_spectra(x), values, centred))


def participation_ratio(x: Any, *, centred: bool = True, values: Values = "eigen") -> float:
    """Return the participation ratio (sum lambda)^2 / sum lambda^2 of the eigenvalues of the covariance.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n at least 2.
        centred: Whether the mean is taken away first.
        values: "eigen", or "singular" for the roots of the eigenvalues.

    Returns:
        Between 1 (one direction) and min(n, d) (all alike); higher is a higher dimension.

    Raises:
        InputError: x is not a finite (n, d) matrix of at least two rows, or its rows are all equal.

    References:
        Gao et al., "A theory of multineuronal dimensionality, dynamics and measurement", 2017, equation 5.

    Example:
        >>> participation_ratio([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        2.0
    """
    return participation_ratio_of(spectrum_of(_spectra(x), values, centred))


def rankme_of(spectrum: Spectrum, eps: float) -> float:
    """Return RankMe of a spectrum; see `rankme`."""
    entropy = float(entr(_shares(spectrum) + eps).sum())
    return float(np.clip(np.exp(entropy), 1.0, len(spectrum)))


def aucev_of(spectrum: Spectrum) -> float:
    """Return the mean cumulative share of a descending spectrum; see `aucev`."""
    return float(np.cumsum(_shares(spectrum)).mean())


def participation_ratio_of(spectrum: Spectrum) -> float:
    """Return the participation ratio of a spectrum; see `participation_ratio`."""
    return float(1.0 / np.square(_shares(spectrum)).sum())


def spectrum_of(both: Spectra, values: Values, centred: bool) -> Spectrum:
    """Return the singular values, or their squares, of the centred or the uncentred matrix, descending.

    Raises:
        InputError: `values` is neither "singular" nor "eigen".
    """
    if values not in ("singular", "eigen"):
        raise InputError(f"values must be 'singular' or 'eigen', got {values!r}")
    squares = both.centred if centred else both.uncentred
    return np.sqrt(squares) if values == "singular" else squares


def _spectra(x: Any) -> Spectra:
    return spectra(Moments.of(x, min_rows=2))


def _shares(spectrum: Spectrum) -> Spectrum:
    if spectrum[0] <= 0:
        raise InputError("x must have rows that differ, got all rows equal (or all zero): it has no spectrum")
    shares: Spectrum = spectrum / spectrum.sum()
    return shares
