"""Vectors that were written as text into the cells of a table: by JSON, Python, NumPy or torch."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError

_WRAPPED = re.compile(r"\s*(?:(?:\w+\.)?(?:array|tensor)\s*\()?\s*(\[.*\]|\(.*\))\s*(?:,\s*[\w.=', ]+)?\)?\s*", re.S)
_SCALAR = re.compile(
    r"(?:(?:np|numpy)\.\w+|(?:torch\.)?tensor)\(\s*([-+]?(?:[\d.]+(?:e[-+]?\d+)?|nan|inf))(?:,\s*\w+=[\w.':]+)*\s*\)",
    re.I,
)  # as NumPy 2 and torch write the numbers of a list
_BARE = 4  # numbers with spaces between and no brackets, from so many on


def is_vector(cell: object) -> bool:
    """Whether a cell looks like a vector.

    Example:
        >>> [is_vector(cell) for cell in ("[0.1, 2]", "tensor([1., 2.])", "0.1 0.2 0.3 0.4", "a cat", "2020 01 02")]
        [True, True, True, False, False]
    """
    if not isinstance(cell, str):
        return False
    if found := _WRAPPED.fullmatch(_SCALAR.sub(r"\1", cell)):
        return re.match(r"[\s\[\](]*(?:[-+.\d]|nan|inf|\.\.\.)", found[1]) is not None
    parts = cell.split()
    return len(parts) >= _BARE and all(re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", part, re.I) for part in parts)


def parse_vectors(where: str, cells: Sequence[object]) -> NDArray[np.float64]:
    """Return cells such as "[0.1, 0.2]" as a matrix.

    Args:
        where: What holds the cells, for the messages ("column 'embedding' of a.csv").
        cells: One text a row.

    Returns:
        (n, d) float64.

    Raises:
        InputError: a cell is missing, abbreviated by "...", no vector, of another length, or of several vectors.

    Example:
        >>> parse_vectors("x", ["[1, 2.5]", "[3 -1e-3]"]).tolist()
        [[1.0, 2.5], [3.0, -0.001]]
    """
    rows: list[NDArray[np.float64]] = []
    for number, cell in enumerate(cells):
        row = _numbers(where, number, cell)
        if rows and len(row) != len(rows[0]):
            raise InputError(
                f"{where} must hold vectors of one length, got {len(rows[0])} numbers in row 0 and {len(row)} in row"
                f" {number} (counted from 0)"
            )
        rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(len(rows), -1)


def _numbers(where: str, number: int, cell: object) -> NDArray[np.float64]:
    if not isinstance(cell, str):
        raise InputError(
            f"{where} must have a vector in every row, got {cell!r} in row {number} (counted from 0); remove that row"
        )
    if "..." in cell or "…" in cell:
        raise InputError(
            f"{where} must hold whole vectors, got one with '...' in row {number}"
            " (counted from 0), whose numbers were lost when it was"
            " printed; save the vectors as .npy, or as JSON lists"
        )
    plain = _SCALAR.sub(r"\1", cell)
    found = _WRAPPED.fullmatch(plain)
    inner = (found[1] if found else plain).strip()
    while len(inner) > 1 and inner[0] in "[(" and inner[-1] in "])":
        inner = inner[1:-1].strip()
    if "[" in inner or "(" in inner:
        raise InputError(
            f"{where} must hold one vector a row, got several in row {number}"
            " (counted from 0); average them, or take one, before saving"
        )
    try:
        return np.array(inner.replace(",", " ").replace(";", " ").split(), dtype=np.float64)
    except ValueError:
        raise InputError(
            f"{where} must hold vectors, got {cell[:60]!r} in row {number} (counted from 0); repair or remove it"
        ) from None
