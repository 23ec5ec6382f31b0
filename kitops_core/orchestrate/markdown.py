"""Markdown of text that others wrote: whatever a kit is called, it can only be read.

Names, paths and values come from kits that anybody may have pushed. Shown in the pages of an orchestrator they must not
become links, pictures or HTML, and not end the table or block they stand in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kitops_core.wording import printable

MAX_ROWS = 50
"""How many rows a table has: it is for reading."""
MAX_LINES = 200
"""How many lines a block has."""
MAX_TEXT = 300
"""How many characters one name or value has."""
_MARKUP = re.compile(r"([\\`*\[\]<>|~]|(?<!\w)_|_(?!\w)|^[#>+-](?= )|(?<=:)/(?=/))")


def plain(value: object) -> str:
    """Text that reads as it is, of one line."""
    return _MARKUP.sub(r"\\\1", _line(value))


def code(value: object) -> str:
    """A code span, for digests, paths and values; empty for nothing."""
    text = _line(value)
    if not text:
        return ""
    fence = "`"
    while fence in text:
        fence += "`"
    space = " " if text.startswith("`") or text.endswith("`") else ""
    # A table is cut at every bar before its cells are read, those in code included.
    return f"{fence}{space}{text}{space}{fence}".replace("|", "\\|")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table and an empty line; rows beyond what one reads are counted only.

    Args:
        header: Its titles.
        rows: Its cells, as :func:`plain` and :func:`code` make them.
    """
    if not rows:
        return []
    shown = [header, ["---"] * len(header), *rows[:MAX_ROWS]]
    lines = ["| " + " | ".join(row) + " |" for row in shown]
    more = [f"and {len(rows) - MAX_ROWS} more", ""] if len(rows) > MAX_ROWS else []
    return [*lines, "", *more]


def block(text: str, language: str) -> list[str]:
    """A block of code that nothing in it can end, and an empty line; what is too long is counted only."""
    lines = text.splitlines()
    shown = [line[: MAX_TEXT * 4] for line in lines[:MAX_LINES]]
    fence = "```"
    while any(fence in line for line in shown):
        fence += "`"
    more = [f"and {len(lines) - MAX_LINES} more lines", ""] if len(lines) > MAX_LINES else []
    return [f"{fence}{language}", *shown, fence, "", *more]


def _line(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    text = printable(" ".join(text.split()))
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
