"""How formulas of a spectrum move with each of its values: their derivatives, for intervals to first order."""

import numpy as np
from numpy.typing import NDArray

from reprq.metrics.powerlaw import AlphaFit
from reprq.metrics.spectral import effective_rank_of, leading_ratio_of, participation_ratio_of, rankme_of

Spectrum = NDArray[np.float64]


def rankme_gradient(spectrum: Spectrum, eps: float) -> Spectrum:
    """Return the derivatives of `rankme_of` by the values of the spectrum."""
    return _by_shares(spectrum, -rankme_of(spectrum, eps) * (_logs(spectrum / spectrum.sum() + eps) + 1.0))


def effective_rank_gradient(spectrum: Spectrum) -> Spectrum:
    """Return the derivatives of `effective_rank_of`; of a value that is 0 that from below, which is 0."""
    return _by_shares(spectrum, -effective_rank_of(spectrum) * (_logs(spectrum / spectrum.sum()) + 1.0))


def aucev_gradient(spectrum: Spectrum) -> Spectrum:
    """Return the derivatives of `aucev_of`: share k is in the last m - k + 1 of m cumulative shares."""
    m = len(spectrum)
    return _by_shares(spectrum, np.arange(m, 0, -1) / m)


def participation_ratio_gradient(spectrum: Spectrum) -> Spectrum:
    """Return the derivatives of `participation_ratio_of`."""
    return _by_shares(spectrum, -2.0 * participation_ratio_of(spectrum) ** 2 * spectrum / spectrum.sum())


def isoscore_gradient(spectrum: Spectrum) -> Spectrum:
    """Return the derivatives of `isoscore_of` where there are as many values as dimensions."""
    return participation_ratio_gradient(spectrum) / max(len(spectrum) - 1, 1)


def leading_ratio_gradient(spectrum: Spectrum) -> Spectrum:
    """Return the derivatives of `leading_ratio_of`."""
    slopes = np.zeros(len(spectrum))
    slopes[0] = -(leading_ratio_of(spectrum) ** 2)
    return _by_shares(spectrum, slopes)


def condition_number_gradient(spectrum: Spectrum) -> Spectrum:
    """Return the derivatives of the first value over the last."""
    slopes = np.zeros(len(spectrum))
    slopes[0] = 1.0 / spectrum[-1]
    slopes[-1] -= spectrum[0] / spectrum[-1] ** 2
    return slopes


def alpha_gradient(spectrum: Spectrum, fit: AlphaFit, weighted: bool) -> Spectrum:
    """Return the derivatives of the exponent that was fitted to an eigenspectrum."""
    ranks = np.arange(fit.first, fit.last + 1)
    weights = 1.0 / ranks if weighted else np.ones(len(ranks))
    x = np.log(ranks)
    x -= weights @ x / weights.sum()
    slopes = np.zeros(len(spectrum))
    slopes[fit.first - 1 : fit.last] = -weights * x / (weights @ (x * x)) / spectrum[fit.first - 1 : fit.last]
    return slopes


def _by_shares(spectrum: Spectrum, slopes: Spectrum) -> Spectrum:
    """Return derivatives by the values from those by their shares of the sum."""
    total = spectrum.sum()
    gradient: Spectrum = (slopes - slopes @ spectrum / total) / total
    return gradient


def _logs(shares: Spectrum) -> Spectrum:
    return np.log(shares, out=np.full_like(shares, -1.0), where=shares > 0)
