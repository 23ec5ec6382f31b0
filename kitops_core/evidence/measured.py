"""What a kit's test results say, read by one rule: gates, approvals, cards and reports all show the same figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from kitops_core.errors import KitOpsError
from kitops_core.evidence.counted import counted
from kitops_core.evidence.predicate_types import TEST_RESULT
from kitops_core.evidence.statements import Evidence, read_evidence
from kitops_core.reference import Where
from kitops_core.session import Session
from kitops_core.signing.keys import PublicKey
from kitops_core.wording import parse_timestamp, timestamp_text

MAX_SKEW = timedelta(minutes=5)
"""How far another machine's clock may be ahead of ours. What is dated later is not believed."""


class NoEvidenceError(KitOpsError):
    """What somebody asks about is not said of a kit, or cannot be believed; the message says why."""


@dataclass(frozen=True)
class Measured:
    """A figure.

    Attributes:
        value: The figure, a finite number.
        result: What the test result says beside it: ``PASSED``, ``WARNED``, ``FAILED`` or an empty string.
        evidence: Digest of the referrer that says so.
    """

    value: int | float
    result: str
    evidence: str


def metrics(
    session: Session, reference: str, *, trusted: Sequence[PublicKey | str | Path] = (), where: Where = "any"
) -> dict[str, float]:
    """See :meth:`kitops_core.Client.metrics`."""
    keys = [key if isinstance(key, PublicKey) else PublicKey.load(key) for key in trusted]
    found = session.find_subject(reference, where)
    try:
        evidence = read_evidence(
            found.storage, found.manifest.digest, predicate_type=TEST_RESULT, control=session.control
        )
    finally:
        found.storage.close()
    return figures(counted(evidence, found.manifest.digest, TEST_RESULT, keys), datetime.now(timezone.utc))


def figures(results: Sequence[Evidence], now: datetime) -> dict[str, float]:
    """The newest figure of each name in test results that count; one that cannot be told is left out."""
    named = {str(name): None for item in results for name in _metrics(item)}
    found: dict[str, float] = {}
    for name in named:
        with suppress(NoEvidenceError):
            found[name] = newest(results, name, now).value
    return found


def newest(results: Sequence[Evidence], name: str, now: datetime) -> Measured:
    """The newest figure of a name in test results that count.

    Raises:
        NoEvidenceError: There is none; or it has no time while there are several, lies in the future, is no number, or
            another of the same time differs.
    """
    named = [(item, _metrics(item)[name]) for item in results if name in _metrics(item)]
    if not named:
        raise NoEvidenceError(f"no test result has the metric '{name}'")
    if len(named) > 1:
        named.sort(key=lambda result: _time(result[0], now))
        latest = _time(named[-1][0], now)
        said = [(value, _predicate(item).get("result")) for item, value in named if _time(item, now) == latest]
        if any(other != said[-1] for other in said):
            raise NoEvidenceError(f"test results of the same time differ in the metric '{name}'")
    item, value = named[-1]
    if _predicate(item).get("time") is not None:
        _time(item, now)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not exact(value).is_finite():
        raise NoEvidenceError(f"the metric '{name}' is {value!r}, which is no finite number")
    result = _predicate(item).get("result")
    return Measured(value, result if isinstance(result, str) else "", item.digest)


def exact(value: float) -> Decimal:
    """The decimal number as it was written: 0.94 - 0.01 is 0.93, and not a little less."""
    return Decimal(value) if isinstance(value, int) else Decimal(repr(value))


def past_time(value: object, now: datetime, what: str) -> datetime:
    """A time that a statement says something happened at.

    Raises:
        NoEvidenceError: It is none, or lies in the future.
    """
    time = parse_timestamp(value)
    if time is None:
        raise NoEvidenceError(f"{what} has no time that can be read")
    if time > now + MAX_SKEW:
        raise NoEvidenceError(f"{what} is dated in the future: {timestamp_text(time)}")
    return time


def _time(item: Evidence, now: datetime) -> datetime:
    return past_time(_predicate(item).get("time"), now, "a test result")


def _metrics(item: Evidence) -> Mapping[str, object]:
    metrics = _predicate(item).get("metrics")
    return metrics if isinstance(metrics, dict) else {}


def _predicate(item: Evidence) -> Mapping[str, object]:
    return item.statement.predicate if item.statement else {}
