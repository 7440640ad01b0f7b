"""Help that reads well and starts at once, and commands in the documents that can be typed."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from reprq.cli import cli
from reprq.study import load_config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def documented():
    """Every line of a fenced block that calls reprq, with its page."""
    for page in PAGES:
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
            for line in block.splitlines() if language in ("", "sh") else ():
                for part in line.split("#")[0].split(";"):
                    if part.split()[:1] == ["reprq"]:  # other blocks hold prose, whose quotes do not pair
                        words = shlex.split(part)
                        yield pytest.param(words[1:], id=f"{page.stem}: {' '.join(words)}")


def test_the_documents_call_reprq():
    assert len(list(documented())) > 35


@pytest.mark.parametrize("words", list(documented()))
def test_a_documented_command_is_one_that_can_be_typed(words):
    command, context = cli, click.Context(cli, info_name="reprq")
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
        context = click.Context(command, info_name=name, parent=context)
    command.make_context(name, list(words), parent=context.parent)


def leaves(command=cli, words=()):
    if isinstance(command, click.Group):
        for name in command.commands:
            yield from leaves(command.commands[name], (*words, name))
    yield pytest.param(command, id=" ".join(("reprq", *words)))


@pytest.mark.parametrize("command", list(leaves()))
def test_every_help_says_what_the_command_and_its_options_do(command):
    text = command.get_help(click.Context(command, info_name="reprq", terminal_width=80, max_content_width=80))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "\\" not in text  # the mark of lines that keep their breaks is click's, not the reader's
    assert command.help
    assert command.help.split("\n")[0][0].isupper()
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help or isinstance(option.type, click.Choice), option.name


def test_the_list_of_commands_is_whole_and_nothing_is_cut_off():
    text = cli.get_help(click.Context(cli, info_name="reprq", terminal_width=80))
    assert all(re.search(rf"^  {name} ", text, re.MULTILINE) for name in cli.commands)
    assert "Other:" not in text
    assert not [line for line in text.splitlines() if line.endswith("...") and not line.startswith("Usage")]


@pytest.mark.parametrize("words", [["--help"], ["measure", "--help"], ["--version"], ["report", "--help"]])
def test_help_loads_nothing_heavy(words):
    code = (
        "import sys; from reprq.cli import cli\n"
        f"try: cli.main({words!r}, prog_name='reprq')\n"
        "except SystemExit: pass\n"
        "print(*sorted({'torch', 'numpy', 'matplotlib', 'pandas', 'sklearn', 'jinja2', 'pydantic'} & set(sys.modules)),"
        " file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr.split() == []
    assert "reprq" in ran.stdout


def test_the_example_of_the_readme_gives_what_it_says(capsys):
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    exec(compile(code, "README.md", "exec"), {})
    said = re.findall(r"auroc\(.*# (.*)", code)
    assert capsys.readouterr().out.strip().splitlines()[-1] == said[0]
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 10


def test_the_study_file_of_the_reference_is_one():
    text, *_ = re.findall(
        r"^```toml\n(.*?)^```", (ROOT / "docs/reference/study.md").read_text(encoding="utf-8"), re.M | re.S
    )
    config = load_config(tomllib.loads(text))
    assert [backbone.label for backbone in config.backbones] == ["resnet18 random", "mobilenet birds", "lenet rotation"]


def test_train_lists_every_pretext_task_and_options_every_pooling():
    from reprq.embeddings import POOLINGS
    from reprq.pretext import TASKS

    texts = {
        name: cli.commands[name].get_help(click.Context(cli.commands[name], info_name=name, terminal_width=80))
        for name in ("train", "measure")
    }
    for entry in TASKS:
        assert re.search(rf"^  {entry.name} +{entry.about[:20]}", texts["train"], re.MULTILINE)
    for entry in POOLINGS.built_in():
        assert re.search(rf"[ ,]{re.escape(entry.name)}[,;]", " ".join(texts["measure"].split()))
