"""JSON from strangers: one meaning for every reader, or none."""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any

from kitops_core.errors import IntegrityError


def parse_object(raw: bytes, where: str, limit: int) -> dict[str, Any]:
    """Read a JSON object as UTF-8, with no key twice and no number that JSON does not have.

    Args:
        raw: The bytes.
        where: What they are, for messages.
        limit: How many bytes are taken at most.

    Raises:
        IntegrityError: They are too many, or not such an object.
    """
    if len(raw) > limit:
        raise IntegrityError(f"{where}: {len(raw)} bytes, the limit is {limit}")
    try:
        data = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{where}: not JSON that can be relied on: {error}") from None
    if not isinstance(data, dict):
        raise IntegrityError(f"{where}: not a JSON object")
    return data


def text_field(data: dict[str, Any], name: str, where: str, *, required: bool = True) -> str:
    """A field that must be text; an empty string where it is missing and may be.

    Raises:
        IntegrityError: It is missing, empty though required, or something else than text.
    """
    value = data.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value) or _has_surrogates(value):
        raise IntegrityError(f"{where}: '{name}' must be text")
    return value


def bytes_field(data: dict[str, Any], name: str, where: str) -> bytes:
    """A field that holds bytes in standard base64.

    Raises:
        IntegrityError: It does not.
    """
    try:
        return base64.b64decode(text_field(data, name, where), validate=True)
    except (binascii.Error, ValueError):
        raise IntegrityError(f"{where}: '{name}' must be base64") from None


def object_field(data: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    """A field that must be an object.

    Raises:
        IntegrityError: It is not.
    """
    value = data.get(name)
    if not isinstance(value, dict):
        raise IntegrityError(f"{where}: '{name}' must be an object")
    return value


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return data


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is too large")
    return value
