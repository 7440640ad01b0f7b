"""Tables of a study as they are made, and as files."""

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from reprq.errors import InputError, ReprqError
from reprq.study import StudyResults, tables
from reprq.study.results import DETECTORS_FILE, METRICS_FILE

FILES = ("metrics", "detectors", "classes")


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 5, 100])
def test_a_table_of_chunks_is_that_of_all_rows_at_once(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_CHUNK", chunk)
    layers = [None, None, "conv", "conv", None]
    rows = [
        {"seed": 0, "layer": layer, "low": None if i < 4 else 0.5, "high": None, "n": i, "notes": ""}
        for i, layer in enumerate(layers)
    ]
    table = tables.Table([*rows[0], "lacking"])
    for row in rows:
        table.add({"seed": 9, "other": 1}, row)
    pd.testing.assert_frame_equal(table.frame(), pd.DataFrame(rows, columns=[*rows[0], "lacking"]))


def test_a_table_without_rows_has_its_columns() -> None:
    assert tables.Table(["seed", "layer"]).frame().columns.tolist() == ["seed", "layer"]


def test_large_tables_are_parquet_and_read_as_csv_does(
    results: StudyResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    folders = [tmp_path / "csv", tmp_path / "parquet"]
    loaded = []
    for folder, large in zip(folders, (10**6, 0), strict=True):
        folder.mkdir()
        monkeypatch.setattr(tables, "LARGE", large)
        StudyResults(results.metrics, results.detectors, results.study, folder, results.classes).save()
        loaded.append(StudyResults.load(folder))
    assert sorted(path.suffix for path in folders[1].iterdir()) == [".json", *[".parquet"] * 3]
    for name in FILES:
        first, second = (getattr(found, name) for found in loaded)
        assert len(first)
        pd.testing.assert_frame_equal(first, second)


def test_a_table_stands_once_whether_it_grows_or_shrinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(tables, "LARGE", 2)
    path = tmp_path / "table.csv"
    for count in (2, 3, 2):
        tables.save_table(pd.DataFrame({"seed": range(count)}), path)
        assert [found.suffix for found in tmp_path.iterdir()] == [".csv" if count == 2 else ".parquet"]
        assert tables.has_table(path)
        assert tables.read_table(path, []).equals(pd.DataFrame({"seed": range(count)}))


def test_without_pyarrow_a_large_table_is_csv_and_parquet_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LARGE", 2)
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    tables.save_table(pd.DataFrame({"seed": range(3)}), tmp_path / "table.csv")
    assert (tmp_path / "table.csv").exists()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for name in (METRICS_FILE, DETECTORS_FILE):
        (tmp_path / name).with_suffix(".parquet").touch()
    (tmp_path / "study.json").write_text(json.dumps({}))
    with pytest.raises(InputError, match=r"metrics\.parquet needs pyarrow.*reprq\[parquet\]"):
        StudyResults.load(tmp_path)


def test_a_damaged_parquet_file_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "metrics.parquet").write_bytes(b"PAR1 no more")
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(Exception, match=r"is not the folder of a finished study"):
        StudyResults.load(tmp_path)


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        (lambda text: text[:-4], "metrics.csv is cut short: its last line does not end"),
        (lambda text: text[: text.rindex(",")] + "\n", "metrics.csv is damaged: line 4 has"),
        (lambda text: "\n".join(text.splitlines()[:-1]) + "\n", "metrics.csv has 2 rows, and 3 were written"),
    ],
)
def test_a_table_that_was_cut_short_is_one_sentence(tmp_path: Path, cut: Callable[[str], str], said: str) -> None:
    point = {"backbone": "a", "layer": "b", "layer_number": 1, "task": "t"}
    table = pd.DataFrame([{**point, "value": 0.5, "seed": i} for i in range(3)])
    StudyResults(table, table.rename(columns={"value": "auroc"}), {}, tmp_path).save()
    assert len(StudyResults.load(tmp_path).metrics) == 3
    path = tmp_path / METRICS_FILE
    path.write_text(cut(path.read_text()))
    with pytest.raises(ReprqError) as caught:
        StudyResults.load(tmp_path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a,b\n1,"x, y"\n2,z\n', None),
        ('a,b\n1,"x\n""y"", z"\n', None),
        ("a,b\r\n1,2\r\n", None),
        ("a,b\n\n1,2\n", None),
        ("a,b\n1\n", 2),
        ('a,b\n1,"x, y"\n2\n', 3),
        ('a,b\n1,2\n"x, y\n', 3),
        ('a,b\n1,"2\n3,4\n5"\n6,7,8\n', 5),
        ('a,b\n1,2"\n3,"4"\n', None),
    ],
)
def test_a_row_of_another_width_is_found_whatever_is_quoted(tmp_path: Path, text: str, line: int | None) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())
    rows = csv.reader(io.StringIO(text, newline=""))
    width = len(next(rows))
    assert next((rows.line_num for row in rows if row and len(row) != width), None) == line  # what a reader says
    if line is None:
        assert tables.read_table(path, ("b",)).columns.tolist() == ["a", "b"]
    else:
        with pytest.raises(ValueError, match=rf"table\.csv is damaged: line {line} has \d values, and there are 2"):
            tables.read_table(path, ("b",))
