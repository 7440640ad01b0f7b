"""Which metric to trust, over data sets of four modalities: run the studies, judge every metric and every rival.

    REPRQ_ANSWER=DATA python figures/answer.py --runs runs/answer --out figures/answer

DATA holds what the four studies `answer/*.toml` read; `answer_data.py` lays the photos out:
    tiles/, apple/, cifar/, fashion/, superclasses/
                              magnetic tiles, apple leaves, JPEG CIFAR-10, Fashion-MNIST, Tiny ImageNet
    torchvision/              MNIST and USPS, as torchvision reads them
    news/, reuters/, sms.tsv  20_newsgroups/, reut2-*.sgm, the SMS Spam Collection
    sounds/                   ESC-10: dog_bark/, rain/, ...
    tabular/                  6_cardio.npz, 30_satellite.npz and 38_thyroid.npz of ADBench
    weights/, minilm/, glove.6B.100d.top25k.txt.xz
                              the networks

What was interrupted goes on where it stopped; `answer_layers.py` says what is asked of every layer beside the studies.
`regret.csv` has what every metric and every rival loses, with intervals
over data sets, `regret_by_dataset.csv` the same of each data set, `regret_by_detector.csv` of each detector and
`regret_by_dataset_and_detector.csv` of both, `variance.csv` the shares of variance of AUROC,
`correlation.csv` Spearman's coefficient of each metric within data sets and its mean, with an interval for other data
sets and one for other networks too, `sweet_spots.csv` whether a middle value is best, `claims.csv` the claims of Mai's
thesis, `near_and_far.csv` and `radial.csv` what their names say (`answer_claims.py`), `patches.csv` and `students.csv`
what two small studies beside them say (`answer_beside.py`); `regret.png` draws the first. `detectors.parquet` and
`metrics.parquet` have every AUROC, of all test rows and of either half, and every metric.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from answer_beside import BESIDE, patches, students
from answer_claims import claims, near_and_far, radial
from answer_layers import (
    FILE,
    LABEL_COUNTS,
    LABELLED,
    LAYER_METRICS,
    complete_layers,
    layer_detectors,
    layer_metrics,
)
from made_anomalies import made_anomalies

from reprq.analysis import Directions, over_datasets, sweet_spots, with_targets
from reprq.analysis.left_out import predictions
from reprq.analysis.regret_over_datasets import LEVELS, regret_summary, regrets_by_dataset
from reprq.analysis.rivals import (
    AGREEMENT,
    FEW_LABELS,
    FEW_SHOT,
    SYNTHETIC,
    against_synthetic,
    agreement,
    dull_rules,
    few_shot,
)
from reprq.analysis.rules import COMBINATION, CURVED, StudyArrays, study_arrays
from reprq.analysis.runs import joined
from reprq.analysis.variance import variance_shares
from reprq.data import Split
from reprq.embeddings import extract
from reprq.evaluation import crossed_correlation
from reprq.evaluation.detection import Detection, halves_of
from reprq.plots import render
from reprq.storage import write_whole
from reprq.study import StudyResults, run_study
from reprq.study.compute import CellRunner
from reprq.study.config import StudyConfig
from reprq.study.jobs import Cell
from reprq.study.loading import load_config
from reprq.study.parts import StudyPart
from reprq.study.plan import Plan
from reprq.study.runner import StudyRun
from reprq.study.sources import Teachers, load_network
from reprq.study.tables import write_table

HERE = Path(__file__).parent / "answer"
STUDIES = ("tables", "texts", "images", "sounds")
SCORES = "scores.parquet"
SCORED = ("knn", "mahalanobis", "centroid")  # whose scores of every row the rivals take
ANOMALIES = (1, 2, 5, 10)  # that few-shot validation is given
COMBINED = (COMBINATION, CURVED)
TWO_TERMS, OF_TWO = "two-term summary", ("effective_rank", "local_dimension")  # arXiv 2510.15202
FEWEST = 3  # data sets that an interval for networks too takes
MADE = 20  # synthetic anomalies of a split, at most


def main() -> None:
    """Run what is not finished, and write the tables and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--only", choices=STUDIES, action="append", help="some of the studies")
    parser.add_argument("--directions", type=Path, help="write what `reprq recommend --data` reads, as JSON")
    parser.add_argument("--as-is", action="store_true", help="write the tables from what is there, and run nothing")
    asked = parser.parse_args()
    names = asked.only or STUDIES
    if not asked.as_is:
        for name in names:
            config = load_config(HERE / f"{name}.toml")
            run = run_study(config, asked.runs / name, cache_dir=asked.cache, force=True)
            plan = plan_of(run, config)
            complete_scores(run, plan, asked.cache)
            complete_layers(plan, run.path, asked.cache)
        for name in BESIDE if asked.only is None else ():
            run_study(HERE / f"{name}.toml", asked.runs / name, cache_dir=asked.cache, force=True)
    runs = [StudyResults.load(asked.runs / name) for name in names]
    scores = [pd.read_parquet(path) for run in runs if (path := run.path / SCORES).exists()]
    asked.out.mkdir(parents=True, exist_ok=True)
    layers = pd.concat([pd.read_parquet(path) for run in runs if (path := run.path / FILE).exists()], ignore_index=True)
    results = with_layers(joined(runs), layers)
    classes = pd.concat([pd.read_csv(run.path / "classes.csv") for run in runs], ignore_index=True)
    write_points(results, asked.out)
    for name, table in tables(results, pd.concat(scores, ignore_index=True), layers, classes).items():
        write_table(table.round(4), asked.out / f"{name}.csv")
    for name, table_of in (("patches", patches), ("students", students)):
        if (asked.runs / name / "study.json").exists():
            table = table_of(StudyResults.load(asked.runs / name))
            write_table(table.round(4), asked.out / f"{name}.csv")
    summary = pd.read_csv(asked.out / "regret.csv")
    if asked.directions is not None:
        directions(joined(runs)).save(asked.directions)
    write_whole(asked.out / "regret.png", lambda file: file.write_bytes(render(draw(summary), "png")))


