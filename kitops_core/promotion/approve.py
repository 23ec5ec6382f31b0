"""A person's word, signed, that a kit may go into a channel."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_core.errors import InvalidInputError
from kitops_core.events import Control
from kitops_core.evidence.keys import SigningKey
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
from kitops_core.wording import timestamp_text

if TYPE_CHECKING:
    from kitops_core.storage.registry import RegistryOptions


def approve(
    reference: str,
    to: str,
    *,
    key: SigningKey | str | Path,
    channels: PromotionPolicy | str | Path = "promotion.yaml",
    actor: str = "",
    note: str = "",
    store: Path | None = None,
    registry: RegistryOptions | None = None,
) -> Evidence:
    """Approve a kit for a channel: attach a statement about its digest and the channel, signed by ``key``.

    Args:
        reference: The kit: a reference, the name of a channel, or an empty string for what is in the upstream now.
        to: The channel.
        key: The approver's key, whose public half the channel's ``approvals`` must name.
        channels: The promotion policy, or the file it is in.
        actor: Who approves, for people to read; the key is what counts.
        note: A sentence for the statement.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.

    Raises:
        NotFoundError: There is no such kit or channel.
        InvalidInputError: The policy or the key cannot be used, or an approval by this key would not count there.
        DeniedError, RegistryError: The registry refused or failed.
    """
    policy = as_policy(channels)
    signing = key if isinstance(key, SigningKey) else SigningKey.load(key)
    _check_counts(policy, to, signing)
    with Places(store, registry) as places:
        found = find_candidate(policy, to, reference, places)
        now = timestamp_text(datetime.now(timezone.utc))
        who = redact_text(actor or current_actor())
        predicate = approval_predicate(to, time=now, actor=who, note=redact_text(note))
        statement = statement_for(found.manifest.digest, APPROVAL, predicate, name=found.reference.name)
        return attach_statement(found.storage, found.manifest.descriptor, statement, key=signing, control=Control())


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
