"""Which backbone and layer to use, by quality on benign data, and what that choice costs in detection."""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reprq.analysis.chance import DRAWS, chance_of_detectors
from reprq.analysis.correlation import chosen_detectors
from reprq.analysis.datasets import ALL, by_dataset
from reprq.analysis.hindsight import HALF_OF_ROWS, SEEDS
from reprq.analysis.left_out import predictions_of_detectors, unfitted
from reprq.analysis.regret import (
    FEW_CLUSTERS,
    FEW_TARGETS,
    first_by_name,
    regret_table,
    regrets,
    scored,
)
from reprq.analysis.rules import (
    COMBINATION,
    Floats,
    StudyArrays,
    check_arrays,
    picks,
    scaled_ranks,
    study_arrays,
)
from reprq.analysis.runs import Run, joined
from reprq.analysis.scenarios import chosen_scenarios, note_of, scenarios_of
from reprq.errors import InputError, UnknownNameError
from reprq.study.results import CLUSTERS, POINT, StudyResults


@dataclass(frozen=True, eq=False)
class Recommendation:
    """Layers in the order in which to try them, and how far to trust that order.

    Attributes:
        ranking: One row a data set (and "all", where there are several), detector, rule, backbone and layer: rank (1 is
            recommended), rule_score (mean over tasks of what the rule says, higher is better) and, where anomalies are
            known, the mean score and its own rank.
        regret: One row a data set (and "all"), detector and rule: what its choices score, and what that loses and
            gains; empty where no anomalies are known.
        choices: One row a data set, detector, rule and task: the layer chosen and the best one; empty likewise. Where
            layers tie, `n_chosen` and `n_best` say how many, the first by name is named, and the scores are means over
            them.
        trust: One row a detector and metric: the correlation on which a ranking without anomalies rests; empty for a
            study's own.
        notes: What a reader must know.
        first: The backbone and layer that `rule` puts first, in the words of `reprq.fit`, so that
            `reprq.fit(data=data, **found.first)` fits on it; empty for a study.
        rule: By which the first is chosen: "combination", or a dull rule that lost less on other data sets.
        told: Whether it was shown that this rule loses less than its rival.
        verdict: By which rule the first is chosen, what that lost on other data sets, and whether it can be told that
            it loses less; empty for a study.
        expected: One row a rule: what choosing by it lost on other data sets, with its interval; empty for a study.
        networks: One row a network: weights and preprocessing; empty for a study.
    """

    ranking: pd.DataFrame
    regret: pd.DataFrame = field(default_factory=pd.DataFrame)
    choices: pd.DataFrame = field(default_factory=pd.DataFrame)
    trust: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()
    first: Mapping[str, Any] = field(default_factory=dict)
    rule: str = COMBINATION
    told: bool = False
    verdict: str = ""
    expected: pd.DataFrame = field(default_factory=pd.DataFrame)
    networks: pd.DataFrame = field(default_factory=pd.DataFrame)