def write_points(results: StudyResults, out: Path) -> None:
    """Write every AUROC and every metric, for who would judge rules of his own without running the studies."""
    keys = ["seed", "dataset", "task", "backbone", "layer_number", "layer", "definition"]
    wanted = {
        "detectors": (results.detectors, ["auroc", "auroc_half_1", "auroc_half_2"]),
        "metrics": (results.metrics, ["value"]),
    }
    for name, (table, values) in wanted.items():
        kept = table[[*keys, *values]].astype(dict.fromkeys(values, "float32"))
        write_whole(out / f"{name}.parquet", partial(kept.to_parquet, compression="zstd", index=False))


def directions(results: StudyResults) -> Directions:
    """Return what all data sets say of each metric; `answer_elsewhere.py` says what choosing by rules lost."""
    title = f"figures/answer, {results.detectors['dataset'].nunique()} data sets of four modalities"
    named = replace(results, study={**results.study, "config": {**results.study["config"], "title": title}})
    return Directions.of_study(named)


def plan_of(run: StudyResults, config: StudyConfig) -> Plan:
    """Return the plan of a study, with the detectors alone whose scores of every row are kept."""
    kept = config.model_copy(update={"detectors": list(SCORED)})
    return Plan(kept, Teachers(run.path / "teachers", kept.datasets, "cpu"))


def with_layers(results: StudyResults, layers: pd.DataFrame) -> StudyResults:
    """Return the studies as one with what was asked of every layer beside them."""
    trained = layer_detectors(layers, results.detectors, "deep_svdd")
    judged = pd.concat([results.detectors, trained], ignore_index=True)
    return replace(results, metrics=layer_metrics(layers, results.metrics), detectors=judged)


def complete_scores(run: StudyResults, plan: Plan, cache: Path | None) -> None:
    """Write the scores of every test row by three detectors, one row a cell, which a study does not keep.

    They stand in the folder of the run: a cell that is there is not computed again.
    """
    path = run.path / SCORES
    known = pd.read_parquet(path) if path.exists() else pd.DataFrame(columns=["key"])
    study, runner = StudyRun(plan, run.path, "cpu", cache, progress=False), CellRunner()
    done = set(known["key"])
    for part in plan.parts:
        cells = [cell for cell in plan.cells(part) if cell.detector is not None and _key(cell) not in done]
        if cells:
            made = {split.name: _made_rows(plan, part, split, cache) for split in plan.splits_of(part)}
            rows = [_scored(runner.evaluate(study.job(part, cell))[0], cell, made[cell.split.name]) for cell in cells]
            known = pd.concat([known, pd.DataFrame(rows)], ignore_index=True)
            write_whole(path, known.to_parquet)


def _key(cell: Cell) -> str:
    return next(iter(cell.keys.values()))


def _scored(found: Detection, cell: Cell, made: Mapping[str, np.ndarray]) -> dict[str, object]:
    """The scores of one cell: of the test rows, and of the made anomalies of its split."""
    where = {name: cell.columns()[name] for name in ("dataset", "task", "backbone", "layer")}
    judged = {"scores": found.scores, "labels": found.labels, "classes": found.classes}
    synthetic = found.fitted.anomaly_score(made[cell.layer])
    return {"key": _key(cell), **where, "detector": str(cell.detector), **judged, "synthetic": synthetic}


