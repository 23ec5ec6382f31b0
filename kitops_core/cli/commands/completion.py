"""``kitops completion``."""

from __future__ import annotations

import click

from kitops_core.cli.options import new_command
from kitops_core.cli.output import answer_text
from kitops_core.cli.settings import Settings


@new_command("completion", answers=False)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, settings: Settings, shell: str) -> None:
    """Print the script that completes commands, options and local ModelKits in a SHELL.

    bash: add `eval "$(kitops completion bash)"` to ~/.bashrc; zsh: the same to ~/.zshrc with zsh;
    fish: `kitops completion fish > ~/.config/fish/completions/kitops.fish`.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    answer_text(kind(context.find_root().command, {}, "kitops", "_KITOPS_COMPLETE").source() + "\n")
