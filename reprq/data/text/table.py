"""A table of documents: CSV, TSV or JSON lines, with a column of texts and mostly one of labels."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reprq.data.classes import labelled
from reprq.data.columns import TEXT_NAMES, label_columns
from reprq.data.dataset import Dataset
from reprq.data.json_objects import json_objects
from reprq.data.names import readable
from reprq.data.sides import SPLIT_NAMES, says_sides, side_of
from reprq.data.text.decoding import decoded, read_bytes
from reprq.data.text.sources import Texts
from reprq.errors import DataError, listed

_JSON = (".jsonl", ".ndjson", ".json")


class Columns(NamedTuple):
    """What of a table is used, a list a column."""

    texts: Sequence[str]
    labels: Sequence[Any] | None
    splits: Sequence[str] | None


def load_table(path: Path, split: str, seed: int, *, name: str, whole: bool = False) -> Dataset:
    """Return one split of a table of documents.

    Columns are found by name: text, document, content, message, ...; label, class, target, ...; split. A table without
    a header has two columns, of which that with fewer different values holds the labels. Without a column that says
    which rows train and which test, they are split here, seeded and stratified.

    Args:
        path: A file that ends in .jsonl, .ndjson or .json (a JSON object a line, or a list of them), or whose columns
            are divided by tabs, semicolons or commas.
        split: "train" or "test".
        seed: Seed of the split where the table has none.
        name: What to call the data set.
        whole: Whether to take all rows where the table has no split.

    Raises:
        DataError: The file cannot be read as a table, or has no column of texts.
    """
    content, _ = decoded(read_bytes(path), path)
    columns = _of_json(content, path) if path.suffix.lower() in _JSON else _of_lines(content, path)
    labels, classes = labelled(columns.labels, None, len(columns.texts))
    rows, made = side_of(columns.splits, labels, split, seed, where=str(path), whole=whole)
    counts = [f"{each} {count}" for each, count in zip(classes, np.bincount(labels).tolist(), strict=True)]
    own = "" if columns.splits is not None or whole else ", split here"
    return Dataset(
        name=readable(name),
        split=split,
        classes=classes,
        labels=labels[rows],
        ids=np.array([f"{path.name}/{row:06d}" for row in range(len(labels))], dtype=np.str_)[rows],
        source=Texts(columns.texts, f"{path} row"),
        rows=rows,
        split_info=made,
        notes=(f"{readable(str(path))} was read as a table{own}: {listed(counts)}",),
        modality="text",
    )


def _of_json(content: str, path: Path) -> Columns:
    names, entries = json_objects(content, path, "with a text and a label")
    return _chosen(names, [[entry.get(name) for name in names] for entry in entries], path)


def _of_lines(content: str, path: Path) -> Columns:
    first = next(_lines(content))
    divider = max("\t;,", key=first.count) if path.suffix.lower() != ".tsv" else "\t"
    bare = divider == "\t" and '\t"' not in content  # then a quotation mark is a letter
    how: Any = {"delimiter": divider, "quoting": csv.QUOTE_NONE if bare else csv.QUOTE_MINIMAL}
    try:
        table = [row for row in csv.reader(io.StringIO(content), **how) if row]
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a table: {error}; write it as CSV or as JSON lines") from error
    width = len(table[0])
    if width > 1 and (uneven := next((i for i, row in enumerate(table) if len(row) != width), None)) is not None:
        raise DataError(
            f"{path} must have {width} columns in every row, got {len(table[uneven])} in row {uneven}"
            " (counted from 0); put quotes about"
            " texts that hold the divider, or write JSON lines"
        )
    if any(name.strip().lower() in TEXT_NAMES for name in table[0]):
        return _chosen([name.strip() for name in table[0]], table[1:], path)
    return _without_header(table, path)


def _without_header(table: Sequence[Sequence[str]], path: Path) -> Columns:
    width = len(table[0])
    if width != 2:
        raise DataError(
            f"{path} must have a header with a column 'text', or two columns, a label and a text, got {width} columns"
        )
    kinds = [len({row[column] for row in table}) for column in range(2)]
    label = int(kinds[1] < kinds[0])
    return Columns([row[1 - label] for row in table], [row[label] for row in table], None)


def _chosen(names: Sequence[str], rows: Sequence[Sequence[Any]], path: Path) -> Columns:
    """The columns that are used, by their names."""
    if not rows:
        raise DataError(f"{path} has a header and no rows; give documents")
    lowered = [name.lower() for name in names]
    text, split = (
        next((lowered.index(name) for name in known if name in lowered), None) for known in (TEXT_NAMES, SPLIT_NAMES)
    )
    label = next((names.index(name) for name in label_columns(names)), None)
    if text is None:
        raise DataError(f"{path} must have a column of texts, called 'text', got {listed(list(names))}; rename it")
    if wrong := [i for i, row in enumerate(rows) if not isinstance(row[text], str)]:
        raise DataError(
            f"{path} must have a text in every row, got {rows[wrong[0]][text]!r} in row {wrong[0]} (counted from 0)"
        )
    splits = None if split is None else [str(row[split]) for row in rows]
    if splits is not None and not says_sides(splits):
        splits = None  # folds of a cross-validation, or sets of something else
    labels = None if label is None else [row[label] for row in rows]
    return Columns([row[text] for row in rows], labels, splits)


def _lines(content: str) -> Iterator[str]:
    return (line for line in content.split("\n") if line.strip())
