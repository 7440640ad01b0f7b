"""Tables of studies in, tables out: does quality predict detection, what to choose by it, and what a choice costs."""

from reprq.analysis.against import compare
from reprq.analysis.benign import recommend_for
from reprq.analysis.correlate import correlate, points
from reprq.analysis.directions import Directions
from reprq.analysis.recommend import Recommendation, recommend

__all__ = [
    "Directions",
    "Recommendation",
    "compare",
    "correlate",
    "points",
    "recommend",
    "recommend_for",
]
