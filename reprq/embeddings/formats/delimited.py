"""Delimited text: .csv and .tsv, packed or not, as spreadsheets, pandas, R and `numpy.savetxt` write it."""

import bz2
import csv
import gzip
import io
import lzma
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from reprq.column_names import id_name
from reprq.embeddings.formats.tables import Arrays, ColumnTable, Kind
from reprq.embeddings.formats.vectors import is_vector, parse_vectors
from reprq.errors import InputError
from reprq.storage import exact_floats

if TYPE_CHECKING:
    import pandas as pd

_HEAD = 4_000_000  # characters that are looked at to tell how a file is written
_RECORDS = 20
_NUMBER = re.compile(r"\s*[-+]?(\d+([.,]\d*)?|[.,]\d+)(e[-+]?\d+)?\s*|\s*[-+]?(nan|inf)\s*", re.I)
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+(e[-+]?\d+)?", re.I)
_GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")
_BOTH = re.compile(r"[-+]?\d{1,3}((,\d{3})+\.\d+|(\.\d{3})+,\d+)")
_DIGITS = r"\s*[-+]?[.,]?\d[\d.,' ]*(e[-+]?\d+)?\s*%?"


class Dialect(NamedTuple):
    """How a file is written.

    Attributes:
        skip: Lines before the table: comments, empty lines, Excel's `sep=;`.
        delimiter: Between the cells; a space stands for any white space.
        decimal: "." or ",".
        names: The names of the columns.
        header: Whether the first line of the table holds them.
    """

    skip: int
    delimiter: str
    decimal: str
    names: list[str]
    header: bool


def read_delimited(path: Path) -> ColumnTable:
    """Open delimited text as a table; raises `InputError` where numbers could be read in two ways."""
    with open_text(path) as file:
        head = file.read(_HEAD)
    if not head.strip():
        raise ValueError("it holds no line")
    dialect = _dialect(path, head)
    frame = _frame(path, dialect)
    columns = {name: frame[i] for i, name in enumerate(dialect.names)}
    kinds = {name: _kind(column) for name, column in columns.items()}

    def load(names: Sequence[str]) -> Arrays:
        return {name: _values(path, name, columns[name], kinds[name]) for name in names}

    return ColumnTable(path, kinds, load)


def open_text(path: Path) -> IO[str]:
    """Open a text file, unpacked if it is .gz, .bz2, .xz or .zip, in UTF-8 or what its first bytes say."""
    with _binary(path) as file:
        start = file.read(2)
    encoding = "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return io.TextIOWrapper(_binary(path), encoding=encoding, newline="")


def _binary(path: Path) -> IO[bytes]:
    if path.suffix.lower() == ".zip":
        with ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
            if len(names) != 1:
                raise InputError(f"{path} must hold one file, got {len(names)}; unpack it and give one")
            return io.BytesIO(archive.read(names[0]))
    opened: Any = _PACKED.get(path.suffix.lower(), open)(path, "rb")
    return opened  # type: ignore[no-any-return]


_PACKED: Mapping[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def _dialect(path: Path, head: str) -> Dialect:
    skip, delimiter, comment = 0, None, ""
    lines = list(io.StringIO(head, newline=""))
    for line in lines:
        excel = re.fullmatch(r"sep=(.)\s*", line)
        delimiter = excel[1] if excel else delimiter
        if line.strip() and not excel and line[0] != "#":
            break
        comment = line.strip("# \r\n") if line[0] == "#" else comment
        skip += 1
    body = "".join(lines[skip:])
    delimiter = delimiter or _delimiter(body)
    first, *rest = _records(body, delimiter) or [[]]
    _refuse_grouped(path, [first, *rest])
    decimal = _decimal(path, delimiter, [first, *rest])
    commented = next(iter(_records(comment, delimiter)), [])
    header = _is_header(first, rest[0] if rest else [], decimal)
    names = first if header else [str(i) for i in range(len(first))]
    if not header and len(commented) == len(first) and comment and not any(_is_number(c, ".") for c in commented):
        names = commented
    if header and rest and all(_has_row_name(row, i, len(first)) for i, row in enumerate(rest, 1)):
        names = ["", *first]
    return Dialect(skip, delimiter, decimal, _unique(names), header)


def _has_row_name(row: list[str], number: int, width: int) -> bool:
    """Whether a line begins with a name of its own that the header does not speak of, as R writes it."""
    return len(row) == width + 1 and (row[0] == str(number) or not _NUMBER.fullmatch(row[0]))


def _delimiter(body: str) -> str:
    """The delimiter by which the first lines have equally many cells, and the most numbers."""
    best, score = ",", (False, 0, 0)
    for delimiter in ",\t;|":
        records = _records(body, delimiter)
        widths = {len(record) for record in records[1:]} or {len(record) for record in records[:1]}
        width = max(widths, default=0)
        even = len(widths) == 1 and width > 1 and abs(len(records[0]) - width) <= 1
        numbers = sum(bool(_NUMBER.fullmatch(cell)) for record in records[-1:] for cell in record)
        if (even, numbers, width) > score:
            best, score = delimiter, (even, numbers, width)
    if not score[0]:
        spaced = [line.split() for line in body.splitlines()[1:_RECORDS]]
        width = len(body.split("\n", 1)[0].split())
        if width > 1 and spaced and all(len(c) == width and all(map(_NUMBER.fullmatch, c)) for c in spaced if c):
            return " "
    return best


def _records(text: str, delimiter: str) -> list[list[str]]:
    """The first lines as cells, without an end that was cut off."""
    if delimiter == " ":
        return [line.split() for line in text.splitlines()[:_RECORDS] if line.strip()]
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=delimiter != "\t")
    limit = csv.field_size_limit(len(text) + 1)
    try:
        whole = [[cell.strip() for cell in line] for line in islice(lines, _RECORDS + 1) if line]
    except csv.Error as error:
        raise ValueError(error) from None
    finally:
        csv.field_size_limit(limit)
    return whole[:-1] if len(whole) > 1 and len(text) >= _HEAD else whole