def recommend(
    results: Run | Sequence[Run],
    detector: str | Sequence[str] | None = None,
    score: str = "auroc",
    *,
    source: Run | Sequence[Run] = (),
    exclude: str | Sequence[str] = (),
    scenario: str | None = None,
    cluster: str = "architecture",
    n_resamples: int = 2000,
    seed: int = 0,
) -> Recommendation:
    """Rank the layers of a study by quality on benign data, and say what choosing by that rank costs.

    In every task each rule names one (backbone, layer): the one with the most of a metric (or the least, as the metric
    goes with the score elsewhere), or the one that a ridge regression on the ranks of all metrics puts first, or on
    those and their squares ("curved combination"). What a rule says of a layer in a task is fitted on the networks of
    other architectures and on the tasks of other classes; no label of a sibling or of the class enters. Where there are
    several data sets it is fitted on the others, each of which counts alike; where there is one class, on its own task
    with other architectures. Layers that tie for a choice share it.

    Ranks and means are within a data set. The rows of "all" are the means of what was found within each, with their
    intervals over data sets, and no mean score, since scores of several do not compare.

    The regret is the score of the best layer in hindsight less that of the layer chosen, the mean over tasks. The best
    is chosen on one half of the test rows and scored on the other, both ways, because the largest of many scores on the
    rows that chose it is largest in part by chance; see `reprq.analysis.hindsight` for studies without halves. Beside
    the rules stand "last layer", the mean over the last layers of all backbones, "random", the mean over all layers,
    and "best elsewhere", the layer with the best mean score on the tasks of other classes, which takes labelled
    anomalies and the same backbone.

    The p-value is that of the mean score of a rule's choices among those with the values of all metrics moved between
    networks (`reprq.analysis.chance`), two-sided; `p_holm` corrects it for the rules. Intervals are 95 %. Those of
    gains (`over_last`, `over_random`) are for other networks and classes like these and invert that test
    (`reprq.analysis.regret`). Those of the regret, and those called `..._classes_low` and `..._classes_high`, hold the
    networks fixed and are Student's over classes. `regret_same_rows` is the regret against the largest score itself: in
    expectation the true regret lies between the two.

    Args:
        results: A study, or the folder of one; of several, each data set is judged (`reprq.analysis.runs`).
        detector: Which detectors, by the name or definition in the table; all by default.
        score: The column of the detectors' table.
        source: Studies to learn from, too: rules are fitted on their data sets and judged on those of `results`.
        exclude: Labels of backbones to leave out, with wildcards: "cifar_*".
        scenario: Under which scenario, where a study has several; the plain tasks by default.
        cluster: What is left out, resampled and moved as a whole: "architecture", with all its networks, or "backbone",
            which leaves siblings of the network in.
        n_resamples: Permutations; no more than 499 are drawn.
        seed: Seeds them.

    Returns:
        A `Recommendation`.

    Raises:
        UnknownNameError: a detector, scenario or score that the study does not have, a pattern that matches no
            backbone, or another cluster.
        ReprqError: fewer than two backbones.
    """
    judged = [results] if isinstance(results, StudyResults | Path | str) else list(results)
    read = [run if isinstance(run, StudyResults) else StudyResults.load(run, classes=False) for run in judged]
    if scenario is not None and read and not any(scenario in scenarios_of(study) for study in read):
        chosen_scenarios(read[0], scenario)
    of_scenario = dict.fromkeys(note for study in read for note in note_of(study, scenario))
    results = joined(read, scenario)
    own = list(by_dataset(results))
    sources = [source] if isinstance(source, StudyResults | Path | str) else list(source)
    results = joined([results, *sources], scenario)
    if n_resamples < 100:
        raise InputError(f"n_resamples must be at least 100, got {n_resamples}; 2000 is usual")
    if cluster not in CLUSTERS:
        raise UnknownNameError("cluster", cluster, CLUSTERS)
    results = without(results, [exclude] if isinstance(exclude, str) else exclude)
    if score not in results.detectors.select_dtypes("float"):
        raise UnknownNameError("score of the study", score, results.detectors.select_dtypes("float").columns)
    tables: dict[str, list[pd.DataFrame]] = {"ranking": [], "regret": [], "choices": []}
    notes, parts = of_scenario, by_dataset(results)
    laid = {name: study_arrays(results, name, score, cluster, parts) for name in chosen_detectors(results, detector)}
    for studies in laid.values():
        check_arrays(studies)
    drawn = chance_of_detectors(list(laid.values()), min(n_resamples, DRAWS), seed)
    every = predictions_of_detectors(list(laid.values()))
    for (definition, studies), said, moved in zip(laid.items(), every, drawn, strict=True):
        pairs = list(zip(studies, said, strict=True))
        rankings = [_ranking(study, own, score) for study, own in pairs]
        rankings = [*([_ranking_together(rankings, score)] if len(studies) > 1 else []), *rankings]
        tables["ranking"].append(pd.concat(rankings).assign(detector=definition))
        tables["choices"].append(pd.concat(_choices(study, own, score) for study, own in pairs))
        tables["choices"][-1]["detector"] = definition
        tables["regret"].append(regret_table(studies, said, moved, score).assign(detector=definition))
        notes |= dict.fromkeys([*_notes(results, studies), *unfitted(studies)])
    made = {
        name: _first_columns(pd.concat(found, ignore_index=True), ["dataset", "detector"])
        for name, found in tables.items()
    }
    if sources:
        made = {name: _of_datasets(table, own) for name, table in made.items()}
    return Recommendation(made["ranking"], made["regret"], made["choices"], notes=tuple(notes))


