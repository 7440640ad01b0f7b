"""Metrics that are best at a value, and neither high nor low: their distance from it is a metric of its own."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from reprq.errors import InputError, UnknownNameError
from reprq.study.results import StudyResults


def with_targets(results: StudyResults, targets: Mapping[str, float]) -> StudyResults:
    """Return a study in which -|log(value / target)| of some metrics stands beside them, as a metric of its own.

    A rank correlation sees no sweet spot: where detection is best at alpha = 1, alpha itself has a rho near 0. What
    goes with `targets` goes through `correlate` and `recommend` as any metric, and counts as one when p-values are
    corrected; so choose targets before looking.

    Args:
        results: A study.
        targets: The best value by the name of a metric, positive: {"alpha_req": 1}.

    Returns:
        A study with metrics "alpha_req~1", 0 at the target and below 0 elsewhere; a value that is not positive gives
        none.

    Raises:
        UnknownNameError: a metric that the study does not have.
        InputError: a target that is not positive and finite.

    Example:
        >>> from pathlib import Path
        >>> metrics = pd.DataFrame({"metric": "alpha_req", "definition": "alpha_req[11-100]", "value": [1.0, 2.0, 0.5]})
        >>> study = StudyResults(metrics, pd.DataFrame(), {}, Path())
        >>> with_targets(study, {"alpha_req": 1}).metrics["value"].round(3).tolist()
        [1.0, 2.0, 0.5, -0.0, -0.693, -0.693]
    """
    tables = [results.metrics]
    for metric, target in targets.items():
        if metric not in set(results.metrics["metric"]):
            raise UnknownNameError("metric of the study", metric, results.metrics["metric"].unique().tolist())
        if not 0 < target < np.inf:
            raise InputError(f"the target of {metric} must be a positive number, got {target}")
        tables.append(_distances(results.metrics[results.metrics["metric"] == metric], metric, target))
    return replace(results, metrics=pd.concat(tables, ignore_index=True))


def parse_targets(texts: tuple[str, ...]) -> dict[str, float]:
    """Read METRIC=VALUE.

    Raises:
        InputError: a text of another form.
    """
    found = {}
    for text in texts:
        metric, _, value = text.partition("=")
        try:
            found[metric.strip()] = float(value)
        except ValueError:
            raise InputError(f"--target must be METRIC=VALUE, as alpha_req=1, got {text!r}") from None
    return found


def _distances(rows: pd.DataFrame, metric: str, target: float) -> pd.DataFrame:
    values = rows["value"].astype(float)
    distances = -(values.where(values > 0) / target).map(np.log).abs()
    definition = f"-|log({rows['definition'].iloc[0] if 'definition' in rows else metric} / {target:g})|"
    found = rows.assign(metric=f"{metric}~{target:g}", definition=definition, value=distances)
    ends = [name for name in ("low", "high") if name in found]
    found[ends] = np.nan
    return found
