"""What all commands share: each option at most once, and their list in the order in which a person meets them."""

from typing import Any

import click

from reprq.registry import Registry

_SECTIONS = {
    "One representation": {
        "measure": "The quality of embeddings, on benign data alone.",
        "detect": "One-class detectors on embeddings, and their AUROC.",
        "extract": "Embeddings of many layers, in one pass, into a cache.",
        "cache": "List, verify, remove and export the caches.",
    },
    "A detector at work": {
        "fit": "A detector and its threshold, from benign samples, into a folder.",
        "score": "What such a model says of new samples.",
        "export": "Such a model as an ONNX file.",
    },
    "Many representations": {
        "study": "Backbones x layers x tasks x detectors, from a file.",
        "correlate": "Which metric predicted which detector, and how surely.",
        "recommend": "Which backbone and layer to use, without anomalies.",
        "report": "A study as one HTML page.",
    },
    "Teachers and papers": {
        "train": "Train a teacher on a pretext task.",
        "figures": "Regenerate the figures and tables of a paper.",
    },
    "What can be named": {
        "backbones": "Networks.",
        "layers": "Layers of a network.",
        "datasets": "Data sets and protocols.",
    },
    "Shell": {"completion": "Complete commands and options in bash, zsh or fish."},
}


class Command(click.Command):
    """A command that refuses an option given twice, where the last would silently win."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # docstrings are raw, as the linter asks, and spell the mark of lines that keep their breaks in two characters
        self.help = self.help and self.help.replace(r"\b", "\b")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Raise a usage error for two values of one option, or for two options that exclude each other."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        seen: dict[str, click.Parameter] = {}
        for parameter in order:
            if not isinstance(parameter, click.Option) or parameter.multiple or parameter.name is None:
                continue
            before = seen.setdefault(parameter.name, parameter)
            if before is not parameter:
                raise click.UsageError(f"give either {before.opts[-1]} or {parameter.opts[-1]}", ctx)
            if not parameter.is_flag and order.count(parameter) > 1:
                raise click.UsageError(f"{parameter.opts[-1]} takes one value, got several; give it once", ctx)
        return super().parse_args(ctx, args)


class Naming(Command):
    """A command whose help lists what its argument can name.

    Args:
        registry: Its entries are listed.
    """

    def __init__(self, *args: Any, registry: Registry, **options: Any) -> None:
        super().__init__(*args, **options)
        self.registry = registry

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line an entry."""
        with formatter.section(f"{self.registry.kind.capitalize()}s"):
            formatter.write_dl([(entry.name, entry.about) for entry in self.registry])


class Sections(click.Group):
    """A group whose help lists its commands in sections; one that no section names stands under "Other"."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections."""
        named = {name for words in _SECTIONS.values() for name in words}
        others = {name: command.get_short_help_str() for name, command in self.commands.items() if name not in named}
        for title, words in {**_SECTIONS, "Other": others}.items():
            rows = [(f"{name:<10}", text) for name, text in words.items() if name in self.commands]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
