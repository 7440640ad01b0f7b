"""What a column of a table holds, numbers or categories; anything else is refused by name."""

import re
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.errors import DataError

EXACT = 2**53  # the largest whole number up to which float64 holds all
_MISSING = {"", "na", "n/a", "nan", "null", "none", "-nan", "#n/a", "<na>", "?"}
_BOOLEANS = {"true": 1.0, "false": 0.0}
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}([T ].*)?")
_DATES_OUT = "leave the column out, or write what counts of it as a number"


def column_of_words(words: Sequence[str], name: str, where: str) -> NDArray[Any]:
    """Return a column that was read as words: (n,) float64 where all are numbers or true and false, else objects.

    Empty cells and NA, NaN, null, None and "?" are missing: nan among numbers, None among categories.

    Args:
        words: A cell a row.
        name: The column, for errors.
        where: The table.

    Raises:
        DataError: Dates, numbers and words mixed, an infinite number, or a whole number that float64 does not hold.

    Example:
        >>> column_of_words(["1", "", "3.5"], "age", "a.csv").tolist()
        [1.0, nan, 3.5]
    """
    cells = [None if word.strip().lower() in _MISSING else word.strip() for word in words]
    known = [cell for cell in cells if cell is not None]
    if known and all(cell.lower() in _BOOLEANS for cell in known):
        return np.array([np.nan if cell is None else _BOOLEANS[cell.lower()] for cell in cells])
    numbers = [_number(cell) for cell in known]
    others = [cell for cell, number in zip(known, numbers, strict=True) if number is None]
    if not others:
        for cell, number in zip(known, numbers, strict=True):
            if number is not None and abs(number) > EXACT and re.fullmatch(r"[+-]?\d+", cell):
                raise _inexact(cell, name, where)
        return _numbers([np.nan if cell is None else float(cell) for cell in cells], name, where)
    if len(others) < len(known):
        row = cells.index(others[0])
        raise _mixed(
            f"numbers and, in {len(others)} of {len(cells)} rows, words such as {others[0]!r}", row, name, where
        )
    if all(map(_DATE.fullmatch, known)):
        raise _dates(name, where)
    return _objects(cells)


def column_of_values(values: Sequence[Any], name: str, where: str) -> NDArray[Any]:
    """Return a column of typed values: (n,) float64 of numbers and booleans, objects of strings; see `column_of_words`.

    Raises:
        DataError: As there; or values of other types.

    Example:
        >>> column_of_values([True, None, False], "smokes", "the DataFrame").tolist()
        [1.0, nan, 0.0]
    """
    cells = [None if _is_missing(value) else value for value in values]
    kinds = {_kind(cell) for cell in cells if cell is not None}
    if kinds <= {"number"}:
        for cell in cells:
            if isinstance(cell, Integral) and abs(int(cell)) > EXACT:
                raise _inexact(str(cell), name, where)
        return _numbers([np.nan if cell is None else float(cell) for cell in cells], name, where)
    if kinds == {"word"}:
        return _objects(cells)
    if "date" in kinds:
        raise _dates(name, where)
    if kinds == {"number", "word"}:
        row = next(i for i, cell in enumerate(cells) if cell is not None and _kind(cell) == "word")
        raise _mixed(f"numbers and words such as {cells[row]!r}", row, name, where)
    row = next(i for i, cell in enumerate(cells) if cell is not None and _kind(cell) == "other")
    kind = type(cells[row]).__name__
    raise DataError(
        f"column {name!r} of {where} must hold numbers or categories, got a {kind} in row {row}"
        " (counted from 0); leave it out"
    )


def _number(word: str) -> float | None:
    try:
        return float(word) if "_" not in word else None
    except ValueError:
        return None


def _numbers(values: Sequence[float], name: str, where: str) -> NDArray[np.float64]:
    column = np.array(values, dtype=np.float64)
    if np.isinf(column).any():
        row = int(np.flatnonzero(np.isinf(column))[0])
        raise DataError(
            f"column {name!r} of {where} must hold finite numbers, got {column[row]} in row {row}"
            " (counted from 0); repair it, or leave"
            " the cell empty and impute it"
        )
    return column


def _objects(cells: Sequence[Any]) -> NDArray[Any]:
    column: NDArray[Any] = np.empty(len(cells), dtype=object)
    column[:] = [None if cell is None else str(cell) for cell in cells]
    return column


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, Real) and bool(value != value)


def _kind(value: Any) -> str:
    if isinstance(value, bool | np.bool_ | Real) or type(value).__name__ == "Decimal":
        return "number"
    if isinstance(value, str):
        return "word"
    return "date" if hasattr(value, "isoformat") or isinstance(value, np.datetime64) else "other"


def _mixed(what: str, row: int, name: str, where: str) -> DataError:
    return DataError(
        f"column {name!r} of {where} must hold numbers or categories, got {what} (row {row}, counted from 0);"
        " repair these cells, leave them empty and impute them, or write the column in words throughout"
    )


def _dates(name: str, where: str) -> DataError:
    return DataError(f"column {name!r} of {where} must hold numbers or categories, got dates; {_DATES_OUT}")


def _inexact(cell: str, name: str, where: str) -> DataError:
    return DataError(
        f"column {name!r} of {where} must hold numbers that 64 bits hold, whole ones up to 2^53, got {cell}; leave it"
        " out if it names the rows, or write it as a category"
    )
