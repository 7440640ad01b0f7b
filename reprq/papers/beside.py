"""Tables that set what was found beside what a paper printed."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from reprq.study.cells import Row

LEGEND = (
    "AUROC in per cent, ours (published); ± is the standard deviation over seeds where there are several; *missing* was"
    " not run. The last row has the mean over the rows that were run, and the published mean over the same rows."
)


def beside(
    rows: Sequence[Row], published: Mapping[str, Mapping[str, float]], *, line: str = "task", column: str = "method"
) -> str:
    """Return a table in Markdown: a line a task, a column a method, "97.9 ± 0.1 (98.0)".

    Args:
        rows: What was found; column `auroc` in [0, 1], and those that say line and column.
        published: For every column and line what was printed, in per cent, nan where nothing was; its order is the
            table's.
        line: What the lines are called by.
        column: What the columns are called by.

    Example:
        >>> rows = [{"task": "0", "method": "AE", "auroc": auroc} for auroc in (0.97, 0.98)]
        >>> print(beside(rows, {"AE": {"0": 97.6, "1": 98.3}}))
        | task | AE |
        | --- | ---: |
        | 0 | 97.5 ± 0.7 (97.6) |
        | 1 | missing (98.3) |
        | mean of those run | 97.5 (97.6) |
    """
    names = list(dict.fromkeys(name for values in published.values() for name in values))
    lines = [[line, *published], ["---", *("---:" for _ in published)]]
    found = {
        (name, title): [100.0 * row["auroc"] for row in rows if row[line] == name and row[column] == title]
        for name in names
        for title in published
    }
    lines += [
        [name, *(_cell(found[name, title], values.get(name, math.nan)) for title, values in published.items())]
        for name in names
    ]
    means = []
    for title, values in published.items():
        run = [name for name in names if found[name, title]]
        ours = [float(np.mean(found[name, title])) for name in run]
        printed = np.mean([values[name] for name in run]) if run else math.nan
        means.append(f"{np.mean(ours):.1f} {_printed(float(printed))}" if run else "missing")
    lines.append(["mean of those run", *means])
    return "\n".join(f"| {' | '.join(each)} |" for each in lines)


def far(
    rows: Sequence[Row],
    published: Mapping[str, Mapping[str, float]],
    points: float = 3.0,
    *,
    line: str = "task",
    column: str = "method",
) -> str:
    """Return a sentence on the cells of `beside` that are more than some points off, ours minus published.

    Args:
        rows: As in `beside`, with `published`, `line` and `column`; lines have their mean.
        published: See there.
        points: Of AUROC in per cent.
        line: See there.
        column: See there.

    Example:
        >>> rows = [{"task": task, "method": "AE", "auroc": auroc} for task, auroc in (("0", 0.97), ("1", 0.9))]
        >>> far(rows, {"AE": {"0": 97.6, "1": 98.3}})
        '1 of 2 cells is more than 3 points off, ours minus published: AE 1 -8.3.'
    """
    off, count = [], 0
    for title, values in published.items():
        named = []
        for name, printed in values.items():
            found = [100.0 * row["auroc"] for row in rows if row[line] == name and row[column] == title]
            if not found or math.isnan(printed):
                continue
            count += 1
            if abs(difference := float(np.mean(found)) - printed) > points:
                named.append(f"{name} {difference:+.1f}")
        if named:
            off.append((len(named), f"{title} {', '.join(named)}"))
    total = sum(each for each, _ in off)
    said = f"{total or 'None'} of {count} cells {'is' if total < 2 else 'are'} more than {points:g} points off"
    return f"{said}, ours minus published: {'; '.join(text for _, text in off)}." if off else f"{said}."


def _printed(value: float) -> str:
    return "(-)" if math.isnan(value) else f"({value:.1f})"


def _cell(found: list[float], printed: float) -> str:
    there = _printed(printed)
    if not found:
        return f"missing {there}"
    spread = f" ± {np.std(found, ddof=1):.1f}" if len(found) > 1 else ""
    return f"{np.mean(found):.1f}{spread} {there}"
