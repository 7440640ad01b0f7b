"""`reprq study FILE`: backbones x layers x tasks x detectors, to tables, a correlation table and a figure."""

from pathlib import Path

import click

from reprq.cli import options


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the results. [default: runs/NAME of NAME.toml]")
@click.option("--force", is_flag=True, help="Replace the tables of another study in the same folder.")
@click.option("--device", default="cpu", show_default=True, help="A torch device: cpu, cuda, cuda:1, mps.")
@click.option("--cache", "cache_dir", type=click.Path(path_type=Path), help="Folder of the embedding caches.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
@options.output
def study(
    file: Path, out: Path | None, force: bool, device: str, cache_dir: Path | None, quiet: bool, form: str | None
) -> None:
    """Run the study that the TOML FILE describes, and print how well each metric predicted detection.

    A run that was interrupted goes on where it stopped.
    """
    from reprq import plots
    from reprq.cli.output import emit
    from reprq.study import correlate, load_config, run_study
    from reprq.study.correlate import TASK_GROUPS
    from reprq.study.results import write_table

    config = load_config(file)
    options.check_device(device)
    results = run_study(
        config, out or Path("runs") / file.stem, device=device, cache_dir=cache_dir, force=force, progress=not quiet
    )
    present = ["all", *(group for group in TASK_GROUPS if group in set(results.metrics["task_kind"]))]
    table = correlate(results, tasks=present)
    write_table(table, results.path / "correlation.csv")
    figures = plots.draw_study(results, table)
    shown = table[(table["tasks"] == "all") & (table["method"] == "spearman")].drop(columns=["tasks", "method"])
    rows = shown.to_dict("records")
    heading = "Spearman correlation of each metric with each detector's AUROC, over (backbone, layer) points"
    emit(form, "study", rows, {"path": str(results.path)}, heading)
    if form is None:
        for path in (*figures, *sorted(results.path.glob("*.csv"))):
            click.echo(str(path))
