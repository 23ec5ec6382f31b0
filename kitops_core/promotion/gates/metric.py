"""Gate ``metric``: a figure of the kit's test results, by itself and against the kit another channel has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kitops_core.evidence.measured import Measured, NoEvidenceError, exact, newest
from kitops_core.evidence.predicate_types import TEST_RESULT
from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.gates.gate import passed, refused
from kitops_core.promotion.gates.trusted import keys_of, required

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kitops_core.promotion.gate_models import Metric
    from kitops_core.promotion.gates.candidate import Candidate
    from kitops_core.promotion.policy import PromotionPolicy
    from kitops_core.signing.keys import PublicKey

_PASSING = ("PASSED", "WARNED")


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
        within = (self.spec.min is None or exact(own.value) >= exact(self.spec.min)) and (
            self.spec.max is None or exact(own.value) <= exact(self.spec.max)
        )
        if within and enough:
            bounds = f" {self._bounds}" if self._bounds else ""
            return passed(self, name=f"{self.spec.name} {told}{bounds}{there}", evidence=list(dict.fromkeys(evidence)))
        return refused(self, told + there, evidence=list(dict.fromkeys(evidence)))

    def _other(self, other: Candidate, keys: Sequence[PublicKey]) -> Measured:
        try:
            return _newest(other, self.spec.name, keys)
        except NoEvidenceError as error:
            raise NoEvidenceError(f"the kit in {self.spec.not_worse_than}: {error.message}") from None

    def _not_worse(self, own: float, other: float) -> bool:
        margin = exact(self.spec.by)
        if self.spec.higher_is_better:
            return exact(own) >= exact(other) - margin
        return exact(own) <= exact(other) + margin


def _newest(candidate: Candidate, name: str, keys: Sequence[PublicKey]) -> Measured:
    results = required(candidate.evidence(TEST_RESULT), candidate.digest, TEST_RESULT, keys)
    return newest(results, name, candidate.now)


def number_text(value: float) -> str:
    """A number for people, with two digits after the point where it has one: ``0.90``, ``0.941``, ``12``."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        return str(int(value))
    text = repr(value)
    whole, point, digits = text.partition(".")
    return text if "e" in text or not point else f"{whole}.{digits:0<2}"
