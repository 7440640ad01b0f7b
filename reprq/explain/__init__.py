"""Why a sample is anomalous: what each of its values adds to the score that a detector gives it.

detector = reprq.detectors.KDE().fit(benign)
reprq.explain.relevance(detector, rows)  # (m, d), a value for each column
"""

from typing import TYPE_CHECKING

from reprq.lazy import from_modules

if TYPE_CHECKING:
    from reprq.explain.by_detector import relevance
    from reprq.explain.pictures import maps

_MODULES = {"maps": "reprq.explain.pictures", "relevance": "reprq.explain.by_detector"}
__all__ = ["maps", "relevance"]
__getattr__ = from_modules(__name__, _MODULES)
