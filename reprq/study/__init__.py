"""Backbones x layers x tasks x detectors, run to tidy tables, and the correlation of quality with detection."""

from reprq.study.config import StudyConfig, load_config
from reprq.study.correlate import correlate, points
from reprq.study.estimate import Estimate, estimate_study
from reprq.study.results import StudyResults
from reprq.study.runner import run_study

__all__ = [
    "Estimate",
    "StudyConfig",
    "StudyResults",
    "correlate",
    "estimate_study",
    "load_config",
    "points",
    "run_study",
]
