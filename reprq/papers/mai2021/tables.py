"""Means over tasks and seeds of everything measured, a row a representation and measure."""

import math

import numpy as np
import pandas as pd
from scipy.stats import t as student

from reprq.evaluation import mean_over_tasks

CEILING, COLORS = "supervised", "colorization"
SHARES = ("accuracy", "benign_accuracy")
MEASURES = (
    "accuracy",
    "benign_accuracy",
    "gradient_l2",
    "brittleness_l2",
    "brittleness_l1",
    "brittleness_linf",
    "trace",
)
DETECTORS = ("distillation", "centroid", "mahalanobis", "mahalanobis_diagonal", "knn")


def representation_means(detected: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Return columns pretext, measure, mean, low, high, n_tasks: a detector's AUROC goes by the detector's name.

    AUROC and accuracy are averaged as they are, gradient norms, brittleness and trace in their logarithms.

    Args:
        detected: Columns seed, task, pretext, detector, auroc.
        measured: Columns seed, task, pretext and the measures.
    """
    rows = []
    for pretext in detected["pretext"].unique():
        for detector in DETECTORS:
            part = detected[(detected["pretext"] == pretext) & (detected["detector"] == detector)]
            rows.append({"pretext": pretext, "measure": detector, **_auroc(part)})
        for measure in MEASURES:
            if measure in measured:
                part = measured[(measured["pretext"] == pretext) & measured[measure].notna()]
                if len(part):
                    means = part.groupby("task")[measure].mean()
                    rows.append({"pretext": pretext, "measure": measure, **_share_or_size(measure, means)})
    return pd.DataFrame(rows)


def absent(detected: pd.DataFrame, measured: pd.DataFrame) -> list[str]:
    """Return a sentence for each part of the study that these images do not allow.

    Args:
        detected: As for `representation_means`.
        measured: As for `representation_means`.
    """
    said = []
    if "accuracy" not in measured or measured["accuracy"].isna().all():
        said.append(
            "There is no linear probe, so no accuracy: the images have no classes besides benign and anomalous; claims"
            " (b) and (d) cannot be judged."
        )
    if CEILING not in set(detected["pretext"]):
        said.append(
            f"There is no {CEILING} teacher, the ceiling: the protocol sets no known anomalies aside for training."
        )
    if COLORS not in set(detected["pretext"]):
        said.append(f"There is no {COLORS} teacher: the images are gray.")
    return said


def mean_of(values: pd.Series) -> dict[str, float]:
    """Return the mean over tasks, and Student's 95 % interval, which one task does not give."""
    n, mean = len(values), float(values.mean())
    half = float(student.ppf(0.975, n - 1)) * float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return {"mean": mean, "low": mean - half, "high": mean + half, "n_tasks": n}


def _share_or_size(measure: str, values: pd.Series) -> dict[str, float]:
    """A share is averaged as it is; a size, which is positive and skewed, in its logarithm (a geometric mean)."""
    if measure in SHARES:
        found = mean_of(values)
        return {**found, "low": max(0.0, found["low"]), "high": min(1.0, found["high"])}
    found = mean_of(np.log(values))
    return {**{end: math.exp(found[end]) for end in ("mean", "low", "high")}, "n_tasks": found["n_tasks"]}


def _auroc(part: pd.DataFrame) -> dict[str, float]:
    if len(part) < 2:
        return {"mean": float(part["auroc"].mean()), "low": math.nan, "high": math.nan, "n_tasks": len(part)}
    estimate = mean_over_tasks(part)
    return {"mean": estimate.value, "low": estimate.low, "high": estimate.high, "n_tasks": estimate.n}


def detector_table(means: pd.DataFrame) -> str:
    """Return the table of all detectors by pretext task in Markdown: mean AUROC in per cent and its 95 % interval."""
    measures = [name for name in (*DETECTORS, "accuracy", "brittleness_l2") if name in set(means["measure"])]
    lines = [["pretext task", *measures], ["---", *("---:" for _ in measures)]]
    for pretext, rows in means.groupby("pretext", sort=False):
        by_measure = rows.set_index("measure")
        lines.append([str(pretext), *(_cell(by_measure, measure) for measure in measures)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(by_measure: pd.DataFrame, measure: str) -> str:
    if measure not in by_measure.index:
        return "-"
    values = [float(by_measure.at[measure, end]) for end in ("mean", "low", "high")]  # type: ignore[arg-type]
    if measure.startswith("brittleness"):
        mean, low, high = (f"{value:.3g}" for value in values)
    else:
        mean, low, high = (f"{100 * value:.1f}" for value in values)
    return mean if math.isnan(values[1]) else f"{mean} [{low}, {high}]"
