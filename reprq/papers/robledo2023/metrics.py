"""Does a metric of the features of benign images say beforehand which extractor will help?"""

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from reprq.errors import InputError
from reprq.papers.robledo2023.presets import F_ANOGAN
from reprq.papers.robledo2023.tables import chosen, markdown
from reprq.statistics.multiplicity import holm
from reprq.study.cells import Row

_DRAWS = 9999
_TASK = ["set", "digit"]


def metric_tests(detected: list[Row], measured: list[Row]) -> list[Row]:
    """Return a row a detector and metric: how the metric ranks the extractors of a task as their AUROC does.

    The coefficient is Spearman's within a set and digit, over extractors, and then the mean over these tasks. The
    extractors are the same in every task, so that the p-value permutes them as wholes, and is adjusted by Holm for all
    metrics of a detector.

    Args:
        detected: Rows of fits.
        measured: Rows of metrics.
    """
    values = pd.DataFrame(measured)
    official = chosen(detected, reading="official")
    found: list[Row] = []
    for method in dict.fromkeys(official["method"]):
        scores = official[official["method"] == method].pivot_table(index=_TASK, columns="extractor", values="auroc")
        rows = []
        for metric in dict.fromkeys(values["metric"]):
            of_metric = values[values["metric"] == metric]
            wide = of_metric.pivot_table(index=_TASK, columns="extractor", values="value")  # without those of no value
            rows.append({"method": method, "metric": metric, **_tested(scores, wide)})
        for row, adjusted in zip(rows, holm([row["p"] for row in rows]), strict=True):
            found.append({**row, "p_holm": adjusted})
    return found


def _tested(scores: pd.DataFrame, values: pd.DataFrame) -> Row:
    """The mean coefficient over tasks, by how many extractors and tasks, and its p-value."""
    scores, values = scores.align(values, join="inner")
    whole = ~(scores.isna() | values.isna()).any()
    if int(whole.sum()) < 3:
        return {"coefficient": None, "low": None, "high": None, "n_extractors": int(whole.sum()), "p": None}
    x, y = (rankdata(table.loc[:, whole], axis=1) for table in (values, scores))
    each, drawn = _coefficients(x, y), _permuted(x, y)
    least, most = float(each.min()), float(each.max())
    p = float((1 + np.sum(np.abs(drawn) >= abs(each.mean()) - 1e-12)) / (1 + _DRAWS))
    return {"coefficient": float(each.mean()), "low": least, "high": most, "n_extractors": x.shape[1], "p": p}


def _permuted(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The mean coefficient over tasks for each of many orders of the extractors, the same in every task."""
    n, rng = x.shape[1], np.random.default_rng(0)
    a, b = (each - each.mean(axis=1, keepdims=True) for each in (x, y))
    size = np.sqrt((a**2).sum(1) * (b**2).sum(1))  # no order changes it
    products = np.divide(a, size[:, None], out=np.zeros_like(a), where=size[:, None] > 0).T @ b / len(a)
    orders = rng.permuted(np.tile(np.arange(n), (_DRAWS, 1)), axis=1)
    found: np.ndarray = products[orders, np.arange(n)].sum(1)
    return found


def _coefficients(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's coefficient of each row of ranks; 0 of a row that is constant."""
    a, b = (each - each.mean(axis=1, keepdims=True) for each in (x, y))
    size = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    found: np.ndarray = np.divide((a * b).sum(1), size, out=np.zeros(len(a)), where=size > 0)
    return found


def choices(detected: list[Row], measured: list[Row], method: str = F_ANOGAN) -> list[Row]:
    """Return what it costs to choose an extractor for a set by a metric whose direction the other sets say.

    A row a metric, and the dull rules: the extractor that is best on the other sets, any extractor (the mean), and the
    best (nothing lost). "lost" is the mean over sets and digits of the best AUROC of the task less that of the chosen.

    Args:
        detected: Rows of fits.
        measured: Rows of metrics.
        method: The detector.

    Raises:
        InputError: There is one set.
    """
    official = chosen(detected, reading="official", method=method)
    scores = official.pivot_table(index=_TASK, columns="extractor", values="auroc")
    sets = scores.index.get_level_values("set")
    if sets.nunique() < 2:
        raise InputError("a direction is learned on other sets: at least 2 are needed")
    best = scores.max(axis=1)
    found: list[Row] = []
    values = pd.DataFrame(measured)
    for metric in dict.fromkeys(values["metric"]):
        wide = values[values["metric"] == metric].pivot_table(index=_TASK, columns="extractor", values="value")
        if wide.empty or wide.reindex_like(scores).isna().any(axis=None):
            continue
        wide = wide.reindex_like(scores)
        x, y = rankdata(wide, axis=1), rankdata(scores, axis=1)
        each = pd.Series(_coefficients(x, y), index=scores.index)
        lost = []
        for task in scores.index:
            sign = 1.0 if each[sets != task[0]].mean() >= 0 else -1.0
            lost.append(best[task] - scores.loc[task, (sign * wide.loc[task]).idxmax()])
        found.append({"rule": metric, "lost": float(np.mean(lost))})
    of_others = [best[task] - scores.loc[task, scores[sets != task[0]].mean().idxmax()] for task in scores.index]
    any_one = (best - scores.mean(axis=1)).mean()
    dull = {"the best on the other sets": float(np.mean(of_others)), "any, in the mean": float(any_one)}
    return sorted([*found, *({"rule": rule, "lost": lost} for rule, lost in dull.items())], key=lambda row: row["lost"])


def metric_table(tests: list[Row], detected: list[Row], measured: list[Row], said: str) -> str:
    """Return what the metrics say beforehand, as Markdown."""
    methods = list(dict.fromkeys(row["method"] for row in tests))
    lines = [["metric", *methods]]
    for metric in dict.fromkeys(row["metric"] for row in tests):
        of_metric = {row["method"]: row for row in tests if row["metric"] == metric}
        lines.append([metric, *(_cell(of_metric[method]) for method in methods)])
    lost = [["rule", "AUROC lost"], *([row["rule"], f"{row['lost']:.3f}"] for row in choices(detected, measured))]
    clear = [f"{row['metric']} under {row['method']}" for row in tests if (row["p_holm"] or 1) <= 0.05]
    answer = f"After Holm's correction these do: {', '.join(clear)}." if clear else "After Holm's correction none does."
    return (
        f"# Does a metric say beforehand which extractor will help?\n\n{said} Metrics are those of the features of the"
        " benign training images. Spearman's coefficient with AUROC on official test images over extractors, within a"
        " set and digit, mean over these [least, most]; p permutes extractors as wholes, and * marks p <= 0.05 after"
        f" Holm's correction over the metrics of a detector. Extractors of which a metric has no value are left out."
        f" {answer}\n\n{markdown(lines)}"
        f"\n## What choosing by it loses under {F_ANOGAN}\n\nThe direction of a metric is"
        f" that of the other two sets. Mean over sets and digits.\n\n{markdown(lost)}"
    )


def _cell(row: Row) -> str:
    if row["coefficient"] is None:
        return "-"
    star = "*" if row["p_holm"] <= 0.05 else ""
    ends = f"[{row['low']:+.2f}, {row['high']:+.2f}]"
    return f"{row['coefficient']:+.2f} {ends} p {row['p']:.3f}{star}"
