"""What a reproduction leaves in its folder: tables whole or not at all, and a record that tells runs apart."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from reprq.errors import OutputExistsError
from reprq.provenance import versions
from reprq.storage import write_text
from reprq.study.cells import Row


def refuse_other(out: Path, record: str, made: Mapping[str, Any], force: bool) -> None:
    """Raise an `OutputExistsError` if `out` holds the tables of a run that was made otherwise.

    Args:
        out: The folder.
        record: The name of the file that says how they were made.
        made: What decides the tables, of JSON values.
        force: Whether they may be replaced.
    """
    file = out / record
    if force or not file.exists():
        return
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {}
    wanted = json.loads(json.dumps(made))  # tuples are lists in the file
    if not isinstance(found, dict) or {name: found.get(name) for name in wanted} != wanted:
        raise OutputExistsError(
            f"{out} holds the tables of another run; give another --out, or --force to replace them"
        )


def write_texts(out: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write each text to the file of its name, and return the paths.

    Raises:
        ReprqError: A file cannot be written.
    """
    for name, text in texts.items():
        write_text(out / name, text)
    return [out / name for name in texts]


def record_text(made: Mapping[str, Any]) -> str:
    """Return how a run was made, with the versions, as JSON."""
    return json.dumps({**made, "versions": versions()}, indent=2) + "\n"


def csv_text(rows: list[Row]) -> str:
    """Return rows as CSV, numbers with six significant digits; what is no single value is left out."""
    flat = [{name: value for name, value in row.items() if not isinstance(value, list | dict)} for row in rows]
    return pd.DataFrame(flat).to_csv(index=False, float_format="%.6g", lineterminator="\n")
