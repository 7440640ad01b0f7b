"""From a row of a table to numbers: missing cells, one-hot categories, scales, as benign training rows have them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from reprq.data.dataset import Dataset
from reprq.data.modality import Seen
from reprq.data.table.sources import Cell
from reprq.errors import DataError, InputError, counted, listed
from reprq.numerics.scaling import SCALERS, fitted_scaler, scaled

IMPUTED = ("mean", "median")
_MOST = 1000  # categories of a column
_NAMES = 20  # rows from which a column of words that are nearly all different is no column of categories
_KEYS = ("scaler", "impute")
_FILLED = "repair the table, or fit with what stands for missing cells (impute 'median' or 'mean', --impute)"
_DIGITS = 1e-3  # of a column's spread, which its rounding to 32 bits may not exceed unsaid

Row = Mapping[str, Cell]


class Variable(NamedTuple):
    """A column as it was in benign training rows.

    Attributes:
        name: Its name.
        categories: What it holds, sorted; None of a column of numbers.
        fill: What stands for a missing cell where that is asked for.
    """

    name: str
    categories: tuple[str, ...] | None
    fill: Cell

    @property
    def width(self) -> int:
        """How many numbers it becomes."""
        return 1 if self.categories is None else len(self.categories)


@dataclass(frozen=True, eq=False)
class Encoding:
    """Numbers, then a 0 or 1 for each category, in the order of the columns of the benign training rows.

    Columns are matched by name. A category that no benign training row has is a row of zeros. One-hot columns are not
    scaled.

    Args:
        scaler: "none", "standard", "robust", "minmax" or "quantile", of the columns of numbers; see
            `reprq.numerics.scaling`.
        impute: "mean" or "median" of the benign training rows for a missing number, and their most frequent category;
            None refuses rows with missing cells.
        columns: What was learned; empty before.
        scales: What the scaler learned.

    Example:
        >>> encoding = Encoding(columns=(Variable("age", None, None), Variable("sex", ("f", "m"), None)))
        >>> encoding({"sex": "m", "age": 31.0}).tolist()
        [31.0, 0.0, 1.0]
    """

    scaler: str = "none"
    impute: str | None = None
    columns: tuple[Variable, ...] = field(default=(), repr=False)
    scales: Mapping[str, NDArray[np.float64]] = field(default_factory=dict, repr=False)

    modality = "table"
    class_token = None

    def __post_init__(self) -> None:
        if self.scaler not in SCALERS:
            raise InputError(f"preprocessing scaler must be one of {', '.join(SCALERS)}, got {self.scaler!r}")
        if self.impute not in (None, *IMPUTED):
            raise InputError(f"preprocessing impute must be mean or median, or be left out, got {self.impute!r}")

    @property
    def shape(self) -> tuple[int, ...] | None:
        """(d,) how many numbers a row becomes; None before that is learned."""
        return (sum(column.width for column in self.columns),) if self.columns else None

    def learned(self, benign: Dataset) -> "Encoding":
        """Return the encoding with the columns, categories, fills and scales of benign training rows.

        Raises:
            DataError: A column without a value, or of words that are no categories; missing cells, if they are refused.
        """
        rows = [benign.item(i) for i in range(len(benign))]
        columns = tuple(_column([row[name] for row in rows], name, benign, self.impute) for name in rows[0])
        known = replace(self, columns=columns)
        numbers = np.array([known._numbers(row) for row in rows], dtype=np.float64).reshape(len(rows), -1)
        return replace(known, scales=fitted_scaler(self.scaler, numbers))

    def __call__(self, row: Row) -> torch.Tensor:
        """Return the numbers of a row: (d,) float32.

        Raises:
            InputError: It lacks a column, or a cell is missing and not imputed, or of the other kind.
        """
        numbers = scaled(self.scales, np.array([self._numbers(row)], dtype=np.float64))[0]
        ones = [np.equal(_category(row, column), column.categories) for column in self.columns if column.categories]
        return torch.from_numpy(np.concatenate([numbers, *ones]).astype(np.float32))

    @property
    def groups(self) -> NDArray[np.int64]:
        """(d,) which column of the table each number comes from, counted from 0 in the order of the numbers."""
        ordered = [c for c in self.columns if c.categories is None] + [c for c in self.columns if c.categories]
        return np.repeat(np.arange(len(ordered)), [column.width for column in ordered])

    def collate(self, samples: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the batch of n rows, (n, d)."""
        return torch.stack(list(samples))

    def blank(self, n: int) -> torch.Tensor:
        """Return the batch of n rows of zeros."""
        return torch.zeros(n, *(self.shape or (1,)))

    def noise(self, n: int, seed: int) -> torch.Tensor:
        """Return the batch of n rows of standard normal numbers."""
        return torch.randn(n, *(self.shape or (1,)), generator=torch.Generator().manual_seed(seed))

    def altered(self, sample: torch.Tensor) -> torch.Tensor:
        """Return the row with 1 added to each number."""
        return sample + 1

    def seen(self, data: Dataset) -> Seen:
        """Return what of some rows reaches the network: categories that are new, cells that are filled in, columns.

        The record's "table" holds `unseen` and `imputed`, how many cells are new categories and filled in. Nothing is
        known before the columns are learned.
        """
        if not self.columns or not len(data):
            return Seen({}, data.notes)
        rows = [data.item(i) for i in range(len(data))]
        self._check_complete(rows, data)
        imputed = sum(_is_missing(row.get(column.name)) for row in rows for column in self.columns)
        known = [column for column in self.columns if column.categories]
        unseen = {
            column.name: sum(_category(row, column) not in (column.categories or ()) for row in rows)
            for column in known
        }
        of = f"of {counted(len(data), 'row')} of {data.name} {data.split}"
        notes = list(data.notes)
        if new := {name: count for name, count in unseen.items() if count}:
            notes.append(f"categories that no benign training row has are zeros, {listed(_counts(new))} {of}")
        if imputed:
            notes.append(f"{counted(imputed, 'missing cell')} {of} are the {self.impute} of the benign training rows")
        names = [column.name for column in self.columns]
        if others := [name for name in rows[0] if name not in names]:
            notes.append(f"columns that the benign training rows lack are passed over: {listed(others)}")
        if coarse := self._coarse(rows):
            notes.append(f"32 bits round away some of {listed(coarse)}: choose a scaler (scaler = 'standard')")
        return Seen({"table": {"unseen": sum(unseen.values()), "imputed": imputed}}, notes)

    def replace(self, **overrides: Any) -> "Encoding":
        """Return a copy with another `scaler` or `impute`.

        Raises:
            InputError: Another key, or a value that cannot be used.
        """
        for key in overrides:
            if key not in _KEYS:
                raise InputError(f"preprocessing of tables has no key {key!r}; valid are {', '.join(_KEYS)}")
        return replace(self, **overrides)

    def overrides(self) -> dict[str, Any]:
        """Return the scaler and what is imputed, as `replace` takes it."""
        return {"scaler": self.scaler, "impute": self.impute}

    def describe(self) -> str:
        """Return what a network gets of a row."""
        said = {"none": "as they are"}.get(self.scaler, f"after the {self.scaler} scaler")
        return f"{self.shape[0] if self.shape else 'its'} numbers, {said}"

    def to_dict(self) -> dict[str, Any]:
        """Return the modality, the scaler and what is imputed; what was learned is in the digest of the backbone."""
        return {"modality": self.modality, **self.overrides()}

    def record(self) -> dict[str, Any]:
        """Return the columns in values of JSON, as `with_record` takes them."""
        return {"columns": [list(column) for column in self.columns]}

    def with_record(self, record: Mapping[str, Any], scales: Mapping[str, NDArray[Any]]) -> "Encoding":
        """Return the encoding with the columns of a record, and scales."""
        columns = [
            Variable(name, None if kinds is None else tuple(kinds), fill) for name, kinds, fill in record["columns"]
        ]
        return replace(self, columns=tuple(columns), scales=dict(scales))

    def _check_complete(self, rows: Sequence[Row], data: Dataset) -> None:
        """Raise an InputError that names the first row with a missing cell that nothing stands for."""
        for column in self.columns:
            lacking = [i for i, row in enumerate(rows) if column.name in row and _is_missing(row[column.name])]
            if lacking and column.fill is None:
                raise InputError(
                    f"column {column.name!r} must have a value in every row, got {len(lacking)} missing in"
                    f" {data.name}, the first in {data.ids[lacking[0]]}; {_FILLED}"
                )

    def _numbers(self, row: Row) -> list[float]:
        return [_number(row, column) for column in self.columns if column.categories is None]

    def _coarse(self, rows: Sequence[Row]) -> list[str]:
        """The columns of numbers whose spread 32 bits do not resolve."""
        if self.scaler != "none":
            return []
        columns = [column for column in self.columns if column.categories is None]
        x = np.array([self._numbers(row) for row in rows], dtype=np.float64).reshape(len(rows), -1)
        spread = x.std(axis=0)
        lost = np.abs(x - x.astype(np.float32)).max(axis=0)
        return [column.name for column, s, e in zip(columns, spread, lost, strict=True) if s > 0 and e > _DIGITS * s]


