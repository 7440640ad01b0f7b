"""How well a score separates, how well a quality metric predicts it, and how sure either number is."""

from reprq.evaluation.auroc import auroc
from reprq.evaluation.band import roc_band
from reprq.evaluation.bootstrap import auroc_bootstrap
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
from reprq.evaluation.probe import linear_probe
from reprq.evaluation.tasks import ClassTable, mean_over_tasks, per_class_table
from reprq.statistics.correlation import Correlation, correlation
from reprq.statistics.estimate import Estimate
from reprq.statistics.multiplicity import holm

__all__ = [
    "ClassTable",
    "Comparison",
    "Correlation",
    "Curves",
    "Estimate",
    "OperatingPoint",
    "OracleChoice",
    "at_threshold",
    "auroc",
    "auroc_bootstrap",
    "average_precision",
    "average_precision_chance",
    "correlation",
    "curves",
    "fpr_at_tpr",
    "hold_out",
    "holm",
    "linear_probe",
    "max_over_groups",
    "mean_over_tasks",
    "oracle_search",
    "paired_delong",
    "per_class_table",
    "roc_band",
]
