"""Kept runs of benchmarks are compared: a difference beyond the spread of the runs counts, a smaller one is noise."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "compare.py"
MACHINE = {"processor": "one", "cores": 2, "system": "Linux", "threads": "1"}

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the benchmarks are not part of an installed package")


def kept(path: Path, rows: list[dict[str, Any]], **changed: Any) -> Path:
    content = {"schema_version": 1, "benchmark": "metrics", "commit": "abc", "machine": MACHINE, "versions": {}}
    path.write_text(json.dumps({**content, "settings": {}, "rows": rows, **changed}))
    return path


def row(name: str, *seconds: float) -> dict[str, Any]:
    return {"case": "small", "name": name, "wall": list(seconds), "cpu": list(seconds)}


def compare(old: Path, new: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(old), str(new)], capture_output=True, text=True, check=False
    )


def verdicts(tmp_path: Path, old: list[dict[str, Any]], new: list[dict[str, Any]], **changed: Any) -> dict[str, str]:
    done = compare(kept(tmp_path / "old.json", old), kept(tmp_path / "new.json", new, **changed))
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.partition("\nslower:")[0].splitlines() if line.startswith("  ")]
    return {line.partition("  ")[0]: line.rpartition("  ")[2] for line in lines}


def test_only_a_difference_beyond_the_spread_of_the_runs_counts(tmp_path: Path) -> None:
    old = [row("steady", 1.0, 1.01), row("jumpy", 1.0, 1.6), row("same", 1.0), row("left", 1.0)]
    new = [row("steady", 1.3, 1.31), row("jumpy", 1.3, 1.4), row("same", 1.09), row("came", 1.0)]
    assert verdicts(tmp_path, old, new) == {
        "steady": "1.30, slower",
        "jumpy": "1.30, noise (runs lie up to 1.60 apart)",
        "same": "1.09, noise (runs lie up to 1.00 apart)",
        "came": "new",
        "left": "gone",
    }


def test_what_got_slower_stands_together_at_the_end(tmp_path: Path) -> None:
    old, new = [row("a", 1.0), row("b", 1.0)], [row("a", 1.5), row("b", 1.0)]
    done = compare(kept(tmp_path / "old.json", old), kept(tmp_path / "new.json", new))
    assert done.stdout.endswith("slower:\n  small, a: 1.50, slower\n")
    done = compare(kept(tmp_path / "old.json", old), kept(tmp_path / "new.json", old))
    assert done.stdout.endswith("nothing got slower\n")


def test_of_two_machines_the_ratios_to_the_first_row_are_compared(tmp_path: Path) -> None:
    other = {**MACHINE, "processor": "another"}
    old, new = [row("floor", 1.0), row("measure", 2.0)], [row("floor", 5.0), row("measure", 5.0)]
    assert verdicts(tmp_path, old, new, machine=other)["measure"] == "0.50, faster"


def test_numbers_that_are_no_times_are_shown_where_they_differ(tmp_path: Path) -> None:
    old, new = ([{"case": "small", "name": "error", "alpha_req": error}] for error in (1e-12, 1e-3))
    assert verdicts(tmp_path, old, new) == {"error, alpha_req": "another number"}


def test_the_newest_runs_are_tables(tmp_path: Path) -> None:
    fast = {**MACHINE, "blas": "openblas fast"}
    kept(tmp_path / "a.json", [row("floor", 1.0), row("ours", 9.0)], machine=fast, date="2026-01-01")
    kept(tmp_path / "b.json", [row("floor", 1.0), row("ours", 2.0)], machine=fast, date="2026-02-01")
    kept(tmp_path / "c.json", [row("floor", 1.0), row("ours", 7.0)])  # before runs said their date and BLAS
    code = (
        "import pathlib, sys; sys.path.insert(0, sys.argv[1]); import table;"
        "print(*map(table.table, table.newest(pathlib.Path(sys.argv[2]))))"
    )
    command = [sys.executable, "-c", code, str(SCRIPT.parent), str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "| small | ours | 2 | 2.00 |" in said
    assert said.count("**metrics**") == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_foreign_file_is_named_in_one_line(tmp_path: Path, text: str) -> None:
    foreign = tmp_path / "foreign.json"
    foreign.write_text(text)
    done = compare(foreign, kept(tmp_path / "new.json", []))
    assert done.returncode == 1
    assert "foreign.json must be a kept run of a benchmark" in done.stderr
    assert "Traceback" not in done.stderr


def test_runs_with_other_settings_are_not_compared(tmp_path: Path) -> None:
    done = compare(kept(tmp_path / "a.json", []), kept(tmp_path / "b.json", [], settings={"n": 10}))
    assert done.returncode == 1
    assert "both runs must have the same settings" in done.stderr
