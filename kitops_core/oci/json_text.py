"""The parts of a JSON text as they were written: numbers, escapes and key order are not decoded and written again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\n\r]+')
_ESCAPED = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_DECODER = json.JSONDecoder()


def members(text: str) -> dict[str, str]:
    """Each value of a JSON object as its own text, by key; of a key that is there twice, the last.

    Args:
        text: A JSON object; known to be one.
    """
    found = {}
    at = _skip(text, _skip(text, 0) + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        _, end = _DECODER.raw_decode(text, start)
        found[key] = text[start:end]
        at = _after_comma(text, end)
    return found


def items(text: str) -> Iterator[str]:
    """Each value of a JSON array as its own text.

    Args:
        text: A JSON array; known to be one.
    """
    at = _skip(text, _skip(text, 0) + 1)
    while text[at] != "]":
        _, end = _DECODER.raw_decode(text, at)
        yield text[at:end]
        at = _after_comma(text, end)


def compact(text: str) -> str:
    """JSON without white space between its parts, and with what Go escapes within text escaped."""
    return _TOKEN.sub(lambda match: match[1] or "", text).translate(_ESCAPED)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _after_comma(text: str, at: int) -> int:
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at
