"""The rows of a file of JSON: an object a line, or a list of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reprq.errors import DataError


def json_objects(content: str, path: Path, row: str) -> tuple[list[str], list[dict[str, Any]]]:
    r"""Return the keys of all objects, in their order, and the objects.

    Args:
        content: Of the file.
        path: For errors.
        row: What an object is: "with a text and a label".

    Raises:
        DataError: It is no JSON (the line is named), or holds something other than objects.

    Example:
        >>> json_objects('{"a": 1}\n{"b": 2}', Path("x.jsonl"), "with a value a column")
        (['a', 'b'], [{'a': 1}, {'b': 2}])
    """
    if content.lstrip().startswith("["):
        try:
            found = json.loads(content)
        except ValueError as error:
            raise DataError(f"{path} must hold a list of JSON objects, got {error}; write one {row}") from error
    else:
        found = list(_of_lines(content, path, row))
    if not found or not all(isinstance(entry, dict) for entry in found):
        raise DataError(f"{path} must hold JSON objects, got others; write one a line, {row}")
    return list(dict.fromkeys(key for entry in found for key in entry)), found


def _of_lines(content: str, path: Path, row: str) -> Iterator[Any]:
    for number, line in enumerate(content.split("\n"), 1):
        try:
            if line.strip():
                yield json.loads(line)
        except ValueError as error:
            said = str(error).split(":")[0]
            raise DataError(
                f"{path} must hold a JSON object a line, got {line.strip()[:40]!r} in line {number} ({said}); write one"
                f" {row}"
            ) from error
