"""How surely two columns of numbers go together, when points come in groups that are not independent."""

from reprq.statistics.correlation import Correlation, correlation
from reprq.statistics.estimate import Estimate
from reprq.statistics.multiplicity import holm

__all__ = ["Correlation", "Estimate", "correlation", "holm"]
