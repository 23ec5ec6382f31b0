"""Free-form values in the one form that YAML and JSON agree on."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

MAX_DEPTH = 200
"""How deep values may nest; far more than anyone writes, far less than what would exhaust the stack."""


def fit_integer(value: int) -> int | float:
    """``value``, or the nearest float where it does not fit 64 bits, which is what readers of a Kitfile make of it.

    Raises:
        ValueError: It is too large even for a float.
    """
    if -(2**63) <= value < 2**64:
        return value
    try:
        return float(value)
    except OverflowError:
        raise ValueError("an integer too large for any reader") from None


def plain(value: Any) -> Any:
    """Reduce ``value`` to ``None``, text, truth values, numbers, lists and text-keyed mappings.

    Numbers of other libraries become Python's, tuples become lists, dates become RFC 3339 text.

    Raises:
        ValueError: Something that JSON cannot hold.
    """
    return _plain(value, 0)


def _plain(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(str(value))
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, Integral):
        return _finite(fit_integer(int(value)))
    if isinstance(value, Real):
        return _finite(float(value))
    if isinstance(value, datetime.datetime):
        text = value.isoformat()
        return text.replace("+00:00", "Z") if value.tzinfo else text + "Z"
    if isinstance(value, datetime.date):
        return f"{value.isoformat()}T00:00:00Z"
    raise ValueError(f"{type(value).__name__} cannot be written as JSON")


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{number} cannot be written as JSON")
    return number


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise ValueError(f"the key {key!r} is not text")
    return _text(str(key))


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("text that is not valid Unicode") from None
    return text
