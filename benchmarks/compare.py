"""Set two kept runs of a benchmark side by side, and say what of the difference is noise.

    python benchmarks/compare.py benchmarks/results/metrics-OLD.json benchmarks/results/metrics-NEW.json

A time is the shortest of its runs, of the processor where it was one process. Two times differ by noise where their
ratio is within the spread of the runs of either (the longest over the shortest), and never count as different below
10 %. Times of two machines say little: the ratio to the first row of the case, which both have, is compared instead.
Numbers that are no times (errors, shares, ratios) are shown as they are where they differ.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LEAST = 1.10
_TIMES = ("wall", "cpu")
_LABELS = ("case", "name", *_TIMES)
Row = dict[str, Any]


def read(path: Path) -> dict[str, Any]:
    """Return a kept run."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path} must be a kept run of a benchmark, got {error}") from None
    if not isinstance(found, dict) or found.get("schema_version") != 1 or "rows" not in found:
        raise SystemExit(f"{path} must be a kept run of a benchmark with schema_version 1")
    return found


def noise(row: Row) -> float:
    """How far the runs of a row lie apart: the longest over the shortest."""
    times = row.get("cpu") or row["wall"]
    return float(max(times) / min(times)) if min(times) > 0 else math.inf


def seconds(row: Row) -> float:
    """The shortest run."""
    return float(min(row.get("cpu") or row["wall"]))


def bases(rows: list[Row]) -> dict[str, Row]:
    """The first timed row of every case, which the others are measured by."""
    found: dict[str, Row] = {}
    for row in rows:
        if any(word in row for word in _TIMES):
            found.setdefault(row["case"], row)
    return found


def compared(old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield the case, what was compared in it, both values, and the verdict."""
    same_machine = old["machine"] == new["machine"]
    before = {(row["case"], row["name"]): row for row in old["rows"]}
    first_old, first_new = bases(old["rows"]), bases(new["rows"])
    for row in new["rows"]:
        key = (row["case"], row["name"])
        other = before.pop(key, None)
        if other is None:
            yield *key, "", "new"
            continue
        if any(word in row for word in _TIMES) and any(word in other for word in _TIMES):
            was, now, spread = seconds(other), seconds(row), max(noise(other), noise(row))
            unit = " s"
            if not same_machine:
                was, now, unit = was / seconds(first_old[key[0]]), now / seconds(first_new[key[0]]), " x"
                spread *= max(noise(first_old[key[0]]), noise(first_new[key[0]]))
            yield *key, f"{was:.3g} -> {now:.3g}{unit}", verdict(was, now, spread)
        for name in sorted(set(row) & set(other) - set(_LABELS)):
            if row[name] != other[name]:
                yield row["case"], f"{row['name']}, {name}", f"{other[name]:.3g} -> {row[name]:.3g}", "another number"
    for key in before:
        yield *key, "", "gone"


def verdict(was: float, now: float, spread: float) -> str:
    """Say which way a time moved, or that it is noise."""
    if not was or not now:
        return "too short to tell"
    ratio = now / was
    if max(ratio, 1 / ratio) <= max(LEAST, spread):
        return f"{ratio:.2f}, noise (runs lie up to {spread:.2f} apart)"
    return f"{ratio:.2f}, {'slower' if ratio > 1 else 'faster'}"


def main() -> None:
    """Compare two files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    asked = parser.parse_args()
    old, new = read(asked.old), read(asked.new)
    for word in ("benchmark", "settings"):
        if old[word] != new[word]:
            raise SystemExit(f"both runs must have the same {word}, got {old[word]} and {new[word]}")
    print(f"{old['benchmark']}: {old['commit']} -> {new['commit']}")
    if old["machine"] != new["machine"]:
        print(f"other machines ({old['machine']}, {new['machine']}): ratios to the first row of each case")
    for name in sorted(set(old["versions"]) | set(new["versions"])):
        was, now = old["versions"].get(name), new["versions"].get(name)
        if was != now:
            print(f"{name} {was} -> {now}")
    case, slower = None, []
    for at, label, values, said in compared(old, new):
        if at != case:
            case = at
            print(case)
        print(f"  {label:<56} {values:>24}  {said}")
        slower += [f"  {at}, {label}: {said}"] * said.endswith(" slower")
    print("\n".join(["slower:", *slower]) if slower else "nothing got slower")


if __name__ == "__main__":
    sys.exit(main())
