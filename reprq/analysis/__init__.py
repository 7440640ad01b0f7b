"""Tables of studies in, tables out: does quality predict detection, what to choose by it, and what a choice costs."""

from typing import TYPE_CHECKING

from reprq.lazy import from_modules

if TYPE_CHECKING:
    from reprq.analysis.against import compare
    from reprq.analysis.benign import recommend_for
    from reprq.analysis.correlation import correlate
    from reprq.analysis.directions import Directions
    from reprq.analysis.elsewhere import Elsewhere
    from reprq.analysis.recommendation import Recommendation, recommend
    from reprq.analysis.regret_over_datasets import regret_summary, regrets_by_dataset
    from reprq.analysis.rivals import agreement, dull_rules, few_labels, few_shot
    from reprq.analysis.scores import points
    from reprq.analysis.stopping import regret_of_stopping, warnings_of_forgetting
    from reprq.analysis.targets import with_targets
    from reprq.analysis.two_lines import sweet_spots
    from reprq.analysis.variance import variance_shares
    from reprq.analysis.within_datasets import over_datasets

_MODULES = {
    "compare": "reprq.analysis.against",
    "recommend_for": "reprq.analysis.benign",
    "correlate": "reprq.analysis.correlation",
    "over_datasets": "reprq.analysis.within_datasets",
    "regret_summary": "reprq.analysis.regret_over_datasets",
    "regrets_by_dataset": "reprq.analysis.regret_over_datasets",
    "agreement": "reprq.analysis.rivals",
    "dull_rules": "reprq.analysis.rivals",
    "few_labels": "reprq.analysis.rivals",
    "few_shot": "reprq.analysis.rivals",
    "points": "reprq.analysis.scores",
    "Directions": "reprq.analysis.directions",
    "Elsewhere": "reprq.analysis.elsewhere",
    "Recommendation": "reprq.analysis.recommendation",
    "recommend": "reprq.analysis.recommendation",
    "regret_of_stopping": "reprq.analysis.stopping",
    "warnings_of_forgetting": "reprq.analysis.stopping",
    "sweet_spots": "reprq.analysis.two_lines",
    "with_targets": "reprq.analysis.targets",
    "variance_shares": "reprq.analysis.variance",
}

__all__ = [
    "Directions",
    "Elsewhere",
    "Recommendation",
    "agreement",
    "compare",
    "correlate",
    "dull_rules",
    "few_labels",
    "few_shot",
    "over_datasets",
    "points",
    "recommend",
    "recommend_for",
    "regret_of_stopping",
    "regret_summary",
    "regrets_by_dataset",
    "sweet_spots",
    "variance_shares",
    "warnings_of_forgetting",
    "with_targets",
]

__getattr__ = from_modules(__name__, _MODULES)
