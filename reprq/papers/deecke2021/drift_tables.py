"""The tables and figures of drift: what stopping by each signal loses, which signals warn, and how layers move."""

from typing import Any

import numpy as np
import pandas as pd

from reprq.analysis.stopping import LEARNED, regret_of_stopping, warnings_of_forgetting
from reprq.metrics import names
from reprq.papers.outcome import csv_text
from reprq.papers.trajectories import trajectories
from reprq.study.cells import Row

UNSEEN, SEEN = "auroc_unseen", "auroc_seen"
SIGNALS = ("cka_deepest", "cka_mean", "loss", *names(), *names("rows"))
_PANELS = {
    UNSEEN: "AUROC, unseen anomalies",
    SEEN: "AUROC, seen anomalies",
    "cka_deepest": "CKA with the start, deepest",
    "cka_mean": "CKA with the start, mean",
    "rankme": "RankMe",
    "participation_ratio": "participation ratio",
    "cosine_compactness": "cosine compactness",
    "twonn": "dimension (TwoNN)",
}


def tables(rows: list[Row]) -> dict[str, str]:
    """Return `drift.csv` with every look, `stopping.csv`, `warnings.csv`, and `drift.md` with what they come to."""
    table = as_table(rows)
    stopping, warned = stops(table), warnings(table)
    found = {"drift.csv": table.drop(columns="run"), "stopping.csv": stopping, "warnings.csv": warned}
    texts = {name: csv_text(each.to_dict("records")) for name, each in found.items()}  # type: ignore[arg-type]
    return {**texts, "drift.md": _said(table, stopping, warned)}


def as_table(rows: list[Row]) -> pd.DataFrame:
    """Return the rows with numbers where they may be missing, and "run"."""
    table = pd.DataFrame(rows)
    kinds: dict[str, type] = {"way": str, "benign": str, "seed": int, "new_head": bool, "epoch": int}
    table = table.astype({name: kinds.get(name, float) for name in map(str, table)})
    table["run"] = table["way"] + ", " + table["benign"] + ", " + table["seed"].astype(str)
    return table


def stops(table: pd.DataFrame) -> pd.DataFrame:
    """Return what stopping by each signal loses of the AUROC on unseen anomalies, by way and over all ("all").

    No rule can stop before the training where a new linear layer scores, which is random then.
    """
    scored = table[(table["epoch"] > 0) | ~table["new_head"]]
    parts = [("all", scored), *scored.groupby("way", sort=False)]
    found = [regret_of_stopping(part, SIGNALS, score=UNSEEN, group="benign").assign(way=way) for way, part in parts]
    return pd.concat(found, ignore_index=True)


def warnings(table: pd.DataFrame) -> pd.DataFrame:
    """Return when each signal warns and when the AUROC on unseen anomalies falls, by run."""
    found = warnings_of_forgetting(table, SIGNALS, score=UNSEEN)
    return found.merge(table[["run", "way", "benign"]].drop_duplicates(), on="run")


def _said(table: pd.DataFrame, stopping: pd.DataFrame, warned: pd.DataFrame) -> str:
    ways = list(dict.fromkeys(table["way"]))
    parts = ["# Drift along fine-tuning (Deecke et al. 2021)\n", _course(table, ways)]
    parts += [_regrets(stopping, way) for way in ("all", *ways)]
    return "\n".join([*parts, _warnings(warned)])


def _course(table: pd.DataFrame, ways: list[str]) -> str:
    """What fine-tuning changes, from before it to its last epoch."""
    lines = [["way", "AUROC unseen: first", "best", "last", "AUROC seen: first", "best", "last", "CKA deepest, last"]]
    for way in ways:
        cells = [way]
        runs = [each for _, each in table[table["way"] == way].groupby("run", sort=False)]
        for score in (UNSEEN, SEEN):
            along = [each[score].to_numpy() for each in runs]
            cells += [_number(np.mean([of(each) for each in along])) for of in (_first, np.max, _last)]
        lines.append([*cells, _number(np.mean([each["cka_deepest"].iloc[-1] for each in runs]))])
    about = (
        "Means over benign classes; best is the best epoch in hindsight, on the rows that it is judged on. Before the"
        " training a new linear layer scores at random; DSVDD has none.\n"
    )
    return f"{about}\n{_markdown(lines)}"


def _regrets(stopping: pd.DataFrame, way: str) -> str:
    """The rules that no judged score chose: the learned end of every signal, and the dull ones."""
    part = stopping[(stopping["way"] == way) & ((stopping["signal"] == "") | (stopping["rule"] == LEARNED))]
    lines = [["stop by", "regret", "gain on the last epoch", "mean epoch"]]
    for row in part.itertuples():
        ends = [_with(row, name) for name in ("regret", "over_last")]
        lines.append([row.signal or row.rule, *ends, f"{row.stop:.1f}"])  # type: ignore[list-item]
    n = int(part["n_runs"].iloc[0])
    return f"## Regret of stopping: {way}, {n} runs\n\n{_markdown(lines)}"


