"""`reprq report RUN`: a finished study as one HTML page."""

from pathlib import Path
from typing import Any

import click

from reprq.cli import options
from reprq.cli.groups import Command


class Count(click.IntRange):
    """A number that may be left out, so that what stands behind the option may be meant for RUN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        if isinstance(value, str) and not value.lstrip("-").isdecimal():
            name = "--gallery" if param is None else param.opts[0]
            self.fail(f"{value!r} is no number; if it is RUN, write it first: reprq report {value} {name}", param, ctx)
        return super().convert(value, param, ctx)


@click.command(cls=Command)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The HTML file. [default: report.html in RUN]")
@click.option("--force", is_flag=True, help="Replace the file where it exists.")
@options.scenario
@click.option(
    "--gallery",
    type=Count(0, 24),
    is_flag=False,
    flag_value=9,
    default=0,
    metavar="[N]",
    help="Show the 9, or N, most anomalous test samples of each data set, with maps. Fits the best detector again, and"
    " adds at most 1.5 MB a data set to the page. [default: none]",
)
@click.option(
    "--points",
    type=Count(0, 40),
    is_flag=False,
    flag_value=12,
    default=0,
    metavar="[N]",
    help="Show the ROC and the most anomalous samples, with maps, of 12, or N, points of the plot when they are"
    " clicked: the best layer of each network, then the others. Fits their detector again, and adds about 0.15 MB a"
    " point to the page. [default: none]",
)
@options.work
@options.seed("Seeds the bootstrap of the intervals.")
def report(
    run: Path,
    out: Path | None,
    force: bool,
    scenario: str | None,
    gallery: int,
    points: int,
    device: str,
    cache_dir: Path | None,
    quiet: bool,
    seed: int,
) -> None:
    """Write the study in RUN as one HTML page: the answer, figures, tables to sort and filter, and how it was made.

    The page loads nothing from a network: open it from disk, mail it, print it. Point at a layer in the plot, or reach
    it by the keyboard, for its numbers; click it, or press Enter, for all that is known of it.
    """
    from reprq.report import write_report

    path = write_report(
        run,
        out,
        force=force,
        scenario=scenario,
        seed=seed,
        gallery=gallery,
        points=points,
        device=device,
        cache_dir=cache_dir,
        progress=not quiet,
    )
    click.echo(str(path))
