"""The command line: one file a command. Each parses, calls the library and prints; nothing is computed here.

Results go to stdout, progress and messages to stderr. Exit status: 0 success, 1 a `ReprqError` in one plain line,
2 wrong usage, 130 interrupted. The command files import click alone at their top, so that `--help` starts at once.
"""

import io
import os
import re
import sys
import warnings

import click

import reprq
from reprq.cli.backbones import backbones
from reprq.cli.cache import cache
from reprq.cli.completion import completion
from reprq.cli.correlate import correlate
from reprq.cli.datasets import datasets
from reprq.cli.detect import detect
from reprq.cli.export import export
from reprq.cli.extract import extract
from reprq.cli.figures import figures
from reprq.cli.fit import fit
from reprq.cli.groups import Sections
from reprq.cli.layers import layers
from reprq.cli.measure import measure
from reprq.cli.recommend import recommend
from reprq.cli.report import report
from reprq.cli.score import score
from reprq.cli.study import study
from reprq.cli.train import train
from reprq.errors import ReprqError, bounded

_INTERRUPTED = "interrupted; rows, epochs and finished cells are kept, the same command goes on from there"


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(reprq.__version__, prog_name="reprq")
def cli() -> None:
    """Which representation will detect anomalies, and can that be measured before one is seen?

    Start with `reprq measure --backbone resnet50 --layer 3`: the quality of one layer, on benign data alone.
    """


for command in (
    backbones,
    datasets,
    layers,
    extract,
    measure,
    detect,
    fit,
    score,
    export,
    study,
    correlate,
    recommend,
    report,
    train,
    figures,
    cache,
    completion,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line and exit with its status; an error is one line on stderr, never a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files may hold bytes that are not UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    warnings.filterwarnings("ignore", module=r"PIL\.")  # of large photos and damaged notes, which are read all the same
    try:
        cli.main(prog_name="reprq", standalone_mode=False)
    except click.exceptions.Abort:
        _stop(_INTERRUPTED, 130)
    except KeyboardInterrupt:
        _stop(_INTERRUPTED, 130)
    except click.ClickException as error:
        error.message = bounded(error.message)  # type: ignore[misc]  # final by its annotation alone
        error.show()
        sys.exit(error.exit_code)
    except ReprqError as error:
        for line in error.details:
            click.echo(in_options(line), err=True)
        _stop(in_options(str(error)), 1)
    except BrokenPipeError:  # the reader of a pipe went away, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def in_options(sentence: str) -> str:
    """Return what an error advises in the words of the command line alone, where it says those of Python beside them.

    Example:
        >>> in_options("give another path, or force=True (--force) to replace it")
        'give another path, or --force to replace it'
        >>> in_options("leave it out with --skip-broken (skip_broken=True); give some (labelled=, --labelled DATA)")
        'leave it out with --skip-broken; give some (--labelled DATA)'
    """
    sentence = re.sub(r"\b\w+=\w+ \((--[\w-]+)\)", r"\1", sentence)
    sentence = re.sub(r"(--[\w-]+) \(\w+=\w+\)", r"\1", sentence)
    return re.sub(r"\(\w+=?, (--[^()]+)\)", r"(\1)", sentence)


def _stop(sentence: str, status: int) -> None:
    click.echo(f"reprq: {' '.join(sentence.split())}", err=True)
    sys.exit(status)
