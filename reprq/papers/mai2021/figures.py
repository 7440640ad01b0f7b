"""The three scatter plots of the poster, one point a representation."""

from pathlib import Path

import matplotlib as mpl
import pandas as pd

from reprq.evaluation import correlation
from reprq.plots.representations import representation_scatter
from reprq.plots.save import save

_SCATTERS = {
    "mahalanobis-vs-distillation": ("mahalanobis", "AUROC of Mahalanobis on the teacher's embedding"),
    "accuracy-vs-distillation": ("accuracy", "accuracy of a linear probe over all classes"),
    "brittleness-vs-distillation": ("brittleness_l2", "gradient norm / trace of the covariance (brittleness)"),
}
_SCORE = "AUROC of distillation"


def draw(means: pd.DataFrame, out: Path) -> list[Path]:
    """Draw the scatter plots from `representation_means` into a folder, as PNG and SVG."""
    paths: list[Path] = []
    measured = set(means["measure"])
    for stem, (measure, label) in _SCATTERS.items():
        if measure not in measured:
            continue
        points = _points(means, measure)
        found = correlation(points["x"], points["y"])
        with mpl.rc_context({"figure.max_open_warning": 0}):
            ax = representation_scatter(points, label, _SCORE, found)
        if measure.startswith("brittleness"):
            ax.set_xscale("log")
        paths += save(ax.figure, out / stem)  # type: ignore[arg-type]
        mpl.pyplot.close(ax.figure)  # type: ignore[arg-type]
    return paths


def _points(means: pd.DataFrame, measure: str) -> pd.DataFrame:
    x, y = (means[means["measure"] == name].set_index("pretext") for name in (measure, "distillation"))
    ends = {"": "mean", "_low": "low", "_high": "high"}
    columns = {f"{axis}{end}": side[column] for axis, side in (("x", x), ("y", y)) for end, column in ends.items()}
    return pd.DataFrame(columns).dropna(subset=["x", "y"]).rename_axis("name").reset_index()
