"""`reprq completion SHELL`: the script that lets a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

from reprq.cli.groups import Command


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    r"""Print the script that completes reprq's commands and options in a shell.

    \b
    bash:  reprq completion bash >> ~/.bashrc
    zsh:   reprq completion zsh >> ~/.zshrc    (after compinit)
    fish:  reprq completion fish > ~/.config/fish/completions/reprq.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "reprq", "_REPRQ_COMPLETE").source())
