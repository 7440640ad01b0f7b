"""A number with its interval."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A value, the interval that is believed to hold the truth, and how the interval was made.

    Args:
        value: The estimate itself.
        low: Lower end of the interval.
        high: Upper end of the interval.
        n: How many observations it rests on (rows, points, backbones: the maker says which).
        method: How the interval was made, for example "delong-logit" or "cluster-bootstrap".
        confidence: The level of the interval.
        notes: What a reader must know before trusting the numbers.

    Example:
        >>> estimate = Estimate(0.9432, 0.921, 0.9583, n=400, method="delong-logit")
        >>> print(estimate)
        0.943 [0.921, 0.958]
        >>> float(estimate)
        0.9432
    """

    value: float
    low: float
    high: float
    n: int = 0
    method: str = ""
    confidence: float = 0.95
    notes: tuple[str, ...] = ()

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"
