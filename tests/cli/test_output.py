import csv
import io
import json

import numpy as np
import pytest

from reprq.cli.output import echo_table, emit, text_table

ROWS = [{"name": "a", "value": np.float64(0.123456), "note": ""}, {"name": "bb", "value": None, "note": ""}]


def test_numbers_stand_to_the_right_and_an_empty_column_is_left_out() -> None:
    assert text_table(ROWS).splitlines() == ["name   value", "a     0.1235", "bb         -"]


def test_a_note_about_rows_without_a_name_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    echo_table([{"detector": "knn", "notes": "few rows"}, {"detector": "kde", "notes": ""}])
    assert capsys.readouterr().out.splitlines()[-1] == "note: few rows"


def test_no_rows_is_said() -> None:
    assert text_table([]) == "(none)"


def test_json_is_one_object_with_its_schema_version_and_null_for_what_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    emit("json", "measure", [{"value": float("nan")}, *ROWS], {"source": "x"})
    body = json.loads(capsys.readouterr().out)
    assert body["schema_version"] == 1
    assert (body["command"], body["source"]) == ("measure", "x")
    assert body["rows"][0]["value"] is None
    assert body["rows"][1]["value"] == 0.123456


def test_csv_is_a_table_that_a_program_reads(capsys: pytest.CaptureFixture[str]) -> None:
    emit("csv", "measure", ROWS, {})
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == {"name": "a", "value": "0.123456", "note": ""}
