"""`reprq study FILE`: backbones x layers x tasks x detectors, to tables, a correlation table and figures."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reprq.cli import options
from reprq.cli.groups import Command
from reprq.optional import require

if TYPE_CHECKING:
    from reprq.study import StudyResults

_SCORES = ["auroc", "auroc_low", "auroc_high", "n_train", "n_test", "n_anomalies"]


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the results. [default: runs/NAME of NAME.toml]")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say how many cells, how much disk, how long, and which correlation could be seen; run nothing.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes that compute cells, each on one thread. [default: the file's, or 1]",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="A dask scheduler whose workers compute the cells; they must see the --cache folder under the same path.",
)
@click.option(
    "--mlflow",
    "experiment",
    metavar="EXPERIMENT",
    help="Write the finished study to MLflow, as runs of this experiment; where is MLFLOW_TRACKING_URI's to say.",
)
@click.option("--force", is_flag=True, help="Replace the tables of another study in the same folder.")
@click.option("--device", default="cpu", show_default=True, help="A torch device: cpu, cuda, cuda:1, mps.")
@click.option("--cache", "cache_dir", type=click.Path(path_type=Path), help="Folder of the embedding caches.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
@options.output
def study(
    file: Path,
    out: Path | None,
    dry_run: bool,
    experiment: str | None,
    device: str,
    quiet: bool,
    form: str | None,
    **how: Any,
) -> None:
    """Run the study that the TOML FILE describes, and print how well each metric predicted detection.

    A run that was interrupted goes on where it stopped. A cell that fails is listed in failures.csv while the others
    go on, and is tried again by the next run.
    """
    from reprq.study.loading import load_config
    from reprq.study.names import check_names

    config = load_config(file)
    check_names(config)
    options.check_device(device)
    out = out or Path("runs") / file.stem
    if dry_run:
        _estimate(config, out, how["workers"], how["cache_dir"], quiet, form)
        return
    from reprq.study import log_to_mlflow, run_study

    if experiment is not None:
        require("mlflow", "mlflow", "--mlflow")
    results = run_study(config, out, device=device, progress=not quiet, **how)
    for note in results.study.get("data_notes", []):
        click.echo(f"note: {note}", err=True)
    if results.without_backbones or not results.metrics.empty:
        _report(results, form)
    if experiment is not None:
        click.echo(f"MLflow: run {log_to_mlflow(results, experiment)} of {experiment}", err=form is not None)
    _complain(results)


def _estimate(config: Any, out: Path, workers: int | None, cache: Path | None, quiet: bool, form: str | None) -> None:
    from reprq.cli.output import emit
    from reprq.study import estimate_study

    found = estimate_study(config, out, workers=workers, cache_dir=cache, progress=not quiet)
    row = {
        "cells": found.cells,
        "finished": found.finished,
        "to do": found.todo,
        "disk": _size(found.disk_bytes) if form is None else found.disk_bytes,
        "extraction": _duration(found.extract_seconds) if form is None else found.extract_seconds,
        "cells' time": _duration(found.cell_seconds) if form is None else found.cell_seconds,
        "workers": found.workers,
        "in all": _duration(found.seconds) if form is None else found.seconds,
        "notes": [f"the time of a cell is {found.rule}", *found.notes],
    }
    emit(form, "study --dry-run", [row], {"path": str(out)})


def _report(results: "StudyResults", form: str | None) -> None:
    """Write the correlation table and the figures, and print the former."""
    import pandas as pd

    from reprq import plots
    from reprq.analysis import correlate
    from reprq.analysis.complete import TASK_GROUPS
    from reprq.analysis.datasets import NOTHING
    from reprq.cli.output import emit
    from reprq.study.tables import write_table

    if results.without_backbones:
        named = results.detectors.assign(detector=results.detectors["definition"])  # tells the lines of a sweep apart
        shown = named[["dataset", "task", "detector", "seed", *_SCORES]]
        emit(form, "study", shown.to_dict("records"), {"path": str(results.path), "notes": [NOTHING]}, NOTHING)
        _echo_files(results, [], form)
        return
    present = ["all", *(group for group in TASK_GROUPS if group in set(results.metrics["task_kind"]))]
    table = correlate(results, tasks=present, dataset=["all", "each"])
    write_table(table, results.path / "correlation.csv")
    of_scenario = table.groupby("scenario", sort=False) if "scenario" in table else [("", table)]
    together = pd.concat([rows[rows["dataset"].isin(rows["dataset"].head(1))] for _, rows in of_scenario])
    figures = plots.draw_study(results, table)
    shown = together[(together["tasks"] == "all") & (together["method"] == "spearman")]
    shown = shown.drop(columns=["dataset", "tasks", "level", "given", "cluster", "method"])
    heading = "Spearman correlation of each metric with each detector's AUROC, over (backbone, layer) points"
    emit(form, "study", shown.to_dict("records"), {"path": str(results.path)}, heading)
    _echo_files(results, figures, form)


def _echo_files(results: "StudyResults", figures: list[Path], form: str | None) -> None:
    if form is None:
        for path in (*figures, *sorted(p for p in results.path.iterdir() if p.suffix in (".csv", ".parquet"))):
            click.echo(str(path))


def _complain(results: "StudyResults") -> None:
    """Raise if cells failed, with a line for every reason before."""
    from reprq.errors import ReprqError

    failures = results.failures
    if failures.empty:
        return
    for (work, reason), group in failures.groupby(["work", "reason"], sort=False):
        first = group.iloc[0]
        where = f"{first['backbone']}, {first['layer']}, {first['dataset']} {first['task']}, seed {first['seed']}"
        click.echo(f"failed: {len(group)} x {work}: {reason} (first: {where})", err=True)
    total = len(failures) + _cells_in(results)
    raise ReprqError(
        f"{len(failures)} of {total} cells failed, the tables have the others; see {results.path / 'failures.csv'};"
        " the same command tries them again"
    )


def _cells_in(results: "StudyResults") -> int:
    """How many cells of a study have rows."""
    cell = ["seed", "dataset", "backbone", "layer", "task"]
    return len(results.metrics[cell].drop_duplicates()) + len(results.detectors)


def _size(number: float) -> str:
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
