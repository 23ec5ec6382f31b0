"""HTML and SVG that cannot be broken out of: text is escaped unless it was made here."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import cache

from kitops_core.wording import printable

_SPECIAL = re.compile("[&<>\"']")
_VOID = frozenset({"br", "link", "meta", "path", "rect"})


class Markup(str):
    """Text that is markup already. Only this module makes it from other text."""

    __slots__ = ()


Child = str | Markup | None


def element(name: str, /, *children: Child, **attributes: object) -> Markup:
    """One element. Children that are no markup become text; ``None`` is left out.

    Args:
        name: The tag.
        *children: What is in it.
        **attributes: Its attributes; ``None`` is left out, a trailing ``_`` goes and other ``_`` become ``-``.
    """
    written = ""  # a catalogue has millions of elements
    for key, value in attributes.items():
        if value is not None:
            written += f' {_attribute(key)}="{_escape(value)}"'
    if name in _VOID:
        return Markup(f"<{name}{written}/>" if name in ("path", "rect") else f"<{name}{written}>")
    return Markup(f"<{name}{written}>{_written(children)}</{name}>")


def join(*children: Child) -> Markup:
    """Several children after each other."""
    return Markup(_written(children))


def lines(text: str) -> Markup:
    """Text of several lines; all other control characters are written out."""
    return Markup("\n".join(_escape(line) for line in text.splitlines()))


def raw(text: str) -> Markup:
    """Markup that is a constant of this package: the style sheet."""
    return Markup(text)


def link(text: str, url: str) -> Markup:
    """A link where the URL is of the web, else only the text: nothing else may be followed from a page."""
    if not url.lower().startswith(("https://", "http://")):
        return element("span", text)
    return element("a", text, href=url, rel="noreferrer noopener nofollow")


def _written(children: Sequence[Child]) -> str:
    return "".join([child if isinstance(child, Markup) else _escape(child) for child in children if child is not None])


@cache
def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _escape(value: object) -> str:
    text = printable(value)
    return html.escape(text, quote=True) if _SPECIAL.search(text) else text
