"""The quality metrics of one matrix; most of them from one pass over its rows and one eigendecomposition."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from reprq.conversion import held_array
from reprq.errors import InputError
from reprq.metrics.definitions import rank_bounds
from reprq.metrics.facts import Definition, Facts
from reprq.metrics.jackknife import GROUPS, grouped_moments, jackknife_interval, merged
from reprq.metrics.replicates import is_linear, replicates
from reprq.metrics.selection import identifiers, select
from reprq.numerics.dask_arrays import refuse_dask
from reprq.numerics.moments import Moments, blocks_of
from reprq.numerics.spectra import again
from reprq.numerics.tensors import Rows, joined

if TYPE_CHECKING:
    import pandas as pd

_SHORTFALL = 0.2  # of a rank for want of rows
FEW = 15  # rows that the spread of a sum of squares rests on: too few for a jackknife by groups
_PEAKED = 12.0  # kurtosis below which few rows are just few rows, and no heavy tail
ROUNDING = 1e-9  # of the mean squared length
_DOMINANT = 0.9  # of the sum of squares in one direction: the others hardly count


@dataclass(frozen=True)
class Metric:
    """One number about one matrix, with its definition and its doubt.

    Attributes:
        name: The metric.
        value: The number, or None where it does not exist (`notes` says why); never nan.
        definition: The identifier of the definition, like `rankme[singular,uncentred,eps=1e-7]`.
        low: The lower end of the interval, or None where none was computed.
        high: The upper end.
        n: Rows measured.
        d: Columns.
        notes: Why the value may not be trusted, in words and numbers.
        extra: Further numbers of this metric, such as the R2 of a fit.
    """

    name: str
    value: float | None
    definition: str
    low: float | None
    high: float | None
    n: int
    d: int
    notes: tuple[str, ...] = ()
    extra: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return asdict(self) | {"notes": list(self.notes), "extra": dict(self.extra)}


class Measurement(Mapping[str, Metric]):
    """The metrics of one matrix under the names they were asked for.

    Example:
        >>> import numpy as np
        >>> result = measure(np.random.default_rng(0).standard_normal((500, 64)))
        >>> round(result["rankme"].value, 1), result["rankme"].definition
        (62.9, 'rankme[singular,uncentred,eps=1e-7]')
    """

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self._metrics = dict(metrics)

    def __getitem__(self, name: str) -> Metric:
        return self._metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._metrics)

    def __len__(self) -> int:
        return len(self._metrics)

    def __repr__(self) -> str:
        lines = [
            f"  {metric.definition} = {'none' if metric.value is None else format(metric.value, '.6g')}"
            + (f" [{metric.low:.6g}, {metric.high:.6g}] at n = {metric.n}" if metric.low is not None else "")
            + (f"  ({'; '.join(metric.notes)})" if metric.notes else "")
            for metric in self.values()
        ]
        return "\n".join(["Measurement", *lines])

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return the metrics as plain JSON values, by name."""
        return {name: metric.to_dict() for name, metric in self.items()}

    def to_frame(self) -> "pd.DataFrame":
        """Return a tidy table, one row a metric: metric, value, definition, low, high, n, d, notes."""
        import pandas as pd  # loaded for tables alone: it would slow the import of every metric

        columns = ["metric", "value", "definition", "low", "high", "n", "d", "notes"]
        rows = [(m.name, m.value, m.definition, m.low, m.high, m.n, m.d, "; ".join(m.notes)) for m in self.values()]
        table = pd.DataFrame(rows, columns=columns)
        return table.astype({"value": float, "low": float, "high": float})


