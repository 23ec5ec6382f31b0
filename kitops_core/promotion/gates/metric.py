"""Gate ``metric``: a figure of the kit's test results, by itself and against the kit another channel has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from kitops_core.evidence.predicate_types import TEST_RESULT
from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.gates.gate import passed, refused
from kitops_core.promotion.gates.trusted import NoEvidenceError, keys_of, past_time, required

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kitops_core.evidence.keys import PublicKey
    from kitops_core.evidence.statements import Evidence
    from kitops_core.promotion.gate_models import Metric
    from kitops_core.promotion.gates.candidate import Candidate
    from kitops_core.promotion.policy import PromotionPolicy

_PASSING = ("PASSED", "WARNED")


@dataclass(frozen=True)
class _Measured:
    """A figure, the result it is part of, and the referrer that says so."""

    value: int | float
    result: str
    evidence: str


@dataclass(frozen=True)
class MetricGate:
    """A metric is within its bounds."""

    spec: Metric
    policy: PromotionPolicy
    kind = "metric"

    @property
    def name(self) -> str:
        """What it asks for."""
        worse = ""
        if self.spec.not_worse_than:
            by = f" by more than {number_text(self.spec.by)}" if self.spec.by else ""
            worse = f"not worse than {self.spec.not_worse_than}{by}"
        bounds = self._bounds
        return f"{self.spec.name} {bounds}{', ' if bounds and worse else ''}{worse}"

    @property
    def _bounds(self) -> str:
        bounds = [
            *([f"≥ {number_text(self.spec.min)}"] if self.spec.min is not None else []),
            *([f"≤ {number_text(self.spec.max)}"] if self.spec.max is not None else []),
        ]
        return " and ".join(bounds)

    def check(self, candidate: Candidate) -> GateResult:
        """Compare the newest test result that has the metric with the bounds."""
        keys = keys_of(self.policy, self.spec)
        own = _newest(candidate, self.spec.name, keys)
        told = number_text(own.value)
        if own.result not in _PASSING:
            return refused(self, f"the test result says {own.result or 'neither PASSED nor FAILED'}, with {told}")
        evidence = [own.evidence]
        there, against, enough = "", own, True
        if self.spec.not_worse_than:
            other = candidate.in_channel(self.spec.not_worse_than)
            there = f", {self.spec.not_worse_than} is empty"
            if other is not None:
                against = self._other(other, keys)
                there = f", {self.spec.not_worse_than} has {number_text(against.value)}"
                evidence.append(against.evidence)
                enough = self._not_worse(own.value, against.value)
        within = (self.spec.min is None or _exact(own.value) >= _exact(self.spec.min)) and (
            self.spec.max is None or _exact(own.value) <= _exact(self.spec.max)
        )
        if within and enough:
            bounds = f" {self._bounds}" if self._bounds else ""
            return passed(self, name=f"{self.spec.name} {told}{bounds}{there}", evidence=list(dict.fromkeys(evidence)))
        return refused(self, told + there, evidence=list(dict.fromkeys(evidence)))

    def _other(self, other: Candidate, keys: Sequence[PublicKey]) -> _Measured:
        try:
            return _newest(other, self.spec.name, keys)
        except NoEvidenceError as error:
            raise NoEvidenceError(f"the kit in {self.spec.not_worse_than}: {error.message}") from None

    def _not_worse(self, own: float, other: float) -> bool:
        margin = _exact(self.spec.by)
        if self.spec.higher_is_better:
            return _exact(own) >= _exact(other) - margin
        return _exact(own) <= _exact(other) + margin


def _newest(candidate: Candidate, name: str, keys: Sequence[PublicKey]) -> _Measured:
    results = []
    for item in required(candidate.evidence(TEST_RESULT), candidate.digest, TEST_RESULT, keys):
        metrics = _predicate(item).get("metrics")
        if isinstance(metrics, dict) and name in metrics:
            results.append((item, metrics[name]))
    if not results:
        raise NoEvidenceError(f"no test result has the metric '{name}'")
    if len(results) > 1:
        results.sort(key=lambda result: _time(result[0], candidate.now))
        latest = _time(results[-1][0], candidate.now)
        said = [
            (value, _predicate(item).get("result")) for item, value in results if _time(item, candidate.now) == latest
        ]
        if any(other != said[-1] for other in said):
            raise NoEvidenceError(f"test results of the same time differ in the metric '{name}'")
    item, value = results[-1]
    if _predicate(item).get("time") is not None:
        _time(item, candidate.now)
    if not _is_figure(value):
        raise NoEvidenceError(f"the metric '{name}' is {value!r}, which is no finite number")
    result = _predicate(item).get("result")
    return _Measured(value, result if isinstance(result, str) else "", item.digest)


def _time(item: Evidence, now: datetime) -> datetime:
    return past_time(_predicate(item).get("time"), now, "a test result")


def _predicate(item: Evidence) -> Mapping[str, object]:
    return item.statement.predicate if item.statement else {}


def _is_figure(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, int) or _exact(value).is_finite()


def _exact(value: float) -> Decimal:
    """The decimal number as it was written: 0.94 - 0.01 is 0.93, and not a little less."""
    return Decimal(value) if isinstance(value, int) else Decimal(repr(value))


def number_text(value: float) -> str:
    """A number for people, with two digits after the point where it has one: ``0.90``, ``0.941``, ``12``."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        return str(int(value))
    text = repr(value)
    whole, point, digits = text.partition(".")
    return text if "e" in text or not point else f"{whole}.{digits:0<2}"
