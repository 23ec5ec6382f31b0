"""One move of a channel's tag: gates, copy, record, tag, in the order that makes an interruption harmless.

Blobs and referrers come first, then the manifest, then the record, and only then the tag. A registry has no conditional
tag write; :meth:`~kitops_core.storage.Storage.swap_tag` says what can be had instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Literal

from kitops_core.errors import GateRefusedError, InvalidInputError, KitOpsError, LostRaceError, NotFoundError
from kitops_core.events import Control
from kitops_core.evidence.predicate_types import PROMOTION
from kitops_core.evidence.secrets import redact_text
from kitops_core.evidence.statement import statement_for
from kitops_core.evidence.statements import write_statement
from kitops_core.kits.copy_graph import copy_manifest
from kitops_core.oci.manifest import Manifest
from kitops_core.promotion.actor import current_actor
from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.gates.candidate import Candidate
from kitops_core.promotion.gates.configured import gates_of
from kitops_core.promotion.gates.evaluate import evaluate
from kitops_core.promotion.history import ChannelHistory, channel_history
from kitops_core.promotion.places import Places
from kitops_core.promotion.policy import PromotionPolicy
from kitops_core.promotion.records import PromotionRecord
from kitops_core.promotion.result import Promotion
from kitops_core.promotion.version_tags import version_tags
from kitops_core.record import Source
from kitops_core.reference import is_digest
from kitops_core.session import FoundKit, Session, digest_of
from kitops_core.signing.keys import SigningKey
from kitops_core.wording import timestamp_text

if TYPE_CHECKING:
    from kitops_core.kits.diff import KitDiff

ABSENT = "absent"
"""What ``expect`` says where the channel must have no kit yet."""

_ASKED_AGAIN = ("signed", "provenance", "license", "required", "max_size", "command")
"""The gates that look at the kit itself; a rollback asks them again, for a signature may no longer hold."""


@dataclass(frozen=True)
class Terms:
    """What the caller said about how to promote.

    Attributes:
        expect: What the channel must have now: a digest, ``absent``, or an empty string for anything.
        dry_run: Only plan.
        key: Signs the record.
        actor: Who promotes.
        source: The pipeline run that promotes.
        note: A sentence for the record.
    """

    expect: str
    dry_run: bool
    key: SigningKey | None
    actor: str
    source: Source
    note: str

    @staticmethod
    def given(session: Session, expect: str, dry_run: bool, note: str) -> Terms:
        """What the caller said, and what the session says of who promotes.

        Raises:
            InvalidInputError: ``expect`` or the key cannot be used.
        """
        if expect not in ("", ABSENT) and not is_digest(expect):
            raise InvalidInputError(
                f"'{expect}' is not what a channel can be expected to have", hint="write a digest, or absent"
            )
        actor = redact_text(session.run.actor or current_actor())
        run = replace(session.run, url=redact_text(session.run.url), actor="")  # the record has the actor itself
        return Terms(expect, dry_run, session.signer, actor, run, redact_text(note))


class Move:
    """One kit on its way into one channel.

    Args:
        policy: The promotion policy.
        name: The channel.
        places: Where repositories are opened.
        terms: How to promote.
        control: Progress and cancelling.

    Raises:
        NotFoundError: There is no such channel.
        LostRaceError: The channel does not have what was expected.
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
        self.current = digest_of(self.storage, self.target.target)
        wanted = {"": self.current, ABSENT: ""}.get(terms.expect, terms.expect)
        if wanted != self.current:
            raise LostRaceError(
                f"{self.target} is expected to be {terms.expect}, and is {self.current or ABSENT}",
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
                hint="give the private key of one that the policy trusts (--key), or change who is trusted there",
            )

    def promote(self, found: FoundKit) -> Promotion:
        """Promote a kit; see :func:`kitops_core.promotion.promote.promote`."""
        past = channel_history(self.policy, self.name, self.places, newest_only=True, digest=self.current)
        candidate = self._candidate(found)
        if self.current == found.manifest.digest and past.records and not past.drift:
            return self._result("promote", candidate, ())
        return self._go("promote", candidate, evaluate(gates_of(self.policy, self.name), candidate), past)

    def roll_back(self, past: ChannelHistory, to: str) -> Promotion:
        """Promote again what the channel had; see :func:`kitops_core.promotion.promote.rollback`."""
        accepted = past.go_back_to(to)
        found = self._find(accepted.digest)
        candidate = self._candidate(found)
        gates = [gate for gate in gates_of(self.policy, self.name) if gate.kind in _ASKED_AGAIN]
        before = GateResult(
            kind="history",
            name=f"was in {self.name} before",
            passed=True,
            detail=f"since {timestamp_text(accepted.time)}, by {accepted.actor}",
            evidence=(accepted.record,),
        )
        return self._go("rollback", candidate, [before, *evaluate(gates, candidate)], past)

    def _go(
        self,
        action: Literal["promote", "rollback"],
        candidate: Candidate,
        gates: Sequence[GateResult],
        past: ChannelHistory,
    ) -> Promotion:
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
        self.control.check()
        record: list[Manifest] = []

        def attach() -> list[Manifest]:
            record.append(self._write_record(planned, candidate.found, past))
            return record

        try:
            if candidate.storage.place == self.storage.place:
                self.storage.put_referrers(attach())
            else:
                known = candidate.attached()
                copy_manifest(
                    candidate.storage,
                    self.storage,
                    manifest,
                    (),
                    self.control,
                    referrers=True,
                    known=known,
                    attach=attach,
                )
            for tag in tags:
                if digest_of(self.storage, tag) != manifest.digest:
                    self.storage.swap_tag(manifest, tag, "", control=self.control)
            self.control.check()
            self.storage.swap_tag(manifest, self.target.target, self.current, control=self.control)
        except BaseException:
            for written in record:
                self._withdraw(written.digest, manifest.digest)
            raise
        return replace(planned, record=record[0].digest, changed=self.current != manifest.digest)

    def _candidate(self, found: FoundKit) -> Candidate:
        return Candidate(
            found,
            self.name,
            self.policy,
            open_channel=lambda name: self.places.find(self.policy.target(name)),
            control=self.control,
        )

    def _version_tags(self, candidate: Candidate) -> tuple[tuple[str, ...], list[GateResult]]:
        """The version tags the kit is to have here, and for each whether it may: they never move."""
        templates = self.channel.version_tags
        if not templates:
            return (), []
        try:
            tags = version_tags(templates, candidate.kit.kitfile, self.name, candidate.digest)
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

    def _find(self, digest: str) -> FoundKit:
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

    def _difference(self, found: FoundKit) -> KitDiff | None:
        from kitops_core.kits.diff import compare

        present = self.places.find(self.target)
        return compare(present, found) if present is not None else None

    def _write_record(self, planned: Promotion, found: FoundKit, past: ChannelHistory) -> Manifest:
        """Write the record of the move to the target's repository; it is attached once its manifest is there too."""
        record = PromotionRecord(
            action=planned.action,
            channel=self.name,
            digest=planned.digest,
            previous_digest=self.current,
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
        statement = statement_for(planned.digest, PROMOTION, record.to_predicate(), name=self.target.name)
        subject = found.manifest.descriptor
        return write_statement(self.storage, subject, statement, key=self.terms.key, control=self.control)[0]

    def _withdraw(self, record: str, digest: str) -> None:
        """Take the record away again where the tag did not move; where that cannot be told, it stays."""
        with suppress(KitOpsError):
            if digest_of(self.storage, self.target.target) != digest:
                self.storage.delete(record)

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
            kit=candidate.kit.record(self.target, previous_digest=self.current),
            dry_run=self.terms.dry_run,
        )
