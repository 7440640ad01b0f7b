"""The three scatter plots of the poster, one point a representation."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from reprq.evaluation import correlation
from reprq.plots.representations import representation_scatter

_SCATTERS = {
    "mahalanobis-vs-distillation": ("mahalanobis", "AUROC of Mahalanobis on the teacher's embedding"),
    "accuracy-vs-distillation": ("accuracy", "accuracy of a linear probe over all classes"),
    "brittleness-vs-distillation": ("brittleness_l2", "gradient norm / trace of the covariance (brittleness)"),
}
_SCORE = "AUROC of distillation"


def draw(means: pd.DataFrame) -> dict[str, Figure]:
    """Return the scatter plots of `representation_means`, by name."""
    found: dict[str, Figure] = {}
    measured = set(means["measure"])
    for stem, (measure, label) in _SCATTERS.items():
        if measure not in measured:
            continue
        points = _points(means, measure)
        ax = representation_scatter(points, label, _SCORE, correlation(points["x"], points["y"]))
        if measure.startswith("brittleness"):
            ax.set_xscale("log")
        figure = ax.get_figure(root=True)
        assert figure is not None
        plt.close(figure)
        found[stem] = figure
    return found


def _points(means: pd.DataFrame, measure: str) -> pd.DataFrame:
    x, y = (means[means["measure"] == name].set_index("pretext") for name in (measure, "distillation"))
    ends = {"": "mean", "_low": "low", "_high": "high"}
    columns = {f"{axis}{end}": side[column] for axis, side in (("x", x), ("y", y)) for end, column in ends.items()}
    return pd.DataFrame(columns).dropna(subset=["x", "y"]).rename_axis("name").reset_index()
