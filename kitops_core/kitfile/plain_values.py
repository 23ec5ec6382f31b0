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


def plain(value: Any, *, place: str = "") -> Any:
    """Reduce ``value`` to ``None``, text, truth values, numbers, lists and text-keyed mappings.

    Numbers of other libraries become Python's, tuples become lists, dates become RFC 3339 text.

    Args:
        value: Anything.
        place: What the value is called, for errors: ``parameters`` makes them say ``parameters.rates[0]``.

    Raises:
        ValueError: Something that JSON cannot hold; the message says where in the value it is.
    """
    return _plain(value, place, 0)


def _plain(value: Any, place: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise _unfit(place, f"nested more than {MAX_DEPTH} levels deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(str(value), place)
    if isinstance(value, Mapping):
        return {
            _key(key, place): _plain(item, f"{place}.{key}" if place else str(key), depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{place}[{index}]", depth + 1) for index, item in enumerate(value)]
    return _scalar(value, place)


def _scalar(value: Any, place: str) -> Any:
    if isinstance(value, Integral):
        try:
            return fit_integer(int(value))
        except ValueError as error:
            raise _unfit(place, str(error)) from None
    if isinstance(value, Real):
        return _finite(float(value), place)
    if isinstance(value, datetime.datetime):
        text = value.isoformat()
        return text.replace("+00:00", "Z") if value.tzinfo else text + "Z"
    if isinstance(value, datetime.date):
        return f"{value.isoformat()}T00:00:00Z"
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    array = ": make it a list with .tolist()" if hasattr(value, "tolist") else ""
    raise _unfit(place, f"{name} cannot be written as JSON{array}")


def _finite(number: float, place: str) -> float:
    if not math.isfinite(number):
        raise _unfit(place, f"{number} cannot be written as JSON")
    return number


def _key(key: Any, place: str) -> str:
    if not isinstance(key, str):
        raise _unfit(place, f"the key {key!r} is not text")
    return _text(str(key), place)


def _text(text: str, place: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _unfit(place, "text that is not valid Unicode") from None
    return text


def _unfit(place: str, what: str) -> ValueError:
    return ValueError(f"{place}: {what}" if place else what)
