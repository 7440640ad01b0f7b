"""What a study found, said in sentences that its numbers make."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from reprq.analysis import points
from reprq.analysis.complete import complete_scores
from reprq.analysis.datasets import by_dataset
from reprq.analysis.regret import ELSEWHERE
from reprq.analysis.rules import COMBINATION
from reprq.errors import counted
from reprq.evaluation import Correlation, correlation
from reprq.plots.styles import random_backbones
from reprq.statistics.correlation import FEW_GROUPS, UndefinedError
from reprq.statistics.difference import cross_fitted
from reprq.study import StudyResults
from reprq.study.results import POINT

_LEVEL = 0.05


@dataclass(frozen=True)
class Answer:
    """The study's question answered.

    Attributes:
        headline: In one sentence.
        sentences: The evidence, one sentence a fact.
        detector: The detector of the pair that the figures show.
        metric: The metric of that pair, the most telling of the study.
    """

    headline: str
    sentences: tuple[str, ...]
    detector: str
    metric: str


def answer(
    results: StudyResults, table: pd.DataFrame, regret: pd.DataFrame | None = None, elsewhere: str = "classes"
) -> Answer:
    """Answer which metric predicts which detector, how well and how surely.

    A finding is called sure where the p-value, corrected for all metrics, detectors and groups of tasks (Westfall and
    Young), is at most 0.05 and the 95 % interval, which resamples whole networks, does not hold 0.

    Args:
        results: A study.
        table: Its Spearman correlations over all tasks, one row a detector and metric, as `reprq.correlate` gives them.
        regret: What choosing by each rule costs, as `reprq.analysis.recommend` gives it, where the study allows it.
        elsewhere: What else than architectures the rules were fitted on others of: "classes" or "data sets".

    Returns:
        The answer; it says so where nothing is sure.
    """
    known = table.dropna(subset="coefficient")
    if known.empty:
        first = table.iloc[0]
        return Answer("No correlation could be computed.", (_scope(results),), first["detector"], first["metric"])
    leaders = {str(name): _leader(rows) for name, rows in known.groupby("detector", sort=False)}
    sure = [name for name, row in leaders.items() if _is_sure(row)]
    if not sure:
        headline = "Nothing is sure: no metric predicted any detector beyond chance, corrected for all that was tried."
        networks = int(known["n_backbones"].max())
        if 2.0 ** (1 - networks) > _LEVEL:  # the least p-value that the test can give
            headline += f" With {_of(networks, 'network')} nothing could be."
    elif len(sure) == len(leaders):
        headline = f"Yes, in this study: quality measured on {_alone(results)} predicted every detector."
    else:
        headline = (
            f"In part: a metric predicted {len(sure)} of {len(leaders)} detectors, for the others nothing is sure."
        )
    first = max(leaders.values(), key=lambda row: (_is_sure(row), abs(row["coefficient"])))
    headline += _in_single_tasks(first)
    sentences = [_scope(results)]
    for name, row in leaders.items():
        tried = known[known["detector"] == name]["metric"].tolist()
        sentences.append(
            _sentence(name, row, len(table[table["detector"] == name])) + _measured_elsewhere(results, name, tried)
        )
    trained = _among_trained(results, first)
    if trained is not None:
        sentences.append(_trained_sentence(trained, first))
        if sure and abs(trained.coefficient or 0.0) < abs(first["coefficient"]) / 2:
            headline += " Much of that is trained against random networks."
    sentences.append(_hindsight(results))
    if regret is not None:
        sentences += _cost(regret, str(first["detector"]), elsewhere)
    return Answer(headline, tuple(sentences), str(first["detector"]), str(first["metric"]))


def _is_sure(row: Any) -> bool:
    if any(pd.isna(row[name]) for name in ("p_family", "low", "high")):
        return False
    return bool(row["p_family"] <= _LEVEL and (row["low"] > 0 or row["high"] < 0))


def _leader(rows: pd.DataFrame) -> Any:
    """The row with the strongest correlation, those that are sure first."""
    return max(rows.to_dict("records"), key=lambda row: (_is_sure(row), abs(row["coefficient"])))


def _scope(results: StudyResults) -> str:
    metrics, detectors = results.metrics, results.detectors
    labels = [str(label) for label in detectors["backbone"].unique()]
    count = len(detectors[["backbone", "layer"]].drop_duplicates())
    random = len(random_backbones(detectors))
    tasks, datasets = len(detectors[["dataset", "task"]].drop_duplicates()), detectors["dataset"].nunique()
    where = f" of {datasets} data sets" if datasets > 1 else ""
    architectures = detectors["network"].nunique() if "network" in detectors else len(labels)
    return (
        f"{_of(metrics['metric'].nunique(), 'metric')} of quality, measured on {_alone(results, 'training ')}, were set"
        f" against the AUROC of {_of(detectors['definition'].nunique(), 'detector')} on"
        f" {_of(tasks, 'one-class task')}{where}, over {_of(count, 'layer')} of"
        f" {_of(len(labels), 'network')} ({_of(architectures, 'architecture')}, {random} with random weights)."
    )


def _alone(results: StudyResults, kind: str = "") -> str:
    """What the metrics were measured on."""
    return f"{kind}samples, some of them anomalous" if is_polluted(results) else f"benign {kind}samples alone"


def is_polluted(results: StudyResults) -> bool:
    """Whether some training rows are anomalous, in one scenario of the study at least."""
    return bool(results.metrics["scenario"].astype(str).str.contains("% polluted", regex=False).any())


def _of(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _sentence(detector: str, row: Any, tried: int) -> str:
    found = f"Spearman's rho is {row['coefficient']:.2f}"
    if not pd.isna(row["low"]):
        found += f", 95 % interval {row['low']:.2f} to {row['high']:.2f}"
    if not pd.isna(row["p_family"]):
        p = "< 0.001" if row["p_family"] < 0.001 else f"= {row['p_family']:.3f}"
        found += f", p {p} corrected for {_of(tried, 'metric')} and every detector and group of tasks"
    if not _is_sure(row):
        return f"For {detector} nothing is sure; the strongest is {row['metric']}: {found}."
    way = "higher" if row["coefficient"] > 0 else "lower"
    return f"For {detector}, {row['metric']} predicts best, {way} going with better detection: {found}."


def _measured_elsewhere(results: StudyResults, detector: str, metrics: list[str]) -> str:
    """What is left of the strongest metric where it was not chosen; empty where that cannot be said."""
    tables = [points(results, metric, "auroc", detector).set_index(["dataset", *POINT]) for metric in metrics]
    columns = pd.concat([table["x"] for table in tables], axis=1, join="inner")
    varying = [values for _, values in columns.items() if values.nunique() > 1]
    y = tables[0]["y"].reindex(columns.index)
    if len(varying) < 2 or y.nunique() < 2:
        return ""
    dataset, backbone = (columns.index.get_level_values(name).to_numpy() for name in ("dataset", "backbone"))
    try:
        value = cross_fitted(varying, y, backbone, strata=dataset)
    except UndefinedError:  # a metric does not vary on some data set
        return ""
    if value is None:
        return ""
    return (
        f" The strongest of {len(varying)} metrics on one half of the networks has rho {value:.2f} on the other half,"
        " the mean of 200 splits."
    )


def _in_single_tasks(row: Any) -> str:
    """How far single tasks differ from all together, where there are several."""
    if pd.isna(row.get("task_median")):
        return ""
    text = (
        f" Over all tasks {row['metric']} has rho {row['coefficient']:.2f} with {row['detector']}; in single tasks the"
        f" median is {row['task_median']:.2f}, from {row['task_min']:.2f} to {row['task_max']:.2f}"
    )
    if pd.isna(row.get("new_task_low")):
        return f"{text}."
    return f"{text}, and a new one is expected between {row['new_task_low']:.2f} and {row['new_task_high']:.2f}."


def _among_trained(results: StudyResults, row: Any) -> Correlation | None:
    """The strongest finding among the networks that were trained; None where all or too few were.

    Its interval resamples whole architectures, since trained networks are often of few.
    """
    over = points(results, row["metric"], "auroc", row["detector"])
    trained = over[~over["backbone"].isin(random_backbones(over))]
    if len(trained) == len(over) or trained["backbone"].nunique() < 3:
        return None
    backbones, networks, datasets = (trained[name].to_numpy() for name in ("backbone", "network", "dataset"))
    found = correlation(trained["x"], trained["y"], backbones, clusters=networks, strata=datasets)
    return None if found.coefficient is None else found


def _trained_sentence(found: Correlation, row: Any) -> str:
    few = f" (of only {_of(found.n_groups, 'architecture')})" if found.n_groups < FEW_GROUPS else ""
    span = "too few for an interval" if found.low is None else f"{found.low:.2f} to {found.high:.2f}"
    return (
        f"Among the trained networks alone{few}, {row['metric']} against {row['detector']} has rho = "
        f"{found.coefficient:.2f}, {span}; with networks of random weights it is {row['coefficient']:.2f}."
    )


def _hindsight(results: StudyResults) -> str:
    parts = by_dataset(results)
    if len(parts) > 1:
        return " ".join(f"On {name}: {_hindsight(part.results)}" for name, part in parts.items())
    definitions = [str(name) for name in results.detectors["definition"].unique()]
    means = pd.concat({name: complete_scores(results, name).values.mean(axis=1) for name in definitions})
    if means.empty:
        return "No layer has a score in every task."
    best = means[means.round(9) == means.round(9).max()].sort_index()
    detector, backbone, layer, _ = best.index[0]
    more = f" ({counted(len(best) - 1, 'other')} did as well)" if len(best) > 1 else ""
    said = f"The best layer in hindsight was {layer} of {backbone} by {detector}{more}, with a mean AUROC of"
    if len(means) == 1:
        return f"{said} {means.max():.3f}; it was the only one."
    return f"{said} {means.max():.3f}; the median over all layers and detectors was {means.median():.3f}."


def _cost(regret: pd.DataFrame, detector: str, elsewhere: str) -> list[str]:
    """What the combination of all metrics chose, fitted without the classes and networks that it was judged on."""
    rows = regret[(regret["detector"] == detector) & (regret["rule"] == COMBINATION)].to_dict("records")
    others = f" and {elsewhere}" if (regret["rule"] == ELSEWHERE).any() else ""  # one task has no others
    return [
        f"Choosing a layer for {detector} by all metrics together, fitted on other architectures{others}, gave"
        f"{_mean_score(row)} {_change(row, 'regret', -1)} against the best layer of each task in"
        f" hindsight, {_change(row, 'over_last')} against the last layers, and {_change(row, 'over_random')} against a"
        f" random layer. With the metrics' values moved between networks, choices are as far from chance in"
        f" {_percent(row['p_value'])} % of draws."
        for row in rows
    ]


def _percent(share: float) -> str:
    return "100" if share >= 0.995 else f"{100 * share:.2g}"


def _mean_score(row: Any) -> str:
    """The mean score of the choices; data sets have none in common."""
    return ", in the mean of the data sets," if pd.isna(row["auroc"]) else f" a mean AUROC of {row['auroc']:.3f}:"


def _change(row: Any, name: str, sign: int = 1) -> str:
    """What is gained or lost, with its intervals where there are networks and classes enough for them."""
    gain = sign * row[name]
    text = f"{abs(gain):.3f} {'gained' if gain > 0 else 'lost'}"
    kinds = {name: "", f"{name}_classes": " with the networks fixed"} if f"{name}_classes_low" in row else {name: ""}
    spans = []
    for column, kind in kinds.items():
        ends = sorted(sign * row[f"{column}_{end}"] for end in ("low", "high") if not pd.isna(row[f"{column}_{end}"]))
        if ends and gain <= 0:
            ends = [-end for end in reversed(ends)]
        spans += [f"{ends[0]:.3f} to {ends[1]:.3f}{kind}"] if ends else []
    return f"{text} (95 % interval {', '.join(spans)})" if spans else text
