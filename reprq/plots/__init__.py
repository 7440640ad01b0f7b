"""Tidy tables in, pictures out: each function takes and returns matplotlib Axes, and never touches global settings."""

from reprq.plots.curve import curve_plot
from reprq.plots.detection import roc_plot, score_histogram
from reprq.plots.fit import FitBand, fit_band
from reprq.plots.forest import forest_plot
from reprq.plots.grid import correlation_grid
from reprq.plots.images import image_extremes
from reprq.plots.layers import depth_plot, layer_heatmap
from reprq.plots.maps import map_plot, project
from reprq.plots.methods import method_map
from reprq.plots.metric_vs_score import describe, metric_vs_score
from reprq.plots.names import detector_label, metric_label
from reprq.plots.overlays import overlay_gallery
from reprq.plots.save import render, save
from reprq.plots.shots import shots_plot
from reprq.plots.similarity import similarity_heatmap
from reprq.plots.spectrum import spectrum_plot
from reprq.plots.study import draw_study

__all__ = [
    "FitBand",
    "correlation_grid",
    "curve_plot",
    "depth_plot",
    "describe",
    "detector_label",
    "draw_study",
    "fit_band",
    "forest_plot",
    "image_extremes",
    "layer_heatmap",
    "map_plot",
    "method_map",
    "metric_label",
    "metric_vs_score",
    "overlay_gallery",
    "project",
    "render",
    "roc_plot",
    "save",
    "score_histogram",
    "shots_plot",
    "similarity_heatmap",
    "spectrum_plot",
]
