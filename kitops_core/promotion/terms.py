"""What the caller says about a move, beside which kit goes where."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kitops_core.errors import InvalidInputError
from kitops_core.evidence.secrets import redact_text
from kitops_core.promotion.actor import current_actor
from kitops_core.record import Source
from kitops_core.reference import is_digest
from kitops_core.session import Session
from kitops_core.signing.keys import SigningKey

ABSENT = "absent"
"""What ``expect`` says where the channel must have no kit yet."""


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
        unasked: Whether nobody named the kit, so that one which was rolled back stays out.
    """

    expect: str
    dry_run: bool
    key: SigningKey | None
    actor: str
    source: Source
    note: str
    unasked: bool = False

    @staticmethod
    def given(session: Session, expect: str, dry_run: bool, note: str, *, unasked: bool = False) -> Terms:
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
        return Terms(expect, dry_run, session.signer, actor, run, redact_text(note), unasked)
