"""An option that takes one value refuses a second, in every command."""

from collections.abc import Callable, Iterator
from typing import Any

import click
import pytest

from reprq.cli import cli
from reprq.cli.groups import Command

Reprq = Callable[..., Any]


def commands(group: click.Group = cli, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


def single() -> Iterator[Any]:
    """Every option of every command that takes one value, with a value that it takes."""
    for words, command in commands():
        for option in command.params:
            if isinstance(option, click.Option) and not option.is_flag and not option.multiple:
                choices = getattr(option.type, "choices", None)
                value = str(choices[0]) if choices else "0.5" if option.type is click.FLOAT else "1"
                yield pytest.param(words, option.opts[-1], value, id=" ".join((*words, option.opts[-1])))


def test_every_command_is_one_that_refuses() -> None:
    assert [words for words, command in commands() if not isinstance(command, Command)] == []
    assert len(list(single())) > 60


@pytest.mark.parametrize(("words", "option", "value"), list(single()))
def test_an_option_of_one_value_is_refused_twice(reprq: Reprq, words: tuple[str, ...], option: str, value: str) -> None:
    ran = reprq(*words, option, value, f"{option}={value}")
    assert (ran.status, ran.out) == (2, "")
    assert f"{option} takes one value, got several; give it once" in ran.err


def test_options_that_exclude_each_other_are_refused(reprq: Reprq) -> None:
    ran = reprq("datasets", "--json", "--csv")
    assert (ran.status, ran.out) == (2, "")
    assert "give either --json or --csv" in ran.err
    assert reprq("datasets", "--csv", "--csv").status == 0


def test_an_option_that_may_be_repeated_still_may(reprq: Reprq, tmp_path: Any) -> None:
    import numpy as np

    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(30, 3)))
    ran = reprq("measure", "--embeddings", tmp_path / "x.npy", "--metric", "rankme", "--metric", "aucev", "--csv")
    assert ran.status == 0, ran.err
    assert len(ran.out.splitlines()) == 3


def test_a_usage_error_does_not_repeat_a_value_of_any_length(reprq: Reprq) -> None:
    ran = reprq("measure", "--backbone", "lenet", "--samples", "9" * 5000 + "x")
    assert ran.status == 2
    assert len(ran.err) < 1500
