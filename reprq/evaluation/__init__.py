"""How well a score separates, how well a quality metric predicts it, and how sure either number is."""

from reprq.evaluation.auroc import auroc
from reprq.evaluation.correlation import Correlation, correlation, holm
from reprq.evaluation.estimate import Estimate

__all__ = ["Correlation", "Estimate", "auroc", "correlation", "holm"]
