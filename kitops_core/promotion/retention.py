"""Which kits channels no longer need, and removing them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_core.promotion.history import ChannelHistory, channel_history
from kitops_core.promotion.places import Places
from kitops_core.promotion.policy import PromotionPolicy
from kitops_core.promotion.policy_file import as_policy
from kitops_core.promotion.version_tags import version_tags
from kitops_core.provenance.evidence import read_evidence
from kitops_core.provenance.predicate_types import SLSA_PROVENANCE
from kitops_core.provenance.slsa_read import read_build
from kitops_core.reference import parse_reference
from kitops_core.text import timestamp_text
from kitops_core.verbs.describe import read_kit
from kitops_core.verbs.locate import FoundKit, digest_of

if TYPE_CHECKING:
    from kitops_core.storage.registry import RegistryOptions


@dataclass(frozen=True)
class Prunable:
    """A kit that nothing needs any more.

    Attributes:
        channel: The channel it was in.
        reference: Where it is, pinned to its digest.
        digest: Its digest.
        size: Bytes of its config and layers; layers that other kits share stay.
        left: When it left the channel.
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
    channel: str = "",
    *,
    channels: PromotionPolicy | str | Path = "promotion.yaml",
    dry_run: bool = True,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
) -> list[Prunable]:
    """Remove kits that were in a channel once and that its ``retention`` no longer keeps.

    A kit stays while any channel has it or may go back to it, while a tag that is not one of the channel's version tags
    points at it, and while a kit that stays was made from it. Only kits that a record shows to have been in the channel
    are looked at. Their records stay in the registry, so that the history can still be read.

    Args:
        channel: Only this channel; by default every channel that has ``retention``.
        channels: The promotion policy, or the file it is in.
        dry_run: Only say what would be removed.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.

    Returns:
        The kits that nothing needs, by channel, newest first.

    Raises:
        NotFoundError: There is no such channel.
        InvalidInputError: The policy cannot be used.
        DeniedError, RegistryError: A registry refused or failed.
    """
    policy = as_policy(channels)
    if channel:
        policy.channel(channel)
    with Places(store, registry) as places:
        review = _Review(policy, places)
        found = [kit for name in ([channel] if channel else policy.channels) for kit in review.unneeded(name)]
        if not dry_run:
            for kit in found:
                places.storage(parse_reference(kit.reference)).delete(kit.digest)
        return [replace(kit, removed=not dry_run) for kit in found]


class _Review:
    """What every channel's repository has, and what of it is needed."""

    def __init__(self, policy: PromotionPolicy, places: Places) -> None:
        self._policy = policy
        self._places = places
        self._histories = {name: channel_history(policy, name, places) for name in policy.channels}
        self._tags: dict[str, dict[str, set[str]]] = {}
        self._kept = {
            (past.reference.name, digest) for past in self._histories.values() for digest in self._keeps(past)
        }
        self._parents = self._ancestors()

    def unneeded(self, channel: str) -> Iterator[Prunable]:
        """The kits that were in a channel and that nothing needs, newest first."""
        past = self._histories[channel]
        if self._policy.channels[channel].retention is None:
            return
        for digest, left in _left(past).items():
            if (past.reference.name, digest) in self._kept or digest in self._parents:
                continue
            found = self._places.find(past.reference.with_digest(digest))
            if found is not None and not self._tagged_otherwise(channel, found):
                yield Prunable(channel, str(found.reference), digest, found.manifest.size, left, removed=False)

    def _keeps(self, past: ChannelHistory) -> list[str]:
        """The digests a channel needs: what it has, and the last ones that its retention keeps."""
        retention = self._policy.channels[past.channel].retention
        digests = dict.fromkeys(record.digest for record in past.records)
        return [past.digest, *islice(digests, retention.keep if retention else None)]

    def _ancestors(self) -> set[str]:
        """Digests of all that the kept kits were made from."""
        pending = [digest for _, digest in self._kept if digest]
        homes = {past.reference.name: past.reference for past in self._histories.values()}.values()
        seen: set[str] = set()
        while pending:
            digest = pending.pop()
            for home in homes:
                found = self._places.find(home.with_digest(digest))
                if found is None:
                    continue
                parents = set(parent_digests(found)) - seen
                seen |= parents
                pending += parents
                break
        return seen

    def _tagged_otherwise(self, channel: str, found: FoundKit) -> bool:
        """Whether a tag points at the kit that the channel did not give it."""
        name = found.storage.name
        if name not in self._tags:
            self._tags[name] = {}
            for tag in found.storage.tags():
                self._tags[name].setdefault(digest_of(found.storage, tag), set()).add(tag)
        tags = self._tags[name].get(found.manifest.digest)
        if not tags:
            return False
        templates = self._policy.channels[channel].version_tags
        kitfile = read_kit(found.storage, found.manifest).kitfile
        return not tags <= set(version_tags(templates, kitfile, channel, found.manifest.digest))


def _left(past: ChannelHistory) -> dict[str, datetime]:
    """The digests that were in a channel and are no more, newest first, with the time each was replaced."""
    left: dict[str, datetime] = {}
    for after, record in pairwise(past.records):
        if record.digest != past.digest:
            left.setdefault(record.digest, after.time)
    return left


def parent_digests(found: FoundKit) -> Iterator[str]:
    """The digests of the kits that one was made from, as its provenance and its Kitfile say."""
    for evidence in read_evidence(found.storage, found.manifest.digest, predicate_type=SLSA_PROVENANCE):
        if evidence.statement is not None:
            kits = [item.kit for item in read_build(evidence.statement.predicate).inputs]
            yield from (kit.digest for kit in kits if kit is not None and kit.digest)
    base = read_kit(found.storage, found.manifest).kitfile.model_reference()
    if base and (digest := parse_reference(base).digest):
        yield digest
