"""The claims of Deecke et al. 2021, each held against the fits of a run."""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from reprq.papers.deecke2021.cells import DIGITS, TINY
from reprq.papers.deecke2021.presets import FROZEN
from reprq.papers.mai2021.claims import Finding
from reprq.papers.mai2021.tables import mean_of
from reprq.study.cells import Row


def findings(rows: list[Row], points: list[Row]) -> list[Finding]:
    """Return what the fits say; a claim rests on differences between fits on the same images.

    Args:
        rows: Those of one class against the rest and of nine against the tenth, each once.
        points: Those of Figure 5.
    """
    nine = [row for row in rows if row["protocol"] == "multimodal"]
    by_start: dict[str, list[Row]] = {}
    for row in rows:
        if row["protocol"] == "unimodal":
            by_start.setdefault(row["start"], []).append(row)
    found = [each for start, part in by_start.items() for each in _keeping(part, start)]
    first: list[Row] = next(iter(by_start.values()), [])  # from the network of every table
    for which, name in (("a6", "adapters help"), ("a7", "L2 helps")):
        pair = (_of("row", which, nine, score="ap"), _of("row", "a2", nine, score="ap"))
        found.append(_less(f"{name} BCE", f"AP of {which} less that of a2, nine against the tenth", *pair))
    pair = (_of("row", "a2", nine, score="ap"), _of("row", "a1", nine, score="ap"))
    found.append(_less("a pretrained start helps", "AP of a2 less that of a1", *pair))
    gains = [_of("method", "ADIB", first, corpus) - _of("method", "HSC", first, corpus) for corpus in (DIGITS, TINY)]
    found.append(
        _less(
            "transfer gains more where the corpus fits less",
            "ADIB less HSC, with MNIST less with tiny ImageNet",
            *gains,
        )
    )
    return [*found, *_small(points)]


def _keeping(rows: list[Row], start: str) -> list[Finding]:
    """Whether ADIB and ADRA beat the frozen network and learning freely, from one start."""
    found = []
    for name in ("ADIB", "ADRA"):
        there = _of("method", name, rows, TINY)
        pair = (there, _of("method", FROZEN, rows))
        found.append(_less(f"{name} beats the frozen network", "AUROC less that of kNN, one against the rest", *pair))
        pair = (there, _of("method", "HSC", rows, TINY))
        found.append(_less(f"{name} beats learning without keeping", "AUROC less that of HSC", *pair))
    return [replace(each, note=f"{each.note}, from {start}") for each in found if each.value is not None]


def claims_table(rows: list[Row], points: list[Row]) -> str:
    """Return the findings as a Markdown table."""
    lines = [["claim", "quantity", "value", "95 % interval", "verdict", "rests on"], ["---"] * 6]
    for each in findings(rows, points):
        value = "-" if each.value is None else f"{each.value:.3f}"
        known = each.low is not None and each.low == each.low
        ends = f"[{each.low:.3f}, {each.high:.3f}]" if known else "-"
        lines.append([each.claim, each.quantity, value, ends, each.verdict, each.note])
    said = "Student's intervals over the classes that were run, of one seed or the mean of several."
    return f"# Claims\n\n{said}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _of(
    column: str, value: str, rows: list[Row], corpus: str | None = None, score: str = "auroc"
) -> "pd.Series[float]":
    """A score by task, mean over seeds."""
    keep: Callable[[Row], bool] = lambda row: row.get(column) == value and corpus in (None, row["corpus"])  # noqa: E731
    part = [(row["task"], row[score]) for row in rows if keep(row)]
    table = pd.DataFrame(part, columns=["task", "score"])
    return table.groupby("task", sort=False)["score"].mean().astype(float)


def _less(claim: str, quantity: str, first: "pd.Series[float]", second: "pd.Series[float]") -> Finding:
    differences = (first - second).dropna()
    if differences.empty:
        return Finding(claim, quantity, None, None, None, "not run")
    mean = mean_of(differences)
    return Finding(claim, quantity, mean["mean"], mean["low"], mean["high"], f"{len(differences)} classes")


def _small(points: list[Row]) -> list[Finding]:
    """What a small mode that does not train loses, by method, over pairs."""
    found = []
    for method in dict.fromkeys(point["method"] for point in points):
        lost = pd.Series(
            {
                (point["large"], point["seed"]): 1 - point["relative"]
                for point in points
                if (point["method"], point["mode"], point["share"]) == (method, "small", 0)
            },
            dtype=float,
        )
        quantity = f"1 - relative AUROC of the small mode at r = 0, {method}"
        mean = mean_of(lost)
        note = f"{len(lost)} pairs"
        claim = "a mode that does not train is lost"
        found.append(Finding(claim, quantity, mean["mean"], mean["low"], mean["high"], note))
    return found
