"""One move of a channel's tag, in an order that makes an interruption harmless, and its memory: the protocol.

A registry moves a tag without a condition, may drop what has no tag, and knows nothing of channels. What it has of one:

- the *tag*, and the kits it had, each under a kept tag of its own (:mod:`kitops_core.oci.own_tags`) before the tag
  points at it;
- the *records*, each attached to its kit. A record names what the tag had before, the record of how that had come
  there, and a number, one more than that record's. It is written before the tag: who finds the kit finds the record;
- the *log tags*, one for each record whose tag was written. The name is the record's own: it is written once, no writer
  can overwrite another's, and tags that are immutable bear it;
- the *claims*, tags of the same kind, one for each record whose tag is about to be written.

A promotion, after the gates: (1) copies what is missing and keeps the kit, (2) attaches the record and claims the tag,
(3) looks whether the tag is still where it was when it was decided, and who else claims it, (4) writes the tag, (5)
writes the log tag, and puts the record into the list that other tools read, where a registry has no API for that: we
find it by its own tag.

Who finds no other claim is alone, and done after another look: whoever claims the tag later looks later, and finds
ours. Who finds another one, of somebody who may be about to write or was killed, first waits until all who may be alone
have written (``settle``), looks again, and after (5) waits as long once more and looks whether it was overwritten by
one who waited likewise. So does who took longer than ``settle`` from (3) to (4), as the others may have stopped
waiting. Of two at once at least one finds the other's claim, as each claims before it looks. What became of it:

- *done*: the tag is ours. Or the record of what it has instead leads back to ours: somebody promoted after us, knowing
  of us, as might have been a second later;
- *lost*, exit code 10: the tag was not where it was expected, or the log tells of a move since it was decided, and the
  tag was not written. The record is withdrawn; that is tidiness only, for without a log tag, and with nothing that
  leads to it, nobody reads it, and its claim costs the next who moves the tag the time to wait;
- *overwritten*, exit code 10 as well: the tag was written, and a writer that had not seen it wrote after us. Somebody
  may have pulled the kit, so the record and the log tag stay, and the history shows it, marked;
- *cannot tell*, exit code 7: the registry went away in between. The record stays.

Killed before (4) nothing has happened: a record that nothing leads to. Killed before (5) the tag leads to the record,
and the next record to it. After (5) all is there.

A history is the line that the records' links give, from the record of what the tag has now, and what else is logged.
So whatever clocks say, however lists are overwritten, and however long a writer sleeps between (3) and (5), *exit code
0 means a log tag, and a log tag is found*. Only which of two writers at once is told that it lost rests on ``settle``.
Where the tag's kit has no record, or an earlier move's while the log has one that followed it, something else moved the
tag: drift. The log is read before the tag, so that a move in between is not taken for that; a promotion reads both at
once, and the tag again where they disagree.

Of several records on the kit that the tag has, one may be of a promotion that was interrupted. The one is taken whose
line leaves out least of the log. The local store and layouts move tags atomically and drop nothing: they have no log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from kitops_core.errors import (
    GateRefusedError,
    InvalidInputError,
    KitOpsError,
    LostRaceError,
    NotFoundError,
    WrongKindError,
)
from kitops_core.events import Control
from kitops_core.evidence.predicate_types import PROMOTION
from kitops_core.evidence.statement import statement_for
from kitops_core.evidence.statements import write_statements
from kitops_core.kits.copy_graph import Attached
from kitops_core.oci.manifest import Manifest
from kitops_core.oci.media_types import EMPTY_DIGEST
from kitops_core.parallel import run_all
from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.gates.candidate import Candidate
from kitops_core.promotion.gates.configured import gates_of
from kitops_core.promotion.gates.gate import Gate
from kitops_core.promotion.gates.variants import evaluate_all
from kitops_core.promotion.history import ChannelHistory, HistoryReader
from kitops_core.promotion.places import Places
from kitops_core.promotion.policy import PromotionPolicy
from kitops_core.promotion.records import PromotionRecord
from kitops_core.promotion.result import Promotion
from kitops_core.promotion.tag_move import TagMove
from kitops_core.promotion.terms import ABSENT, Terms
from kitops_core.promotion.wholes import check_whole, copy_whole, keep_whole, kits_ahead, kits_of, record_of, tags_of
from kitops_core.session import FoundAny, digest_of
from kitops_core.wording import timestamp_text

if TYPE_CHECKING:
    from kitops_core.kits.diff import KitDiff

_ASKED_AGAIN = ("signed", "provenance", "license", "required", "max_size", "command")
"""The gates that look at the kit itself; a rollback asks them again, for a signature may no longer hold."""
_WITHOUT_EVIDENCE = ("license", "required", "max_size", "command", "upstream")
"""The gates that look at nothing attached to it, the last as long as the kit is upstream now."""

T = TypeVar("T")


class Move:
    """One kit, or one index with its kits, on its way into one channel.

    Args:
        policy: The promotion policy.
        name: The channel.
        places: Where repositories are opened.
        terms: How to promote.
        control: Progress and cancelling.

    Attributes:
        current: The digest that the channel has, once :meth:`begin` has looked; empty where it has none.
        held: Whether the channel's repository has the kit already, where that was looked for.
        reader: Reads the channel's past.

    Raises:
        NotFoundError: There is no such channel.
    """

    def __init__(self, policy: PromotionPolicy, name: str, places: Places, terms: Terms, control: Control) -> None:
        self.policy = policy
        self.name = name
        self.channel = policy.channel(name)
        self.places = places
        self.terms = terms
        self.control = control
        self.target = policy.target(name)
        self.storage = places.storage(self.target)
        self.current = ""
        self.held: bool | None = None
        self.reader = HistoryReader(self.storage, self.target, name, policy.trusted)

    def begin(self, *reads: Callable[[], Any]) -> list[Any]:
        """See what the channel has, and read what else the move begins with, all at once.

        Raises:
            LostRaceError: The channel does not have what was expected.
        """
        tasks: list[Callable[[Control], Any]] = [lambda _, read=read: read() for read in (self._look, *reads)]  # type: ignore[misc]
        return run_all(tasks, self.control, at_once=True)[1:]

    def _look(self) -> None:
        expect, self.current = self.terms.expect, digest_of(self.storage, self.target.target)
        wanted = {"": self.current, ABSENT: ""}.get(expect, expect)
        if wanted != self.current:
            raise LostRaceError(
                f"{self.target} is expected to be {expect}, and is {self.current or ABSENT}",
                expected=wanted,
                found=self.current,
                hint="look at what happened with `kitops history`, then decide again",
            )

    def _check_key(self) -> None:
        """See that the record will count, before anything is done: a history with a gap cannot be followed."""
        key, trusted = self.terms.key, self.policy.trusted
        if trusted and (key is None or key.public not in trusted):
            names = " or ".join(public.name for public in trusted)
            given = f"{key.public.name} is none of them" if key else "no key is given to sign it"
            raise InvalidInputError(
                f"a promotion's record only counts when {names} signed it, and {given}",
                hint="give the private key of one that the policy trusts (--sign-key), or change who is trusted there",
            )

    def promote(self, found: FoundAny) -> Promotion:
        """Promote a kit; see :func:`kitops_core.promotion.promote.promote`."""
        gates = gates_of(self.policy, self.name)
        candidate = self._candidate(found)
        past = self._read(candidate, gates, lambda: self.reader.newest(self.current))
        self._check_seen_together(past)
        if self.current == found.manifest.digest and past.records and not past.drift:
            return self._result("promote", candidate, ())
        if self.terms.unasked and (why := past.rolled_back_from(candidate.digest)):
            raise GateRefusedError(f"{why}: promote it by itself")
        return self._go("promote", candidate, evaluate_all(gates, candidate), past)

    def roll_back(self, past: ChannelHistory, to: str) -> Promotion:
        """Promote again what the channel had; see :func:`kitops_core.promotion.promote.rollback`."""
        self._check_seen_together(past)
        accepted = past.go_back_to(to)
        found = self._find(accepted.digest)
        candidate = self._candidate(found)
        gates = [gate for gate in gates_of(self.policy, self.name) if gate.kind in _ASKED_AGAIN]
        self._read(candidate, gates, lambda: None)
        before = GateResult(
            kind="history",
            name=f"was in {self.name} before",
            passed=True,
            detail=f"since {timestamp_text(accepted.time)}, by {accepted.actor}",
            evidence=(accepted.record,),
        )
        return self._go("rollback", candidate, [before, *evaluate_all(gates, candidate)], past)

    def _read(self, candidate: Candidate, gates: Sequence[Gate], past: Callable[[], T]) -> T:
        """The channel's past, while what gates look at is read, and whether the channel's repository has the kit."""
        elsewhere, manifest = candidate.storage.place != self.storage.place, candidate.manifest
        evidence = elsewhere or any(gate.kind not in _WITHOUT_EVIDENCE for gate in gates)

        def look(_: Control) -> None:
            self.held = self.storage.holds(manifest) if elsewhere and isinstance(manifest, Manifest) else None

        reads: list[Callable[[Control], Any]] = [
            lambda _: past(),
            lambda control: candidate.read_ahead(evidence=evidence, control=control),
            look,
            *kits_ahead(candidate, self.storage, self.current),
        ]
        return cast("T", run_all(reads, self.control, at_once=True)[0])

    def _check_seen_together(self, past: ChannelHistory) -> None:
        """See that the tag had not moved yet when the log was read, after it: that would be taken for drift.

        Raises:
            LostRaceError: Another writer moved it.
        """
        found = digest_of(self.storage, self.target.target) if past.drift else past.digest
        if found != self.current:
            raise LostRaceError.at(str(self.target), self.current, found)

    def _go(
        self,
        action: Literal["promote", "rollback"],
        candidate: Candidate,
        gates: Sequence[GateResult],
        past: ChannelHistory,
    ) -> Promotion:
        check_whole(candidate, self.storage)
        tags, free = self._version_tags(candidate)
        planned = replace(self._result(action, candidate, (*gates, *free)), tags=tags)
        manifest = candidate.manifest
        if self.terms.dry_run:
            return replace(planned, diff=self._difference(candidate.found))
        if planned.refused:
            named = "; ".join(f"{gate.name} ({gate.detail})" if gate.detail else gate.name for gate in planned.refused)
            raise GateRefusedError(
                f"{self.name} refuses {manifest.digest}: {named}",
                promotion=planned,
                hint=f"{len(planned.refused)} of {len(planned.gates)} gates refused; nothing was changed",
            )
        self._check_key()
        record: list[Manifest] = []
        said = self._record(planned, candidate.found, past)
        known = candidate.attached()

        def attach() -> list[Manifest]:
            record.append(self._write_record(said, candidate.found, known))
            return record

        to_list: list[Callable[[], None]] = []  # in a copy it may have been listed with what else is attached

        def put(written: Sequence[Manifest]) -> None:
            to_list.append(self.storage.put_unlisted(written))

        move = TagMove(self.storage, self.target, self.current, self.reader, self.control)
        last: list[Callable[[Control], Any]] = [lambda _: move.claim(record[0], said.number)]
        if self.current and self.current != past.recorded:
            last.append(lambda _: self.storage.keep_present(self.current))
        try:
            if candidate.storage.place == self.storage.place:
                keep_whole(candidate, self.storage, self.control, attach)
                last.append(lambda _: put(record))
            else:
                copy_whole(candidate, self.storage, self.control, known, attach, put, held=self.held)
            run_all(last, self.control, at_once=True)
            for tag in tags:
                if digest_of(self.storage, tag) != manifest.digest:
                    self.storage.swap_tag(manifest, tag, "", control=self.control)
            self.control.check()
            move.swap(manifest, record[0], said, to_list, self._built_on)
        except BaseException:
            for written in record if move.stage == "preparing" else ():
                with suppress(KitOpsError):
                    self.storage.delete(written.digest)
            raise
        return replace(planned, record=record[0].digest, changed=self.current != manifest.digest)

    def _built_on(self, digest: str, record: PromotionRecord) -> bool:
        """Whether what the channel has instead was promoted by somebody who knew of our record."""
        reader = HistoryReader(self.storage, self.target, self.name, self.policy.trusted)
        with suppress(KitOpsError):
            return bool(digest) and reader.leads_to(digest, record)
        return False

    def _candidate(self, found: FoundAny) -> Candidate:
        return Candidate(
            found,
            self.name,
            self.policy,
            open_channel=lambda name: self.places.find(self.policy.target(name)),
            control=self.control,
            readings=self.places.readings,
        )

    def _version_tags(self, candidate: Candidate) -> tuple[tuple[str, ...], list[GateResult]]:
        """The version tags the kit is to have here, and for each whether it may: they never move."""
        templates = self.channel.version_tags
        if not templates:
            return (), []
        try:
            tags = tags_of(templates, kits_of(candidate), self.name, candidate.digest)
        except InvalidInputError as error:
            return (), [GateResult(f"version tags {', '.join(templates)}", False, error.message, "version_tags")]
        results = []
        for tag in tags:
            there = digest_of(self.storage, tag)
            free = there in ("", candidate.digest)
            detail = "" if free else f"is {there} already, and version tags never move"
            name = f"has version tag {tag}" if there == candidate.digest else f"version tag {tag} is free"
            results.append(GateResult(name, free, detail, "version_tags"))
        return tags, results

    def _find(self, digest: str) -> FoundAny:
        """A kit that was in the channel before, in the target's repository or in any other channel's.

        Raises:
            NotFoundError: It is in none of them any more.
        """
        homes = [self.target, *(self.policy.target(name) for name in self.policy.channels)]
        for home in {home.name: home for home in homes}.values():
            found = self.places.find(home.with_digest(digest))
            if found is not None:
                return found
        raise NotFoundError(
            f"{self.name} had {digest} before, and it is in none of the channels' repositories any more",
            hint="it was deleted: `kitops history` shows what else was there, and --to goes back to that",
        )

    def _difference(self, found: FoundAny) -> KitDiff | None:
        from kitops_core.kits.diff import compare

        present = self.places.find(self.target)
        with suppress(WrongKindError):  # a kit takes the place of an index, or an index that of a kit
            return compare(present, found) if present is not None else None
        return None

    def _record(self, planned: Promotion, found: FoundAny, past: ChannelHistory) -> PromotionRecord:
        """What is to be said of the move."""
        before = past.line[:1]
        return PromotionRecord(
            action=planned.action,
            channel=self.name,
            digest=planned.digest,
            previous_digest=self.current,
            number=before[0].number + 1 if before else 1,
            previous_record=before[0].record if before else "",
            source=str(found.reference),
            target=str(self.target),
            actor=self.terms.actor,
            time=datetime.now(timezone.utc),
            note=self.terms.note,
            gates=planned.gates,
            run=self.terms.source,
            policy_digest=self.policy.digest,
            drift=past.recorded if past.drift else "",
        )

    def _write_record(self, record: PromotionRecord, found: FoundAny, known: Attached | None) -> Manifest:
        """Write the record to the target's repository; it is attached once its manifest is there too."""
        read = known.manifests.values() if known else ()
        homes = [found.storage.name] if any(one.config.digest == EMPTY_DIGEST for one in read) else []
        statement = statement_for(record.digest, PROMOTION, record.to_predicate(), name=self.target.name)
        subject, key, control = found.manifest.descriptor, self.terms.key, self.control
        written = write_statements(self.storage, subject, [statement], key=key, control=control, mount_from=homes)
        return written[0][0]

    def _result(
        self, action: Literal["promote", "rollback"], candidate: Candidate, gates: Sequence[GateResult]
    ) -> Promotion:
        return Promotion(
            action=action,
            channel=self.name,
            reference=str(replace(self.target, digest=candidate.digest)),
            digest=candidate.digest,
            previous_digest=self.current,
            changed=False,
            gates=tuple(gates),
            kit=record_of(candidate, self.target, self.current),
            dry_run=self.terms.dry_run,
        )
