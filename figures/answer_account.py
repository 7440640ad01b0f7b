"""The account of the study of studies for a reviewer, two pages, and its README: their numbers are those of `answer/`.

    python figures/answer_account.py

It reads `answer/*.csv`, which `answer.py` and `answer_embeddings.py` write, and what `answer_elsewhere.py` writes; the
words stand in `answer/account.template.md` and `answer/README.template.md`.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from answer_tables import claims, every_rule, near_and_far, numbers, p_value, sweet_spots

from reprq.analysis.elsewhere import Elsewhere
from reprq.analysis.regret_over_datasets import BOTH, LAYER, regret_summary
from reprq.analysis.rivals import AGREEMENT, DEPTH, FEW_SHOT, FIXED, LAST, RANDOM, SYNTHETIC
from reprq.analysis.rules import COMBINATION, CURVED

HERE = Path(__file__).parent / "answer"
PAGES = ("account", "README")
LEVEL = 0.05
NEED_SCORES = (AGREEMENT, SYNTHETIC)
COMBINED = (COMBINATION, CURVED, "two-term summary")
KINDS = {"image": "images", "text": "texts", "table": "tables", "audio": "sounds"}


def main() -> None:
    """Write the account and the README."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, default=HERE)
    asked = parser.parse_args()
    for name in PAGES:
        (asked.tables / f"{name}.md").write_text(page(asked.tables, name), encoding="utf-8")


def page(folder: Path, name: str) -> str:
    """Return the account or the README as Markdown."""
    tables = {path.stem: pd.read_csv(path) for path in folder.glob("*.csv")}
    text = (folder / f"{name}.template.md").read_text(encoding="utf-8")
    for part, said in parts(tables).items():
        text = text.replace(f"{{{{ {part} }}}}", said)
    return text


