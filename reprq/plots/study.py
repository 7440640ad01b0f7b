"""The figures of a study, from its tables."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import pandas as pd

from reprq.evaluation import Correlation
from reprq.plots.grid import correlation_grid
from reprq.plots.save import save

if TYPE_CHECKING:
    from reprq.study import StudyResults


def draw_study(
    results: "StudyResults", table: pd.DataFrame, out: Path | str | None = None, method: str = "spearman"
) -> list[Path]:
    """Draw every metric against every detector's AUROC, one figure a group of tasks, with a grid for each data set.

    Args:
        results: A study.
        table: Its correlations, as `reprq.correlate` returns them. Those of one of several data sets are a figure of
            their own, with its points alone.
        out: The folder for the figures; "figures" in that of the study by default.
        method: Which coefficient stands over the pictures.

    Returns:
        The paths, PNG and SVG, of `metric-vs-auroc-GROUP`, or `metric-vs-auroc-GROUP-DATASET` of one of several data
        sets, with the name of a scenario at the end where there is one; a group of tasks without points is left out.
    """
    from reprq.analysis.scenarios import PLAIN, in_scenario  # here, so that drawing a table does not load torch

    folder = results.path / "figures" if out is None else Path(out)
    shown = table[table["method"] == method]
    shown = shown if "dataset" in shown else shown.assign(dataset="")
    shown = shown if "scenario" in shown else shown.assign(scenario=PLAIN)
    written: list[Path] = []
    for scenario, rows in shown.groupby("scenario", sort=False):
        of_scenario = "" if scenario == PLAIN else str(scenario)
        under = in_scenario(results, str(scenario)) if of_scenario else in_scenario(results)
        written += _figures(under, rows, folder, method, of_scenario)
    return written


def _figures(results: "StudyResults", shown: pd.DataFrame, folder: Path, method: str, scenario: str) -> list[Path]:
    """One figure a group of tasks under one scenario, which its title and name say where it is not plain."""
    from reprq.analysis.scores import points_of_pairs

    several = results.metrics["dataset"].nunique() > 1
    written: list[Path] = []
    of_groups: dict[tuple[Any, ...], pd.DataFrame] = {}  # over all data sets, of which each has a figure of its own
    for (dataset, group), rows in shown.groupby(["dataset", "tasks"], sort=False):
        pairs = list(rows[["detector", "metric"]].itertuples(index=False, name=None))
        wanted = (str(group), *pairs)
        if wanted not in of_groups:
            of_groups[wanted] = points_of_pairs(results, pairs, "auroc", str(group))
        found = {(row["detector"], row["metric"]): correlation_of(row) for row in rows.to_dict("records")}
        drawn = of_groups[wanted]
        alone = str(dataset) if several and dataset in set(drawn.get("dataset", ())) else ""
        drawn = drawn[drawn["dataset"] == dataset] if alone else drawn
        of_study = results.study.get("config", {}).get("title", "")
        title = " - ".join(filter(None, [of_study, alone, f"{group} tasks", scenario, method.capitalize()]))
        if drawn.empty:
            continue
        figure = correlation_grid(drawn, "AUROC", found, title)
        stem = "-".join(filter(None, ["metric-vs-auroc", str(group), alone, re.sub(r"[^\w.-]+", "-", scenario)]))
        written += save(figure, folder / re.sub(r"[\\/:]+", "-", stem), tight=False)
        plt.close(figure)
    return written


def correlation_of(row: Any) -> Correlation:
    """Return a row of the table of `reprq.correlate`, as a mapping, as the `Correlation` that it was made from."""
    coefficient, low, high, p_value = (
        None if pd.isna(row[name]) else float(row[name]) for name in ("coefficient", "low", "high", "p_value")
    )
    return Correlation(coefficient, low, high, p_value, row["n"], row["n_backbones"], row["method"])
