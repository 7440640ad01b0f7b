"""What one pass over a matrix found, and a definition: how a metric follows from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from reprq.metrics.spectral import (
    Spectrum,
)
from reprq.numerics.moments import Moments
from reprq.numerics.spectra import Again, Reduction, Spectra, resolved_spectra, spectra
from reprq.numerics.tensors import Rows
from reprq.numerics.totals import Totals

Bounds = tuple[float, float]


class Facts:
    """What the one pass found, with the spectra computed when the first metric asks for them.

    Args:
        moments: Of the rows.
        rows: The rows themselves, where a metric needs them.
        again: What gives the rows once more, for eigenvalues that the one pass cannot tell from rounding error.
    """

    def __init__(self, moments: Moments, rows: Rows | None = None, again: Again | None = None) -> None:
        self.moments, self.rows, self.again = moments, rows, again
        self._singular: Spectra | None = None

    @cached_property
    def spectra(self) -> Spectra:
        """Both spectra."""
        return spectra(self.moments) if self.moments.rows is not None else self.reduction.spectra

    @cached_property
    def reduction(self) -> Reduction:
        """What the spectra, and the eigenvectors, of more rows than columns follow from."""
        return Reduction(self.moments)

    def resolved(self, count: int) -> Spectra:
        """Both spectra, their first `count` values more than rounding error where the rows can be seen once more."""
        if self._singular is not None:
            return self._singular
        found = resolved_spectra(self.moments, self.spectra, self.again, count)
        if found is not self.spectra:
            self._singular = found
        return found


@dataclass(frozen=True)
class Computed:
    """A value with what there is to say of it.

    Attributes:
        value: The number.
        notes: Why it may not be trusted.
        extra: Numbers that belong to it.
    """

    value: float
    notes: tuple[str, ...] = ()
    extra: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Definition:
    """One way to compute one metric.

    Attributes:
        name: The metric.
        identifier: The metric with everything that its value depends on; it stands in every result row.
        compute: From the facts to the value.
        bounds: From (n, d) to the least and the greatest value possible.
        default: Whether `name` alone means this definition.
        centering: "centred", "uncentred", or "" where the metric is no formula of a spectrum.
        of_rows: Whether it compares rows with each other, so that one pass is not enough.
        smooth: Whether leaving rows out moves the value by little, as the jackknife needs; a maximum over rows jumps.
        of_totals: The formula, where it needs no second moment but the diagonal.
        gradient: Where it is a formula of a spectrum, from the facts to its derivatives by the squared singular values;
            None where those had to be computed from the rows themselves.
    """

    name: str
    identifier: str
    compute: Callable[[Facts], Computed]
    bounds: Callable[[int, int], Bounds]
    default: bool
    centering: str
    of_rows: bool = False
    smooth: bool = True
    of_totals: Callable[[Totals], float] | None = None
    gradient: Callable[[Facts], Spectrum | None] | None = None
