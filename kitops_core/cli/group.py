"""The command group: it imports the command that runs, and turns every error into a message and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from kitops_core.cli.options import CONTEXT, Command, global_options
from kitops_core.cli.summary import COMMANDS, help_text
from kitops_core.version import __version__


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports the module of the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of a kit's life."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; ``None`` where there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module = {"import": "import_"}.get(cmd_name, cmd_name.replace("-", "_"))  # `import` is a word of Python
        command: Command = import_module(f"kitops_core.cli.commands.{module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments start with.

        Raises:
            click.UsageError: There is none; says which was probably meant.
        """
        if args[0] not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            ctx.fail(f"There is no command '{args[0]}'." + (f" Did you mean '{near[0]}'?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the same help that ``kitops --help`` writes without importing this module."""
        formatter.write(help_text())

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and exit with a documented code."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except Exception as error:
            from kitops_core.cli.failures import report

            code = report(error)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(cls=LazyGroup, context_settings=CONTEXT, invoke_without_command=True)
@click.version_option(__version__, prog_name="kitops", message="%(prog)s %(version)s")
@click.pass_context
def kitops(context: click.Context) -> None:
    """Pack, push, pull, unpack, sign and promote KitOps ModelKits, with any OCI registry."""
    if context.invoked_subcommand is None:
        click.echo(help_text(), nl=False)


kitops.params += global_options()