def _warnings(warned: pd.DataFrame) -> str:
    """How often each signal warned in time, late, never, and of a fall that did not come."""
    lines = [
        ["signal", "falls", "warned before", "at the same look", "after", "never", "warned without a fall", "lead"]
    ]
    for signal, part in warned.groupby("signal", sort=False):
        fell, lead = part[part["fell"].notna()], part["lead"]
        without = part[part["fell"].isna()]
        counts = [len(fell), (lead > 0).sum(), (lead == 0).sum(), (lead < 0).sum(), fell["warned"].isna().sum()]
        false = f"{without['warned'].notna().sum()} of {len(without)}"
        lines.append([str(signal), *map(str, counts), false, _number(lead.dropna().median(), 1)])
    about = (
        "A signal warns where it is a tenth from its first value; the AUROC on unseen anomalies falls where it stays"
        " more than .02 below its best so far. Lead is the median, in epochs.\n"
    )
    return f"## Warnings\n\n{about}\n{_markdown(lines)}"


def figures(rows: list[Row]) -> dict[str, Any]:
    """Return "drift", "layers" and "stopping"."""
    table = as_table(rows)
    return {
        "drift": trajectories(rows, _PANELS, case=lambda row: str(row["way"]), line="benign"),
        "layers": _layers(table),
        "stopping": _stopping(stops(table)),
    }


def _layers(table: pd.DataFrame) -> Any:
    """The CKA of each layer with its start over epochs, mean over runs; a panel a way."""
    from matplotlib.figure import Figure

    columns = [name for name in map(str, table) if name.startswith("cka_") and name not in SIGNALS]
    ways = list(dict.fromkeys(table["way"]))
    fig = Figure(figsize=(3.2 * len(ways) + 0.8, 0.28 * len(columns) + 1.2), layout="constrained")
    axes = fig.subplots(1, len(ways), sharey=True, squeeze=False)[0]
    for ax, way in zip(axes, ways, strict=True):
        means = table[table["way"] == way].groupby("epoch")[columns].mean()
        shown = ax.imshow(means.T.to_numpy(), vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        ax.set_title(way, fontsize=9)
        every = range(0, len(means), max(1, len(means) // 6))
        ax.set_xticks(every, [f"{means.index[i]:.0f}" for i in every], fontsize=7)
        ax.set_xlabel("epoch", fontsize=8)
    axes[0].set_yticks(range(len(columns)), [name.removeprefix("cka_") for name in columns], fontsize=7)
    fig.colorbar(shown, ax=axes, label="CKA with the start")
    return fig


def _stopping(stopping: pd.DataFrame) -> Any:
    """Regret with its interval of every rule that no judged score chose; a panel a way."""
    from matplotlib.figure import Figure

    chosen = stopping[(stopping["signal"] == "") | (stopping["rule"] == LEARNED)]
    chosen = chosen.assign(name=np.where(chosen["signal"] == "", chosen["rule"], chosen["signal"]))
    order = list(chosen[chosen["way"] == "all"]["name"])[::-1]
    ways = list(dict.fromkeys(chosen["way"]))
    fig = Figure(figsize=(2.4 * len(ways) + 1.6, 0.22 * len(order) + 1.0), layout="constrained")
    axes = fig.subplots(1, len(ways), sharey=True, squeeze=False)[0]
    for ax, way in zip(axes, ways, strict=True):
        for row in chosen[chosen["way"] == way].itertuples():
            if row.name not in order:
                continue
            place, color = order.index(row.name), "C3" if row.signal == "" else "C0"
            if pd.notna(row.regret_low):
                ax.plot([row.regret_low, row.regret_high], [place] * 2, color=color, linewidth=1)
            ax.plot([row.regret], [place], color=color, marker="o", markersize=4)
        ax.axvline(0, color="0.7", linewidth=0.8, zorder=0)
        ax.set_title(way, fontsize=9)
        ax.set_xlabel("regret, AUROC", fontsize=8)
        ax.tick_params(labelsize=7)
    axes[0].set_yticks(range(len(order)), order, fontsize=7)
    return fig


def _first(values: Any) -> float:
    return float(values[0])


def _last(values: Any) -> float:
    return float(values[-1])


def _number(value: Any, digits: int = 3) -> str:
    return "" if pd.isna(value) else f"{value:.{digits}f}"


def _with(row: Any, name: str) -> str:
    """A value with its interval, where it has one."""
    value, low, high = (getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
    return _number(value) if pd.isna(low) else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _markdown(lines: list[list[str]]) -> str:
    ruled = [lines[0], ["---"] + ["---:"] * (len(lines[0]) - 1), *lines[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in ruled) + "\n"
