"""The newest kept runs of the benchmarks as tables in Markdown, which `docs/tables.py` writes into the page on speed.

python benchmarks/table.py
"""

from pathlib import Path
from typing import Any

from compare import bases, read, seconds

FOLDER = Path(__file__).parent / "results"


def newest(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Return the last run of every benchmark with every BLAS, by name; runs that say no date count as older."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for run in sorted(map(read, folder.glob("*.json")), key=lambda run: str(run.get("date", ""))):
        found[run["benchmark"], run["machine"].get("blas", "")] = run
    dated = {benchmark for benchmark, blas in found if blas}
    return [run for (benchmark, blas), run in sorted(found.items()) if blas or benchmark not in dated]


def table(run: dict[str, Any]) -> str:
    """Return the timed rows of a run: seconds of the shortest, and how many times those of the first of its case."""
    first = bases(run["rows"])
    if not first:
        return ""
    machine = run["machine"]
    blas = f", {machine['blas']}" if "blas" in machine else ""
    lines = [
        f"**{run['benchmark']}**, commit {run['commit']}: {machine['processor']}, {machine['cores']} cores,"
        f" threads: {machine['threads']}{blas}",
        "",
        "| case | what | seconds | times the first |",
        "| --- | --- | ---: | ---: |",
    ]
    if several := any("moved" in row for row in run["rows"]):  # processes side by side: the clock says what they save
        lines[-2:] = [f"{lines[-2]} on the clock | MB moved |", f"{lines[-1]} ---: | ---: |"]
    for row in run["rows"]:
        if row.get("cpu") or row.get("wall"):
            ratio = seconds(row) / seconds(first[row["case"]])
            more = f" {min(row['wall']):.3g} | {row['moved'] / 1e6:.1f} |" if several else ""
            lines.append(f"| {row['case']} | {row['name']} | {seconds(row):.3g} | {ratio:.2f} |{more}")
    return "\n".join([*lines, ""])


def tables() -> str:
    """Return all of them, one below the other."""
    return "\n".join(filter(None, map(table, newest())))


if __name__ == "__main__":
    print(tables())
