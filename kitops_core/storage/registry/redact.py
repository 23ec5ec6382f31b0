"""Keep secrets out of messages: credentials and signatures in URLs, tokens in what a server says."""

from __future__ import annotations

import logging
import re

_URL = re.compile(r"(https?://)(?:[^/\s\"'<>@]*@)?([^\s\"'<>?#]*)([?#][^\s\"'<>]*)?")
_TOKEN = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_SIGNED = re.compile(r"([?&][^=&]*(?:sig|token|credential|secret|password)[^=&]*=)[^&\s]+", re.IGNORECASE)
_LONGEST = 400


def redact_url(url: str) -> str:
    """``url`` without user, password and query."""
    return _URL.sub(lambda m: f"{m[1]}{m[2]}" + ("?..." if m[3] else ""), url)


def clean_text(text: str) -> str:
    """What a server said, made fit for a message: one line of bounded length, no secrets, no terminal codes."""
    text = _TOKEN.sub(r"\1 ***", redact_url(text))
    text = _CONTROL.sub(" ", text).strip()
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


class SignedUrlFilter(logging.Filter):
    """Takes signatures out of the URLs that urllib3 logs when debugging: whoever has one can read the blob."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record's arguments; every record passes."""
        if isinstance(record.args, tuple):
            record.args = tuple(_SIGNED.sub(r"\1***", a) if isinstance(a, str) else a for a in record.args)
        return True
