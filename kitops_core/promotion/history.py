"""What was promoted into a channel, read back from the registry alone.

A record is attached to the kit before the channel's tag moves, so a tag that a promotion moved always has one; a
record that never took effect (the promotion was interrupted, or lost the race) is told apart by following the chain
from the kit the tag has now: its record names the digest before, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_core.errors import NotFoundError
from kitops_core.events import Control
from kitops_core.evidence.predicate_types import PROMOTION
from kitops_core.evidence.statements import read_evidence
from kitops_core.parallel import run_all
from kitops_core.promotion.places import Places
from kitops_core.promotion.policy import PromotionPolicy
from kitops_core.promotion.policy_file import as_policy
from kitops_core.promotion.records import PromotionRecord, records_of, walk_records
from kitops_core.reference import Reference, parse_reference
from kitops_core.session import Session, digest_of

if TYPE_CHECKING:
    from kitops_core.evidence.statements import Evidence
    from kitops_core.signing.keys import PublicKey
    from kitops_core.storage import Storage


@dataclass(frozen=True)
class ChannelHistory:
    """What happened to a channel.

    Attributes:
        channel: Its name.
        reference: Its target: repository and tag.
        digest: What the tag points at now, or an empty string where there is no tag.
        records: The promotions and rollbacks that took effect, newest first.
        drift: Whether no record put the tag where it is: something else moved it.
        newer: A record that is newer than all that took effect: its promotion was interrupted, or something else moved
            the tag back afterwards.
    """

    channel: str
    reference: Reference
    digest: str
    records: tuple[PromotionRecord, ...]
    drift: bool
    newer: PromotionRecord | None = None

    @property
    def recorded(self) -> str:
        """The digest that the newest record promoted, or an empty string where nothing was promoted."""
        return self.records[0].digest if self.records else ""

    def standing(self) -> list[PromotionRecord]:
        """The promotions that were not rolled back, newest first: what a rollback goes back through."""
        standing: list[PromotionRecord] = []
        for record in reversed(self.records):
            digests = [other.digest for other in standing]
            if record.action == "rollback" and record.digest in digests:
                del standing[len(digests) - 1 - digests[::-1].index(record.digest) :]
            elif digests[-1:] == [record.digest]:
                del standing[-1]  # the same kit again, after something else had moved the tag
            standing.append(record)
        return standing[::-1]

    def go_back_to(self, digest: str = "") -> PromotionRecord:
        """The record of the kit that a rollback puts back: the one before the present, or ``digest``.

        Raises:
            NotFoundError: Nothing was in the channel before, or not that digest.
        """
        if digest:
            found = next((record for record in self.records if record.digest == digest), None)
            if found is None:
                raise NotFoundError(
                    f"no record says that {digest} was in {self.channel}",
                    hint=f"`kitops history {self.channel}` shows what was",
                )
            return found
        standing = self.standing()
        before = standing if self.drift else standing[1:]
        if not before:
            raise NotFoundError(
                f"{self.channel} has nothing to go back to: no promotion before the present one is recorded",
                hint="promote the kit that it should have, or name one that was there with --to DIGEST",
            )
        return before[0]


def history(
    session: Session,
    channel: str,
    *,
    policy: PromotionPolicy | str | Path = "promotion.yaml",
) -> list[PromotionRecord]:
    """See :meth:`kitops_core.Client.history`."""
    loaded = None if is_kit(channel) else as_policy(policy)
    with Places(session) as places:
        if loaded is not None:
            return [*channel_history(loaded, channel, places).records]
        reference = parse_reference(channel)
        storage = places.storage(reference)
        digest = storage.resolve(reference.target).digest
        return records_of(read_evidence(storage, digest, predicate_type=PROMOTION), digest, ())


def channel_history(
    policy: PromotionPolicy,
    channel: str,
    places: Places,
    *,
    newest_only: bool = False,
    digest: str | None = None,
    search: bool = True,
    earlier: str = "",
) -> ChannelHistory:
    """Read a channel's history; where the policy names keys to trust, records signed by others do not count.

    Args:
        policy: The promotion policy.
        channel: The channel's name.
        places: Where repositories are opened.
        newest_only: Read the last two records only.
        digest: What the channel's tag is known to point at. An empty string then means that nothing was ever there.
        search: Whether to look through the repository for the newest record where the tag's own kit has none.
        earlier: A digest that was in the channel; its records count though no other leads to them.

    Raises:
        DeniedError, RegistryError: The registry refused or failed.
    """
    reference = policy.target(channel)
    reader = _Reader(places.storage(reference), reference, channel, policy.trusted)
    return reader.read(2 if newest_only else None, digest, search, earlier)


class _Reader:
    """Follows one channel's chain of records; what is attached to a digest is read once."""

    def __init__(self, storage: Storage, reference: Reference, channel: str, keys: Sequence[PublicKey]) -> None:
        self._storage = storage
        self._reference = reference
        self._channel = channel
        self._keys = keys
        self._attached: dict[str, list[Evidence]] = {}
        self._ignored: set[str] = set()

    def read(self, limit: int | None, known_digest: str | None, search: bool, earlier: str) -> ChannelHistory:
        digest = digest_of(self._storage, self._reference.target) if known_digest is None else known_digest
        drift = False
        head = digest
        if known_digest != "" and search and (not digest or not self._records(digest)):
            head = self._newest_anywhere(digest) or (earlier if earlier and self._records(earlier) else "")
            drift = head != ""
        chain = [*islice(self._walk(head), limit)]
        if earlier and all(record.digest != earlier for record in chain):
            chain += self._walk(earlier)
        known = {record.record for record in chain}
        others = [r for at in self._attached for r in self._all_records(at) if r.record not in known]
        newer = max(others, key=lambda record: record.time, default=None)
        if newer is not None and chain and newer.time <= chain[0].time:
            newer = None
        return ChannelHistory(
            channel=self._channel,
            reference=self._reference,
            digest=digest,
            records=tuple(chain),
            drift=drift,
            newer=newer,
        )

    def _walk(self, head: str) -> Iterator[PromotionRecord]:
        return walk_records(self._read, self._channel, head, self._keys, self._reference) if head else iter(())

    def _newest_anywhere(self, digest: str) -> str:
        """The digest of the newest record on any kit that can be listed, for a tag whose own kit has none.

        Records that found the tag as it still is are passed over: their promotion was interrupted, or never counted.
        """
        try:
            tags, subjects = [*self._storage.tags()], {*self._storage.subjects()}
        except NotFoundError:  # there is no such repository yet
            return ""
        tagged = run_all([partial(_digest_of, self._storage, tag) for tag in tags], Control())
        digests = sorted(subjects.union(tagged) - {""})
        attached = run_all([partial(_attached, self._storage, at) for at in digests], Control())
        self._attached.update(zip(digests, attached, strict=True))
        records = [record for at in digests for record in self._all_records(at)]
        moved = [record for record in records if record.previous_digest != digest]
        newest = max(moved, key=lambda record: record.time, default=None)
        self._ignored = {record.record for record in records if newest is None or record.time > newest.time}
        return newest.digest if newest else ""

    def _records(self, digest: str) -> list[PromotionRecord]:
        return [record for record in self._all_records(digest) if record.record not in self._ignored]

    def _all_records(self, digest: str) -> list[PromotionRecord]:
        self._read(digest)
        return records_of(self._attached[digest], digest, self._keys, self._channel, self._reference)

    def _read(self, digest: str) -> list[Evidence]:
        if digest not in self._attached:
            self._attached[digest] = _attached(self._storage, digest, Control())
        return [evidence for evidence in self._attached[digest] if evidence.digest not in self._ignored]


def _digest_of(storage: Storage, tag: str, control: Control) -> str:
    control.check()
    return digest_of(storage, tag)


def _attached(storage: Storage, digest: str, control: Control) -> list[Evidence]:
    return read_evidence(storage, digest, predicate_type=PROMOTION, control=control)


def is_kit(name: str) -> bool:
    """Whether :func:`history` takes a name for a reference to a kit, rather than for a channel."""
    return any(character in name for character in "/:@")
