"""Scores as a file: written part by part beside it, so that an interrupted run goes on, and put in place when whole."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reprq.data import Dataset
from reprq.errors import OutputExistsError, ReprqError, UnknownNameError
from reprq.models.embedder import BLOCK
from reprq.models.model import Model
from reprq.optional import require
from reprq.provenance import digest, versions
from reprq.storage import write_text, write_whole

_FORMATS = (".csv", ".parquet")


class ScoreFile:
    """A table of scores on its way to a `.csv` or `.parquet` file.

    What is scored stands in `.NAME.partial` beside it, one JSON line per part, until all is; a line that an
    interruption cut short is dropped. It is taken up again by the same model on the same samples alone. The file
    `NAME.json` says how the scores were made.

    Args:
        path: The file.
        force: Whether to replace it.

    Raises:
        UnknownNameError: Another ending.
        OutputExistsError: The file is there and `force` is False.
    """

    def __init__(self, path: Path, *, force: bool = False) -> None:
        if path.suffix not in _FORMATS:
            raise UnknownNameError("ending of a file of scores", path.suffix or path.name, _FORMATS)
        if path.exists() and not force:
            raise OutputExistsError(f"{path} exists; give another path, or --force to replace it")
        if path.suffix == ".parquet":
            require("pyarrow", "parquet", path)
        if not os.access(path.parent, os.W_OK | os.X_OK):
            reason = "cannot be written to" if path.parent.is_dir() else "is no folder that is there"
            raise ReprqError(f"{path} cannot be written: {path.parent} {reason}; give another --out")
        self.path = path
        self.partial = path.with_name(f".{path.name}.partial")

    def write(
        self,
        model: Model,
        data: Any,
        name: str,
        *,
        paths: Sequence[str] = (),
        workers: int = 1,
        progress: bool = False,
    ) -> pd.DataFrame:
        """Score what is not scored yet, and write the file.

        Args:
            model: The model.
            data: What `Model.check` returned.
            name: What to call the model in the record.
            paths: Of every sample, for a column `filepath`; none is no column.
            workers: Threads that read samples while the network runs.
            progress: Whether to show progress on stderr.

        Returns:
            The whole table, with a column `of_first` more: what the detector of the first fold gave.

        Raises:
            ReprqError: The file cannot be written, or the partial one belongs to another model or other samples.
        """
        head = {"model": digest(model.record), "samples": len(data), "ids": digest(data.ids.tolist())}
        parts = self._resumed(head, data)
        start = sum(len(part["rows"]) for part in parts)
        try:
            with self.partial.open("a", encoding="utf-8") as file:
                if not parts:
                    file.truncate(0)
                    file.write(json.dumps(head) + "\n")
                for ids, judged in model.judge(data, start=start, workers=workers, progress=progress):
                    columns = (ids.tolist(), judged.scores.tolist(), judged.p_values.tolist(), judged.of_first.tolist())
                    part = {"content": _content(data, start, len(ids)), "rows": list(zip(*columns, strict=True))}
                    file.write(json.dumps(part) + "\n")
                    file.flush()
                    parts.append(part)
                    start += len(ids)
        except OSError as error:
            raise ReprqError(
                f"{self.path} cannot be written: {error.strerror}; free some space or give another --out"
            ) from None
        table = self._table(parts, model.threshold)
        shown = table.drop(columns="of_first")
        shown = shown.assign(filepath=list(paths)) if paths else shown
        self._put(shown, model, data, name, [part["content"] for part in parts])
        return table

    def _resumed(self, head: dict[str, Any], data: Any) -> list[dict[str, Any]]:
        """The parts that are there already; none where they are of other samples or of another model."""
        if not self.partial.exists():
            return []
        lines = list(_whole_lines(self.partial))
        if not lines or lines[0] != head:
            return []
        start, parts = 0, []
        for part in lines[1:]:
            if len(part["rows"]) < BLOCK or part["content"] != _content(data, start, len(part["rows"])):
                break  # the last part, of fewer rows, is scored again
            parts.append(part)
            start += BLOCK
        kept = "".join(json.dumps(line) + "\n" for line in [head, *parts])
        write_text(self.partial, kept)
        return parts

    @staticmethod
    def _table(parts: list[dict[str, Any]], threshold: float) -> pd.DataFrame:
        rows = [row for part in parts for row in part["rows"]]
        table = pd.DataFrame(rows, columns=["id", "score", "p_value", "of_first"])
        table.insert(3, "anomalous", table["score"] > threshold)
        return table

    def _put(self, table: pd.DataFrame, model: Model, data: Any, name: str, content: list[str]) -> None:
        record = {"model": name, "data": getattr(data, "name", "rows"), "split": getattr(data, "split", "")}
        record |= {"samples": len(table), "content": digest(content), "versions": versions()}
        record |= {"columns": list(table), "fitted": dict(model.record)}

        def fill(temporary: Path) -> None:
            if self.path.suffix == ".parquet":
                table.to_parquet(temporary, engine="pyarrow", index=False)
            else:
                table.to_csv(temporary, index=False)

        write_whole(self.path, fill)
        write_text(self.path.with_name(f"{self.path.name}.json"), json.dumps(record, indent=2) + "\n")
        self.partial.unlink(missing_ok=True)


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of a file, up to the first that is none."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                return
            try:
                yield json.loads(line)
            except ValueError:
                return


def _content(data: Any, start: int, count: int) -> str:
    """A digest of the content of some samples, by which a later run knows that they are the same."""
    if isinstance(data, Dataset):
        found = data.select(np.arange(start, start + count)).content
        return hashlib.sha256(found.tobytes()).hexdigest()
    return hashlib.sha256(np.ascontiguousarray(data.array[start : start + count]).tobytes()).hexdigest()
