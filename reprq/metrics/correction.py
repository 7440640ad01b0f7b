"""The eigenvalues behind those of a sample, which spreads them by n / d."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.numerics.moments import Moments
from reprq.numerics.spectra import again, resolved_spectra, spectra

Spectrum = NDArray[np.float64]

_STEPS = 12
_DRAWS = 3


def corrected_spectrum(x: Any, *, steps: int = _STEPS, seed: int = 0) -> Spectrum:
    """Return the eigenvalues of the covariance with the bias of a sample of n rows taken away.

    The largest sample eigenvalues are too large and the smallest too small, the more so the smaller n / d. A normal
    population is sought whose own sample eigenvalues, drawn for the same n, are on average those that were found:
    lambda_j <- lambda_j s_j / E(s_j | lambda), s those found, repeated. The law of sample eigenvalues holds beyond
    normal rows, but not with heavy tails or rows that depend on each other.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n - 1 at least the number of positive
            eigenvalues, so that none is hidden.
        steps: Repetitions, each of three draws and O(d^3).
        seed: Of the draws.

    Returns:
        (d,) float64, descending, in squared units of x; zeros stay.

    Raises:
        InputError: x is not a finite (n, d) matrix with more rows than columns, its rows are all equal, or there are no
            steps.

    References:
        The bias is that of Marchenko & Pastur 1967; inverting it by what a candidate would give is the idea of El
        Karoui, "Spectrum estimation for large dimensional covariance matrices", Annals of Statistics 2008, there
        through the limiting law and here through draws. Deviation: multiplicative steps instead of a linear program.

    Example:
        >>> from reprq.metrics import spectrum
        >>> x = np.random.default_rng(0).standard_normal((200, 50))  # all eigenvalues are 1 in truth
        >>> float(spectrum(x)[0].round(1)), float(corrected_spectrum(x)[0].round(1))
        (2.1, 1.1)
    """
    if steps < 1:
        raise InputError(f"steps must be at least 1, got {steps}")
    moments = Moments.of(x, min_rows=2)
    if moments.n <= moments.d:
        raise InputError(
            f"x must have more rows than columns, got n = {moments.n} and d = {moments.d}: the smallest eigenvalues of"
            " fewer rows are hidden, not biased; give more rows, or reduce d"
        )
    found = resolved_spectra(moments, spectra(moments), again(x)).centered / (moments.n - 1)
    sample = found[found > 0]
    if not len(sample):
        raise InputError("x must have rows that differ, got all rows equal: it has no spectrum")
    corrected = sample.copy()
    for step in range(steps):
        rngs = [np.random.default_rng([seed, step, draw]) for draw in range(_DRAWS)]
        expected = np.mean([_sample_spectrum(corrected, moments.n - 1, rng) for rng in rngs], axis=0)
        corrected = np.sort(corrected * sample / expected)[::-1]
    return np.concatenate([corrected, np.zeros(moments.d - len(sample))])


def _sample_spectrum(spectrum: Spectrum, freedom: int, rng: np.random.Generator) -> Spectrum:
    """Draw the eigenvalues of a normal sample by Bartlett's triangle: chi on the diagonal, normal below."""
    d = len(spectrum)
    triangle = np.tril(rng.standard_normal((d, d)), -1)
    triangle[np.diag_indices(d)] = np.sqrt(rng.chisquare(freedom - np.arange(d)))
    values: Spectrum = np.linalg.svd(np.sqrt(spectrum)[:, None] * triangle, compute_uv=False) ** 2 / freedom
    return values