def measure(
    x: Any,
    metrics: Sequence[str] | None = None,
    *,
    definitions: Literal["default", "all"] = "default",
    intervals: bool = False,
) -> Measurement:
    """Measure a matrix of embeddings: every metric of one pass over the rows from one eigendecomposition.

    The metrics of `names("rows")` compare rows with each other: they are given where they are named, hold the whole
    matrix in memory, and take a time that grows with n^2.

    Args:
        x: (n, d) array, tensor, memory map, an object whose `array` is one (such as `Embeddings`), an iterator over
            (m, d) blocks, or the `Moments` of rows seen elsewhere. A tensor on a GPU stays there. A dask array stays
            where it is: its workers sum their blocks and the sums are merged; eigenvalues below 1e-12 of the largest
            are then rounding.
        metrics: Names (`rankme`) or identifiers of definitions (`rankme[eigen,centred,eps=1e-7]`); all metrics that
            follow from one pass if None.
        definitions: "all" for every definition of these metrics side by side, under their identifiers.
        intervals: Whether to give each value a 95 % interval by the delete-a-group jackknife over ten random groups of
            rows. The pass stays one. From three rows a column on, formulas of a spectrum move with the groups to first
            order, by one decomposition with eigenvectors; with fewer, ten more are paid. Metrics that compare rows are
            computed ten more times, on nine tenths of them. `coherence`, a maximum, has no such interval. It is one
            of the value that other samples of n rows give, not of the value at a larger n; where heavy tails make it
            too short the notes say so.

    Returns:
        A mapping from name to `Metric`. A value that does not exist (one row, equal rows, too few eigenvalues to fit)
        is None, with the reason in its notes.

    Raises:
        InputError: x is not a finite (n, d) matrix, is `Moments` where intervals or a metric need the rows, or a dask
            array where a metric compares rows.
        UnknownNameError: a metric that does not exist.

    Example:
        >>> measure([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], metrics=["aucev"])
        Measurement
          aucev[singular,centred] = 0.75
    """
    chosen = select([metrics] if isinstance(metrics, str) else metrics)
    if definitions == "all":
        wanted = {definition.name for definition in chosen.values()}
        chosen = {key: found for key, found in select(identifiers("all")).items() if found.name in wanted}
    elif definitions != "default":
        raise InputError(f"definitions must be 'default' or 'all', got {definitions!r}")
    of_rows = [key for key, definition in chosen.items() if definition.of_rows]
    if isinstance(x, Moments) and (of_rows or intervals):
        needed = of_rows[0] if of_rows else "intervals"
        raise InputError(f"x must be the rows themselves for {needed}, got Moments of them; give the matrix")
    if of_rows:
        refuse_dask(x, "x", of_rows[0])
    rows = joined(list(blocks_of(x))) if of_rows else None
    source = x if rows is None else rows
    if intervals:
        return _with_intervals(chosen, source, rows)
    moments = source if isinstance(source, Moments) else Moments.of(source)
    return _measurement(chosen, Facts(moments, rows, again(source)))


def _measurement(chosen: Mapping[str, Definition], facts: Facts) -> Measurement:
    general = _general_notes(facts)
    return Measurement({key: _metric(definition, facts, general) for key, definition in chosen.items()})


def _with_intervals(chosen: Mapping[str, Definition], x: Any, rows: Rows | None) -> Measurement:
    shape = getattr(held_array(x), "shape", ())  # an iterator has none
    groups = grouped_moments(x, folded=len(shape) == 2 and is_linear(*shape))
    if is_linear(sum(group.n for group in groups), groups[0].d):
        groups = [group.fold() for group in groups]  # each is asked for its second moment
    moments = merged(groups)
    facts = Facts(moments, rows, again(x))
    whole = _measurement(chosen, facts)
    if moments.n < 2 * GROUPS:
        note = f"no interval: n = {moments.n} rows, fewer than two for each of {GROUPS} groups"
        return Measurement({key: _noted(metric, note) for key, metric in whole.items()})
    smooth = {key: definition for key, definition in chosen.items() if definition.smooth}
    known = {key: definition for key, definition in smooth.items() if whole[key].value is not None}
    left_out, heavy = replicates(known, groups, facts, x), _tail_notes(moments)
    return Measurement(
        {
            key: _with_interval(whole[key], definition, left_out.get(key, []), heavy)
            if definition.smooth
            else _noted(whole[key], "no interval: the jackknife does not hold for a maximum over rows")
            for key, definition in chosen.items()
        }
    )


