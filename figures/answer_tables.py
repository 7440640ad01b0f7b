"""The tables of the study of studies as Markdown, for `answer_account.py`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reprq.analysis.regret_over_datasets import BOTH, LAYER

ROWS = 6  # of the metrics with the least p


def markdown(table: pd.DataFrame) -> str:
    """Return a table of strings as Markdown."""
    lines = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float, digits: int = 3) -> str:
    """A number, or nothing where there is none."""
    return "" if pd.isna(value) else f"{value:.{digits}f}"


def p_value(value: float) -> str:
    """A p-value, or nothing where there is none."""
    return "< 0.001" if value < 0.001 else number(value)


def with_interval(table: pd.DataFrame, value: str, low: str, high: str, digits: int = 3) -> list[str]:
    """Numbers with their intervals."""
    return [
        number(v, digits) + ("" if pd.isna(a) else f" [{number(a, digits)}, {number(b, digits)}]")
        for v, a, b in table[[value, low, high]].to_numpy(dtype=float)
    ]


def every_rule(lost: pd.DataFrame) -> str:
    """Rules at both levels, the least regret of network and layer first; those of fewer data sets last."""
    every = lost["n_datasets"].max()
    both = lost[lost["level"] == BOTH]
    layer = lost[lost["level"] == LAYER].set_index("rule").reindex(both["rule"]).reset_index()
    names = [r if n == every else f"{r} ({n} data sets)" for r, n in zip(both["rule"], both["n_datasets"], strict=True)]
    table = pd.DataFrame(
        {
            "rule": names,
            "network and layer": with_interval(both, "regret", "low", "high"),
            "layer of a network": with_interval(layer, "regret", "low", "high"),
            "over the last layer, network and layer": with_interval(both, "gain", "gain_low", "gain_high"),
            "p (maxT)": [p_value(p) for p in both["p_max_t"]],
        }
    )
    order = np.lexsort([both["regret"], both["n_datasets"] < every])
    return markdown(table.iloc[order])


def sweet_spots(table: pd.DataFrame, claimed: str) -> str:
    """The metrics with the least p, and the one of which a best value in the middle is claimed."""
    rows = table.sort_values("p_value")
    rows = pd.concat([rows.head(ROWS), rows.iloc[ROWS:][rows.iloc[ROWS:]["metric"] == claimed]])
    shown = {"metric": rows["metric"], "best near": [number(v, 2) for v in rows["value"]]}
    shown |= {name: [number(v, 2) for v in rows[name]] for name in ("rise", "fall")}
    shown |= {name: [p_value(p) for p in rows[column]] for name, column in (("p", "p_value"), ("Holm", "p_holm"))}
    survive = int((table["p_holm"] <= 0.05).sum())
    said = f"{survive or 'None'} of {len(table)} metrics {'survive' if survive > 1 else 'survives'} Holm's correction."
    return f"{markdown(pd.DataFrame({**shown, 'data sets': rows['n_datasets'].astype(int)}))}\n\n{said}"


def claims(table: pd.DataFrame) -> str:
    """The claims with their verdicts."""
    shown = {name: table[name].fillna("") for name in ("claim", "statistic")}
    shown |= {"value": with_interval(table, "value", "low", "high", 2), "data sets": table["n_datasets"].astype(int)}
    return markdown(pd.DataFrame({**shown, "verdict": table["verdict"]}))


def near_and_far(table: pd.DataFrame) -> str:
    """Near and far of either data set beside each other."""
    both = table.assign(said=[f"{number(n, 2)}, {number(f, 2)}" for n, f in table[["near", "far"]].to_numpy()])
    wide = both.pivot_table("said", "of", "dataset", aggfunc="first", sort=False).fillna("")
    return markdown(wide.drop(columns="mean").reset_index().rename(columns={"of": ""}))


def numbers(table: pd.DataFrame, digits: int = 3, interval: Sequence[str] = ()) -> str:
    """Any table, its numbers to some digits; `interval` names a value whose low and high stand behind it."""
    shown = {}
    for name in table:
        if name in interval:
            shown[name] = with_interval(table, name, "low", "high", digits)
        elif name not in ("low", "high") or not interval:
            whole = table[name].dtype.kind != "f" or (table[name].dropna() % 1 == 0).all()
            shown[name] = [v if isinstance(v, str) else number(v, 0 if whole else digits) for v in table[name]]
    return markdown(pd.DataFrame(shown))
