"""How results are printed: a text table for people, one JSON object or a CSV table for programs."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import click

SCHEMA_VERSION = 1

Rows = Sequence[Mapping[Any, Any]]


def emit(form: str | None, command: str, rows: Rows, context: Mapping[str, Any], heading: str = "") -> None:
    """Print rows in the form asked for.

    Args:
        form: "json", "csv" or None for text.
        command: The command's name, for the JSON object.
        rows: The table; its column `notes` holds lists of sentences, or sentences with semicolons between.
        context: What holds for all rows, for the JSON object.
        heading: A line above the text table. Notes stand below it, each once.
    """
    if form == "json":
        body = {"schema_version": SCHEMA_VERSION, "command": command, **context, "rows": [dict(row) for row in rows]}
        click.echo(json.dumps(_jsonable(body), indent=2, ensure_ascii=False, allow_nan=False))
    elif form == "csv":
        import csv
        import sys

        writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: "; ".join(x) if isinstance(x, list) else x for name, x in row.items()} for row in rows)
    else:
        if heading:
            click.echo(heading)
        echo_table(rows)


def echo_table(rows: Rows) -> None:
    """Print rows as text, their notes below, each once."""
    click.echo(text_table([{name: row[name] for name in row if name != "notes"} for row in rows]))
    for note, rows_with_it in _notes(rows).items():
        click.echo(f"note: {note} ({rows_with_it})" if rows_with_it else f"note: {note}")


def text_table(rows: Rows) -> str:
    """Return an aligned table; numbers to the right, four significant digits, a column that is empty left out.

    Example:
        >>> print(text_table([{"metric": "rankme", "value": 12.34567}, {"metric": "aucev", "value": 0.5}]))
        metric  value
        rankme  12.35
        aucev     0.5
    """
    if not rows:
        return "(none)"
    names = [name for name in rows[0] if any(row[name] not in (None, "") for row in rows)]
    cells = [[_cell(row[name]) for name in names] for row in rows]
    right = [all(_number(row[name]) or row[name] is None for row in rows) for name in names]
    widths = [max(len(name), *(len(line[i]) for line in cells)) for i, name in enumerate(names)]
    lines = [names, *cells]
    return "\n".join(
        "  ".join(
            text.rjust(w) if r else text.ljust(w) for text, w, r in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _notes(rows: Rows) -> dict[str, str]:
    """Each note once, with the rows that it is about; a note on every row is about "all"."""
    about: dict[str, list[str]] = {}
    keys = ("metric", "task") if len({row.get("layer") for row in rows}) == 1 else ("layer", "metric", "task")
    for row in rows:
        name = " ".join(str(row[key]) for key in keys if key in row)
        notes = row.get("notes") or []
        for note in notes.split("; ") if isinstance(notes, str) else notes:
            about.setdefault(note, []).append(name)
    every = {note: len(names) == len(rows) for note, names in about.items()}
    return {note: "all" if every[note] else ", ".join(dict.fromkeys(names)) for note, names in about.items()}


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in str(value))


def _jsonable(value: Any) -> Any:
    """Plain JSON values: no numpy scalars, a missing number as null."""
    if isinstance(value, Mapping):
        return {str(key): _jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
