"""Backbones x layers x tasks x detectors, run to tidy tables, and the correlation of quality with detection."""

from reprq.study.against import compare
from reprq.study.benign import recommend_for
from reprq.study.config import StudyConfig, load_config
from reprq.study.correlate import correlate, points
from reprq.study.directions import Directions
from reprq.study.estimate import Estimate, estimate_study
from reprq.study.recommend import Recommendation, recommend
from reprq.study.results import StudyResults
from reprq.study.runner import run_study

__all__ = [
    "Directions",
    "Estimate",
    "Recommendation",
    "StudyConfig",
    "StudyResults",
    "compare",
    "correlate",
    "estimate_study",
    "load_config",
    "points",
    "recommend",
    "recommend_for",
    "run_study",
]
