"""Keep secrets out of messages: credentials and signatures in URLs, tokens in what a server says."""

from __future__ import annotations

import re

_URL = r"(https?://)(?:[^/\s\"'<>@]*@)?([^\s\"'<>?#]*)([?#][^\s\"'<>]*)?"
_AUTHORIZATION = r"(?i)\b(Bearer|Basic)\s+[\w.~+/=-]{6,}"
_CONTROL = r"[\x00-\x1f\x7f-\x9f]+"
_LONGEST = 400


def redact_url(url: str) -> str:
    """``url`` without user, password and query."""
    return re.sub(_URL, lambda m: f"{m[1]}{m[2]}" + ("?..." if m[3] else ""), url)


def clean_text(text: str) -> str:
    """What a server said, made fit for a message: one line of bounded length, no secrets, no terminal codes."""
    text = re.sub(_AUTHORIZATION, r"\1 ***", redact_url(text))
    text = re.sub(_CONTROL, " ", text).strip()
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
