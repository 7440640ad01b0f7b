"""`reprq datasets`: the data that can be named."""

import click

from reprq.cli import options
from reprq.cli.groups import Command


@click.command(cls=Command)
@options.output
def datasets(form: str | None) -> None:
    """List the data sets and the protocols over folders of your own, and how to get each."""
    import dataclasses

    from reprq.cli.output import emit
    from reprq.data import PROTOCOLS, available

    rows = [dataclasses.asdict(info) for info in available()]
    rows += [
        {
            **dict.fromkeys(rows[0]),
            "name": entry.name,
            "modality": entry.inputs,
            "obtain": f"detect --root FOLDER with {entry.facts.get('layout', 'its files')}",
        }
        for entry in PROTOCOLS
    ]
    emit(form, "datasets", rows, {})