def _column(cells: Sequence[Cell], name: str, data: Dataset, impute: str | None) -> Variable:
    """What benign rows say of a column."""
    where = f"the {counted(len(cells), 'benign row')} of {data.name} {data.split}"
    known = [cell for cell in cells if not _is_missing(cell)]
    if not known:
        raise DataError(f"column {name!r} must have a value in some row, got none in {where}; leave the column out")
    if len(known) < len(cells) and impute is None:
        raise DataError(
            f"column {name!r} must have a value in every row, got {len(cells) - len(known)} missing in {where}; fill"
            " them in from the benign rows (impute 'median' or 'mean', --impute), or repair the table"
        )
    if not isinstance(known[0], str):
        fill = float(getattr(np, impute)(np.array(known, dtype=np.float64))) if impute else None
        return Variable(name, None, fill)
    kinds, counts = np.unique(np.array(known, dtype=np.str_), return_counts=True)
    if len(kinds) > _MOST or (len(known) >= _NAMES and 2 * len(kinds) > len(known)):
        raise DataError(
            f"column {name!r} must hold categories, got {len(kinds)} different values in {where}; leave the column out,"
            " or embed it as texts"
        )
    return Variable(name, tuple(kinds.tolist()), str(kinds[counts.argmax()]) if impute else None)


def _cell(row: Row, column: Variable) -> Cell:
    if column.name not in row:
        raise InputError(
            f"rows must have the column {column.name!r}, which the benign training rows have, got"
            f" {listed(list(row))}; add it"
        )
    cell = row[column.name]
    if not _is_missing(cell):
        return cell
    if column.fill is None:
        raise InputError(f"column {column.name!r} must have a value in every row, got a missing one; {_FILLED}")
    return column.fill


def _number(row: Row, column: Variable) -> float:
    cell = _cell(row, column)
    if not isinstance(cell, float):
        raise InputError(
            f"column {column.name!r} must hold numbers, as in the benign training rows, got {cell!r}; repair it"
        )
    return cell


def _category(row: Row, column: Variable) -> str:
    """The category of a row; of a number its shortest form, since a file of few rows may hold numbers alone."""
    cell = _cell(row, column)
    if isinstance(cell, str):
        return cell
    assert cell is not None
    return str(int(cell)) if cell.is_integer() else repr(cell)


def _is_missing(cell: Cell) -> bool:
    return cell is None or cell != cell


def _counts(found: Mapping[str, int]) -> list[str]:
    return [f"{name} {count}" for name, count in found.items()]
