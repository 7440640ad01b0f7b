"""`reprq backbones`: the networks that can be named."""

import click

from reprq.cli import options


@click.command()
@click.argument("search", default="")
@options.output
def backbones(search: str, form: str | None) -> None:
    """List the networks whose name contains SEARCH (all by default)."""
    from reprq.backbones import available
    from reprq.cli.output import emit

    found = [
        {
            "name": info.name,
            "source": info.source,
            "parameters": info.parameters,
            "default_weights": info.default_weights,
        }
        for info in available()
        if search.lower() in info.name.lower()
    ]
    emit(form, "backbones", found, {"search": search})
