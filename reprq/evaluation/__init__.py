"""How well a score separates, how well a quality metric predicts it, and how sure either number is."""

from typing import TYPE_CHECKING

from reprq.lazy import from_modules

if TYPE_CHECKING:
    from reprq.evaluation.band import roc_band
    from reprq.evaluation.bootstrap import auroc_bootstrap, average_precision_bootstrap
    from reprq.evaluation.explanations import clever_hans_score, explanation_accuracy, pointing_game
    from reprq.evaluation.groups import max_over_groups
    from reprq.evaluation.operating import (
        Curves,
        OperatingPoint,
        at_threshold,
        average_precision,
        average_precision_chance,
        curves,
        fpr_at_tpr,
    )
    from reprq.evaluation.oracle import OracleChoice, hold_out, oracle_search
    from reprq.evaluation.paired import Comparison, paired_delong
    from reprq.evaluation.pixels import PixelAUROC, pixel_auroc
    from reprq.evaluation.probe import linear_probe
    from reprq.evaluation.regions import aupro
    from reprq.evaluation.roc import auroc
    from reprq.evaluation.tasks import ClassTable, mean_over_tasks, per_class_table
    from reprq.statistics.correlation import Correlation, correlation
    from reprq.statistics.crossed import crossed_correlation
    from reprq.statistics.estimate import Estimate
    from reprq.statistics.multiplicity import holm

_MODULES = {
    "aupro": "reprq.evaluation.regions",
    "auroc": "reprq.evaluation.roc",
    "roc_band": "reprq.evaluation.band",
    "auroc_bootstrap": "reprq.evaluation.bootstrap",
    "average_precision_bootstrap": "reprq.evaluation.bootstrap",
    "clever_hans_score": "reprq.evaluation.explanations",
    "explanation_accuracy": "reprq.evaluation.explanations",
    "pointing_game": "reprq.evaluation.explanations",
    "max_over_groups": "reprq.evaluation.groups",
    "Curves": "reprq.evaluation.operating",
    "OperatingPoint": "reprq.evaluation.operating",
    "at_threshold": "reprq.evaluation.operating",
    "average_precision": "reprq.evaluation.operating",
    "average_precision_chance": "reprq.evaluation.operating",
    "curves": "reprq.evaluation.operating",
    "fpr_at_tpr": "reprq.evaluation.operating",
    "OracleChoice": "reprq.evaluation.oracle",
    "hold_out": "reprq.evaluation.oracle",
    "oracle_search": "reprq.evaluation.oracle",
    "Comparison": "reprq.evaluation.paired",
    "paired_delong": "reprq.evaluation.paired",
    "PixelAUROC": "reprq.evaluation.pixels",
    "pixel_auroc": "reprq.evaluation.pixels",
    "linear_probe": "reprq.evaluation.probe",
    "ClassTable": "reprq.evaluation.tasks",
    "mean_over_tasks": "reprq.evaluation.tasks",
    "per_class_table": "reprq.evaluation.tasks",
    "Correlation": "reprq.statistics.correlation",
    "correlation": "reprq.statistics.correlation",
    "crossed_correlation": "reprq.statistics.crossed",
    "Estimate": "reprq.statistics.estimate",
    "holm": "reprq.statistics.multiplicity",
}

__all__ = [
    "ClassTable",
    "Comparison",
    "Correlation",
    "Curves",
    "Estimate",
    "OperatingPoint",
    "OracleChoice",
    "PixelAUROC",
    "at_threshold",
    "aupro",
    "auroc",
    "auroc_bootstrap",
    "average_precision",
    "average_precision_bootstrap",
    "average_precision_chance",
    "clever_hans_score",
    "correlation",
    "crossed_correlation",
    "curves",
    "explanation_accuracy",
    "fpr_at_tpr",
    "hold_out",
    "holm",
    "linear_probe",
    "max_over_groups",
    "mean_over_tasks",
    "oracle_search",
    "paired_delong",
    "per_class_table",
    "pixel_auroc",
    "pointing_game",
    "roc_band",
]

__getattr__ = from_modules(__name__, _MODULES)