def _noted(metric: Metric, note: str) -> Metric:
    return replace(metric, notes=(*metric.notes, note))


def _tail_notes(moments: Moments) -> tuple[str, ...]:
    """Warn where the squared lengths of a few rows hold most of what the lengths vary: the interval is too short.

    Of n deviations from the mean square, n / kurtosis is how many equal ones have the same second and fourth power.
    """
    squares = moments.squares
    deviations = squares - squares.mean()
    largest = float(np.abs(deviations).max())
    if largest <= ROUNDING * float(squares.mean()):
        return ()
    powers = np.square(deviations / largest)
    rows = float(powers.sum() ** 2 / np.square(powers).sum())
    if rows >= FEW or len(squares) < _PEAKED * rows:
        return ()
    return (
        f"heavy tails (kurtosis {len(squares) / rows:.0f} of the squared lengths): about {rows:.0f} of"
        f" {len(squares)} rows decide the interval, which may be too short",
    )


def _with_interval(
    metric: Metric, definition: Definition, left_out: Sequence[float | None], heavy: tuple[str, ...]
) -> Metric:
    values = [value for value in left_out if value is not None]
    if metric.value is None:
        return metric
    if len(values) < len(left_out):
        note = f"no interval: {len(left_out) - len(values)} of {len(left_out)} samples less a group have no value"
        return _noted(metric, note)
    low, high = jackknife_interval(metric.value, values, definition.bounds(metric.n, metric.d))
    notes = (*metric.notes, *heavy)
    if definition.centering or definition.of_rows:
        notes += (f"interval of the value at n = {metric.n} (n / d = {metric.n / metric.d:.3g}), not at a larger n",)
    return replace(metric, low=low, high=high, notes=notes)


def _metric(definition: Definition, facts: Facts, general: tuple[str, ...]) -> Metric:
    n, d = facts.moments.n, facts.moments.d
    value, notes, extra = None, general, {}
    if n < 2:
        notes = ("one row has no spread: no value",)
    else:
        try:
            outcome = definition.compute(facts)
        except InputError as error:
            notes = (f"no value: {error}", *general)
        else:
            value, extra = outcome.value, dict(outcome.extra)
            notes = (*outcome.notes, *_rank_notes(definition, value, n), *_spectral_notes(definition, facts), *general)
    return Metric(definition.name, value, definition.identifier, None, None, n, d, notes, extra)


def _general_notes(facts: Facts) -> tuple[str, ...]:
    """What is doubtful about the rows, for every metric of them."""
    moments, notes = facts.moments, []
    if moments.duplicates:
        notes.append(f"{moments.duplicates} of {moments.n} rows repeat an earlier row")
    if moments.zero_rows:
        notes.append(f"{moments.zero_rows} of {moments.n} rows are all zero")
    return tuple(notes)


def _rank_notes(definition: Definition, value: float, n: int) -> tuple[str, ...]:
    """Warn of a rank that n limits: the participation ratio of an isotropic sample falls short by value / n."""
    if definition.bounds is rank_bounds and value > _SHORTFALL * n:
        return (f"n = {n} rows are only {n / value:.1f} times the rank: it would rise with n",)
    return ()


def _spectral_notes(definition: Definition, facts: Facts) -> tuple[str, ...]:
    """What is doubtful about a number that rests on a spectrum."""
    if not definition.centering:
        return ()
    moments, notes = facts.moments, []
    if moments.n <= moments.d:
        notes.append(f"n = {moments.n} rows for d = {moments.d} columns: the spectrum ends at rank {moments.n - 1}")
    constant = int((moments.scatter_diagonal == 0).sum())
    if constant:
        notes.append(f"{constant} of {moments.d} columns are constant")
    squares = facts.spectra.centered if definition.centering == "centred" else facts.spectra.uncentered
    share = float(squares[0] / squares.sum()) if squares[0] > 0 else 0.0
    if share > _DOMINANT and moments.d > 1:
        notes.append(f"one direction holds {share:.1%} of the {definition.centering} sum of squares")
    return tuple(notes)