def _made_rows(plan: Plan, part: StudyPart, split: Split, cache: Path | None) -> dict[str, np.ndarray]:
    """Anomalies made of the first benign training samples of a split, in every layer of a network."""
    network, (train, _) = plan.network_of(part), plan.samples[part.seed, part.data.dataset]
    backbone = load_network(network.config, part.seed, plan.benign_of(part))
    named = [name for name, _ in network.layers]
    made = made_anomalies(train.select(split.train[:MADE]), part.seed)
    found = extract(backbone, made, named, pooling=network.config.pooling, progress=False, cache_dir=cache)
    return {name: found[stored].array for name, stored in zip(named, found, strict=True)}


def tables(
    results: StudyResults, scores: pd.DataFrame, layers: pd.DataFrame, classes: pd.DataFrame
) -> Mapping[str, pd.DataFrame]:
    """Return everything that is written, by name."""
    results = with_targets(results, {"alpha_req": 1.0, "alpha_all_ranks": 1.0})
    names = results.detectors["definition"].unique()
    regrets = pd.concat([regrets_of(results, scores, layers, name) for name in names])
    shared = regrets[regrets["detector"].isin(SCORED)]  # those that every rule is judged under
    points = _points(results)
    spots = sweet_spots(points[~points["metric"].str.contains("~")])  # distances from a target have their best at 0
    return {
        "claims": claims(results, shared, spots),
        "near_and_far": near_and_far(classes, results.metrics),
        "radial": radial(layers),
        "sweet_spots": spots,
        "regret": regret_summary(shared),
        "regret_by_dataset": _wide(shared, "dataset"),
        "regret_by_detector": _wide(regrets, "detector"),
        "regret_by_dataset_and_detector": _wide(regrets, "detector", ["level", "rule", "dataset"]),
        "variance": variance_shares(results.detectors),
        "correlation": correlations(results),
    }


def regrets_of(results: StudyResults, scores: pd.DataFrame, layers: pd.DataFrame, detector: str) -> pd.DataFrame:
    """Return what each metric and each rival loses under one detector, by data set and level."""
    studies = study_arrays(results, detector, "auroc")
    own = detector.partition("[")[0]
    said = [
        {**metrics, **dull, **of_scores(study, scores, own), **of_labels(study, layers)}
        for study, metrics, dull in zip(studies, by_metrics(studies), dull_rules(studies), strict=True)
    ]
    return regrets_by_dataset(studies, said).assign(detector=own)


def of_scores(study: StudyArrays, scores: pd.DataFrame, detector: str) -> dict[str, np.ndarray]:
    """Return what the rivals that look at scores say of one data set, (F, R, P, T) by rule."""
    own = scores[scores["dataset"] == study.dataset]
    if detector not in set(own["detector"]) or len(own) < len(SCORED) * study.scores.size:
        return {}  # not computed, or not all
    found: dict[str, list[np.ndarray]] = {}
    for task in study.tasks:
        by_detector = {name: _stacked(own, study, task, name) for name in SCORED}
        labels, classes = (np.asarray(own[own["task"] == task].iloc[0][name]) for name in ("labels", "classes"))
        for k in ANOMALIES:
            found.setdefault(FEW_SHOT.format(k), []).append(few_shot(by_detector[detector], labels, classes, k))
        agreeing = agreement(list(by_detector.values()), labels, classes)
        found.setdefault(AGREEMENT, []).append(agreeing)
        first = halves_of(classes)
        benign = [by_detector[detector][:, half & (labels == 0)] for half in (first, ~first)]
        made = _stacked(own, study, task, detector, "synthetic")
        found.setdefault(SYNTHETIC, []).append(np.stack([[against_synthetic(rows, made)] for rows in benign]))
    return {rule: np.stack(values, axis=-1) for rule, values in found.items()}


def by_metrics(studies: Sequence[StudyArrays]) -> list[dict[str, np.ndarray]]:
    """Return what metrics say of every point, by data set, without those that no layer of it has.

    The combinations are of the metrics that all data sets have; that of a spectral term and a local dimension is a
    summary of its own.
    """
    everywhere = [name for name in studies[0].metrics if name not in LAYER_METRICS]
    alone, common, two = (
        predictions(each) for each in (studies, of_metrics(studies, everywhere), of_metrics(studies, OF_TWO))
    )
    found = []
    for study, said, combined, summary in zip(studies, alone, common, two, strict=True):
        missing = [name for k, name in enumerate(study.metrics) if not study.ranks[..., k].any()]
        known = {rule: values for rule, values in said.items() if rule not in missing}
        found.append(known | {rule: combined[rule] for rule in COMBINED} | {TWO_TERMS: summary[COMBINATION]})
    return found


def of_metrics(studies: Sequence[StudyArrays], names: Sequence[str]) -> list[StudyArrays]:
    """Return studies with some of their metrics."""
    kept = [studies[0].metrics.index(name) for name in names]
    return [replace(study, metrics=tuple(names), ranks=study.ranks[..., kept]) for study in studies]


