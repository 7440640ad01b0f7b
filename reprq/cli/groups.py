"""The list of commands in the order in which a person meets them, each in a few words that fit on a line."""

import click

_SECTIONS = {
    "One representation": {
        "measure": "The quality of embeddings, on benign data alone.",
        "detect": "One-class detectors on embeddings, and their AUROC.",
        "extract": "Embeddings of many layers, in one pass, into a cache.",
        "cache": "List, verify, remove and export the caches.",
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
