"""What is in each channel now, and whether its tag is where the last promotion put it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kitops_core.kits.copy_index import index_record
from kitops_core.kits.stored_kit import read_kit
from kitops_core.oci.kit_index import KitIndex
from kitops_core.promotion.history import ChannelHistory, HistoryReader
from kitops_core.promotion.places import Places
from kitops_core.promotion.policy import PromotionPolicy
from kitops_core.promotion.policy_file import as_policy
from kitops_core.promotion.records import PromotionRecord
from kitops_core.record import VariantRecord
from kitops_core.session import FoundAny, Session, digest_of


@dataclass(frozen=True)
class ChannelState:
    """A channel as it is now.

    Attributes:
        name: The channel.
        reference: Its target: repository and tag.
        digest: What the tag points at, or an empty string where the channel is empty.
        kit: Name, version and licence of that kit, as its Kitfile says; empty for an index.
        record: The record that put it there, or ``None``.
        drift: Where something else moved the tag, the digest that our last move put there; else empty.
        upstream: The channel it takes kits from, or an empty string.
        waiting: What the upstream has now, where this channel has something else; else an empty string.
        unrecorded: Whether it is a channel that kits are promoted into, and no record that counts says how its kit
            came there: something else put it there.
        variants: The kits of an index, ``None`` where the channel has a kit or nothing.
    """

    name: str
    reference: str
    digest: str
    kit: dict[str, Any]
    record: PromotionRecord | None
    drift: str
    upstream: str
    waiting: str
    unrecorded: bool = False
    variants: tuple[VariantRecord, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The state as JSON; with ``variants`` where it has an index."""
        state = {key: value for key, value in vars(self).items() if key != "variants"}
        variants = {} if self.variants is None else {"variants": [one.to_dict() for one in self.variants]}
        return {**state, "record": self.record.to_dict() if self.record else None, **variants}


def channels(
    session: Session,
    policy: PromotionPolicy | str | Path = "promotion.yaml",
) -> list[ChannelState]:
    """See :meth:`kitops_core.Client.channels`."""
    loaded = as_policy(policy)
    with Places(session) as places:
        return [_state(loaded, name, places) for name in loaded.channels]


def _state(policy: PromotionPolicy, name: str, places: Places) -> ChannelState:
    upstream = policy.channels[name].from_
    past = _past(policy, name, places)
    record = past.records[0] if past.records and not past.drift else None
    waiting = ""
    if upstream:
        source = policy.target(upstream)
        waiting = digest_of(places.storage(source), source.target)
    found = places.find(past.reference) if past.digest else None
    return ChannelState(
        name=name,
        reference=str(past.reference),
        digest=past.digest,
        kit=_kit(found),
        record=record,
        unrecorded=bool(upstream and past.digest) and record is None,
        drift=past.recorded if past.drift else "",
        upstream=upstream,
        waiting=waiting if waiting != past.digest else "",
        variants=_variants(found),
    )


def _past(policy: PromotionPolicy, name: str, places: Places) -> ChannelHistory:
    target = policy.target(name)
    storage = places.storage(target)
    if not policy.channels[name].from_:  # kits are pushed there, and nothing records that
        return ChannelHistory(name, target, digest_of(storage, target.target), (), drift=False)
    return HistoryReader(storage, target, name, policy.trusted).newest()


def _kit(found: FoundAny | None) -> dict[str, Any]:
    if found is None or isinstance(found.manifest, KitIndex):
        return {}
    return read_kit(found.storage, found.manifest).kitfile.package.model_dump(exclude_defaults=True)


def _variants(found: FoundAny | None) -> tuple[VariantRecord, ...] | None:
    if found is None or not isinstance(found.manifest, KitIndex):
        return None
    return index_record(found.manifest, found.reference).variants
