"""`reprq figures`: what can be regenerated from which paper, and running it."""

from pathlib import Path

import click

from reprq.cli import options
from reprq.cli.groups import Command


@click.command(cls=Command)
@click.argument("name", required=False)
@click.option("--preset", metavar="NAME", help="How large a run; the quickest by default.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the results.  [default: runs/NAME-PRESET]")
@click.option("--root", type=click.Path(path_type=Path), help="Folder of the data, where it reads any.")
@options.seed("The first of its seeds.")
@click.option("--device", default="cpu", show_default=True, help="A torch device: cpu, cuda, cuda:1, mps.")
@click.option("--force", is_flag=True, help="Replace the results of another run in the same folder.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
@options.output
def figures(
    name: str | None,
    preset: str | None,
    out: Path | None,
    root: Path | None,
    seed: int,
    device: str,
    force: bool,
    quiet: bool,
    form: str | None,
) -> None:
    """Regenerate the figures and tables of the paper NAME; without NAME, list what can be.

    A run that was interrupted goes on where it stopped.
    """
    from reprq.cli.output import emit
    from reprq.papers import available, reproduce

    if name is None:
        rows = [
            {"name": r.name, "preset": each, "what it runs": said, "paper": r.paper, "regenerates": r.regenerates}
            for r in available()
            for each, said in r.presets.items()
        ]
        emit(form, "figures", _short(rows) if form is None else rows, {})
        if form is None:
            for found in available():
                click.echo(f"{found.name}: {found.paper}. {found.regenerates}. Data: {found.data}.")
        return
    options.check_device(device)
    paths = reproduce(name, preset, out, root=root, seed=seed, device=device, force=force, progress=not quiet)
    emit(form, "figures", [{"path": str(path)} for path in paths], {"name": name})


def _short(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The columns that fit a terminal."""
    return [{key: row[key] for key in ("name", "preset", "what it runs")} for row in rows]
