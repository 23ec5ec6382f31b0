"""Gates ``upstream`` and ``soak``: the kit came the way it should, and was there for long enough."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kitops_core.errors import NotFoundError
from kitops_core.evidence.measured import MAX_SKEW, NoEvidenceError
from kitops_core.evidence.predicate_types import PROMOTION, SLSA_PROVENANCE
from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.gates.built import made_at
from kitops_core.promotion.gates.gate import passed, refused
from kitops_core.promotion.records import PromotionRecord, record_before, records_of, walk_records
from kitops_core.wording import duration_text, timestamp_text

if TYPE_CHECKING:
    from kitops_core.promotion.gates.candidate import Candidate
    from kitops_core.promotion.policy import PromotionPolicy


@dataclass(frozen=True)
class _Stay:
    """A time that a kit was in a channel.

    Attributes:
        record: Digest of the record by which it came.
        came: When it came.
        left: When another kit took its place, ``None`` where it is there now.
        rolled_back: Whether it was rolled back.
    """

    record: str
    came: datetime
    left: datetime | None = None
    rolled_back: bool = False


@dataclass(frozen=True)
class UpstreamGate:
    """The kit was promoted into the upstream channel and not rolled back; or is in it, where kits are just pushed."""

    upstream: str
    policy: PromotionPolicy
    kind = "upstream"

    @property
    def name(self) -> str:
        """What it asks for."""
        return f"comes from {self.upstream}"

    def check(self, candidate: Candidate) -> GateResult:
        """Look at what the upstream channel has, then at its records."""
        there = candidate.in_channel(self.upstream)
        here = there is not None and there.digest == candidate.digest
        if not self.policy.channel(self.upstream).from_:
            return passed(self, "is there now") if here else self._check_entry(candidate, there)
        if there is None:
            return refused(self, f"{self.upstream} is empty")
        stay = _last_stay(candidate, there, self.upstream, self.policy)
        if stay is None and here:  # whoever may push can move a tag past that channel's own gates
            return refused(self, "is there now, and no record says that it was promoted there")
        if stay is None:
            return refused(self, f"no record says that it was in {self.upstream}")
        if here:
            return passed(self, "is there now", evidence=[stay.record])
        when = timestamp_text(stay.came)
        if stay.rolled_back:
            return refused(self, f"promoted there at {when}, and rolled back since", evidence=[stay.record])
        return passed(self, f"promoted there at {when}", evidence=[stay.record])

    def _check_entry(self, candidate: Candidate, there: Candidate | None) -> GateResult:
        """A channel nothing is promoted into is entered by a push: the kit is in its repository, or it is not."""
        target, found = self.policy.target(self.upstream), candidate.found
        is_registry = not (target.layout or target.is_local_name)
        if found.reference.name == target.name and found.remote == is_registry:
            return passed(self, f"is in {target.name}")
        if there is None:
            return refused(self, f"found in {found.where} {found.reference.name}, and {target} is empty")
        try:
            there.storage.resolve(candidate.digest)
        except NotFoundError:
            return refused(self, f"found in {found.where} {found.reference.name}, and not in {target.name}")
        return passed(self, f"is in {target.name}")


@dataclass(frozen=True)
class SoakGate:
    """The kit was in the upstream channel for long enough."""

    time: timedelta
    upstream: str
    policy: PromotionPolicy
    kind = "soak"

    @property
    def name(self) -> str:
        """What it asks for."""
        return f"soaked in {self.upstream} for {duration_text(self.time)}"

    def check(self, candidate: Candidate) -> GateResult:
        """Count the time from its record there; in a channel without records, from its provenance."""
        there = candidate.in_channel(self.upstream)
        stay = _last_stay(candidate, there, self.upstream, self.policy) if there else None
        entry = not self.policy.channel(self.upstream).from_
        if stay is None and not entry:
            return refused(self, f"no record says when it came to {self.upstream}")
        if stay is None:
            came, evidence = made_at(candidate, candidate.evidence(SLSA_PROVENANCE), self.policy, annotated=False)
            stay, found = _Stay("", came), evidence
        else:
            found = [stay.record]
        if stay.came > candidate.now + MAX_SKEW:
            raise NoEvidenceError(f"its record in {self.upstream} is dated in the future: {timestamp_text(stay.came)}")
        if stay.rolled_back:
            return refused(self, f"rolled back in {self.upstream}", evidence=found)
        spent = max((stay.left or candidate.now) - stay.came, timedelta(0))
        told = duration_text(spent)
        if spent >= self.time:
            return passed(self, told, evidence=found)
        return refused(self, f"only {told}, then replaced" if stay.left else f"{told} so far", evidence=found)


def _last_stay(candidate: Candidate, there: Candidate, channel: str, policy: PromotionPolicy) -> _Stay | None:
    """The last time the candidate was in a channel, by the channel's records; ``there`` is what it has now."""
    keys, target = policy.trusted, policy.target(channel)
    if there.digest == candidate.digest:
        attached = candidate.evidence_in(there.storage, candidate.digest, PROMOTION)
        arrivals = [
            record
            for record in records_of(attached, candidate.digest, keys, channel, target)
            if record.previous_digest != record.digest
        ]
        return _Stay(arrivals[0].record, arrivals[0].time) if arrivals else None
    left, rolled_back = None, False

    def records_on(digest: str) -> list[PromotionRecord]:
        attached = candidate.evidence_in(there.storage, digest, PROMOTION)
        return records_of(attached, digest, keys, channel, target)

    def link(record: PromotionRecord) -> PromotionRecord | None:
        return record_before(record, records_on(record.before))

    head = next(iter(records_on(there.digest)), None)
    for record in walk_records(head, link) if head else ():
        if record.previous_digest == record.digest:
            continue
        if record.digest == candidate.digest:
            return _Stay(record.record, record.time, left, rolled_back)
        left, rolled_back = record.time, record.action == "rollback"
    return None
