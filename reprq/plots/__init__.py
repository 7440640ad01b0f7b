"""Tidy tables in, pictures out: each function takes and returns matplotlib Axes, and never touches global settings."""

from reprq.plots.curve import curve_plot
from reprq.plots.grid import correlation_grid
from reprq.plots.metric_vs_score import metric_vs_score
from reprq.plots.save import save
from reprq.plots.similarity import similarity_heatmap
from reprq.plots.spectrum import spectrum_plot
from reprq.plots.study import draw_study

__all__ = [
    "correlation_grid",
    "curve_plot",
    "draw_study",
    "metric_vs_score",
    "save",
    "similarity_heatmap",
    "spectrum_plot",
]
