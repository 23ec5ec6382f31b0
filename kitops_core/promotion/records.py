"""The record of a promotion: a statement about the promoted digest, and how histories are read back from them.

A record hangs on the digest it is about, in the channel's repository. It names the digest that the channel had before,
and the record of how that had come there, so that the records of a channel form a line, from whatever the channel has
now back to its first kit. Only these links say what came before what; the time is for people, as clocks differ.
:mod:`kitops_core.promotion.move` says when a record is written, and which of them count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from kitops_core.errors import IntegrityError, InvalidReferenceError
from kitops_core.evidence.counted import counted
from kitops_core.evidence.predicate_types import PROMOTION
from kitops_core.promotion.gate_result import GateResult
from kitops_core.record import Source
from kitops_core.reference import Reference, is_digest, parse_reference
from kitops_core.wording import parse_timestamp, timestamp_text

if TYPE_CHECKING:
    from kitops_core.evidence.statements import Evidence
    from kitops_core.signing.keys import PublicKey

Action = Literal["promote", "rollback"]


@dataclass(frozen=True)
class PromotionRecord:
    """One move of a channel.

    Attributes:
        action: ``promote`` or ``rollback``.
        channel: The channel.
        digest: What it has since.
        time: When it was moved.
        previous_digest: What it had before; empty for the first kit.
        number: Which move of the channel's tag it was, from 1: one more than that of the record before.
        previous_record: Digest of the record before; empty where there was none that counts.
        source: The reference the kit was promoted from.
        target: The reference of the channel.
        actor: Who did it; for people, as only a signature proves anything.
        note: Why.
        gates: What each gate said.
        run: The pipeline run that did it.
        policy_digest: Digest of the policy that decided.
        drift: Where the tag had been moved by something else, the digest that our last record had put there.
        record: Digest of the referrer that holds this; empty until it is attached.
        signed_by: Name of the key that signed it, or an empty string.
        overwritten: Whether the tag was written, and what the channel has now does not lead back here: a promotion at
            the same time overwrote it, or something else moved the tag back or removed it.
        gap: Why the record before cannot be shown though there was one, or an empty string.
    """

    action: Action
    channel: str
    digest: str
    time: datetime
    previous_digest: str = ""
    number: int = 1
    previous_record: str = ""
    source: str = ""
    target: str = ""
    actor: str = ""
    note: str = ""
    gates: tuple[GateResult, ...] = ()
    run: Source = field(default_factory=Source)
    policy_digest: str = ""
    drift: str = ""
    record: str = ""
    signed_by: str = ""
    overwritten: bool = False
    gap: str = ""

    @property
    def before(self) -> str:
        """The digest that the record before is about: what had been put there, where something else moved the tag."""
        return self.drift or self.previous_digest

    def moved(self, target: Reference) -> bool:
        """Whether it says that this target's tag was moved.

        A record travels with its kit into other repositories, where a channel may have the same name. The registry's
        host is not compared: the same one may go by several names.
        """
        if not self.target:
            return True
        try:
            said = parse_reference(self.target)
        except InvalidReferenceError:
            return False
        return (said.repository, said.target) == (target.repository, target.target)

    def to_predicate(self) -> dict[str, Any]:
        """The predicate of the statement: what is said, without what only a stored record has."""
        said: dict[str, Any] = {
            "action": self.action,
            "channel": self.channel,
            "digest": self.digest,
            "previousDigest": self.previous_digest,
            "number": self.number,
            "previousRecord": self.previous_record,
            "time": timestamp_text(self.time),
            "from": {"reference": self.source} if self.source else {},
            "to": {"reference": self.target} if self.target else {},
            "actor": self.actor,
            "note": self.note,
            "gates": [gate.to_dict() for gate in self.gates],
            "run": self.run.to_dict(),
            "policy": {"digest": self.policy_digest} if self.policy_digest else {},
            "drift": self.drift,
        }
        return {key: value for key, value in said.items() if value}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON with all fields, under their names here."""
        return {
            **vars(self),
            "time": timestamp_text(self.time),
            "gates": [gate.to_dict() for gate in self.gates],
            "run": self.run.to_dict(),
        }


