"""The decay of an eigenspectrum: the exponent alpha of a power law, how well it fits and how firmly it stands."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprq.errors import InputError
from reprq.numerics.spectra import resolved_spectra_of
from reprq.validation import as_scores

FIT_RANGE = (11, 100)


@dataclass(frozen=True)
class AlphaFit:
    """A power law lambda_j ~ j^-alpha fitted to an eigenspectrum.

    Attributes:
        alpha: The exponent; larger is a faster decay.
        r2: The share of the (weighted) variance of log lambda_j that the line explains, at most 1.
        first: The first rank fitted, counting from 1.
        last: The last rank fitted.
        alpha_low: The smallest exponent over other sensible ranges of ranks, this one among them.
        alpha_high: The largest exponent over them.
    """

    alpha: float
    r2: float
    first: int
    last: int
    alpha_low: float
    alpha_high: float

    @property
    def ranks(self) -> int:
        """How many ranks were fitted."""
        return self.last - self.first + 1


def alpha_req(x: Any, fit_range: tuple[int, int] = FIT_RANGE, weighted: bool = True) -> float:
    """Return alpha-ReQ: the exponent with which the eigenvalues of the covariance decay over their rank.

    The slope, sign changed, of log lambda_j on log j by least squares over ranks fit_range[0] to fit_range[1], or to
    the last eigenvalue that is more than rounding error, whichever comes first, each weighted by 1 / j.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n at least 2.
        fit_range: The first and the last rank to fit, counting from 1.
        weighted: Whether ranks are weighted by 1 / j, which gives equal weight to equal stretches of log j.

    Returns:
        The exponent; near 1 is the paper's sweet spot, below it the spectrum has a heavy tail, above it has collapsed.

    Raises:
        InputError: x is not a finite (n, d) matrix of at least two rows, or fewer than two of its positive eigenvalues
            are in the range; or the range is not two ascending ranks.

    References:
        Agrawal et al., "alpha-ReQ", NeurIPS 2022, with the weighted fit of Stringer et al., "High-dimensional geometry
        of population responses in visual cortex", Nature 2019.

    Example:
        >>> import numpy as np
        >>> q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((200, 50)))
        >>> round(alpha_req(q * np.arange(1, 51) ** -0.75), 1)
        1.5
    """
    return fit_alpha(resolved_spectra_of(x, 2 * fit_range[1]).centered, fit_range, weighted).alpha


def alpha_all_ranks(x: Any) -> float:
    """Return the exponent of alpha-ReQ as the paper's formula reads: over all ranks, each with the same weight.

    The slope, sign changed, of log lambda_j on log j by least squares, over every eigenvalue of the centered covariance
    that is more than rounding error.

    The last ranks are most of them, so that it speaks of the tail, which with few rows is noise: at n <= d it follows n
    more than the embedding, and a single small eigenvalue moves it. `alpha_req` is the fit that neuroscience uses.

    Args:
        x: (n, d) array, tensor, object with an `array`, or iterator over blocks; n at least 3.

    Returns:
        The exponent; near 1 is the paper's sweet spot, larger is a faster decay. No unit.

    Raises:
        InputError: x is not a finite (n, d) matrix with at least two positive eigenvalues.

    References:
        Agrawal et al., "alpha-ReQ", NeurIPS 2022, section 3. Deviation: eigenvalues that rounding decides are left out.

    Example:
        >>> import numpy as np
        >>> q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((200, 50)))
        >>> round(alpha_all_ranks((q - q.mean(0)) * np.arange(1, 51) ** -0.5), 1)
        1.0
    """
    values = resolved_spectra_of(x).centered
    return fit_alpha(values, (1, max(2, len(values))), weighted=False).alpha


def fit_alpha(spectrum: ArrayLike, fit_range: tuple[int, int] = FIT_RANGE, weighted: bool = True) -> AlphaFit:
    """Fit a power law to an eigenspectrum, and again over other ranges of ranks to see how far the exponent moves.

    The other ranges start at half and at twice the first rank, and end at half and at twice the last (as far as there
    are positive eigenvalues); those of fewer than ten ranks are left out.

    Args:
        spectrum: (m,) eigenvalues, descending, in any unit; zeros at the end are not fitted.
        fit_range: The first and the last rank to fit, counting from 1.
        weighted: Whether ranks are weighted by 1 / j.

    Returns:
        The fit; `last` is at most the number of positive eigenvalues.

    Raises:
        InputError: fewer than two positive eigenvalues in the range, or the range is not two ascending ranks.

    Example:
        >>> import numpy as np
        >>> fit = fit_alpha(np.arange(1, 65) ** -2.0)
        >>> round(fit.alpha, 9), round(fit.r2, 9), fit.first, fit.last
        (2.0, 1.0, 11, 64)
    """
    values = as_scores(spectrum, "spectrum")
    first, last = (int(rank) for rank in fit_range)
    if not 1 <= first < last:
        raise InputError(
            f"fit_range must be two ascending ranks from 1 on, got {first} and {last}; the default is (11, 100)"
        )
    positive = int(np.count_nonzero(values > 0))
    if positive <= first:
        raise InputError(
            f"x must have at least 2 positive eigenvalues from rank {first} on to fit, got {positive} in all;"
            + (" give more rows, or a fit_range that starts lower" if first > 1 else " give rows that differ more")
        )
    logs = np.log(values[:positive])
    alpha, r2 = _line(logs, first, min(last, positive), weighted)
    others = [
        _line(logs, start, stop, weighted)[0]
        for start in sorted({max(1, first // 2), first, 2 * first})
        for stop in sorted({min(end, positive) for end in (last // 2, last, 2 * last)})
        if stop - start >= 9
    ]
    return AlphaFit(alpha, r2, first, min(last, positive), min([alpha, *others]), max([alpha, *others]))


def _line(logs: NDArray[np.float64], first: int, last: int, weighted: bool) -> tuple[float, float]:
    """Return the exponent and R^2 of the line through log eigenvalue on log rank."""
    ranks = np.arange(first, last + 1)
    weights = 1.0 / ranks if weighted else np.ones(len(ranks))
    weights /= weights.sum()
    x, y = np.log(ranks), logs[first - 1 : last]
    x, y = x - weights @ x, y - weights @ y
    slope = float(weights @ (x * y) / (weights @ (x * x)))
    spread = float(weights @ (y * y))
    residual = float(weights @ np.square(y - slope * x))
    return -slope, 1.0 - residual / spread if spread > 1e-24 else 1.0  # a flat spectrum is a line
