"""The frame of every page: a document that fetches nothing but its own style, and can run nothing."""

from __future__ import annotations

import base64
import hashlib

from kitops_core.lineages.markup import Markup, element, raw
from kitops_core.lineages.style import STYLE


def document(title: str, body: Markup, *, stylesheet: str = "") -> str:
    """A page as text.

    Args:
        title: What the browser calls it.
        body: What is in it.
        stylesheet: Where its style is, from the page; without one it is in the page.
    """
    if stylesheet:
        source = "'self' file:"  # what 'self' is for a page that was opened from a file, browsers do not agree on
        style = element("link", rel="stylesheet", href=stylesheet)
    else:
        source = f"'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
        style = element("style", raw(STYLE))
    # Should anything ever slip through the escaping, the browser still neither runs nor fetches it.
    policy = f"default-src 'none'; style-src {source}; base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        style,
    )
    return "<!doctype html>\n" + element("html", head, element("body", body), lang="en") + "\n"
