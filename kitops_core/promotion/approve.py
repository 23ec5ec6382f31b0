"""A person's word, signed, that a kit may go into a channel."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from kitops_core.errors import InvalidInputError
from kitops_core.evidence.predicate_types import APPROVAL
from kitops_core.evidence.secrets import redact_text
from kitops_core.evidence.statement import statement_for
from kitops_core.evidence.statements import Evidence, attach_statement
from kitops_core.promotion.actor import current_actor
from kitops_core.promotion.gates.signed import approval_predicate
from kitops_core.promotion.places import Places
from kitops_core.promotion.policy import PromotionPolicy
from kitops_core.promotion.policy_file import as_policy
from kitops_core.promotion.promote import find_candidate
from kitops_core.session import Session
from kitops_core.signing.keys import SigningKey
from kitops_core.wording import timestamp_text


def approve(
    session: Session,
    reference: str,
    to: str,
    *,
    policy: PromotionPolicy | str | Path = "promotion.yaml",
    note: str = "",
) -> Evidence:
    """See :meth:`kitops_core.Client.approve`."""
    loaded = as_policy(policy)
    signer = session.need_signer("the approval")
    _check_counts(loaded, to, signer)
    with Places(session) as places:
        found = find_candidate(loaded, to, reference, places)
        now = timestamp_text(datetime.now(timezone.utc))
        who = redact_text(session.run.actor or current_actor())
        predicate = approval_predicate(to, time=now, actor=who, note=redact_text(note))
        statement = statement_for(found.manifest.digest, APPROVAL, predicate, name=found.reference.name)
        return attach_statement(
            found.storage, found.manifest.descriptor, statement, key=signer, control=session.control
        )


def _check_counts(policy: PromotionPolicy, channel: str, key: SigningKey) -> None:
    """See that an approval will count: one that does not would be found out only when the promotion is refused."""
    asked = policy.channel(channel).approvals
    if asked is None:
        raise InvalidInputError(f"channel '{channel}' asks for no approvals", hint="promote into it as it is")
    named = policy.keys(asked.keys)
    if key.public not in named:
        raise InvalidInputError(
            f"channel '{channel}' takes approvals by {' or '.join(one.name for one in named)}, "
            f"and {key.public.name} is none of them",
            hint="give the private key of one of them, or name yours under the channel's approvals",
        )