def _of_datasets(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    return table[table["dataset"].isin(names)].reset_index(drop=True)


def without(results: StudyResults, patterns: Sequence[str]) -> StudyResults:
    """Return a study without the backbones whose labels match a pattern.

    Raises:
        UnknownNameError: a pattern matches none.
    """
    labels = results.metrics["backbone"].drop_duplicates().tolist()
    gone: set[str] = set()
    for pattern in patterns:
        found = fnmatch.filter(labels, pattern)
        if not found:
            raise UnknownNameError("backbone of the study", pattern, labels)
        gone |= set(found)
    metrics, judged = (table[~table["backbone"].isin(gone)] for table in (results.metrics, results.detectors))
    return StudyResults(metrics, judged, results.study, results.path)


def _ranking(study: StudyArrays, said: dict[str, Floats], score: str) -> pd.DataFrame:
    """Every rule's order of the points over the tasks of a data set, the combination's first."""
    mean = study.scores.mean(1)
    every = np.stack([said[rule] for rule in study.rules], axis=1)  # (P, rules, T)
    over_tasks = scaled_ranks(every.reshape(len(mean), -1)).reshape(every.shape).mean(2).round(9)
    ranks, by_name = _places(-over_tasks), np.argsort(study.by_name)
    order = np.concatenate([np.lexsort((by_name, own)) for own in ranks.T])
    rules = np.repeat(np.arange(len(study.rules)), len(mean))
    columns = {"dataset": study.dataset, "rule": np.array(study.rules, dtype=object)[rules]}
    columns |= {name: study.points[name].array[order] for name in POINT}
    columns |= {"rule_score": over_tasks[order, rules], "rank": ranks[order, rules], score: mean[order]}
    return pd.DataFrame({**columns, f"{score}_rank": _places(-mean)[order]})


def _places(values: Floats) -> NDArray[np.int64]:
    """The place of each entry in its column, from 1 for the least; those that tie have the first of theirs."""
    order = np.argsort(values, axis=0, kind="stable")
    ascending = np.take_along_axis(values, order, axis=0)
    places = np.arange(1, len(values) + 1).reshape(-1, *[1] * (values.ndim - 1))
    differs = np.ones(values.shape, dtype=bool)
    differs[1:] = ascending[1:] != ascending[:-1]
    found = np.empty(values.shape, dtype=np.int64)
    np.put_along_axis(found, order, np.maximum.accumulate(np.where(differs, places, 1), axis=0), axis=0)
    return found


def _ranking_together(rankings: Sequence[pd.DataFrame], score: str) -> pd.DataFrame:
    """Every rule's order over data sets: the mean of what it says within those that have the layer.

    Scores of several data sets have no mean; `score_rank` is that of their mean rank, as a share of each data set's.
    """
    every = pd.concat(
        [table.assign(place=table[f"{score}_rank"].rank(pct=True)) for table in rankings], ignore_index=True
    )
    found = every.groupby(["rule", *POINT], sort=False)[["rule_score", "place"]].mean().round(9).reset_index()
    by_rule = found.groupby("rule", sort=False)
    found["rank"] = by_rule["rule_score"].rank(ascending=False, method="min").astype(int)
    found[score] = np.nan
    found[f"{score}_rank"] = by_rule["place"].rank(method="min").astype(int)
    rules = {rule: k for k, rule in enumerate(found["rule"].unique())}
    found = found.assign(dataset=ALL, order=found["rule"].map(rules)).sort_values(["order", "rank", *POINT])
    return found[rankings[0].columns.tolist()].reset_index(drop=True)


def _choices(study: StudyArrays, said: dict[str, Floats], score: str) -> pd.DataFrame:
    """What each rule chose in each task, and what the best choice was."""
    rules, best = study.rules, picks(study.scores)
    chosen = picks(np.stack([said[rule] for rule in rules]))  # (rules, P, T)
    shape = (len(rules), len(study.tasks))
    places = {"": first_by_name(study, chosen), "best_": np.broadcast_to(first_by_name(study, best), shape)}
    columns = {
        "dataset": study.dataset,
        "rule": np.repeat(np.array(rules, dtype=object), shape[1]),
        "task": np.tile(study.tasks, shape[0]),
    }
    columns |= {
        f"{which}{name}": study.points[name].array[place.ravel()]
        for which, place in places.items()
        for name in ("backbone", "layer")
    }
    values = {
        score: scored(chosen, study.scores),
        f"best_{score}": study.best_in_hindsight,
        "regret": regrets(study, chosen),
        "n_chosen": (chosen > 0).sum(1),
        "n_best": (best > 0).sum(0),
    }
    return pd.DataFrame({**columns, **{name: np.broadcast_to(own, shape).ravel() for name, own in values.items()}})


def _notes(results: StudyResults, studies: Sequence[StudyArrays]) -> list[str]:
    clusters = len({name for study in studies for name in study.clusters})
    several, classes = len(studies) > 1, len(set(studies[0].targets))
    notes = [_scope(results, studies)]
    if several:
        notes.append(
            f"rules are judged on each data set and fitted on the others; {ALL!r} is the mean of what was found within"
            " each, and its intervals are over data sets"
        )
    elif classes == 1:
        notes.append(
            "one task: rules are fitted on its own anomalies with other networks, which no other task confirms"
        )
    notes += [note for study in studies for note in study.notes]
    notes += [_HINDSIGHT.get(study.hindsight, _NO_HINDSIGHT) for study in studies]
    if several and len(studies) < FEW_TARGETS:
        notes.append(f"no interval over fewer than {FEW_TARGETS} data sets")
    if not several and classes < FEW_TARGETS:
        notes.append(f"no interval from tasks about fewer than {FEW_TARGETS} classes")
    if clusters < FEW_CLUSTERS:
        notes.append(f"no interval for other networks from {clusters} independent ones, {FEW_CLUSTERS} are needed")
    return list(dict.fromkeys(notes))


def _scope(results: StudyResults, studies: Sequence[StudyArrays]) -> str:
    every = pd.concat([study.points for study in studies])
    tasks, classes = sum(len(study.tasks) for study in studies), sum(len(set(study.targets)) for study in studies)
    seeds = results.metrics["seed"].nunique() if "seed" in results.metrics else 1
    networks = every["network"].nunique()
    data = results.study.get("config", {}).get("data", {})
    where = (data.get("name") if isinstance(data, Mapping) else None) or "one data set"
    if len(studies) > 1:
        where = f"{len(studies)} data sets ({', '.join(study.dataset for study in studies)})"
    return (
        f"one study on {where}: {len(every.drop_duplicates(POINT))} layers of {every['backbone'].nunique()} backbones"
        f" of {networks} architecture{'s' * (networks > 1)}, {tasks} task{'s' * (tasks > 1)} about {classes}"
        f" class{'es' * (classes > 1)}, {seeds} seed{'s' * (seeds > 1)}; the interval of a regret holds the networks"
        f" fixed, and none is for other {'kinds of data' if len(studies) > 1 else 'samples'}"
    )


_HINDSIGHT = {
    HALF_OF_ROWS: "the best in hindsight was chosen on one half of the test rows and scored on the other, both ways",
    SEEDS: "the best in hindsight was chosen on the other seeds and scored on each; rows that seeds share flatter it",
}
_NO_HINDSIGHT = (
    "the best in hindsight was chosen and scored on the same test rows: regrets contain the noise of a maximum; a study"
    " run again stores the halves of the rows that remove it"
)


def _first_columns(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    return table[[*names, *(column for column in table if column not in names)]]
