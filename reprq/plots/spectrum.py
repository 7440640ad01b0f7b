"""An eigenspectrum on logarithmic axes, with the power law fitted to it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from reprq.conversion import to_numpy
from reprq.errors import InputError
from reprq.metrics import AlphaFit, fit_alpha, spectrum
from reprq.plots.metric_vs_score import plain_log_ticks
from reprq.plots.panels import axes_of
from reprq.plots.styles import COLOURS, tidy
from reprq.validation import as_scores

_POINTS, _LINE = COLOURS[:2]


def spectrum_plot(x: Any, fit: AlphaFit | None = None, ax: Axes | None = None) -> Axes:
    """Draw eigenvalues over their ranks, log-log, with the fitted power law and the ranks that it was fitted to.

    Args:
        x: (n, d) embeddings, whose covariance is taken, or (m,) eigenvalues in descending order, as
            `reprq.metrics.spectrum` gives them; zeros at the end are not drawn.
        fit: What `reprq.metrics.fit_alpha` returned for these eigenvalues; fitted here with its defaults otherwise.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes; the legend names alpha, its range over other ranges of ranks, R2 and the ranks.

    Raises:
        InputError: the eigenvalues are not finite, descending and at least 0, or there are too few to fit.
    """
    values = _eigenvalues(x)
    fit = fit_alpha(values) if fit is None else fit
    if fit.last > len(values):
        raise InputError(f"fit must be of these eigenvalues, got ranks up to {fit.last} for {len(values)} of them")
    ax = axes_of(ax, (4.8, 3.6))
    ranks = np.arange(1, len(values) + 1)
    fitted = ranks[fit.first - 1 : fit.last]
    heights = np.log(values[fit.first - 1 : fit.last]) + fit.alpha * np.log(fitted)
    line = np.exp(np.average(heights, weights=1.0 / fitted)) * fitted**-fit.alpha
    ax.loglog(ranks, values, ".", markersize=3.5, color=_POINTS, label=f"{len(values)} eigenvalues")
    ax.axvspan(fit.first, fit.last, color="0.9", zorder=0, linewidth=0)
    label = (
        f"$\\alpha$ = {fit.alpha:.2f} [{fit.alpha_low:.2f}, {fit.alpha_high:.2f}], $R^2$ = {fit.r2:.3f}\n"
        f"ranks {fit.first} to {fit.last} (other ranges in brackets)"
    )
    ax.loglog(fitted, line, color=_LINE, linewidth=1.8, label=label)
    tidy(ax)
    for axis, drawn in ((ax.xaxis, ranks), (ax.yaxis, values)):
        plain_log_ticks(axis, pd.Series(drawn))
    ax.set_xlabel("rank")
    ax.set_ylabel("eigenvalue of the covariance")
    ax.legend(loc="lower left", frameon=False, fontsize=8)
    return ax


def _eigenvalues(x: Any) -> NDArray[np.float64]:
    """Return the positive eigenvalues."""
    if isinstance(x, Iterator) or to_numpy(x).ndim != 1:
        values = spectrum(x)
    else:
        values = as_scores(x, "x")
        if (values < 0).any() or (np.diff(values) > 0).any():
            raise InputError(
                "x must be eigenvalues that are finite, at least 0 and descending, or (n, d) rows; sort them"
            )
    return values[values > 0]
