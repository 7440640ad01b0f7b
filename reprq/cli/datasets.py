"""`reprq datasets`: the images that can be named."""

import click

from reprq.cli import options


@click.command()
@options.output
def datasets(form: str | None) -> None:
    """List the data sets, and how to get each."""
    import dataclasses

    from reprq.cli.output import emit
    from reprq.data import available

    emit(form, "datasets", [dataclasses.asdict(info) for info in available()], {})
