"""What a failed command says, and the code it ends with."""

from __future__ import annotations

import os
import sys

import click

from kitops_core.cli.output import ReaderGoneError, printable
from kitops_core.errors import CancelledError, KitOpsError

FAILED = 1
CANCELLED = 130
READER_GONE = 141


def report(error: Exception) -> int:
    """Say on standard error what went wrong and what can be done about it.

    Returns:
        The exit code: an error's own, 2 for wrong usage, 130 when cancelled, 141 when the reader of our output left.
    """
    if isinstance(error, ReaderGoneError):
        return reader_gone()
    if os.environ.get("KITOPS_DEBUG"):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, click.ClickException):
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "kitops"
        _say(f"error: {error.format_message()}", f"`{path} --help` explains it")
        return error.exit_code
    if isinstance(error, (click.Abort, CancelledError)):
        _say("cancelled")
        return CANCELLED
    if isinstance(error, KitOpsError):
        _say(f"error: {error}", error.hint)
        return error.exit_code
    if isinstance(error, OSError) and error.strerror:
        _say("error: " + (f"'{error.filename}': " if error.filename else "") + error.strerror)
        return FAILED
    _say(
        f"error: unexpected {type(error).__name__}: {error}",
        "this is a defect of kitops; set KITOPS_DEBUG=1 to see where it happened",
    )
    return FAILED


def reader_gone() -> int:
    """Make sure that nothing is written to a pipe that nobody reads, not even when the interpreter ends.

    Returns:
        The exit code.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return READER_GONE


def _say(message: str, hint: str = "") -> None:
    click.echo("\n".join(printable(line) for line in message.splitlines()), err=True)
    if hint:
        click.echo(f"hint: {printable(hint)}", err=True)
