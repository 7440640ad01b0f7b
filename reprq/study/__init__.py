"""Backbones x layers x tasks x detectors, run to tidy tables."""

from typing import TYPE_CHECKING

from reprq.lazy import from_modules

if TYPE_CHECKING:
    from reprq.study.config import StudyConfig
    from reprq.study.estimate import StudyEstimate, estimate_study
    from reprq.study.loading import load_config
    from reprq.study.results import StudyResults
    from reprq.study.runner import run_study
    from reprq.study.tracking import log_to_mlflow

_MODULES = {
    "StudyConfig": "reprq.study.config",
    "load_config": "reprq.study.loading",
    "StudyEstimate": "reprq.study.estimate",
    "estimate_study": "reprq.study.estimate",
    "StudyResults": "reprq.study.results",
    "run_study": "reprq.study.runner",
    "log_to_mlflow": "reprq.study.tracking",
}

__all__ = [
    "StudyConfig",
    "StudyEstimate",
    "StudyResults",
    "estimate_study",
    "load_config",
    "log_to_mlflow",
    "run_study",
]

__getattr__ = from_modules(__name__, _MODULES)
