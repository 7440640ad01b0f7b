"""Backbones x layers x tasks x detectors, run to tidy tables."""

from reprq.study.config import StudyConfig, load_config
from reprq.study.estimate import Estimate, estimate_study
from reprq.study.results import StudyResults
from reprq.study.runner import run_study

__all__ = [
    "Estimate",
    "StudyConfig",
    "StudyResults",
    "estimate_study",
    "load_config",
    "run_study",
]
