"""Which kits channels no longer need, and removing them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_core.errors import IntegrityError, InvalidInputError, NotFoundError
from kitops_core.evidence.predicate_types import SLSA_PROVENANCE
from kitops_core.evidence.slsa_read import read_build
from kitops_core.evidence.statements import read_evidence
from kitops_core.kits.copy_index import read_kits
from kitops_core.kits.stored_kit import read_kit
from kitops_core.oci.kit_index import KitIndex
from kitops_core.oci.own_tags import kept_digest
from kitops_core.parallel import run_all
from kitops_core.promotion.history import ChannelHistory, channel_history
from kitops_core.promotion.places import Places
from kitops_core.promotion.policy import PromotionPolicy
from kitops_core.promotion.policy_file import as_policy
from kitops_core.promotion.wholes import read_all, tags_of
from kitops_core.reference import Reference, parse_reference
from kitops_core.session import FoundAny, Session, digest_of
from kitops_core.wording import parse_timestamp, timestamp_text

if TYPE_CHECKING:
    from kitops_core.events import Control
    from kitops_core.storage import Storage


@dataclass(frozen=True)
class Prunable:
    """A kit that nothing needs any more.

    Attributes:
        channel: The channel it was in.
        reference: Where it is, pinned to its digest.
        digest: Its digest.
        size: Bytes of its config and layers; layers that other kits share stay.
        left: When it left the channel; where kits are only pushed, when something was last attached to it.
        removed: Whether it was removed just now.
    """

    channel: str
    reference: str
    digest: str
    size: int
    left: datetime
    removed: bool

    def to_dict(self) -> dict[str, Any]:
        """The kit as JSON."""
        return {**vars(self), "left": timestamp_text(self.left)}


def prune(
    session: Session,
    channel: str = "",
    *,
    policy: PromotionPolicy | str | Path = "promotion.yaml",
    dry_run: bool = True,
) -> list[Prunable]:
    """See :meth:`kitops_core.Client.prune`."""
    loaded = as_policy(policy)
    if channel:
        loaded.channel(channel)
    with Places(session) as places:
        found = _Review(loaded, places, session.control).unneeded([channel] if channel else [*loaded.channels])
        if not dry_run:
            # An index first: registries hold a kit that an index refers to.
            for kit in sorted(found, key=lambda one: not _is_index(places.find(parse_reference(one.reference)))):
                places.storage(parse_reference(kit.reference)).delete(kit.digest)
        return [replace(kit, removed=not dry_run) for kit in found]


class _Review:
    """What every channel's repository has, and what of it is needed."""

    def __init__(self, policy: PromotionPolicy, places: Places, control: Control) -> None:
        self._policy = policy
        self._places = places
        self._control = control
        self._histories = {name: channel_history(policy, name, places) for name in policy.channels}
        self._tags: dict[str, dict[str, set[str]]] = {}
        self._named: dict[str, set[str]] = {}
        self._kept = {
            (past.reference.name, digest) for past in self._histories.values() for digest in self._keeps(past)
        }

    def unneeded(self, channels: Sequence[str]) -> list[Prunable]:
        """The kits that were in some channels and that nothing needs, by channel, newest first."""
        found = [kit for channel in channels for kit in self._left_over(channel)]
        parents = self._ancestors({kit.digest for kit in found}) if found else set()
        return [kit for kit in found if kit.digest not in parents]

    def _left_over(self, channel: str) -> Iterator[Prunable]:
        """The kits that were in a channel and that neither a channel nor a tag needs, newest first."""
        past = self._histories[channel]
        retention = self._policy.channels[channel].retention
        if retention is None:
            return
        gone = _left(past) if self._policy.channels[channel].from_ else self._pushed(past, retention.keep)
        for digest, left in gone.items():
            if (past.reference.name, digest) in self._kept:
                continue
            found = self._places.find(past.reference.with_digest(digest))
            if found is not None and not self._tagged_otherwise(channel, found):
                yield Prunable(channel, str(found.reference), digest, found.manifest.size, left, removed=False)

    def _pushed(self, past: ChannelHistory, keep: int) -> dict[str, datetime]:
        """What was handed out in a repository, never came into a channel, and is not among the last that were.

        Nothing records what was just pushed, so what is attached to a kit says how old it is. Without that, it stays.
        """
        storage = self._places.storage(past.reference)
        known = {record.digest for other in self._histories.values() for record in other.records}
        dated = {}
        for digest in self._handed_out(storage) - known:
            times = [parse_timestamp(evidence.created) for evidence in read_evidence(storage, digest)]
            if found := [time for time in times if time is not None]:
                dated[digest] = max(found)
        dated.pop(past.digest, None)
        newest = sorted(dated, key=lambda digest: (dated[digest], digest), reverse=True)
        return {digest: dated[digest] for digest in newest[keep - 1 :]}

    def _handed_out(self, storage: Storage) -> set[str]:
        if storage.name not in self._named:
            self._named[storage.name] = set()
            with suppress(NotFoundError):  # there may be no such repository yet
                self._named[storage.name] = {kept_digest(tag) for tag in storage.own_tags()} - {""}
        return self._named[storage.name]

    def _keeps(self, past: ChannelHistory) -> list[str]:
        """The digests a channel needs: what it has, and the last ones that its retention keeps."""
        retention = self._policy.channels[past.channel].retention
        digests = dict.fromkeys(record.digest for record in past.line)
        return [past.digest, *islice(digests, retention.keep if retention else None)]

    def _ancestors(self, going: set[str]) -> set[str]:
        """Digests of all that the kits that stay were made from: those channels have or had, and those with tags."""
        pasts = self._histories.values()
        homes = {past.reference.name: past.reference for past in pasts}.values()
        staying = {past.digest for past in pasts} | {record.digest for past in pasts for record in past.records}
        storages = [self._places.storage(home) for home in homes]
        staying = staying.union(*map(self._tagged, storages), *map(self._handed_out, storages))
        pending = staying - going - {""}
        seen: set[str] = set()
        while pending:
            asked = [partial(self._parents, home.with_digest(digest)) for digest in sorted(pending) for home in homes]
            pending = set().union(*run_all(asked, self._control)) - seen
            seen |= pending
        return seen

    def _parents(self, reference: Reference, control: Control) -> set[str]:
        control.check()
        with suppress(IntegrityError):  # a tag may point at something that is no kit
            found = self._places.find(reference)
            return set(parent_digests(found)) if found is not None else set()
        return set()

    def _tagged_otherwise(self, channel: str, found: FoundAny) -> bool:
        """Whether a tag points at the kit that the channel did not give it."""
        tags = self._tagged(found.storage).get(found.manifest.digest)
        if not tags:
            return False
        templates = self._policy.channels[channel].version_tags
        own: tuple[str, ...] = ()
        manifest, control = found.manifest, found.storage.control
        with suppress(InvalidInputError, NotFoundError):  # a template that this kit cannot fill gave it no tag
            kits = read_kits(found.storage, manifest, control) if isinstance(manifest, KitIndex) else [manifest]
            own = tags_of(templates, read_all(found.storage, kits, control), channel, manifest.digest)
        return not tags <= set(own)

    def _tagged(self, storage: Storage) -> dict[str, set[str]]:
        """The digests that have tags in a repository, with the tags of each."""
        if storage.name not in self._tags:
            self._tags[storage.name] = {}
            with suppress(NotFoundError):  # there may be no such repository yet
                tags = [*storage.tags()]
                digests = run_all([partial(_digest, storage, tag) for tag in tags], self._control)
                for tag, digest in zip(tags, digests, strict=True):
                    self._tags[storage.name].setdefault(digest, set()).add(tag)
        return self._tags[storage.name]


