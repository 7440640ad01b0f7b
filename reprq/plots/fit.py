"""The line through the points of a scatter plot, with a band that respects whose points they are."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from reprq.statistics.resampling import LEAST_GROUPS, tail

Floats = NDArray[np.float64]

LEAST_BACKBONES = 3
FIT_NOTE = "line: least squares; band: 95 %, resampling 6 or more backbones"
_STEPS = 60


@dataclass(frozen=True, eq=False)
class FitBand:
    """A least-squares line and its pointwise 95 % band.

    Attributes:
        x: (60,) places, ascending, evenly spaced on the axis that was asked for.
        y: (60,) the line.
        low: (60,) lower end of the band.
        high: (60,) upper end of the band.
    """

    x: Floats
    y: Floats
    low: Floats
    high: Floats


def fit_band(points: pd.DataFrame, *, log: bool = False, resamples: int = 1000, seed: int = 0) -> FitBand | None:
    """Fit y = a + b x (or a + b log x) and resample whole backbones to see how firmly the line stands.

    The band is the expanded percentile interval (Hesterberg 2015) of the line's height at each x, over bootstrap
    samples of whole backbones: layers of one network are not independent. It is wider for few backbones, as the
    interval of `reprq.statistics.correlation` is. It is nan where there is none: from fewer than 6 backbones, and where
    more resamples have no line than the interval leaves out.

    Args:
        points: Columns backbone, x and y, finite; x positive if `log`.
        log: Whether to fit over log x.
        resamples: How many bootstrap samples.
        seed: The same seed, the same band.

    Returns:
        The line and band; None where x is constant or there are fewer than 3 backbones.

    Example:
        >>> table = pd.DataFrame({"backbone": list("aabbcc"), "x": range(6), "y": range(0, 12, 2)})
        >>> band = fit_band(table)
        >>> [round(float(end[-1]), 9) for end in (band.y, band.low, band.high)]
        [10.0, nan, nan]
    """
    x, y = points["x"].to_numpy(dtype=np.float64), points["y"].to_numpy(dtype=np.float64)
    x = np.log(x) if log else x
    codes, names = pd.factorize(points["backbone"])
    count = len(names)
    if count < LEAST_BACKBONES or np.ptp(x) == 0:
        return None
    middle = x.mean()
    x = x - middle
    moments = np.zeros((count, 5))
    np.add.at(moments, codes, np.column_stack([np.ones_like(x), x, y, x * x, x * y]))
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    slopes, offsets = _lines(np.vstack([np.ones(count), draws]) @ moments)
    places = np.linspace(x.min(), x.max(), _STEPS)
    heights = offsets[:, None] + slopes[:, None] * places
    low, high = _band(heights[1:], count)
    where = places + middle
    return FitBand(np.exp(where) if log else where, heights[0], low, high)


def draw_fit(ax: Axes, points: pd.DataFrame, *, log: bool, scale: float = 1.0) -> bool:
    """Draw the line and its band behind the points, without moving the limits of the score.

    Args:
        ax: Where to draw.
        points: As for `fit_band`.
        log: Whether the horizontal axis is logarithmic.
        scale: Multiplies the width of the line.

    Returns:
        Whether there was a line to draw.
    """
    band = fit_band(points, log=log)
    if band is None:
        return False
    limits = ax.get_ylim()
    ax.fill_between(band.x, band.low, band.high, color="0.55", alpha=0.2, linewidth=0, zorder=0.5)
    ax.plot(band.x, band.y, color="0.3", linewidth=1.4 * scale, linestyle="--", zorder=0.6)
    ax.set_ylim(limits)
    return True


def _band(heights: Floats, count: int) -> tuple[Floats, Floats]:
    """The ends at each place, a resample without a line counting against both; nan where there are none."""
    if count < LEAST_GROUPS:
        none = np.full(heights.shape[1], np.nan)
        return none, none
    outside = tail(count, 0.95)
    unknown = np.isnan(heights)
    low = np.quantile(np.where(unknown, -np.inf, heights), outside, axis=0, method="lower")
    high = np.quantile(np.where(unknown, np.inf, heights), 1 - outside, axis=0, method="higher")
    ends: Floats = np.where(np.isinf(low) | np.isinf(high), np.nan, [low, high])
    return ends[0], ends[1]


def _lines(sums: Floats) -> tuple[Floats, Floats]:
    """Slope and offset for rows of (n, sum x, sum y, sum xx, sum xy); nan where x was constant in the resample."""
    n, x, y, xx, xy = sums.T
    spread = xx - x * x / n
    defined = spread > 1e-12 * xx
    slopes = np.where(defined, (xy - x * y / n) / np.where(defined, spread, 1.0), np.nan)
    return slopes, (y - slopes * x) / n