def of_labels(study: StudyArrays, layers: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return what metrics of a few labelled rows say of one data set, (F, R, P, T) by rule."""
    own = layers[layers["dataset"] == study.dataset]
    rules = [FEW_LABELS.format(name, k) for name in LABELLED for k in LABEL_COUNTS]
    if len(own) < study.scores.size:
        return {}
    found = {}
    for rule in rules:
        by_task = [_of_points(own[own["task"] == task], study, rule) for task in study.tasks]  # (P, 2 R) each
        said = np.stack(by_task, axis=-1)
        if np.isfinite(said).all():
            found[rule] = said.reshape(len(said), 2, -1, len(study.tasks)).transpose(1, 2, 0, 3)
    return found


def _of_points(own: pd.DataFrame, study: StudyArrays, column: str) -> np.ndarray:
    """A column of the points of a study in their order, each of whose values is an array."""
    rows = own.set_index(["backbone", "layer"])[column]
    points = pd.MultiIndex.from_frame(study.points[["backbone", "layer"]])
    return np.stack([np.asarray(each, dtype=float) for each in rows[~rows.index.duplicated()].loc[points]])


def _stacked(own: pd.DataFrame, study: StudyArrays, task: str, detector: str, of: str = "scores") -> np.ndarray:
    """The scores of the points of a study in their order, (P, m)."""
    return _of_points(own[(own["task"] == task) & (own["detector"] == detector)], study, of)


def _wide(regrets: pd.DataFrame, column: str, rows: Sequence[str] = ("level", "rule")) -> pd.DataFrame:
    return regrets.pivot_table(index=list(rows), columns=column, values="regret", sort=False).reset_index()


def _points(results: StudyResults) -> pd.DataFrame:
    """Every metric beside AUROC, over layers at the means of tasks and detectors."""
    keys = ["dataset", "backbone", "layer"]
    judged = results.detectors.groupby(keys, sort=False, as_index=False)["auroc"].mean()
    measured = results.metrics.groupby(["metric", *keys], sort=False, as_index=False)["value"].mean()
    return measured.dropna().merge(judged, on=keys)


def correlations(results: StudyResults) -> pd.DataFrame:
    """Return Spearman's coefficient of every metric with AUROC within data sets, and its mean over them."""
    found = []
    for metric, points in _points(results).groupby("metric", sort=False):
        table = over_datasets(points, "value").assign(metric=metric)
        columns = (points[name] for name in ("value", "auroc", "backbone", "dataset"))
        both = crossed_correlation(*columns) if table["n_datasets"].iloc[-1] >= FEWEST else None
        ends = {f"{end}_networks_too": getattr(both, end, np.nan) for end in ("low", "high")}
        found.append(table.assign(**{name: [np.nan] * (len(table) - 1) + [end] for name, end in ends.items()}))
    table = pd.concat(found, ignore_index=True)
    return table[["metric", "dataset", "coefficient", "low", "high", *ends, "n", "n_datasets"]]


def draw(summary: pd.DataFrame) -> plt.Figure:
    """Draw the regret of every rule with its interval over data sets, a panel a level, the least on top.

    Rules that are judged on fewer data sets than the others do not compare with them: hollow, and last.
    """
    figure, axes = plt.subplots(1, len(LEVELS), figsize=(13, 13), layout="constrained")
    every = summary["n_datasets"].max()
    looks = ((False, "C0", "metrics of benign rows"), (True, "C1", "rivals, which need no metric or a few anomalies"))
    for ax, level in zip(axes, LEVELS, strict=True):
        rows = summary[summary["level"] == level].assign(few=lambda table: table["n_datasets"] < every)
        rows = rows.sort_values(["few", "regret"], ignore_index=True)
        for rival, color, label in looks:
            own = rows[rows["rule"].map(_is_rival) == rival]
            whole, few = own[~own["few"]], own[own["few"]]
            ax.hlines(own.index, own["low"], own["high"], color=color, alpha=0.6)
            ax.plot(whole["regret"], whole.index, "o", color=color, markersize=5, label=label)
            ax.plot(few["regret"], few.index, "o", color=color, markersize=5, markerfacecolor="white")
        names = [
            f"{rule} ({n} data sets)" if few else rule for rule, n, few in rows[["rule", "n_datasets", "few"]].values
        ]
        ax.set_yticks(range(len(rows)), names, fontsize=8)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.axvline(0, color="0.4", linewidth=1, zorder=0)
        ax.grid(axis="x", color="0.9")
        ax.set(title=level, xlabel="AUROC lost against the best in hindsight")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _is_rival(rule: str) -> bool:
    return " " in rule and "combination" not in rule and rule != TWO_TERMS


if __name__ == "__main__":
    main()
