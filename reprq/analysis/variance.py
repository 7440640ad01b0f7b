"""How much of what AUROC varies belongs to the data set, the network, the layer, the detector and the task."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.validation import check_columns

Floats = NDArray[np.float64]
BETWEEN = "data set"
WITHIN = ("network", "layer", "task", "detector")
CROSSED = ("network x task", "layer x task", "network x detector", "layer x detector", "task x detector")
REST = "rest"
SOURCES = (BETWEEN, *WITHIN, *CROSSED, REST)


def variance_shares(
    table: pd.DataFrame, score: str = "auroc", n_resamples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Return which share of the variance of a score belongs to what, with intervals over data sets.

    Within each data set every layer is judged in every task by every detector, so that the squared deviations from the
    mean add up: of networks, of layers within their network, of tasks, of detectors, of what two of these have
    together, and of the rest (three together, and the noise of finitely many test rows). Those are averaged over data
    sets; the variance of the means of data sets comes on top. Layers weigh alike within a data set, data sets alike. A
    network and a layer are those of their data set: nothing is said of whether the same one is good elsewhere.

    Args:
        table: As the table of detectors of a study: dataset, backbone, layer, task, detector and the score. Seeds are
            averaged; a layer that lacks a task or a detector is left out.
        score: The column.
        n_resamples: Bootstrap samples of whole data sets.
        confidence: Of the percentile interval.
        seed: Seeds the samples.

    Returns:
        One row a source in a fixed order: source, share (they sum to 1), low, high (none for fewer than three data
        sets), sd (the square root of the variance, in units of the score).

    Raises:
        InputError: a column is missing, no data set is complete, or the score does not vary.

    Example:
        >>> columns = ["dataset", "backbone", "layer", "task", "detector"]
        >>> cells = pd.MultiIndex.from_product(map(list, ("AB", "xy", "l", "t", "kc")), names=columns)
        >>> table = cells.to_frame(index=False)
        >>> table["auroc"] = 0.5 + 0.1 * (table["backbone"] == "x")
        >>> variance_shares(table).query("share > 0.01")[["source", "share"]].values.tolist()
        [['network', 1.0]]
    """
    check_columns(table, ("dataset", "backbone", "layer", "task", "detector", score), "table")
    parts = {str(name): _components(rows, score) for name, rows in table.groupby("dataset", sort=False)}
    known = [part for part in parts.values() if part is not None]
    if not known:
        raise InputError(f"table must have a data set with the {score} of two layers in the same tasks, got none")
    values = np.array([[part[name] for name in ("mean", *SOURCES[1:])] for part in known])
    shares, variances = _shares(values)
    if not np.isfinite(shares).all():
        raise InputError(f"table must have different values of {score}, got the same everywhere")
    low = high = np.full(len(SOURCES), np.nan)
    if len(known) > 2:
        drawn = np.random.default_rng(seed).integers(len(known), size=(n_resamples, len(known)))
        draws = np.array([_shares(values[rows])[0] for rows in drawn])
        tail = (1 - confidence) / 2
        low, high = np.nanquantile(draws, [tail, 1 - tail], axis=0)
    found = {"source": SOURCES, "share": shares, "low": low, "high": high, "sd": np.sqrt(variances)}
    return pd.DataFrame(found)


def _shares(values: Floats) -> tuple[Floats, Floats]:
    """Shares and variances of the sources, from the mean and the components of each data set."""
    variances = np.concatenate([[values[:, 0].var()], values[:, 1:].mean(0)])
    total = variances.sum()
    return variances / total if total > 0 else np.full(len(variances), np.nan), variances


def _components(rows: pd.DataFrame, score: str) -> Mapping[str, Any] | None:
    """The mean squared deviations of each source on one data set; None where fewer than two layers are complete."""
    cells = rows.pivot_table(index=["backbone", "layer"], columns=["task", "detector"], values=score, sort=False)
    full = pd.MultiIndex.from_product([cells.columns.unique("task"), cells.columns.unique("detector")])
    cells = cells.reindex(columns=full).dropna()
    if len(cells) < 2:
        return None
    shape = (len(cells), *(len(level) for level in full.levels))
    networks = pd.factorize(cells.index.get_level_values("backbone"))[0]
    same = networks[:, None] == networks
    averaging = same / same.sum(1, keepdims=True)  # over the layers of a network
    return _decomposed(cells.to_numpy().reshape(shape), averaging)


def _decomposed(values: Floats, averaging: Floats) -> dict[str, float]:
    """Split (P, T, D) scores into orthogonal parts, and return the mean square of each."""
    mean = values.mean()
    layer, task, detector = (values.mean(axes) - mean for axes in ((1, 2), (0, 2), (0, 1)))
    by_task = values.mean(2) - mean - layer[:, None] - task
    by_detector = values.mean(1) - mean - layer[:, None] - detector
    both = values.mean(0) - mean - task[:, None] - detector
    parts = [layer[:, None, None], task[:, None], detector, by_task[:, :, None], by_detector[:, None], both]
    rest = values - mean - sum(parts, start=np.zeros_like(values))
    found = {"mean": float(mean), "task": _square(task), "detector": _square(detector)}
    found |= {"task x detector": _square(both), REST: _square(rest)}
    for name, part in (("", layer), (" x task", by_task), (" x detector", by_detector)):
        common = averaging @ part
        found |= {f"network{name}": _square(common), f"layer{name}": _square(part - common)}
    return found


def _square(part: Floats) -> float:
    return float(np.square(part).mean())
