"""Measured figures as an in-toto test result v0.1.

The format (https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md) says whether tests passed.
Figures go beside that under ``metrics``, and when they were measured under ``time``; readers of the format pass over
fields they do not know.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from numbers import Integral, Real
from typing import Any

from kitops_core.errors import InvalidInputError
from kitops_core.evidence.secrets import redact_text
from kitops_core.evidence.slsa import format_time

NOT_FINITE = ("nan", "inf", "-inf")
"""The names of what is no finite number. As a figure each is text, which no gate takes for a number."""


def metrics_predicate(
    metrics: Mapping[str, float | str], *, time: datetime | None = None, url: str = ""
) -> dict[str, Any]:
    """The predicate of a statement that says what was measured.

    Args:
        metrics: Figures by name; one that came out as no finite number by the name of that, ``"nan"``, so that an
            earlier figure does not count any more.
        time: When they were measured; now where nobody says.
        url: Where the evaluation can be looked at.

    Raises:
        InvalidInputError: There is none, or one is neither a finite number nor such a name.
    """
    if not metrics:
        raise InvalidInputError("there are no metrics to attest", hint="name at least one: accuracy=0.94")
    predicate: dict[str, Any] = {
        "result": "PASSED",
        "configuration": [],
        "metrics": {name: _figure(name, value) for name, value in metrics.items()},
        "time": format_time(time or datetime.now(timezone.utc)),
    }
    if url:
        predicate["url"] = redact_text(url)
    return predicate


def read_metrics(predicate: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a test result that anybody may have written; what is no finite number is passed over."""
    metrics = predicate.get("metrics")
    if not isinstance(metrics, Mapping):
        return {}
    numbers = {name: _number(value) for name, value in metrics.items() if isinstance(name, str)}
    return {name: number for name, number in numbers.items() if number is not None}


def says_metrics(there: Sequence[Mapping[str, Any]], new: Mapping[str, Any]) -> int | None:
    """Which of the predicates that are there says the same as a new one, but for when and where it was measured.

    Only the latest counts: when a figure changed and changed back, the last measurement is worth saying again.
    """
    latest = max(range(len(there)), key=lambda index: str(there[index].get("time")), default=None)
    return latest if latest is not None and _lasting(there[latest]) == _lasting(new) else None


def _lasting(predicate: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in predicate.items() if key not in ("time", "url")}


def _figure(name: str, value: object) -> float | str:
    if not name:
        raise InvalidInputError("a metric has no name", hint="write it as accuracy=0.94")
    if isinstance(value, str) and value in NOT_FINITE:
        return value
    number = _number(value)
    if number is None:
        raise InvalidInputError(
            f"the metric '{name}' is {str(value)[:40]!r}, not a finite number", hint="write it as accuracy=0.94"
        )
    return number


def _number(value: object) -> float | None:
    """A finite number as JSON has it, ``None`` for anything else; numbers of other libraries become Python's."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer larger than any float
        return None
    if not math.isfinite(number):
        return None
    return int(value) if isinstance(value, Integral) else number