def parts(tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    """Return what stands in the place of each name."""
    lost, wide = tables["regret"], tables["regret_by_dataset"]
    against = over(FIXED, wide)
    few = lost["rule"].str.contains("k = ")
    return {
        "data": data(wide, Elsewhere.packaged(), tables["correlation"]),
        "verdict": verdict(lost, against),
        "best": table_of_rules(lost, against),
        "rules": every_rule(lost[~few & ~lost["rule"].isin(NEED_SCORES)]),
        "handful": every_rule(lost[few | lost["rule"].isin((*NEED_SCORES, FIXED, DEPTH, LAST, RANDOM))]),
        "unseen": unseen(wide),
        "few": few_anomalies(lost),
        "when": when(wide),
        "middle": sweet_spots(tables["sweet_spots"], "alpha_req"),
        "claims": claims(tables["claims"]),
        "near": near_and_far(tables["near_and_far"]),
        "radial": numbers(tables["radial"], interval=("over beta 0",)),
        "patches": numbers(tables["patches"]),
        "students": numbers(tables["students"], 2, interval=("rho",)),
        "between": between(tables["embeddings"]),
        "variance": shares(tables["variance"]),
        "sources": numbers(tables["variance"].drop(columns="sd"), interval=("share",)),
        "correlation": coefficients(tables["correlation"]),
        "threats": largest(wide),
        "seeds": seeds(tables["seeds"], metrics_of(lost, BOTH)["rule"]),
    }


def over(rival: str, wide: pd.DataFrame) -> pd.DataFrame:
    """Return what every rule gains on a rival, over the data sets that it was judged on."""
    long = wide.melt(id_vars=["level", "rule"], var_name="dataset", value_name="regret").dropna(subset="regret")
    return regret_summary(long, rival)


def metrics_of(table: pd.DataFrame, level: str) -> pd.DataFrame:
    """Return the rows of single metrics and of their combinations, judged on as many data sets as most rules."""
    rows = table[(table["level"] == level) & (table["n_datasets"] == table["n_datasets"].max())]
    rivals = rows["rule"].str.contains(" ") & ~rows["rule"].isin(COMBINED)
    return rows[~rivals & (rows["rule"] != LAST)]


def span(row: pd.Series, name: str = "regret") -> str:
    """A number with its interval."""
    ends = ("low", "high") if name == "regret" else (f"{name}_low", f"{name}_high")
    low, high = (row[end] for end in ends)
    return f"{row[name]:.3f}" + ("" if pd.isna(low) else f" [{low:.3f}, {high:.3f}]")


def row_of(table: pd.DataFrame, level: str, rule: str) -> pd.Series:
    """One rule at one level."""
    return table[(table["level"] == level) & (table["rule"] == rule)].iloc[0]


def data(wide: pd.DataFrame, elsewhere: Elsewhere, correlation: pd.DataFrame) -> str:
    """How many data sets and networks of each modality."""
    names = [name for name in wide if name not in ("level", "rule")]
    kinds = elsewhere.regrets.drop_duplicates("dataset").set_index("dataset")["modality"]
    unknown = [name for name in names if name not in kinds.index]
    if unknown:
        raise SystemExit(f"run answer_elsewhere.py first: it does not know {', '.join(unknown)}")
    own = {kind: [name for name in names if kinds[name] == kind] for kind in KINDS}
    listed = "; ".join(f"{len(own[kind])} of {KINDS[kind]} ({', '.join(own[kind])})" for kind in KINDS if own[kind])
    layers = int(correlation.loc[correlation["dataset"] == "all", "n"].max())
    count = correlation["metric"].nunique()
    return f"{len(names)} data sets: {listed}. {layers} points (a layer of a network on a data set), {count} metrics"


def verdict(lost: pd.DataFrame, against: pd.DataFrame) -> str:
    """Whether a metric beats the fixed ranking and the last layer, at either level."""
    said = []
    for level in (BOTH, LAYER):
        own, fixed = metrics_of(lost, level), row_of(lost, level, FIXED)
        best = own.sort_values("regret").iloc[0]
        compared = metrics_of(against, level)
        sure = compared[(compared["gain"] > 0) & (compared["p_max_t"] <= LEVEL)]["rule"].tolist()
        least = compared[compared["regret"] < fixed["regret"]]["rule"].tolist()
        beats = (
            f"is shown to lose less than the fixed ranking ({', '.join(sure)})"
            if sure
            else "is not shown to lose less than the fixed ranking"
        )
        beats += "" if sure else f", and {len(least) or 'none'} of {len(compared)} lost less in the mean"
        better = own[(own["gain"] > 0) & (own["p_max_t"] <= LEVEL)]["rule"].tolist()
        better_text = f"{len(better) or 'none'} of {len(own)} are better than the last layer"
        better_text += f" ({', '.join(better)})" if better else ""
        said.append(
            f"To choose the {level}: the fixed ranking loses {span(fixed)}, the best metric or combination"
            f" ({best['rule']}) {span(best)}. A metric {beats}; after correction for all rules (maxT) {better_text}."
        )
    return "\n\n".join(said)


def table_of_rules(lost: pd.DataFrame, against: pd.DataFrame) -> str:
    """The dull rules, the combinations and the four best metrics, with what they gain on both rivals."""
    own = metrics_of(lost, BOTH)
    best = own[~own["rule"].isin(COMBINED)].sort_values("regret")["rule"].head(4).tolist()
    lines = [
        "| rule | network and layer | layer of a network | over the fixed ranking | over the last layer | p (maxT) |"
    ]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for rule in [FIXED, COMBINATION, CURVED, *best, DEPTH, RANDOM, LAST]:
        both, layer = row_of(lost, BOTH, rule), row_of(lost, LAYER, rule)
        fixed = "" if rule == FIXED else span(row_of(against, BOTH, rule), "gain")
        last = "" if rule == LAST else span(both, "gain")
        p = p_value(both["p_max_t"])
        lines.append(f"| {rule} | {span(both)} | {span(layer)} | {fixed} | {last} | {p} |")
    return "\n".join(lines)


def unseen(wide: pd.DataFrame) -> str:
    """Whether a metric beats the most frequent depth, which like the metrics has not seen the architecture."""
    said = []
    for level in (BOTH, LAYER):
        table = over(DEPTH, wide)
        own = metrics_of(table, level)
        own = own[~own["rule"].isin((FIXED, DEPTH))]
        best = own.sort_values("gain", ascending=False).iloc[0]
        sure = own[(own["gain"] > 0) & (own["p_max_t"] <= LEVEL)]["rule"].tolist()
        said.append(
            f"To choose the {level}, {(own['gain'] > 0).sum() or 'none'} of {len(own)} metrics and combinations lose"
            f" less than it in the mean, {', '.join(sure) or 'none'} after correction (most: {best['rule']},"
            f" {span(best, 'gain')})."
        )
    return " ".join(said)


def between(table: pd.DataFrame) -> str:
    """Whether metrics tell on which task of one network and layer detection will work."""
    sure = table[table["p_holm"] <= LEVEL]
    turned = (np.sign(table["coefficient"]) != np.sign(table["given_rows"])).sum()
    largest = table.loc[table["coefficient"].abs().idxmax()]
    return (
        f"Over the {int(table['n'].max())} sets that ADBench embedded by one layer of one network,"
        f" {len(sure) or 'none'} of {len(table)} coefficients of a metric with the AUROC of a detector is told from 0"
        f" after correction (largest: {largest['metric']} with {largest['detector']}, {largest['coefficient']:.2f}"
        f" [{largest['low']:.2f}, {largest['high']:.2f}]); {turned} change sign with the number of rows given"
        " ([`embeddings.csv`](embeddings.csv))."
    )


def few_anomalies(lost: pd.DataFrame) -> str:
    """What a handful of labelled anomalies loses, and how many beat the best metric and the fixed ranking."""
    rows = lost[(lost["level"] == BOTH) & lost["rule"].str.startswith("few-shot")]
    rows = rows.assign(k=rows["rule"].str.rpartition(" ")[2].astype(int)).sort_values("k")
    listed = ", ".join(f"k = {row['k']}: {span(row)}" for _, row in rows.iterrows())
    count, every = int(rows["n_datasets"].iloc[0]), int(lost["n_datasets"].max())
    best, fixed = metrics_of(lost, BOTH)["regret"].min(), row_of(lost, BOTH, FIXED)["regret"]
    if count < every:
        return f"on the {count} data sets where scores of every row were kept: {listed} (not the same means as above)."
    needed = [rows.loc[rows["regret"] < bar, "k"].min() for bar in (best, fixed)]
    words = ["more than ten" if pd.isna(k) else str(int(k)) for k in needed]
    return f"{listed}. To lose less than the best metric takes k = {words[0]}, than the fixed ranking k = {words[1]}."


def when(wide: pd.DataFrame) -> str:
    """On how many data sets the best metric loses less than a handful of anomalies."""
    names = [name for name in wide if name not in ("level", "rule")]
    table = wide[wide["level"] == BOTH].set_index("rule")[names].dropna()
    metrics = [rule for rule in table.index if " " not in rule]
    best = table.loc[metrics].mean(axis=1).idxmin()
    counts = {k: int((table.loc[best] < table.loc[FEW_SHOT.format(k)]).sum()) for k in (1, 2, 5, 10)}
    listed = ", ".join(f"{count} (k = {k})" for k, count in counts.items())
    return (
        f"When does a metric beat a handful of labels? To choose both, {best} loses less than k anomalies do on"
        f" {listed} of {len(names)} data sets."
    )


def shares(variance: pd.DataFrame) -> str:
    """The four largest sources of variance of AUROC."""
    rows = variance.sort_values("share", ascending=False).head(4)
    return ", ".join(
        f"{row['source']} {row['share']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" for _, row in rows.iterrows()
    )


def coefficients(correlation: pd.DataFrame) -> str:
    """How many metrics go with AUROC within data sets, over data sets and over networks too."""
    rows = correlation[correlation["dataset"] == "all"]
    sure = rows[(rows["low"] > 0) | (rows["high"] < 0)]
    both = rows[(rows["low_networks_too"] > 0) | (rows["high_networks_too"] < 0)]
    order = sure["coefficient"].abs().sort_values(ascending=False).index
    largest = (f"{sure.loc[i, 'metric']} {span(sure.loc[i].rename({'coefficient': 'regret'}))}" for i in order[:3])
    return (
        f"{len(sure)} of {len(rows)} metrics have an interval over data sets without 0, before any correction"
        f" (largest: {', '.join(largest)}); drawing networks anew as well, {len(both) or 'none'}"
    )


def largest(wide: pd.DataFrame) -> str:
    """The data set that decides most of what the last layer loses, and the means without it."""
    names = [name for name in wide if name not in ("level", "rule")]
    table = wide.set_index(["level", "rule"])[names]
    worst = table.loc[LAYER, LAST].idxmax()
    without = table.drop(columns=worst).mean(axis=1)
    rules = ", ".join(f"{rule} {without[BOTH, rule]:.3f}" for rule in (FIXED, COMBINATION, RANDOM, LAST))
    share = table.loc[LAYER, LAST].max() / table.loc[LAYER, LAST].sum()
    return f"{worst} makes {100 * share:.0f} % of what the last layer loses to a given network; without it: {rules}"


def seeds(table: pd.DataFrame, rules_of_metrics: "pd.Series[str]") -> str:
    """What the rules lose with each seed, and whether seeds agree on their order."""
    own = table[table["level"] == BOTH].set_index("rule").drop(columns="level")
    metrics = own.index.intersection(rules_of_metrics)  # those that ask nothing beside the studies
    best = [own.loc[metrics, seed].idxmin() for seed in own]
    rules = list(dict.fromkeys([FIXED, DEPTH, *best, RANDOM, LAST]))
    listed = ", ".join(f"{rule} {', '.join(f'{lost:.3f}' for lost in own.loc[rule])}" for rule in rules)
    agree = own.loc[metrics].corr("spearman").to_numpy()[0, 1]
    return (
        f"Each of {own.shape[1]} seeds of samples, splits and random weights, network and layer"
        f" ([`seeds.csv`](seeds.csv)): {listed}; the regrets of {len(metrics)} metrics and combinations have a rank"
        f" correlation of {agree:.2f}"
    )


if __name__ == "__main__":
    main()