def _refuse_grouped(path: Path, records: list[list[str]]) -> None:
    for cell in (cell for record in records for cell in record):
        if _BOTH.fullmatch(cell):
            raise InputError(f"{path} must hold plain numbers, got {cell!r}; save it without thousands separators")


def _decimal(path: Path, delimiter: str, records: list[list[str]]) -> str:
    """The decimal separator; where 1,234 may be either, the file is refused."""
    cells = [cell for record in records for cell in record]
    commas = [cell for cell in cells if _DECIMAL_COMMA.fullmatch(cell)]
    if not commas or any(re.fullmatch(r"[-+]?\d*\.\d+(e[-+]?\d+)?", cell, re.I) for cell in cells):
        return "."
    if all(_GROUPED.fullmatch(cell) for cell in commas):
        raise InputError(
            f"{path} must hold numbers with a decimal point, got {commas[0]!r}, which may be a fraction or thousands;"
            " save it with decimal points and without thousands separators"
        )
    return ","


def _is_header(first: Sequence[str], second: Sequence[str], decimal: str = ".") -> bool:
    """Whether the first line names the columns: by text over numbers, by text alone, or as 0, 1, 2, ... by pandas."""
    if not any(_is_number(cell, decimal) or is_vector(cell) for cell in first):
        return True
    pairs = [(a, b) for a, b in zip(first, second, strict=False) if a]
    if any(not _is_number(a, decimal) and _is_number(b, decimal) for a, b in pairs):
        return True
    numbered = [(a, b) for a, b in pairs if _is_number(a, decimal)]
    counted = bool(numbered) and [a for a, _ in numbered] == [str(i) for i in range(len(numbered))]
    return counted and any(_is_number(b, decimal) and not b.strip().lstrip("+-").isdigit() for _, b in numbered)


def _is_number(cell: str, decimal: str) -> bool:
    try:
        float(cell.replace(decimal, "."))
    except ValueError:
        return False
    return True


def _unique(names: Sequence[str]) -> list[str]:
    """Names of which none is there twice, the later ones numbered as pandas does."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, -1) + 1
        unique.append(f"{name}.{seen[name]}" if seen[name] else name)
    return unique


def _frame(path: Path, dialect: Dialect) -> "pd.DataFrame":
    """The cells, the columns numbered."""
    import pandas as pd
    from pandas.errors import ParserError, ParserWarning

    width = len(dialect.names)
    texts = [i for i, name in enumerate(dialect.names) if id_name([name]) is not None]
    with warnings.catch_warnings(), open_text(path) as file:
        warnings.simplefilter("error", ParserWarning)
        for _ in range(dialect.skip):
            file.readline()
        try:
            frame: pd.DataFrame = pd.read_csv(
                file,
                header=0 if dialect.header else None,
                names=list(range(width)),
                sep=r"\s+" if dialect.delimiter == " " else dialect.delimiter,
                decimal=dialect.decimal,
                index_col=False,
                skipinitialspace=dialect.delimiter != "\t",
                dtype=dict.fromkeys(texts, str),
                low_memory=False,
                **exact_floats(),
            )
        except ParserWarning:
            raise InputError(f"the rows of {path} must have {width} cells as the first line, got more") from None
        except ParserError as error:
            if not (found := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))):
                raise
            raise InputError(
                f"line {dialect.skip + int(found[2])} of {path} must have {found[1]} cells as the lines before it, got"
                f" {found[3]}; repair or remove it"
            ) from None
    if frame.empty:
        raise InputError(f"{path} must hold at least one row of numbers, got a header alone; save the embeddings again")
    return frame


def _kind(column: "pd.Series[Any]") -> Kind:
    import pandas as pd

    if pd.api.types.is_bool_dtype(column.dtype):
        return "other"
    if pd.api.types.is_numeric_dtype(column.dtype):
        return "number"
    if any(map(is_vector, column.dropna().head(1))):
        return "vector"
    return "broken" if column.astype(str).str.fullmatch(_DIGITS).mean() >= 0.5 else "other"


def _values(path: Path, name: str, column: "pd.Series[Any]", kind: Kind) -> NDArray[Any]:
    if kind == "vector":
        return parse_vectors(f"column {name!r} of {path}", column.tolist())
    return np.asarray(column.to_numpy())
