"""Metrics that are a formula of a spectrum: how many directions an embedding uses, and how evenly."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from reprq.errors import InputError
from reprq.numerics.moments import Moments
from reprq.numerics.spectra import Spectra, resolved_spectra_of, spectra
from reprq.numerics.totals import Totals

Values = Literal["singular", "eigen"]
Spectrum = NDArray[np.float64]


def rankme(x: Any, eps: float = 1e-7, *, centered: bool = False, values: Values = "singular") -> float:
    """Return RankMe: the exponential of the entropy of the singular values, a smooth count of the directions in use.

    exp(-sum_k p_k log p_k) with p_k = sigma_k / sum_j sigma_j + eps, in nats, over the min(n, d) singular values of x.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n at least 2.
        eps: Added to each share.
        centered: Whether the mean is taken away first.
        values: "singular", or "eigen" for the squares of the singular values.

    Returns:
        Between 1 (one direction, collapsed) and min(n, d) (all directions alike); higher is less collapsed.

    Raises:
        InputError: x is not a finite (n, d) matrix of at least two rows, or has nothing but zeros (centered: but equal
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
    return rankme_of(spectrum_of(_spectra(x), values, centered), eps)


def aucev(x: Any, *, centered: bool = True, values: Values = "singular") -> float:
    """Return the area under the cumulative explained variance: how early the leading directions hold everything.

    The mean over k of sum_{j <= k} sigma_j / sum_j sigma_j, over the min(n, d) singular values of x less its mean.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n at least 2.
        centered: Whether the mean is taken away first.
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
    return aucev_of(spectrum_of(_spectra(x), values, centered))


def participation_ratio(x: Any, *, centered: bool = True, values: Values = "eigen") -> float:
    """Return the participation ratio (sum lambda)^2 / sum lambda^2 of the eigenvalues of the covariance.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n at least 2.
        centered: Whether the mean is taken away first.
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
    return participation_ratio_of(spectrum_of(_spectra(x), values, centered))


def effective_rank(x: Any, *, centered: bool = True, values: Values = "eigen") -> float:
    """Return the effective rank: the exponential of the entropy of the eigenvalues of the covariance, in nats.

    exp(-sum_k p_k log p_k) with p_k = lambda_k / sum_j lambda_j.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n at least 2.
        centered: Whether the mean is taken away first.
        values: "eigen", or "singular" for the roots of the eigenvalues.

    Returns:
        Between 1 (one direction) and min(n, d) (all alike); higher is a higher rank.

    Raises:
        InputError: x is not a finite (n, d) matrix of at least two rows, or its rows are all equal.

    References:
        Roy & Vetterli, "The effective rank", EUSIPCO 2007, definition 1, which takes the singular values of the
        matrix: `values="singular", centered=False`.

    Example:
        >>> round(effective_rank([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 9)
        2.0
    """
    return effective_rank_of(spectrum_of(_spectra(x), values, centered))


def stable_rank(x: Any, *, centered: bool = False) -> float:
    """Return the stable rank |x|_F^2 / |x|_2^2: all squared singular values over the largest.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n at least 2.
        centered: Whether the mean is taken away first.

    Returns:
        Between 1 (one direction) and min(n, d) (all alike); higher is a higher rank.

    Raises:
        InputError: x is not a finite (n, d) matrix of at least two rows, or all zero (centered: its rows all equal).

    References:
        Rudelson & Vershynin, "Sampling from large matrices", JACM 2007; of embeddings: Tsitsulin et al., "Unsupervised
        Embedding Quality Evaluation", 2023, section 3.

    Example:
        >>> stable_rank([[2.0, 0.0], [0.0, 1.0]])
        1.25
    """
    return leading_ratio_of(spectrum_of(_spectra(x), "eigen", centered))


def nesum(x: Any, *, centered: bool = True) -> float:
    """Return NESum, the normalized eigenvalue sum of the covariance: sum_k lambda_k / lambda_1.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n at least 2.
        centered: Whether the mean is taken away first.

    Returns:
        Between 1 (collapsed) and min(n, d) (whitened). It is the stable rank of the centered matrix.

    Raises:
        InputError: x is not a finite (n, d) matrix of at least two rows, or its rows are all equal.

    References:
        He & Ozay, "Exploring the Gap between Collapsed & Whitened Features in Self-Supervised Learning", ICML 2022.

    Example:
        >>> nesum([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        2.0
    """
    return leading_ratio_of(spectrum_of(_spectra(x), "eigen", centered))


def condition_number(x: Any, *, centered: bool = True, values: Values = "eigen") -> float:
    """Return the condition number lambda_1 / lambda_d of the covariance: what inverting it costs in digits.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n more than d.
        centered: Whether the mean is taken away first.
        values: "eigen", or "singular" for the condition number of the matrix itself.

    Returns:
        At least 1 (all directions alike); lower is better conditioned.

    Raises:
        InputError: x is not a finite (n, d) matrix of at least two rows, or the smallest singular value is zero or
            below the rounding error of the largest (of an iterator, the smallest eigenvalue): the condition number is
            infinite or cannot be told from it.

    Example:
        >>> condition_number([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
        4.0
    """
    both = resolved_spectra_of(x)
    return condition_number_of(spectrum_of(both, values, centered), both.d)


def trace(x: Any, *, centered: bool = True) -> float:
    """Return the trace of the covariance, the total variance: sum of squared deviations over n - 1.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n at least 2.
        centered: False for the mean squared length of a row, sum of squares over n.

    Returns:
        At least 0, in squared units of x; 0 means all rows equal.

    Raises:
        InputError: x is not a finite (n, d) matrix of at least two rows.

    Example:
        >>> trace([[1.0, 0.0], [3.0, 0.0]]), trace([[1.0, 0.0], [3.0, 0.0]], centered=False)
        (2.0, 5.0)
    """
    return trace_of(Moments.of(x, min_rows=2), centered)


def isoscore(x: Any) -> float:
    """Return IsoScore: the share of the dimensions that the covariance fills evenly.

    The paper's seven steps, from the distance between the normalized eigenvalues and the ones vector to a share of
    dimensions, reduce to (PR - 1) / (d - 1) with the participation ratio PR of the covariance.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n and d at least 2.

    Returns:
        Between 0 (one direction) and 1 (isotropic).

    Raises:
        InputError: x is not a finite (n, d) matrix of at least two rows and columns, or its rows are all equal.

    References:
        Rudman et al., "IsoScore: Measuring the Uniformity of Embedding Space Utilization", Findings of ACL 2022,
        algorithm 1.

    Example:
        >>> isoscore([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        1.0
    """
    both = _spectra(x)
    return isoscore_of(both.centered, both.d)


def rankme_of(spectrum: Spectrum, eps: float) -> float:
    """Return RankMe of a spectrum; see `rankme`."""
    entropy = float(entr(_shares(spectrum) + eps).sum())
    return float(np.clip(np.exp(entropy), 1.0, len(spectrum)))


def aucev_of(spectrum: Spectrum) -> float:
    """Return the mean cumulative share of a descending spectrum; see `aucev`."""
    return min(float(np.cumsum(_shares(spectrum)).mean()), 1.0)


def participation_ratio_of(spectrum: Spectrum) -> float:
    """Return the participation ratio of a spectrum; see `participation_ratio`."""
    return float(np.clip(1.0 / np.square(_shares(spectrum)).sum(), 1.0, len(spectrum)))


def effective_rank_of(spectrum: Spectrum) -> float:
    """Return the exponential of the entropy of a spectrum; see `effective_rank`."""
    return float(np.clip(np.exp(entr(_shares(spectrum)).sum()), 1.0, len(spectrum)))


def leading_ratio_of(spectrum: Spectrum) -> float:
    """Return the sum of a descending spectrum over its first value; see `stable_rank` and `nesum`."""
    return float(np.clip(1.0 / _shares(spectrum)[0], 1.0, len(spectrum)))


def condition_number_of(spectrum: Spectrum, d: int) -> float:
    """Return the first of d values of a descending spectrum over the last; see `condition_number`."""
    rank = int(np.count_nonzero(spectrum))
    if rank < d:
        raise InputError(
            f"x must have {d} eigenvalues above rounding error, one a column, got {rank}: the condition number is"
            " infinite or too large for float64 (of blocks that pass once, over about 1e7 of singular values);"
            " give more rows, or drop dependent columns"
        )
    return float(spectrum[0] / spectrum[-1])


def trace_of(moments: Moments | Totals, centered: bool) -> float:
    """Return the trace of the covariance of the rows that `moments` has seen; see `trace`."""
    deviations = float(moments.scatter_diagonal.sum())
    if centered:
        return deviations / (moments.n - 1)
    return deviations / moments.n + float(moments.mean @ moments.mean)


def isoscore_of(spectrum: Spectrum, d: int) -> float:
    """Return IsoScore of an eigenspectrum in d dimensions; see `isoscore`."""
    if d < 2:
        raise InputError("x must have at least 2 columns, got 1: one dimension is always filled evenly")
    return float(max(participation_ratio_of(spectrum) - 1.0, 0.0) / (d - 1))


def spectrum_of(both: Spectra, values: Values, centered: bool) -> Spectrum:
    """Return the singular values, or their squares, of the centered or the uncentered matrix, descending.

    Raises:
        InputError: `values` is neither "singular" nor "eigen".
    """
    if values not in ("singular", "eigen"):
        raise InputError(f"values must be 'singular' or 'eigen', got {values!r}")
    squares = both.centered if centered else both.uncentered
    return np.sqrt(squares) if values == "singular" else squares


def _spectra(x: Any) -> Spectra:
    return spectra(Moments.of(x, min_rows=2))


def _shares(spectrum: Spectrum) -> Spectrum:
    if spectrum[0] <= 0:
        raise InputError("x must have rows that differ, got all rows equal (or all zero): it has no spectrum")
    shares: Spectrum = spectrum / spectrum.sum()
    return shares
