"""`reprq backbones`: the networks that can be named."""

import click

from reprq.cli import options
from reprq.cli.groups import Command
from reprq.cli.names import Names


@click.command(cls=Command)
@click.argument("search", default="")
@click.option(
    "--source", type=Names("reprq.backbones.entries:source_names"), help="Those of one source; all by default."
)
@click.option(
    "--takes", type=Names("reprq.data.modality:modality_names"), help="Those that go with data of one modality."
)
@options.output
def backbones(search: str, source: str | None, takes: str | None, form: str | None) -> None:
    """List the networks whose name contains SEARCH (all by default).

    `takes` is the modality of the data that a network goes with, as `reprq datasets` says it; networks of images take
    sounds as pictures of their log-Mel spectrograms.

    timm's stand here where timm is installed; their parameters are counted where no more than 60 are listed. Beside
    these, hf:NAME_OR_PATH is a model of Hugging Face for images or texts, words:PATH a file of vectors of words,
    package.module:callable a network of your own, and teacher:PATH a teacher that reprq trained.
    """
    from reprq.backbones import available
    from reprq.cli.output import emit

    found = [
        {
            "name": info.name,
            "source": info.source,
            "parameters": info.parameters,
            "default_weights": info.default_weights,
            "takes": ", ".join(info.takes),
        }
        for info in available(search, source)
        if takes in (None, *info.takes)
    ]
    emit(form, "backbones", found, {"search": search, "source": source, "takes": takes})
