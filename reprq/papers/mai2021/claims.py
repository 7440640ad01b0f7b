"""The poster's claims, each held against the numbers of a run."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reprq.evaluation import correlation
from reprq.papers.mai2021.tables import CEILING, mean_of


@dataclass(frozen=True)
class Finding:
    """What a run says of a claim.

    Attributes:
        claim: The claim.
        quantity: What was computed; positive speaks for the claim.
        value: Of the quantity.
        low: Lower end of its 95 % interval.
        high: Upper end.
        note: On what it rests.
    """

    claim: str
    quantity: str
    value: float | None
    low: float | None
    high: float | None
    note: str

    @property
    def verdict(self) -> str:
        """Whether the interval leaves zero out, and on which side."""
        if self.value is None or self.low is None or self.high is None or self.low != self.low:
            return "cannot be said"
        if self.low > 0:
            return "held"
        return "contradicted" if self.high < 0 else "open"


def findings(detected: pd.DataFrame, measured: pd.DataFrame, means: pd.DataFrame) -> list[Finding]:
    """Return what the run says of claims (a) to (e).

    Correlations are computed twice: over representations, a point each (few, so the intervals are wide), with and
    without the supervised ceiling; and within every task over the representations, averaged over tasks, which speaks of
    these representations alone.
    """
    cells = _cells(detected, measured)
    pairs = {
        "(a) distillation and Mahalanobis correlate": ("mahalanobis", "distillation"),
        "(b) accuracy and distillation correlate": ("accuracy", "distillation"),
        "(c) larger scaled gradient norms go with better detection": ("brittleness_l2", "distillation"),
    }
    found: list[Finding] = []
    for claim, (x, y) in pairs.items():
        if {x, y} <= set(cells):
            found += _correlated(claim, x, y, means, cells)
        elif x == "accuracy":
            found.append(_unmeasured(claim))
    if "accuracy" in cells:
        found += [_less(cells), *_simclr(cells)]
    else:
        found.append(_unmeasured("(d) SimCLR classifies well and detects poorly"))
    return [*found, *_against_direct(cells)]


def _unmeasured(claim: str) -> Finding:
    return Finding(claim, "accuracy, which was not measured", None, None, None, "no classes for a linear probe")


def claims_table(detected: pd.DataFrame, measured: pd.DataFrame, means: pd.DataFrame) -> str:
    """Return the findings as a Markdown table."""
    lines = [["claim", "quantity", "value", "95 % interval", "verdict", "rests on"], ["---"] * 6]
    for finding in findings(detected, measured, means):
        value = "-" if finding.value is None else f"{finding.value:.3f}"
        ends = "-" if finding.low is None else f"[{finding.low:.3f}, {finding.high:.3f}]"
        lines.append([finding.claim, finding.quantity, value, ends, finding.verdict, finding.note])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cells(detected: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """One row a (task, pretext), means over seeds: a column a detector's AUROC and a column a measure."""
    scores = detected.pivot_table(index=["task", "pretext"], columns="detector", values="auroc", sort=False)
    numbers = [name for name in ("accuracy", "brittleness_l2") if name in measured]
    return scores.join(measured.groupby(["task", "pretext"], sort=False)[numbers].mean())


def _correlated(claim: str, x: str, y: str, means: pd.DataFrame, cells: pd.DataFrame) -> list[Finding]:
    found = []
    wide = means.pivot_table(index="pretext", columns="measure", values="mean", sort=False)
    for left_out, said in (((), ""), ((CEILING,), f" without {CEILING}")):
        part = wide.drop(index=list(left_out), errors="ignore")
        for method in ("spearman", "pearson"):
            result = correlation(part[x], part[y], method=method)
            note = f"{result.n} representations{said}" + "".join(f"; {text}" for text in result.notes)
            found.append(
                Finding(claim, f"{method} over representations", result.coefficient, result.low, result.high, note)
            )
    within = _within_tasks(cells, x, y)
    return [*found, _mean(claim, "spearman within a task, mean over tasks", within)]


def _within_tasks(cells: pd.DataFrame, x: str, y: str) -> pd.Series:
    """The Spearman coefficient of every task in which neither side is constant."""
    found = {}
    for task, part in cells.groupby("task"):
        if part[x].nunique() > 1 and part[y].nunique() > 1:
            found[task] = part[x].corr(part[y], method="spearman")
    return pd.Series(found, dtype=float).dropna()


def _less(cells: pd.DataFrame) -> Finding:
    with_direct = _within_tasks(cells, "mahalanobis", "distillation")
    with_accuracy = _within_tasks(cells, "accuracy", "distillation")
    claim = "(b) accuracy correlates less with distillation than Mahalanobis does"
    quantity = "difference of the Spearman coefficients within a task"
    return _mean(claim, quantity, (with_direct - with_accuracy).dropna(), bound=2.0)


def _simclr(cells: pd.DataFrame) -> list[Finding]:
    """SimCLR against the mean of the other representations that see no anomaly, paired over tasks."""
    blind = cells.drop(index=CEILING, level="pretext", errors="ignore")
    if "simclr" not in blind.index.get_level_values("pretext"):
        return []
    own = blind.xs("simclr", level="pretext")
    others = blind.drop(index="simclr", level="pretext").groupby("task").mean()
    return [
        _mean("(d) SimCLR classifies well", "accuracy less the others' mean", own["accuracy"] - others["accuracy"]),
        _mean(
            "(d) and detects poorly",
            "the others' mean AUROC less its own",
            others["distillation"] - own["distillation"],
        ),
    ]


def _against_direct(cells: pd.DataFrame) -> list[Finding]:
    found = []
    for pretext in cells.index.get_level_values("pretext").unique():
        part = cells.xs(pretext, level="pretext")
        for direct in ("centroid", "mahalanobis", "knn"):
            claim = f"(e) distillation beats {direct} on {pretext}"
            found.append(_mean(claim, "difference in AUROC", part["distillation"] - part[direct]))
    return found


def _mean(claim: str, quantity: str, values: pd.Series, bound: float = 1.0) -> Finding:
    """The mean over tasks; its interval is cut to what the quantity can be, -bound to bound."""
    if values.empty:
        return Finding(claim, quantity, None, None, None, "no task")
    mean = mean_of(values)
    low, high = (float(np.clip(mean[end], -bound, bound)) for end in ("low", "high"))  # nan stays nan
    return Finding(claim, quantity, mean["mean"], low, high, f"{int(mean['n_tasks'])} tasks")