def parse_record(evidence: Evidence, *, signed_by: str = "") -> PromotionRecord:
    """Read a record. Fields that are there for people are passed over where they are not as they should be.

    Args:
        evidence: The referrer; its signature is not looked at here.
        signed_by: The name of the key that was found to have signed it.

    Raises:
        IntegrityError: It is no record, or about another digest than the one it hangs on.
    """
    where = f"the promotion record {evidence.digest}"
    if evidence.statement is None or evidence.predicate_type != PROMOTION:
        raise IntegrityError(f"{where}: {evidence.problem or 'not a promotion record'}")
    said = evidence.statement.predicate
    action, digest, channel = said.get("action"), _text(said, "digest"), _text(said, "channel")
    time = parse_timestamp(said.get("time"))
    if action not in ("promote", "rollback"):
        raise IntegrityError(f"{where}: the action is {action!r}")
    if not channel or time is None:
        raise IntegrityError(f"{where}: the {'time' if channel else 'channel'} is missing")
    if digest != evidence.subject or not evidence.statement.about(digest):
        raise IntegrityError(f"{where} is about another kit than the one it is attached to")
    number = said.get("number")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise IntegrityError(f"{where}: the number is {number!r}")
    for key in ("previousDigest", "previousRecord", "drift"):
        if _text(said, key) and not is_digest(_text(said, key)):
            raise IntegrityError(f"{where}: {key} is no digest")
    gates = said.get("gates")
    return PromotionRecord(
        action=action,
        channel=channel,
        digest=digest,
        time=time,
        previous_digest=_text(said, "previousDigest"),
        number=number,
        previous_record=_text(said, "previousRecord"),
        source=_text(said.get("from"), "reference"),
        target=_text(said.get("to"), "reference"),
        actor=_text(said, "actor"),
        note=_text(said, "note"),
        gates=tuple(_gate(gate) for gate in gates if isinstance(gate, dict)) if isinstance(gates, list) else (),
        run=_run(said.get("run")),
        policy_digest=_text(said.get("policy"), "digest"),
        drift=_text(said, "drift"),
        record=evidence.digest,
        signed_by=signed_by,
    )


def records_of(
    evidence: Sequence[Evidence],
    digest: str,
    keys: Sequence[PublicKey],
    channel: str = "",
    target: Reference | None = None,
) -> list[PromotionRecord]:
    """The records among what is attached to ``digest``, by their numbers, the last move first; of one channel if given.

    Args:
        evidence: What is attached.
        digest: The kit's digest.
        keys: Only records that one of these signed count; without keys all do.
        channel: The channel's name.
        target: The channel's repository and tag.
    """
    records = []
    for item in counted(evidence, digest, PROMOTION, keys):
        key = item.verified_by(keys) if keys else None
        try:
            record = parse_record(item, signed_by=key.name if key else "")
        except IntegrityError:
            continue
        if channel in ("", record.channel) and (target is None or record.moved(target)):
            records.append(record)
    return sorted(records, key=lambda record: (record.number, record.record), reverse=True)


def walk_records(
    head: PromotionRecord, link: Callable[[PromotionRecord], PromotionRecord | None]
) -> Iterator[PromotionRecord]:
    """The records that lead up to a record, newest first, itself included.

    Args:
        head: The record.
        link: Finds the record before one, or ``None``; see :func:`record_before`.
    """
    record: PromotionRecord | None = head
    while record is not None:
        yield record
        record = link(record) if record.before else None


def record_before(record: PromotionRecord, candidates: Sequence[PromotionRecord]) -> PromotionRecord | None:
    """The record before one among those on the digest it names, or ``None``.

    Where the very record it names is gone, another one on that digest stands in: two promotions of one kit at the same
    time are one move with two records. Numbers go down, so that a forged circle ends.
    """
    earlier = [other for other in candidates if other.number < record.number]
    named = [other for other in earlier if other.record == record.previous_record]
    return next(iter(named or earlier), None) if record.previous_record else None


def _gate(data: Mapping[str, Any]) -> GateResult:
    return GateResult(
        _text(data, "name"),
        data.get("passed") is True,
        _text(data, "detail"),
        _text(data, "kind"),
        _texts(data.get("evidence")),
    )


def _run(data: Any) -> Source:
    fields = Source.__dataclass_fields__
    if not isinstance(data, dict):
        return Source()
    said: dict[str, Any] = {
        key: value for key, value in data.items() if key in fields and isinstance(value, (str, bool))
    }
    return Source(**said)


def _text(data: Any, key: str) -> str:
    value = data.get(key) if isinstance(data, Mapping) else None
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()
