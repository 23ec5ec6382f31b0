"""The record of a promotion: a statement about the promoted digest, and how histories are read back from them.

A record hangs on the digest it is about, in the channel's repository. It names the digest that the channel had before,
so that the records of a channel form a chain, newest first, from whatever the channel has now.
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
    """

    action: Action
    channel: str
    digest: str
    time: datetime
    previous_digest: str = ""
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
    for key in ("previousDigest", "drift"):
        if _text(said, key) and not is_digest(_text(said, key)):
            raise IntegrityError(f"{where}: {key} is no digest")
    gates = said.get("gates")
    return PromotionRecord(
        action=action,
        channel=channel,
        digest=digest,
        time=time,
        previous_digest=_text(said, "previousDigest"),
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
    """The records among what is attached to ``digest``, newest first, of one channel if given.

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
    return sorted(records, key=lambda record: record.time, reverse=True)


def walk_records(
    read: Callable[[str], Sequence[Evidence]],
    channel: str,
    digest: str,
    keys: Sequence[PublicKey],
    target: Reference | None = None,
) -> Iterator[PromotionRecord]:
    """The history of a channel, newest first, for as far back as its records lead.

    Args:
        read: What is attached to a digest in the channel's repository.
        channel: The channel's name.
        digest: What the channel has now.
        keys: Only records that one of these signed count; without keys all do.
        target: The channel's repository and tag.
    """
    seen: set[str] = set()
    last: PromotionRecord | None = None
    following: tuple[str, ...] = (digest,)
    while True:
        record = next(
            (
                record
                for at in following
                for record in records_of(read(at), at, keys, channel, target)
                if record.record not in seen and (last is None or record.time <= last.time)
            ),
            None,
        )
        if record is None:
            return
        yield record
        seen.add(record.record)
        last = record
        # Where something else had moved the tag, the chain goes on at what we had put there.
        following = tuple(filter(None, (record.drift, record.previous_digest)))


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
