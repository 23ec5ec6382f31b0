"""JSON text as Go's ``encoding/json`` writes it, so that a config has the digest the reference would give it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
_ESCAPED = re.compile('["\\\\\x00-\x1f<>&\u2028\u2029]')


def dumps(value: Any) -> str:
    """Compact JSON; mappings in their own order, as Go writes structs (see :func:`sort_maps` for its maps).

    Args:
        value: ``None``, text, truth values, finite numbers, lists, mappings with text keys.
    """
    out: list[str] = []
    _write(value, out)
    return "".join(out)


def sort_maps(value: Any) -> Any:
    """A free-form value with all its mappings sorted by key, as Go writes maps."""
    if isinstance(value, Mapping):
        return {key: sort_maps(item) for key, item in sorted(value.items())}
    return [sort_maps(item) for item in value] if isinstance(value, list) else value


def _write(value: Any, out: list[str]) -> None:
    if value is None:
        out.append("null")
    elif isinstance(value, bool):
        out.append("true" if value else "false")
    elif isinstance(value, str):
        out.append(text(value))
    elif isinstance(value, int):
        out.append(str(value))
    elif isinstance(value, float):
        out.append(number(value))
    elif isinstance(value, Mapping):
        _write_all("{", "}", [(text(key) + ":", item) for key, item in value.items()], out)
    elif isinstance(value, list):
        _write_all("[", "]", [("", item) for item in value], out)
    else:
        raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _write_all(start: str, end: str, items: list[tuple[str, Any]], out: list[str]) -> None:
    out.append(start)
    for index, (prefix, item) in enumerate(items):
        out.append("," + prefix if index else prefix)
        _write(item, out)
    out.append(end)


def text(value: str) -> str:
    """A JSON string: HTML's special characters and the two Unicode line separators escaped, the rest kept."""
    return '"' + _ESCAPED.sub(_escape, value) + '"'


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    return _ESCAPES.get(char) or f"\\u{ord(char):04x}"


def number(value: float) -> str:
    """A finite float: the shortest digits that read back the same, as an exponent below 1e-6 and from 1e21."""
    sign = "-" if repr(value).startswith("-") else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    # The value is 0.<digits> * 10**point.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if not digits:
        return sign + "0"
    if 1e-6 <= abs(value) < 1e21:
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        padded = digits.ljust(point, "0")
        return sign + padded[:point] + (f".{padded[point:]}" if len(padded) > point else "")
    power = point - 1
    return f"{sign}{digits[0]}{'.' + digits[1:] if len(digits) > 1 else ''}e{'-' if power < 0 else '+'}{abs(power)}"
