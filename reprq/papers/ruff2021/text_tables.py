"""Table 3.4 of Ruff (2021) beside what was found, the words of contexts (Tables 3.5 and 3.6), and a picture of both."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from reprq.papers.beside import beside
from reprq.papers.outcome import csv_text
from reprq.study.cells import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEST = "best nu, in hindsight"
_CLASSES = ("comp", "rec", "sci", "misc", "pol", "rel")
_OF_CLASSES = {
    "OC-SVM mean": (82.0, 73.2, 60.6, 61.8, 72.5, 78.2),
    "OC-SVM tf-idf": (81.2, 75.6, 64.1, 63.1, 75.5, 79.2),
    "OC-SVM max": (54.5, 56.2, 53.0, 54.1, 64.9, 68.4),
    "CVDD r=3": (70.9, 50.8, 56.7, 75.1, 62.9, 76.3),
    "CVDD r=5": (66.4, 52.8, 56.8, 70.2, 65.3, 72.9),
    "CVDD r=10": (63.3, 53.3, 55.7, 68.6, 65.1, 70.7),
    "CVDD r=10, c*": (86.6, 68.9, 61.0, 83.8, 75.4, 87.3),
}
PUBLISHED = {method: dict(zip(_CLASSES, values, strict=True)) for method, values in _OF_CLASSES.items()}
"""Table 3.4, 20 Newsgroups with GloVe: AUROC in per cent. It has c* once, here beside r = 10."""
_COLORS = ("#0b5394", "#3d85c6", "#9fc5e8", "#7f2704", "#d94801", "#fd8d3c", "#fdbe85")


def tables(name: str, how: Any, made: Mapping[str, Any], rows: list[Row]) -> dict[str, str]:
    """Return `NAME.md`, `NAME-words.md` and `NAME.csv`.

    Args:
        name: The data set.
        how: The preset.
        made: How it was made.
        rows: Of all cells.
    """
    return {f"{name}.md": _table(name, how, made, rows), f"{name}-words.md": _words(name, how, rows)} | {
        f"{name}.csv": csv_text(rows)
    }


def figures(name: str, rows: list[Row]) -> "dict[str, Figure]":
    """Return the picture of a data set by its name: a dot a class and method, a ring what was published."""
    from matplotlib.figure import Figure

    shown = _shown(rows)
    classes = list(dict.fromkeys(row["task"] for row in shown))
    methods = [method for method in PUBLISHED if any(row["method"] == method for row in shown)]
    fig = Figure(figsize=(1.35 * len(classes) + 2.6, 3.8), layout="constrained")
    ax = fig.subplots()
    for number, method in enumerate(methods):
        at = np.arange(len(classes)) + 0.8 * ((number + 0.5) / len(methods) - 0.5)
        found = [100.0 * _mean(shown, method, each) for each in classes]
        color = _COLORS[list(PUBLISHED).index(method)]
        ax.plot(at, found, "o", markersize=6, color=color, label=method)
        if name == "20newsgroups":
            printed = [PUBLISHED[method].get(each, np.nan) for each in classes]
            ax.plot(at, printed, "o", markersize=9, markerfacecolor="none", markeredgecolor=color)
    if name == "20newsgroups":
        ax.plot([], [], "o", markersize=9, markerfacecolor="none", markeredgecolor="0.3", label="published")
    ax.axhline(50, color="0.6", linewidth=0.8, zorder=0)
    for edge in np.arange(len(classes) - 1) + 0.5:
        ax.axvline(edge, color="0.9", linewidth=0.8, zorder=0)
    ax.set_xticks(range(len(classes)), classes)
    ax.set_ylabel("AUROC, per cent")
    ax.set_xlabel(f"benign class of {name}")
    fig.legend(loc="outside right upper", fontsize=8)
    return {name: fig}


def _shown(rows: list[Row]) -> list[Row]:
    """The rows of the table: those of OC-SVM with the best nu, and all of CVDD."""
    return [
        row for row in rows if row["method"] in PUBLISHED and row.get("setting", BEST) in (BEST, "the best context")
    ]


def _values(rows: list[Row], method: str, task: str) -> list[float]:
    return [row["auroc"] for row in rows if (row["method"], row["task"]) == (method, task)]


def _mean(rows: list[Row], method: str, task: str) -> float:
    return float(np.mean(_values(rows, method, task)))


def _table(name: str, how: Any, made: Mapping[str, Any], rows: list[Row]) -> str:
    shown = _shown(rows)
    count = "all" if how.train is None else f"at most {how.train}"
    test = "all" if how.test is None else f"at most {how.test} of each class"
    split = "by date" if made["split"] == "official" and name != "reuters" else made["split"]
    head = (
        f"# CVDD and OC-SVM on {name} (Ruff 2021, Table 3.4)\n\n"
        "AUROC in per cent, one class benign and all others anomalous"
        f"{', ours (published)' if name == '20newsgroups' else ''}; of CVDD the mean ± standard deviation over"
        f" lambda in {{{', '.join(f'{each:g}' for each in how.orthogonality)}}}, over alpha"
        f" ({' and '.join('annealed' if each else '0' for each in how.annealed)}) and {how.seeds} seed(s). OC-SVM:"
        " cosine kernel, the best of nu = 0.05, 0.1, 0.2, 0.5 in hindsight, as in the thesis. c* is the best context of"
        f" each fit, which only labels tell. Vectors: {made['vectors_file']}; split: {split}; {count} training texts of"
        f" the benign class, {test} of the test side, {how.max_length} words of a text, {how.epochs[0]} epochs.\n"
    )
    if name == "20newsgroups":
        classes = [each for each in _CLASSES if any(row["task"] == each for row in shown)]
        published = {
            method: {each: values[each] for each in classes}
            for method, values in PUBLISHED.items()
            if any(row["method"] == method for row in shown)
        }
        body = beside(shown, published)
        tail = "\nThe thesis splits by date, and has vectors of 300 dimensions and of 400,000 words.\n"
    else:
        body, tail = _plain(shown), ""
    return f"{head}\n{body}\n{tail}\n{_ruled(rows)}\n"


def _plain(rows: list[Row]) -> str:
    """The table without published values."""
    methods = [method for method in PUBLISHED if any(row["method"] == method for row in rows)]
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    lines = [["task", *methods], ["---", *("---:" for _ in methods)]]
    lines += [[task, *(_cell(_values(rows, method, task)) for method in methods)] for task in tasks]
    means = [np.mean([_mean(rows, method, task) for task in tasks]) for method in methods]
    lines.append(["mean", *(f"{100 * mean:.1f}" for mean in means)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(values: list[float]) -> str:
    spread = f" ± {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.1f}{spread}"


def _ruled(rows: list[Row]) -> str:
    """What OC-SVM gives without a choice by labels."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.get("setting") == "nu = 0.1":
            found.setdefault(row["method"], []).append(100.0 * row["auroc"])
    said = ", ".join(f"{method} {np.mean(values):.1f}" for method, values in found.items())
    return f"Without hindsight, nu = 0.1, mean over classes: {said}."


def _words(name: str, how: Any, rows: list[Row]) -> str:
    """The words of every context of one fit a class, its AUROC alone beside them."""
    contexts, weight, annealed = how.contexts[0], how.orthogonality[0], how.annealed[-1]
    alpha = "annealed" if annealed else "0"
    lines = [
        f"# The words of contexts on {name} (Ruff 2021, Tables 3.5 and 3.6)\n",
        "Of the 100 benign training texts nearest to a context, the ten words of highest attention, the most frequent"
        f" first; r = {contexts}, lambda = {weight:g}, alpha {alpha}. AUROC in per cent of the context alone.\n",
        "| benign class | AUROC | words |",
        "| --- | ---: | --- |",
    ]
    for row in rows:
        made = (row.get("contexts"), row.get("lambda"), row.get("alpha"))
        if "words" in row and made == (contexts, weight, alpha) and row["seed"] == rows[0]["seed"]:
            pairs = zip(row["by_context"], row["words"], strict=True)
            lines += [f"| {row['task']} | {100 * value:.1f} | {', '.join(words)} |" for value, words in pairs]
    return "\n".join(lines) + "\n"
