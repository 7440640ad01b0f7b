"""Embeddings in two dimensions, colored by label or by score."""

import warnings
from typing import Any, Literal

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from reprq.errors import InputError, UnknownNameError
from reprq.optional import require
from reprq.plots.panels import axes_of, legend_beside
from reprq.plots.styles import COLOURS, plain, styles
from reprq.validation import as_matrix, as_scores

Method = Literal["pca", "tsne", "umap"]

_METHODS = ("pca", "tsne", "umap")


def project(x: Any, method: Method = "pca", *, seed: int = 0) -> NDArray[np.float64]:
    """Reduce embeddings to two dimensions, to look at.

    "pca" gives the first two principal components, whose distances mean something; "tsne" (scikit-learn, from a PCA,
    perplexity 30 or a third of the rows) and "umap" (umap-learn, 15 neighbors) keep neighbors together, and the
    distances and sizes of their clusters mean nothing.

    Args:
        x: (n, d) array, tensor or object with an `array`; n at least 4.
        method: "pca", "tsne" or "umap".
        seed: The same seed, the same map.

    Returns:
        (n, 2) positions.

    Raises:
        InputError: x is not a finite matrix of at least 4 rows and 2 columns.
        UnknownNameError: another method.
        ReprqError: umap-learn is not installed.

    References:
        van der Maaten & Hinton, "Visualizing data using t-SNE", JMLR 2008; McInnes, Healy & Melville, "UMAP", 2018.

    Example:
        >>> x = np.diag([3.0, 2.0, 1.0, 0.5])
        >>> project(x).shape
        (4, 2)
    """
    if method not in _METHODS:
        raise UnknownNameError("map", method, _METHODS)
    rows = np.asarray(as_matrix(x, min_rows=4), dtype=np.float64)
    if rows.shape[1] < 2:
        raise InputError(f"x must have at least 2 columns for a map, got {rows.shape[1]}")
    if method == "umap":
        return _umap(rows, seed)
    from sklearn.decomposition import PCA

    if method == "pca":
        return np.asarray(PCA(2, svd_solver="covariance_eigh").fit_transform(rows), dtype=np.float64)
    from sklearn.manifold import TSNE

    reduced = PCA(min(50, *rows.shape), random_state=seed).fit_transform(rows)
    found = TSNE(2, perplexity=min(30.0, (len(rows) - 1) / 3), init="pca", random_state=seed).fit_transform(reduced)
    return np.asarray(found, dtype=np.float64)


def map_plot(
    positions: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    label: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a map of `project`, colored by label or by score.

    Args:
        positions: (n, 2).
        labels: (n,) names or whole numbers, a color and marker each (at most 16). Numbers 0 and 1 alone are called
            benign and anomalous.
        scores: (n,) anomaly scores instead, on a scale of colors (viridis) whose ends are the 1 % and 99 % quantiles;
            the highest lie on top.
        label: What the colors mean; "anomaly score" for scores by default.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes, without ticks.

    Raises:
        InputError: not two columns, or not exactly one of labels and scores, or of another length, or too many labels.
    """
    where = np.asarray(positions, dtype=np.float64)
    if where.ndim != 2 or where.shape[1] != 2 or not np.isfinite(where).all():
        raise InputError(f"positions must be finite and of shape (n, 2), got {where.shape}; project(x) gives them")
    if (labels is None) == (scores is None):
        raise InputError("give either labels or scores to color the map by, not both and not neither")
    ours = ax is None
    ax = axes_of(ax, (4.6, 4.4) if scores is None else (5.6, 4.4))
    size = float(np.clip(4000 / len(where), 4, 28))
    if labels is not None:
        _draw_labels(ax, where, np.asarray(labels), label, size, ours)
    else:
        values = as_scores(scores)
        if len(values) != len(where):
            raise InputError(f"scores must be one a position, got {len(values)} for {len(where)}")
        order = np.argsort(values, kind="stable")
        low, high = np.quantile(values, [0.01, 0.99])
        drawn = ax.scatter(
            where[order, 0],
            where[order, 1],
            c=values[order],
            s=size,
            cmap="viridis",
            vmin=low,
            vmax=high,
            alpha=0.85,
            linewidths=0,
        )
        bar = ax.figure.colorbar(drawn, ax=ax, fraction=0.046, pad=0.03, extend="both")
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8)
        bar.set_label(label or "anomaly score", fontsize=8)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_color("0.8")
    return ax


def _draw_labels(
    ax: Axes, where: NDArray[np.float64], labels: NDArray[Any], title: str, size: float, grow: bool
) -> None:
    if labels.shape != (len(where),):
        raise InputError(f"labels must be one a position, got shape {labels.shape} for {len(where)}")
    found = np.unique(labels)
    if len(found) > 2 * len(COLOURS):
        raise InputError(f"labels must be at most {2 * len(COLOURS)} different ones, got {len(found)}; group them")
    names = {one: plain(str(one)) for one in found.tolist()}
    if labels.dtype.kind in "iub" and set(names) <= {0, 1}:
        names = {one: ("benign", "anomalous")[int(one)] for one in names}
    if len(set(names.values())) < len(names):  # once shortened
        names = {one: plain(f"{i} {one}") for i, one in enumerate(names)}
    looks = styles(list(names.values()))
    sns.scatterplot(
        x=where[:, 0], y=where[:, 1], hue=[names[one] for one in labels.tolist()], hue_order=list(looks),
        palette={name: look["color"] for name, look in looks.items()}, style=[names[one] for one in labels.tolist()],
        markers={name: look["marker"] for name, look in looks.items()}, s=size, alpha=0.7, linewidth=0, ax=ax,
    )  # fmt: skip
    legend_beside([ax], grow, title=title or None, markerscale=(28 / size) ** 0.5)


def _umap(rows: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba and of tensorflow, which it does not need
        umap = require("umap", "umap", "a UMAP map", package="umap-learn")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed means one thread is known
        found = umap.UMAP(n_components=2, n_neighbors=min(15, len(rows) - 1), random_state=seed).fit_transform(rows)
    return np.asarray(found, dtype=np.float64)
