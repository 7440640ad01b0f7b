"""Scalers of columns: fitted on some rows, applied to any, each in float64 and nan-free."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reprq.errors import UnknownNameError

SCALERS = ("none", "standard", "robust", "minmax", "quantile")
_QUANTILES = 1000  # as many as scikit-learn's QuantileTransformer keeps
_EDGE = 1e-7  # what the normal distribution's quantiles are cut at, as there

Array = NDArray[np.float64]


def fitted_scaler(name: str, x: Array) -> dict[str, Array]:
    """Return what a scaler learns from rows, as `scaled` takes it.

    "standard": mean and standard deviation (divisor n). "robust": median and interquartile range. "minmax": least value
    and range. "quantile": at most 1,000 quantiles of each column. A column without spread is divided by 1.

    Args:
        name: One of `SCALERS`.
        x: (n, p) float64, finite, n at least 1.

    Returns:
        `center` and `scale`, (p,) each; `quantiles`, (q, p); nothing for "none".

    Raises:
        UnknownNameError: No such scaler.

    Example:
        >>> fitted_scaler("minmax", np.array([[1.0, 7.0], [3.0, 7.0]]))
        {'center': array([1., 7.]), 'scale': array([2., 1.])}
    """
    if name not in SCALERS:
        raise UnknownNameError("scaler", name, SCALERS)
    if name == "none":
        return {}
    if name == "quantile":
        shares = np.linspace(0, 1, min(_QUANTILES, len(x)))
        return {"quantiles": np.maximum.accumulate(np.quantile(x, shares, axis=0))}
    if name == "standard":
        moved = x - x[0]  # a constant column is exactly without spread then
        center, spread = x[0] + moved.mean(axis=0), moved.std(axis=0)
    elif name == "robust":
        low, center, high = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
        spread = high - low
    else:
        center, spread = x.min(axis=0), np.ptp(x, axis=0)
    return {"center": center, "scale": np.where(spread > 0, spread, 1.0)}


def scaled(learned: Mapping[str, Array], x: Array) -> Array:
    """Return (x - center) / scale, or of quantiles the normal deviate of the share of values below.

    A value beyond the quantiles has the deviate of the share 1e-7 or 1 - 1e-7, which is 5.2 from 0. Of equal quantiles
    the middle of their shares counts, as in scikit-learn, and unlike there at both ends too: the largest of a few whole
    numbers is no outlier.

    Args:
        learned: What `fitted_scaler` returned.
        x: (m, p) float64, finite.

    Example:
        >>> scaled({"center": np.array([1.0]), "scale": np.array([2.0])}, np.array([[3.0]]))
        array([[1.]])
    """
    if "quantiles" in learned:
        from scipy.special import ndtri

        shares = np.column_stack([_share(q, column) for q, column in zip(learned["quantiles"].T, x.T, strict=True)])
        deviates: Array = ndtri(np.clip(shares, _EDGE, 1 - _EDGE))
        return deviates
    return (x - learned["center"]) / learned["scale"] if learned else x


def _share(quantiles: Array, x: Array) -> Array:
    """The mean of the interpolation from the left and from the right, which differ where quantiles are equal."""
    shares = np.linspace(0, 1, len(quantiles)) if len(quantiles) > 1 else np.array([0.5])
    below = np.interp(x, quantiles, shares)
    above = -np.interp(-x, -quantiles[::-1], -shares[::-1])
    found: Array = 0.5 * (below + above)
    found[x < quantiles[0]], found[x > quantiles[-1]] = 0.0, 1.0
    return found
