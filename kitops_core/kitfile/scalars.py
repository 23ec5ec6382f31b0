"""What a plain YAML scalar means, as go-yaml v3 resolves it.

That is the YAML 1.2 core schema (``yes`` and ``on`` are text) with some of YAML 1.1 kept: ``017`` and ``0b101`` are
integers, underscores may separate digits, and dates are timestamps.
"""

from __future__ import annotations

import math
import re
from calendar import isleap
from typing import Any, Literal, NamedTuple

from kitops_core.kitfile.plain_values import fit_integer

Kind = Literal["null", "bool", "int", "float", "timestamp", "merge", "text"]


class Scalar(NamedTuple):
    """A resolved scalar; a timestamp's value is the text JSON has for it."""

    kind: Kind
    value: Any


_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), Scalar("null", None)),
    **dict.fromkeys(("true", "True", "TRUE"), Scalar("bool", True)),
    **dict.fromkeys(("false", "False", "FALSE"), Scalar("bool", False)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), Scalar("float", math.nan)),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), Scalar("float", math.inf)),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), Scalar("float", -math.inf)),
    "<<": Scalar("merge", None),
}
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_SEPARATOR = re.compile(r"(?<=[0-9])_(?=[0-9])")
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)"
    r"(?:([Tt]| +)(\d\d?):(\d\d?):(\d\d?)(?:[.,](\d+))?(Z|[-+]\d\d:\d\d)?)?",
    re.ASCII,
)
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def resolve(text: str) -> Scalar:
    """What an unquoted scalar without a tag means."""
    known = _WORDS.get(text)
    if known is not None:
        return known
    first = text[0]
    if first == ".":
        return _float(_SEPARATOR.sub("", text)) or Scalar("text", text)
    if first in "+-" or first.isdecimal():
        return _timestamp(text) or _number(text.replace("_", "")) or Scalar("text", text)
    return Scalar("text", text)


def _number(text: str) -> Scalar | None:
    match = _INTEGER.fullmatch(text)
    if match:
        sign, hexadecimal, binary, octal, decimal = match.groups()
        digits, base = next((d, b) for d, b in ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10)) if d)
        if len(digits) <= 64:  # no more fit 64 bits, and int() takes quadratic time
            value = int(sign + digits, base)
            fits = -(2**63) <= value < (2**63 if sign else 2**64)
            if fits:
                return Scalar("int", fit_integer(value))
    return _float(text)


def _float(text: str) -> Scalar | None:
    if not _FLOAT.fullmatch(text):
        return None
    value = float(text)
    return Scalar("float", value) if math.isfinite(value) else None


def _timestamp(text: str) -> Scalar | None:
    match = _TIMESTAMP.fullmatch(text)
    if not match:
        return None
    year, month, day = (int(part) for part in match.group(1, 2, 3))
    if not 1 <= month <= 12 or not 1 <= day <= _MONTH_DAYS[month - 1] + (month == 2 and isleap(year)):
        return None
    date = f"{year:04}-{month:02}-{day:02}"
    separator, hour, minute, second, fraction, zone = match.group(4, 5, 6, 7, 8, 9)
    if separator is None:
        return Scalar("timestamp", f"{date}T00:00:00Z")
    if int(hour) > 23 or int(minute) > 59 or int(second) > 59 or (separator[0] == " ") != (zone is None):
        return None
    offset = _offset(zone or "Z")
    if offset is None:
        return None
    fraction = (fraction or "")[:9].rstrip("0")
    clock = f"{int(hour):02}:{int(minute):02}:{int(second):02}" + (f".{fraction}" if fraction else "")
    return Scalar("timestamp", f"{date}T{clock}{offset}")


def _offset(zone: str) -> str | None:
    if zone == "Z":
        return zone
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    if minutes >= 24 * 60 or int(zone[4:6]) > 60:
        return None
    return f"{zone[0]}{minutes // 60:02}:{minutes % 60:02}" if minutes else "Z"
