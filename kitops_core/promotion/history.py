"""What was promoted into a channel, read back from the registry alone.

The line of records is followed from the kit that the channel's tag has now: each record names the one before. What else
moved the tag once, the log tags say. :mod:`kitops_core.promotion.move` says why both together miss nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_core.errors import IntegrityError, NotFoundError
from kitops_core.events import Control
from kitops_core.evidence.predicate_types import PROMOTION
from kitops_core.evidence.statements import read_evidence, read_referrer
from kitops_core.oci.own_tags import Logged, logged, short
from kitops_core.parallel import run_all
from kitops_core.promotion.places import Places
from kitops_core.promotion.policy import PromotionPolicy
from kitops_core.promotion.policy_file import as_policy
from kitops_core.promotion.records import PromotionRecord, record_before, records_of, walk_records
from kitops_core.reference import Reference, parse_reference
from kitops_core.session import Session, digest_of
from kitops_core.wording import timestamp_text

if TYPE_CHECKING:
    from kitops_core.signing.keys import PublicKey
    from kitops_core.storage import Storage


@dataclass(frozen=True)
class ChannelHistory:
    """What happened to a channel.

    Attributes:
        channel: Its name.
        reference: Its target: repository and tag.
        digest: What the tag points at now, or an empty string where there is no tag.
        records: The promotions and rollbacks that moved the tag, the last move first; :attr:`PromotionRecord.gap` of
            one says where the history has a gap.
        drift: Whether something else moved the tag: it is not where the last of our moves put it.
    """

    channel: str
    reference: Reference
    digest: str
    records: tuple[PromotionRecord, ...]
    drift: bool

    @property
    def line(self) -> list[PromotionRecord]:
        """The records that lead to what the channel has, or had before something else moved the tag."""
        return [record for record in self.records if not record.overwritten]

    @property
    def recorded(self) -> str:
        """The digest that the newest record promoted, or an empty string where nothing was promoted."""
        return self.line[0].digest if self.line else ""

    def rolled_back_from(self, digest: str) -> str:
        """When and by whom the channel was last rolled back, where that was from this kit; else an empty string."""
        last = self.records[0] if self.records and not self.drift else None
        if last is None or last.action != "rollback" or last.previous_digest != digest:
            return ""
        return f"{self.channel} was rolled back from it ({timestamp_text(last.time)}, by {last.actor})"

    def standing(self) -> list[PromotionRecord]:
        """The promotions that were not rolled back, newest first: what a rollback goes back through."""
        standing: list[PromotionRecord] = []
        for record in reversed(self.line):
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


def channel_history(policy: PromotionPolicy, channel: str, places: Places) -> ChannelHistory:
    """Read a channel's history; where the policy names keys to trust, records signed by others do not count.

    Args:
        policy: The promotion policy.
        channel: The channel's name.
        places: Where repositories are opened.

    Raises:
        DeniedError, RegistryError: The registry refused or failed.
    """
    reference = policy.target(channel)
    return HistoryReader(places.storage(reference), reference, channel, policy.trusted).all()


class HistoryReader:
    """Follows one channel's records; what is attached to a digest is read once.

    Args:
        storage: The channel's repository.
        reference: The channel's target.
        channel: The channel's name.
        keys: Only records that one of these signed count; without keys all do.
    """

    def __init__(self, storage: Storage, reference: Reference, channel: str, keys: Sequence[PublicKey]) -> None:
        self._storage = storage
        self._reference = reference
        self._channel = channel
        self._keys = keys
        self._on: dict[str, list[PromotionRecord]] = {}
        self._named: dict[str, PromotionRecord | None] = {}
        self._own_tags: frozenset[str] = frozenset()
        self._log: list[Logged] | None = None

    def all(self, digest: str | None = None, earlier: str = "") -> ChannelHistory:
        """Everything.

        Args:
            digest: What the channel's tag is known to point at.
            earlier: A digest that was in the channel; its records count though no other leads to them.
        """
        log = self._logged()
        head, drift, digest = self._head(digest)
        line = [*self._walk(head)]
        if not line and earlier:
            line, drift = [*self._walk(self._best(earlier))], True
        shown = {record.record for record in line}
        for entry in log:
            record = self._of(entry)
            if record is not None and record.record not in shown:
                shown.add(record.record)
                line.append(self._beside(record, line))
        for record in self._records_on(earlier) if earlier and all(one.digest != earlier for one in line) else ():
            line.append(replace(record, overwritten=True))
        records = sorted(line, key=lambda record: (record.number, not record.overwritten), reverse=True)
        return self._history(digest, records, drift)

    def read_log(self) -> None:
        """Read the log tags now."""
        self._logged()

    @property
    def log_tags(self) -> frozenset[str]:
        """The channel's log tags as they were when they were read."""
        return frozenset(entry.tag for entry in self._logged())

    def newest(self, digest: str | None = None) -> ChannelHistory:
        """The last record only, which the log shows to be the last.

        Args:
            digest: What the channel's tag is known to point at.
        """
        head, drift, digest = self._head(digest)
        return self._history(digest, [head] if head else [], drift)

    def leads_to(self, digest: str, record: PromotionRecord) -> bool:
        """Whether what the channel has now, ``digest``, was promoted after a record, and knowing of it."""
        return any(self._follows(head, record) for head in self._records_on(digest))

    def _history(self, digest: str, records: Sequence[PromotionRecord], drift: bool) -> ChannelHistory:
        return ChannelHistory(self._channel, self._reference, digest, tuple(records), drift)

    # --- the line ----------------------------------------------------------------------------------------------

    def _head(self, digest: str | None) -> tuple[PromotionRecord | None, bool, str]:
        """The record of the last move, whether something else moved the tag since, and what the tag has."""
        self._logged()  # before the tag is looked at, which then is as new or newer
        found = digest_of(self._storage, self._reference.target) if digest is None else digest
        head = self._best(found) if found else None
        if head is None:
            last = self._last_logged() or (None if digest == "" else self._last_anywhere(found))
            return last, last is not None and last.digest != found, found
        last = self._last_logged()
        if last is not None and last.number > head.number and self._follows(last, head):
            return last, True, found
        return head, False, found

    def _best(self, digest: str) -> PromotionRecord | None:
        """Of the records on a digest the one of the last move: where it is not plain, the one that leaves out least.

        A record whose promotion was interrupted may be there beside. The log does not know it, and where it was written
        by somebody who did not see what happened last, it leads past what the log knows.
        """
        records = self._records_on(digest)
        if len(records) < 2:
            return next(iter(records), None)
        log = self._logged()
        shorts = {entry.short for entry in log}
        known = [record for record in records if short(record.record) in shorts]
        records = [record for record in records if not known or record.number >= known[0].number]
        if len(records) < 2:
            return records[0]

        def left_out(head: PromotionRecord) -> int:
            return len(shorts - {short(record.record) for record in self._walk(head)})

        return min(records, key=lambda record: (left_out(record), -record.number, short(record.record) not in shorts))

    def _walk(self, head: PromotionRecord | None) -> Iterator[PromotionRecord]:
        return iter(()) if head is None else (self._named_gap(record) for record in walk_records(head, self._before))

    def _follows(self, record: PromotionRecord, earlier: PromotionRecord) -> bool:
        later = takewhile(lambda one: one.number >= earlier.number, self._walk(record))
        return any(one.record == earlier.record for one in later)

    def _before(self, record: PromotionRecord) -> PromotionRecord | None:
        """The record before: the one that is named, or where it is gone, one that stands in for it."""
        if not record.previous_record:
            return None
        named = self._read(record.previous_record)
        if named is not None and named.digest == record.before and named.number < record.number:
            return named
        return record_before(record, self._records_on(record.before)) or self._logged_before(record.number)

    def _named_gap(self, record: PromotionRecord) -> PromotionRecord:
        if not record.previous_record:
            return record
        before = self._before(record)
        if before is not None and before.digest == record.before:
            return record
        what = f"the record {record.previous_record} of how {record.before} came there"
        return replace(record, gap=f"{what} is gone, or does not count")

    # --- the log -----------------------------------------------------------------------------------------------

    def _logged(self) -> list[Logged]:
        """The log tags of this channel, the last move first."""
        if self._log is None:
            with suppress(NotFoundError):  # there may be no such repository yet
                self._own_tags = frozenset(self._storage.own_tags())
            found = [logged(tag, self._reference.target) for tag in self._own_tags]
            self._log = sorted((one for one in found if one), key=lambda one: (one.number, one.short), reverse=True)
        return self._log

    def _last_logged(self) -> PromotionRecord | None:
        return next((record for record in map(self._of, self._logged()) if record), None)

    def _logged_before(self, number: int) -> PromotionRecord | None:
        return next((one for entry in self._logged() if entry.number < number and (one := self._of(entry))), None)

    def _of(self, entry: Logged) -> PromotionRecord | None:
        """The record of a log tag, ``None`` where it does not count, or is not the one that the tag says."""
        known = [one for one in self._named.values() if one and short(one.record) == entry.short]
        known += [one for records in self._on.values() for one in records if short(one.record) == entry.short]
        record = known[0] if known else self._read(entry.tag)
        return record if record and (record.number, short(record.record)) == (entry.number, entry.short) else None

    def _beside(self, record: PromotionRecord, line: Sequence[PromotionRecord]) -> PromotionRecord:
        """A move that is not in the line, marked; but not where another record of the same move is."""
        move = (record.digest, record.number, record.previous_record)
        same = any((one.digest, one.number, one.previous_record) == move for one in line if not one.overwritten)
        return record if same else replace(record, overwritten=True)

    # --- reading -----------------------------------------------------------------------------------------------

    def _last_anywhere(self, digest: str) -> PromotionRecord | None:
        """The last record on any kit that can be listed, for a storage without a log, and a tag whose kit has none.

        Records that found the tag as it still is are passed over: their promotion was interrupted, or never counted.
        """
        subjects = sorted({*self._storage.subjects()}) if not self._own_tags else []
        for records in run_all([partial(self._records_of, at) for at in subjects], self._storage.control):
            for record in records:
                self._on.setdefault(record.digest, records)
        found = [one for at in subjects for one in self._on.get(at, ()) if one.previous_digest != digest]
        return max(found, key=lambda record: record.number, default=None)

    def _records_on(self, digest: str) -> list[PromotionRecord]:
        if digest not in self._on:
            self._on[digest] = self._records_of(digest, self._storage.control)
        return self._on[digest]

    def _records_of(self, digest: str, control: Control) -> list[PromotionRecord]:
        evidence = read_evidence(self._storage, digest, predicate_type=PROMOTION, control=control)
        return records_of(evidence, digest, self._keys, self._channel, self._reference)

    def _read(self, target: str) -> PromotionRecord | None:
        """The record with a digest or a log tag, ``None`` where there is none that counts."""
        if target not in self._named:
            known = [one for records in self._on.values() for one in records if one.record == target]
            self._named[target] = known[0] if known else self._fetch(target)
        return self._named[target]

    def _fetch(self, target: str) -> PromotionRecord | None:
        try:
            evidence = read_referrer(self._storage, target)
        except (NotFoundError, IntegrityError):
            return None
        found = records_of([evidence], evidence.subject, self._keys, self._channel, self._reference)
        return next(iter(found), None)


def is_kit(name: str) -> bool:
    """Whether :func:`history` takes a name for a reference to a kit, rather than for a channel."""
    return any(character in name for character in "/:@")
