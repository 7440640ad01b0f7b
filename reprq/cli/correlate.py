"""`reprq correlate RUN`: the correlation table of a finished study."""

from pathlib import Path
from typing import Any

import click

from reprq.cli import options
from reprq.cli.groups import Command


@click.command(cls=Command)
@click.argument("run", type=click.Path(path_type=Path))
@options.metrics
@click.option("--detector", "detectors", multiple=True, help="Only this detector; may be repeated.")
@click.option("--score", default="auroc", show_default=True, help="The column of the detectors' table.")
@click.option(
    "--method", "methods", multiple=True, metavar="spearman|pearson|kendall|distance", help="May be repeated."
)
@click.option("--tasks", multiple=True, default=["all"], show_default=True, help="all, unimodal, multimodal or a task.")
@click.option("--per-task", is_flag=True, help="Every task by itself, beside --tasks.")
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    default=["all"],
    show_default=True,
    metavar="all|each|NAME",
    help="Of several data sets: all, of which a coefficient is the mean of those within each, each, or one; may be"
    " repeated.",
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    default=["each"],
    show_default=True,
    metavar="each|plain|NAME",
    help="Of several scenarios (such as pollution): each by itself, the plain tasks, or one; may be repeated.",
)
@click.option(
    "--level",
    "levels",
    multiple=True,
    default=["pooled"],
    show_default=True,
    metavar="pooled|between|within",
    help="Over all points, between backbones, or over the layers within them; may be repeated.",
)
@click.option(
    "--given",
    multiple=True,
    metavar="width|depth",
    help="Hold the width or the depth of the layer fixed, removed as a smooth curve; may be repeated.",
)
@options.cluster("backbone", "What is independent: intervals and p-values move it as a whole.")
@options.target
@click.option("--against", metavar="depth|width|METRIC", help="Instead, whether metrics predict better than this.")
@click.option("--margin", type=float, default=0.1, show_default=True, help="With --against: what does not matter.")
@click.option("--resamples", default=2000, show_default=True, type=click.IntRange(min=100), help="Bootstrap samples.")
@options.seed("Seeds the bootstrap and the permutations.")
@options.output
def correlate(
    run: Path,
    metrics: tuple[str, ...],
    detectors: tuple[str, ...],
    score: str,
    methods: tuple[str, ...],
    tasks: tuple[str, ...],
    per_task: bool,
    datasets: tuple[str, ...],
    scenarios: tuple[str, ...],
    levels: tuple[str, ...],
    given: tuple[str, ...],
    cluster: str,
    targets: tuple[str, ...],
    against: str | None,
    margin: float,
    resamples: int,
    seed: int,
    form: str | None,
) -> None:
    """Correlate the metrics with the detectors' AUROC over the (backbone, layer) points of the study in RUN.

    Of several data sets, points are correlated within each, and a coefficient is the mean of theirs.
    """
    from reprq.analysis import compare
    from reprq.analysis import correlate as correlate_study
    from reprq.analysis.correlation import METHODS
    from reprq.analysis.targets import parse_targets, with_targets
    from reprq.cli.output import emit
    from reprq.study import StudyResults

    if against is not None and (given or per_task):
        raise click.UsageError("--against goes with neither --given nor --per-task")
    results = with_targets(StudyResults.load(run, classes=False), parse_targets(targets))
    asked = (list(metrics) or None, score, list(detectors) or None)
    how: dict[str, Any] = {
        "dataset": list(datasets),
        "scenario": list(scenarios),
        "level": list(levels),
        "cluster": cluster,
    }
    how |= {"n_resamples": resamples, "seed": seed}
    context = {"run": str(run), "score": score, "seed": seed}
    if against is not None:
        table = compare(results, against, *asked, list(methods) or "spearman", tasks, margin=margin, **how)
        heading = (
            f"Does a metric predict better than {against}? Sizes of coefficients; intervals resample whole {cluster}s"
        )
        emit(form, "correlate", table.to_dict("records"), {**context, "against": against}, heading)
        return
    groups = [*tasks, *(["each"] if per_task else [])]
    points = "(backbone, layer) points"
    if results.metrics["dataset"].nunique() > 1:
        points = "(backbone, layer) points within each data set"
    table = correlate_study(results, *asked, list(methods) or METHODS, groups, given=list(given), **how)
    heading = f"Correlation over {points}; 95 % intervals resample whole {cluster}s"
    emit(form, "correlate", table.to_dict("records"), context, heading)
