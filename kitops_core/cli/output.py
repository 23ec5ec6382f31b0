"""What commands write: answers on standard output, everything else on standard error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from kitops_core.wording import count_text as count_text
from kitops_core.wording import plain_value as plain_value
from kitops_core.wording import printable as printable
from kitops_core.wording import size_text as size_text

if TYPE_CHECKING:
    from kitops_core.cli.settings import Settings


class ReaderGoneError(Exception):
    """Whoever reads our output has left: ``kitops list | head -1``."""


def answer_text(text: str) -> None:
    """Write a part of the answer as it is.

    Raises:
        ReaderGoneError: Nobody reads it any more.
    """
    try:
        click.echo(text, nl=False)
    except BrokenPipeError:
        raise ReaderGoneError from None


def answer(*parts: object) -> None:
    """One line of the answer: its parts, two spaces between them."""
    answer_text("  ".join(printable(part) for part in parts) + "\n")


def answer_json(data: Any) -> None:
    """The answer as one JSON document."""
    import json

    answer_text(json.dumps(data, indent=2) + "\n")


def answer_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """The answer as columns that line up."""
    answer_rows([header, *rows])


def answer_rows(rows: Sequence[Sequence[object]]) -> None:
    """Lines of the answer whose parts line up; a row may have fewer parts than others."""
    lines = [[printable(cell) for cell in row] for row in rows]
    columns = max((len(line) for line in lines), default=0)
    widths = [max(len(line[column]) for line in lines if column < len(line)) for column in range(columns)]
    for line in lines:
        answer_text("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=False)).rstrip() + "\n")


def note(settings: Settings, message: str) -> None:
    """Something worth knowing beside the answer, on standard error; not with ``--log-level warn``."""
    if not settings.quiet:
        click.echo(printable(message), err=True)


def note_storage(settings: Settings, reference: str, storage: str) -> None:
    """Say which storage a kit was read from, for the same name may mean two kits."""
    note(settings, f"{reference}: from the {storage}")


def warn(settings: Settings, message: str) -> None:
    """A warning, on standard error; not with ``--log-level error``."""
    if settings.log_level != "error":
        click.echo(f"warning: {printable(message)}", err=True)