def _left(past: ChannelHistory) -> dict[str, datetime]:
    """The digests that were in a channel and are no more, newest first, with the time each was replaced."""
    left: dict[str, datetime] = {}
    for after, record in pairwise(past.line):
        if record.digest != past.digest:
            left.setdefault(record.digest, after.time)
    for record in past.records:
        if record.overwritten and record.digest not in (past.digest, past.recorded):
            left.setdefault(record.digest, record.time)
    return left


def _digest(storage: Storage, tag: str, control: Control) -> str:
    control.check()
    return digest_of(storage, tag)


def _is_index(found: FoundAny | None) -> bool:
    return found is not None and isinstance(found.manifest, KitIndex)


def parent_digests(found: FoundAny) -> Iterator[str]:
    """The digests of the kits that one was made from, as its provenance and its Kitfile say; and those of an index."""
    if isinstance(found.manifest, KitIndex):
        yield from found.manifest.digests
    for evidence in read_evidence(found.storage, found.manifest.digest, predicate_type=SLSA_PROVENANCE):
        if evidence.statement is not None:
            kits = [item.kit for item in read_build(evidence.statement.predicate).inputs]
            yield from (kit.digest for kit in kits if kit is not None and kit.digest)
    if isinstance(found.manifest, KitIndex):
        return
    for named in read_kit(found.storage, found.manifest).kitfile_data.references():
        if digest := parse_reference(named).digest:
            yield digest
