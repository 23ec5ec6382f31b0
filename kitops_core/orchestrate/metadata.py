"""Records as metadata of events, assets and runs: plain JSON, and no larger than orchestrators take."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from kitops_core.evidence.metrics import NOT_FINITE as NOT_FINITE  # the names that plain_json gives, for integrations
from kitops_core.wording import timestamp_text

if TYPE_CHECKING:
    from kitops_core.promotion.result import Promotion
    from kitops_core.record import ModelKitRecord

MAX_METADATA_BYTES = 256 * 1024
"""The largest metadata of one kit, as JSON: an eighth of what the smallest limit of the three takes in one event."""

_DEEPEST = 50


def record_metadata(record: ModelKitRecord) -> dict[str, Any]:
    """The record as plain JSON; without its layers, and then without its parents, where it would be too large.

    ``layers_total`` and ``parents_total`` say how many there are where some are left out.
    """
    return _bounded(record.to_dict())


def promotion_metadata(promotion: Promotion) -> dict[str, Any]:
    """A promotion as plain JSON, its kit's record as :func:`record_metadata` makes it."""
    data = promotion.to_dict()
    return {**plain_json(data), "kit": _bounded(data["kit"])}


def plain_json(value: Any) -> Any:
    """Reduce a value to what every JSON reader takes: numbers of other libraries to Python's, no NaN, no objects.

    A figure that is not finite becomes its name as text, which no reader mistakes for a number: ``"nan"``.
    """
    return _plain(value, 0)


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else str(number)
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return {str(key): _plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [_plain(item, depth + 1) for item in value]
        if callable(item := getattr(value, "item", None)) and getattr(value, "shape", None) == ():
            return _plain(item(), depth + 1)  # a number of an array library, which is no Real
    if isinstance(value, datetime):
        return timestamp_text(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def _bounded(record: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = plain_json(record)
    for part in ("layers", "parents"):
        if len(json.dumps(found)) <= MAX_METADATA_BYTES:
            break
        if found.get(part):
            found |= {part: [], f"{part}_total": len(found[part])}
    return found
